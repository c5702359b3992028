/* Counters of one worker. One thread writes, the keeper reads when somebody scrapes: relaxed
 * atomics, no lock. */
#ifndef BARKEEP_PROXY_METRICS_H
#define BARKEEP_PROXY_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "config/config.h"
#include "core/buf.h"
#include "core/reason.h"

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

struct route_metrics {
    metric requests[REASON_COUNT];
    struct histogram seconds;
    metric scrubbed;
    metric upstream_idle;
    metric upstream_busy;
};

struct worker_metrics {
    size_t route_count;
    struct route_metrics *routes; /* [route_count] is "no route" */
    struct histogram overhead;
    metric connections;
    metric token_checks[TOKEN_CHECK_COUNT];
    metric token_cache_hits;
};

enum status worker_metrics_init(struct worker_metrics *metrics, size_t route_count);
void worker_metrics_done(struct worker_metrics *metrics);

/* How a reason counts in the audit line and in the `decision` label. */
const char *decision_label(enum reason reason);

/* The data path's metrics of all workers as Prometheus text. */
void metrics_write_workers(struct buf *out, const struct config *config,
                           struct worker_metrics *const *workers, size_t worker_count);
/* A label value with backslash, quote and newline escaped. */
void metrics_write_label(struct buf *out, const char *value);

#endif
