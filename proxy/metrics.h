/* Counters of one worker. One thread writes, the keeper reads when somebody scrapes: relaxed
 * atomics, no lock. */
#ifndef BARKEEP_PROXY_METRICS_H
#define BARKEEP_PROXY_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/reason.h"
#include "core/status.h"

typedef _Atomic uint64_t metric;

static inline void metric_add(metric *value, uint64_t n) {
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void metric_sub(metric *value, uint64_t n) {
    atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) - n,
                          memory_order_relaxed);
}

static inline uint64_t metric_get(const metric *value) {
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* Upper bounds in microseconds; the last bucket is +Inf. */
#define METRIC_BUCKETS_US(X)                                                                       \
    X(50)                                                                                          \
    X(100)                                                                                         \
    X(250)                                                                                         \
    X(500)                                                                                         \
    X(1000)                                                                                        \
    X(2500)                                                                                        \
    X(5000)                                                                                        \
    X(10000)                                                                                       \
    X(25000)                                                                                       \
    X(50000)                                                                                       \
    X(100000)                                                                                      \
    X(250000)                                                                                      \
    X(500000)                                                                                      \
    X(1000000)                                                                                     \
    X(2500000)                                                                                     \
    X(5000000)                                                                                     \
    X(10000000)                                                                                    \
    X(60000000)
#define METRIC_COUNT_ONE(us) +1
enum { METRIC_BUCKET_COUNT = METRIC_BUCKETS_US(METRIC_COUNT_ONE) };

struct histogram {
    metric buckets[METRIC_BUCKET_COUNT + 1];
    metric sum_us;
};

void histogram_observe(struct histogram *histogram, uint64_t us);

enum token_check {
    TOKEN_CHECK_ACCEPTED,
    TOKEN_CHECK_REFUSED,
    TOKEN_CHECK_KEYS_MISSING,
    TOKEN_CHECK_COUNT
};

enum tls_handshake {
    TLS_HANDSHAKE_FULL,
    TLS_HANDSHAKE_RESUMED,
    TLS_HANDSHAKE_FAILED,
    TLS_HANDSHAKE_TIMEOUT,
    TLS_HANDSHAKE_COUNT
};

/* What can be reached so that something is refused for want of room. X(enumerator, label) */
#define WORKER_LIMITS(X)                                                                           \
    X(LIMIT_CONNECTIONS, "connections")                                                            \
    X(LIMIT_CONNECTIONS_PER_CLIENT, "connections_per_client")                                      \
    X(LIMIT_BUFFER_MEMORY, "buffer_memory")                                                        \
    X(LIMIT_DESCRIPTORS, "descriptors")                                                            \
    X(LIMIT_TLS_WORK, "tls_work")                                                                  \
    X(LIMIT_MEMORY, "memory")

enum worker_limit {
#define X(enumerator, label) enumerator,
    WORKER_LIMITS(X)
#undef X
        WORKER_LIMIT_COUNT
};

struct route_metrics {
    metric requests[REASON_COUNT];
    struct histogram seconds;
    metric scrubbed;
    metric upstream_idle;
    metric upstream_busy;
    metric upstreams_ejected; /* bits: by position among the route's upstreams */
    metric ejections;
    metric refused_full;    /* for want of an upstream that may have another request */
    metric refused_ejected; /* all upstreams being ejected and tried */
    metric retries_sent;
    metric retries_withheld;
};

/* Where each route counts, by name: the same place under every configuration. Place 0 belongs to
 * requests without a route. Used by the keeper's thread. */
struct route_places {
    char **names;
    size_t count;
};

enum {
    ROUTE_BLOCK_PLACES = 64,
    ROUTE_BLOCKS = 256,
    ROUTE_PLACES_MAX = ROUTE_BLOCK_PLACES * ROUTE_BLOCKS,
};

enum status route_places_init(struct route_places *places);
void route_places_done(struct route_places *places);
/* The name's place, from now on if it had none; 0 without memory or beyond ROUTE_PLACES_MAX. It is
 * looked for at `hint` first. */
size_t route_places_find(struct route_places *places, const char *name, size_t hint);

struct worker_metrics {
    _Atomic(struct route_metrics *) blocks[ROUTE_BLOCKS]; /* of ROUTE_BLOCK_PLACES each */
    struct histogram overhead;
    metric connections;
    metric token_checks[TOKEN_CHECK_COUNT];
    metric token_cache_hits;
    metric tls_handshakes[TLS_HANDSHAKE_COUNT];
    metric limits_reached[WORKER_LIMIT_COUNT];
};

void worker_metrics_init(struct worker_metrics *metrics);
void worker_metrics_done(struct worker_metrics *metrics);
/* Room for `count` places. By the keeper's thread, before the worker hears of them. */
enum status worker_metrics_make_room(struct worker_metrics *metrics, size_t count);
static inline struct route_metrics *worker_route_metrics(struct worker_metrics *metrics,
                                                         size_t place) {
    struct route_metrics *block =
        atomic_load_explicit(&metrics->blocks[place / ROUTE_BLOCK_PLACES], memory_order_acquire);
    return &block[place % ROUTE_BLOCK_PLACES];
}

/* How a reason counts in the audit line and in the `decision` label. */
const char *decision_label(enum reason reason);

/* Bits: the upstreams of the route at `place` that some worker leaves alone, by position. */
uint64_t metrics_upstreams_ejected(struct worker_metrics *const *workers, size_t worker_count,
                                   size_t place);
/* The data path's metrics of all workers as Prometheus text. */
void metrics_write_workers(struct buf *out, const struct route_places *places,
                           struct worker_metrics *const *workers, size_t worker_count);
/* A label value with backslash, quote and newline escaped. */
void metrics_write_label(struct buf *out, const char *value);

#endif
