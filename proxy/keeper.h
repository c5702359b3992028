/* The main thread: owns everything slow and everything outward to Azure, publishes snapshots,
 * answers the workers' wants, serves the admin listener, and carries signals. */
#ifndef BARKEEP_PROXY_KEEPER_H
#define BARKEEP_PROXY_KEEPER_H

#include "auth/group_source.h"
#include "auth/key_source.h"
#include "config/config.h"
#include "proxy/worker.h"
#include "vault/secret_store.h"

struct keeper;

/* Runs the proxy until it has drained; `takes_over`: with the sockets of the one that runs already.
 * Returns the process's exit code: 0, or 3 with one line on stderr. */
int keeper_serve(struct config *config, bool takes_over);

/* For the admin listener. */
const struct config *keeper_config(const struct keeper *keeper);
const struct key_source *keeper_key_source(const struct keeper *keeper);
const struct group_source *keeper_group_source(const struct keeper *keeper);
const struct secret_store *keeper_secret_store(const struct keeper *keeper);
bool keeper_is_draining(const struct keeper *keeper);
uint64_t keeper_audit_dropped(const struct keeper *keeper);
uint64_t keeper_rates_forgotten(const struct keeper *keeper);
const struct route_places *keeper_route_places(const struct keeper *keeper);
/* Where the route of the configuration in force counts. */
size_t keeper_route_place(const struct keeper *keeper, size_t route);
size_t keeper_worker_count(const struct keeper *keeper);
struct worker_metrics *keeper_worker_metrics(const struct keeper *keeper, size_t index);

#endif
