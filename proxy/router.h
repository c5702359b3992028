/* Finds the route of a request: routes with a matching host come first, then the longest path wins
 * (contract section 2). */
#ifndef BARKEEP_PROXY_ROUTER_H
#define BARKEEP_PROXY_ROUTER_H

#include "config/config.h"

struct router;

/* `config` must outlive the router. NULL without memory. */
struct router *router_new(const struct config *config);
void router_free(struct router *router);

/* `host` as in Host, without port, any case; `path` canonical. CONFIG_NONE when nothing matches;
 * else the route's index and in out_below the path below its prefix. */
size_t router_find(const struct router *router, struct slice host, struct slice path,
                   struct slice *out_below);

#endif
