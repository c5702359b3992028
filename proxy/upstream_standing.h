/* What a worker knows of one upstream of a route beyond its connections: its health, how many
 * requests are under way, what may be sent again. Outlives reloads as long as a configuration has
 * the upstream. Used by one thread, but for the counters. */
#ifndef BARKEEP_PROXY_UPSTREAM_STANDING_H
#define BARKEEP_PROXY_UPSTREAM_STANDING_H

#include "proxy/metrics.h"
#include "proxy/upstream_health.h"

/* One of five requests may be sent again, and some more in a row. */
enum { RETRY_SHARE = 5, RETRY_BURST = 32 };

/* Of a route; their states are bits. */
enum { STANDING_NO_PLACE = CONFIG_UPSTREAMS_MAX };

struct upstream_standing {
    size_t holders;
    struct route_metrics *metrics; /* the route's, of this worker */
    uint32_t place; /* among the route's upstreams; STANDING_NO_PLACE: no longer one of them */
    struct upstream_health health;
    uint32_t requests;     /* under way */
    uint32_t awaiting;     /* of them, how many have no answer yet */
    uint32_t retry_credit; /* in shares of a retry */
    char text[];           /* the upstream as it was written */
};

/* NULL without memory. */
struct upstream_standing *upstream_standing_new(const char *text, struct route_metrics *metrics);
struct upstream_standing *upstream_standing_ref(struct upstream_standing *standing);
void upstream_standing_unref(struct upstream_standing *standing); /* NULL is fine */

/* It is the route's upstream `place`, or STANDING_NO_PLACE, from now on. */
void upstream_standing_move(struct upstream_standing *standing, uint32_t place);

/* A request under way: begun, answered (or not), ended. */
void upstream_standing_begin(struct upstream_standing *standing, const struct config_health *terms,
                             uint64_t now_ms);
void upstream_standing_stop_awaiting(struct upstream_standing *standing);
void upstream_standing_end(struct upstream_standing *standing);

/* True when it was ejected and is so no longer. */
bool upstream_standing_note_success(struct upstream_standing *standing);
/* True when it is ejected by this one. */
bool upstream_standing_note_failure(struct upstream_standing *standing,
                                    const struct config_health *terms, uint64_t now_ms);
/* Counts a retry; false when too many were sent of late. */
bool upstream_standing_take_retry(struct upstream_standing *standing);

#endif
