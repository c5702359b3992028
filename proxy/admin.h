/* The admin listener: /healthz, /readyz, /metrics, /api/status and the status page. GET only,
 * nothing secret, served by libmicrohttpd on the keeper's loop so that it answers while the workers
 * are busy. */
#ifndef BARKEEP_PROXY_ADMIN_H
#define BARKEEP_PROXY_ADMIN_H

#include "core/loop.h"

struct admin;
struct keeper;

/* Takes the listening descriptor. NULL on failure. */
struct admin *admin_new(struct loop *loop, struct keeper *keeper, int listen_fd, struct error *err);
/* Another process answers at its address from now on. */
void admin_stop_listening(struct admin *admin);
void admin_free(struct admin *admin); /* NULL is fine */

#endif
