/* Connections to upstreams: opened without blocking, kept alive, never handed on unless clean, and
 * only to requests under the same client certificate. */
#ifndef BARKEEP_PROXY_UPSTREAM_H
#define BARKEEP_PROXY_UPSTREAM_H

#include "proxy/conn.h"
#include "proxy/tls.h"
#include "proxy/upstream_standing.h"
#include "proxy/worker.h"

struct upstream_shelf;

struct upstream {
    struct conn conn;
    struct grave grave;
    struct worker *worker;
    struct upstream_pool *pool;
    struct upstream_shelf *shelf;
    struct exchange *exchange; /* NULL while idle */
    bool is_connected;         /* and, for https, verified */
    bool is_reused;            /* served an exchange before */
    bool is_closed;
    uint32_t flips; /* the pool's when it was opened */
    struct upstream *previous_idle, *next_idle;
    struct loop_timer idle_timer;
};

/* The connections of one pool that present the same client certificate: one takes another's place,
 * and their handshakes may shorten each other's. */
struct upstream_shelf {
    uint64_t generation; /* of the rendering the certificate came from; 0: none is presented */
    struct upstream *idle_first; /* the last one used comes out first */
    size_t upstream_count;       /* idle or not */
    struct tls_ticket ticket;
    struct upstream_shelf *next;
};

/* One per configured upstream and worker. */
struct upstream_pool {
    struct upstream_pools *owner;
    struct route_metrics *metrics; /* the route's, of this worker */
    uint32_t turn; /* of a route's first pool: whose turn it is among the route's upstreams */
    struct upstream_shelf shelf; /* generation 0; the others hang on it */
    size_t idle_count;
    struct upstream_standing *standing;
    size_t good_address;   /* the one to begin with: it worked last */
    uint32_t flips;        /* how often its name has led elsewhere */
    const char *complaint; /* what was logged last about connecting; lives for ever */
    uint64_t complained_ms;
};

/* The pools of one configuration: they live as long as an exchange or a connection of theirs. Used
 * by one thread. */
struct upstream_pools {
    size_t holders;
    struct worker *worker;
    bool is_retired;     /* another configuration is in force: nothing is kept idle any more */
    uint64_t retired_ms; /* since when, by the loop's clock */
    size_t *first_pool;  /* by route: where its pools begin */
    uint64_t *marks; /* by pool: a hash of its upstream's URL, the same in every process; not 0 */
    size_t count;
    struct upstream_pool items[]; /* by address_book_index() */
};

/* What the worker's former pools know of the same upstreams goes on. NULL without memory. */
struct upstream_pools *upstream_pools_new(struct worker *worker, const struct ruleset *rules);
struct upstream_pools *upstream_pools_ref(struct upstream_pools *pools);
void upstream_pools_unref(struct upstream_pools *pools); /* NULL is fine */
/* Closes what is idle and lets nothing become idle again. */
void upstream_pools_retire(struct upstream_pools *pools);

/* Names lead elsewhere now: no connection to where they led is handed on. Both books are of the
 * pools' configuration. */
void upstream_pools_follow(struct upstream_pools *pools, const struct address_book *former,
                           const struct address_book *next);

/* A clean idle connection of this generation that still lives, or NULL. */
struct upstream *upstream_take_idle(struct upstream_pool *pool, uint64_t generation,
                                    struct exchange *exchange);
/* Starts connecting to `addresses->items[index]`. NULL when that fails at once. */
struct upstream *upstream_connect(struct worker *worker, struct upstream_pool *pool,
                                  uint64_t generation, const struct upstream_addresses *addresses,
                                  size_t index, struct exchange *exchange);
/* After an event on a connecting socket. */
bool upstream_connect_succeeded(struct upstream *upstream);
/* The socket is connected: no longer counts as connected before upstream_handshake() gives IO_OK.
 * False without memory. */
bool upstream_start_tls(struct upstream *upstream, const struct tls_context *context,
                        const struct config_upstream *target,
                        const struct client_certificate *certificate);
enum io_result upstream_handshake(struct upstream *upstream);
/* Back to the pool, for at most `idle_ms`. Closes it instead when something about it is in doubt.
 */
void upstream_release(struct upstream *upstream, uint32_t idle_ms);
/* No event for its exchange follows. Idempotent; memory goes at the end of the turn. */
void upstream_close(struct upstream *upstream);

#endif
