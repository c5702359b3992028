/* Connections to upstreams: opened without blocking, kept alive, never handed on unless clean. */
#ifndef BARKEEP_PROXY_UPSTREAM_H
#define BARKEEP_PROXY_UPSTREAM_H

#include "proxy/conn.h"
#include "proxy/worker.h"

struct upstream {
    struct conn conn;
    struct grave grave;
    struct worker *worker;
    struct upstream_pool *pool;
    struct exchange *exchange; /* NULL while idle */
    bool is_connected;
    bool is_reused; /* served an exchange before */
    bool is_closed;
    struct upstream *previous_idle, *next_idle;
    struct loop_timer idle_timer;
};

/* One per configured upstream and worker. Idle connections: the last one used comes out first. */
struct upstream_pool {
    size_t route;
    size_t upstream;
    uint32_t turn; /* of a route's first pool: whose turn it is among the route's upstreams */
    struct upstream *idle_first;
    size_t idle_count;
};

/* A clean idle connection that still lives, or NULL. */
struct upstream *upstream_take_idle(struct worker *worker, struct upstream_pool *pool,
                                    struct exchange *exchange);
/* Starts connecting to `addresses->items[index]`. NULL when that fails at once. */
struct upstream *upstream_connect(struct worker *worker, struct upstream_pool *pool,
                                  const struct upstream_addresses *addresses, size_t index,
                                  struct exchange *exchange);
/* After an event on a connecting socket. */
bool upstream_connect_succeeded(struct upstream *upstream);
/* Back to the pool, for at most `idle_ms`. Closes it instead when something about it is in doubt.
 */
void upstream_release(struct upstream *upstream, uint32_t idle_ms);
/* No event for its exchange follows. Idempotent; memory goes at the end of the turn. */
void upstream_close(struct upstream *upstream);
/* Closes every idle connection. */
void upstream_pool_clear(struct upstream_pool *pool);

#endif
