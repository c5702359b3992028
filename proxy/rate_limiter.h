/* How often somebody may call: token buckets in one table that all workers share. */
#ifndef BARKEEP_PROXY_RATE_LIMITER_H
#define BARKEEP_PROXY_RATE_LIMITER_H

#include "auth/identity.h"
#include "config/config.h"
#include "proxy/client_address.h"

/* 131,072 buckets in 2 MiB, touched only once rates are configured. */
enum { RATE_SETS = 16384, RATE_WAYS = 8 };

struct rate_limiter;

/* One limit that a call is under, by the name of the route, the label of the entry or the name of
 * the session that has it. A bucket belongs to that name, to the rate as it is written, and to the
 * caller: so it outlives a reload that changes neither, and is full after one that does. */
enum rate_scope { RATE_OF_ROUTE, RATE_OF_ENTRY, RATE_OF_SESSION };

struct rate_demand {
    const struct config_rate *rate;
    enum rate_scope scope;
    const char *name;
};

enum { RATE_DEMANDS_MAX = 2 };

/* By identity it is tenant and object id that count, by client its address; of an IPv6 address the
 * first 64 bits, since whoever has one has all of its network. Clients without an address (unix
 * sockets) count as one. */
struct rate_caller {
    const struct identity *identity;
    const struct client_address *client;
};

/* NULL without memory, or when the system gives no random bytes. */
struct rate_limiter *rate_limiter_new(void);
void rate_limiter_free(struct rate_limiter *limiter); /* NULL is fine */

/* Takes one call from the bucket of every demand (at most RATE_DEMANDS_MAX), or from none of them.
 * Returns 0 when it did, else how long (in ns) until all of them would have one. `now_ns` is
 * monotonic. From any thread; never waits. */
uint64_t rate_limiter_take(struct rate_limiter *limiter, const struct rate_demand *demands,
                           size_t count, const struct rate_caller *caller, uint64_t now_ns);

/* Buckets that were forgotten before they were full again, for want of room. */
uint64_t rate_limiter_forgotten(const struct rate_limiter *limiter);

#endif
