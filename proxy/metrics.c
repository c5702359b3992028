/* Exposition follows the Prometheus text format 0.0.4. */
#include "proxy/metrics.h"

#include <stdlib.h>

#define METRIC_BOUND(us) us,
static const uint64_t bounds_us[METRIC_BUCKET_COUNT] = {METRIC_BUCKETS_US(METRIC_BOUND)};

static const char *const token_check_labels[TOKEN_CHECK_COUNT] = {
    [TOKEN_CHECK_ACCEPTED] = "accepted",
    [TOKEN_CHECK_REFUSED] = "refused",
    [TOKEN_CHECK_KEYS_MISSING] = "keys_missing",
};

static const char *const tls_handshake_labels[TLS_HANDSHAKE_COUNT] = {
    [TLS_HANDSHAKE_FULL] = "full",
    [TLS_HANDSHAKE_RESUMED] = "resumed",
    [TLS_HANDSHAKE_FAILED] = "failed",
    [TLS_HANDSHAKE_TIMEOUT] = "timeout",
};

void histogram_observe(struct histogram *histogram, uint64_t us) {
    size_t bucket = 0;
    while (bucket < METRIC_BUCKET_COUNT && us > bounds_us[bucket]) {
        bucket++;
    }
    metric_add(&histogram->buckets[bucket], 1);
    metric_add(&histogram->sum_us, us);
}

enum status route_places_init(struct route_places *places) {
    *places = (struct route_places){0};
    places->names = calloc(ROUTE_PLACES_MAX, sizeof *places->names);
    if (!places->names || !(places->names[0] = slice_strdup(SLICE("")))) {
        route_places_done(places);
        return STATUS_NO_MEMORY;
    }
    places->count = 1;
    return STATUS_OK;
}

void route_places_done(struct route_places *places) {
    for (size_t i = 0; i < places->count; i++) {
        free(places->names[i]);
    }
    free(places->names);
    *places = (struct route_places){0};
}

size_t route_places_find(struct route_places *places, const char *name, size_t hint) {
    if (hint > 0 && hint < places->count && strcmp(places->names[hint], name) == 0) {
        return hint;
    }
    for (size_t i = 1; i < places->count; i++) {
        if (strcmp(places->names[i], name) == 0) {
            return i;
        }
    }
    if (places->count == ROUTE_PLACES_MAX ||
        !(places->names[places->count] = slice_strdup(slice_of_str(name)))) {
        return 0;
    }
    return places->count++;
}

void worker_metrics_init(struct worker_metrics *metrics) {
    memset(metrics, 0, sizeof *metrics);
}

void worker_metrics_done(struct worker_metrics *metrics) {
    for (size_t i = 0; i < ROUTE_BLOCKS; i++) {
        free(atomic_load_explicit(&metrics->blocks[i], memory_order_relaxed));
        atomic_store_explicit(&metrics->blocks[i], NULL, memory_order_relaxed);
    }
}

enum status worker_metrics_make_room(struct worker_metrics *metrics, size_t count) {
    for (size_t i = 0; i * ROUTE_BLOCK_PLACES < count; i++) {
        if (atomic_load_explicit(&metrics->blocks[i], memory_order_relaxed)) {
            continue;
        }
        struct route_metrics *block = calloc(ROUTE_BLOCK_PLACES, sizeof *block);
        if (!block) {
            return STATUS_NO_MEMORY;
        }
        atomic_store_explicit(&metrics->blocks[i], block, memory_order_release);
    }
    return STATUS_OK;
}

const char *decision_label(enum reason reason) {
    if (reason == REASON_NONE) {
        return "allow";
    }
    return reason_http_status(reason) < 500 ? "deny" : "error";
}

void metrics_write_label(struct buf *out, const char *value) {
    for (const char *at = value; *at; at++) {
        if (*at == '\\' || *at == '"') {
            buf_append_char(out, '\\');
        }
        if (*at == '\n') {
            buf_append_str(out, "\\n");
        } else {
            buf_append_char(out, *at);
        }
    }
}

static void write_requests(struct buf *out, const struct route_places *places,
                           struct worker_metrics *const *workers, size_t worker_count) {
    buf_append_str(
        out, "# HELP barkeep_requests_total Requests answered, by route, decision and reason.\n"
             "# TYPE barkeep_requests_total counter\n");
    for (size_t place = 0; place < places->count; place++) {
        for (int reason = 0; reason < REASON_COUNT; reason++) {
            uint64_t total = 0;
            for (size_t i = 0; i < worker_count; i++) {
                total += metric_get(&worker_route_metrics(workers[i], place)->requests[reason]);
            }
            if (total == 0) {
                continue;
            }
            buf_append_str(out, "barkeep_requests_total{route=\"");
            metrics_write_label(out, places->names[place]);
            buf_printf(out, "\",decision=\"%s\",reason=\"%s\"} %llu\n",
                       decision_label((enum reason)reason), reason_code((enum reason)reason),
                       (unsigned long long)total);
        }
    }
}

/* `pick` gives the histogram of worker i; `label` is complete, with its comma, or "". */
static void
write_histogram(struct buf *out, const char *name, const char *route,
                struct histogram *(*pick)(struct worker_metrics *metrics, size_t route_index),
                size_t route_index, struct worker_metrics *const *workers, size_t worker_count) {
    uint64_t cumulative = 0;
    uint64_t sum_us = 0;
    for (size_t bucket = 0; bucket <= METRIC_BUCKET_COUNT; bucket++) {
        for (size_t i = 0; i < worker_count; i++) {
            cumulative += metric_get(&pick(workers[i], route_index)->buckets[bucket]);
        }
        buf_printf(out, "%s_bucket{", name);
        if (route) {
            buf_append_str(out, "route=\"");
            metrics_write_label(out, route);
            buf_append_str(out, "\",");
        }
        if (bucket < METRIC_BUCKET_COUNT) {
            buf_printf(out, "le=\"%llu.%06llu\"} %llu\n",
                       (unsigned long long)(bounds_us[bucket] / 1000000),
                       (unsigned long long)(bounds_us[bucket] % 1000000),
                       (unsigned long long)cumulative);
        } else {
            buf_printf(out, "le=\"+Inf\"} %llu\n", (unsigned long long)cumulative);
        }
    }
    for (size_t i = 0; i < worker_count; i++) {
        sum_us += metric_get(&pick(workers[i], route_index)->sum_us);
    }
    static const char *const suffixes[] = {"sum", "count"};
    for (size_t i = 0; i < 2; i++) {
        buf_printf(out, "%s_%s", name, suffixes[i]);
        if (route) {
            buf_append_str(out, "{route=\"");
            metrics_write_label(out, route);
            buf_append_str(out, "\"}");
        }
        if (i == 0) {
            buf_printf(out, " %llu.%06llu\n", (unsigned long long)(sum_us / 1000000),
                       (unsigned long long)(sum_us % 1000000));
        } else {
            buf_printf(out, " %llu\n", (unsigned long long)cumulative);
        }
    }
}

static struct histogram *pick_seconds(struct worker_metrics *metrics, size_t route) {
    return &worker_route_metrics(metrics, route)->seconds;
}

static struct histogram *pick_overhead(struct worker_metrics *metrics, size_t route) {
    (void)route;
    return &metrics->overhead;
}

static uint64_t total_of(struct worker_metrics *const *workers, size_t worker_count,
                         size_t offset) {
    uint64_t total = 0;
    for (size_t i = 0; i < worker_count; i++) {
        total += metric_get((const metric *)(const void *)((const char *)workers[i] + offset));
    }
    return total;
}

static void write_upstream_connections(struct buf *out, const struct route_places *places,
                                       struct worker_metrics *const *workers, size_t worker_count) {
    buf_append_str(out, "# HELP barkeep_upstream_connections Connections to upstreams.\n"
                        "# TYPE barkeep_upstream_connections gauge\n");
    for (size_t place = 1; place < places->count; place++) {
        uint64_t idle = 0;
        uint64_t busy = 0;
        for (size_t i = 0; i < worker_count; i++) {
            idle += metric_get(&worker_route_metrics(workers[i], place)->upstream_idle);
            busy += metric_get(&worker_route_metrics(workers[i], place)->upstream_busy);
        }
        buf_append_str(out, "barkeep_upstream_connections{route=\"");
        metrics_write_label(out, places->names[place]);
        buf_printf(out, "\",state=\"idle\"} %llu\n", (unsigned long long)idle);
        buf_append_str(out, "barkeep_upstream_connections{route=\"");
        metrics_write_label(out, places->names[place]);
        buf_printf(out, "\",state=\"busy\"} %llu\n", (unsigned long long)busy);
    }
}

uint64_t metrics_upstreams_ejected(struct worker_metrics *const *workers, size_t worker_count,
                                   size_t place) {
    uint64_t ejected = 0;
    for (size_t i = 0; i < worker_count; i++) {
        ejected |= metric_get(&worker_route_metrics(workers[i], place)->upstreams_ejected);
    }
    return ejected;
}

static void write_upstreams_ejected(struct buf *out, const struct route_places *places,
                                    struct worker_metrics *const *workers, size_t worker_count) {
    buf_append_str(out, "# HELP barkeep_upstreams_ejected Upstreams that some worker leaves alone "
                        "for now.\n"
                        "# TYPE barkeep_upstreams_ejected gauge\n");
    for (size_t place = 1; place < places->count; place++) {
        uint64_t ejected = metrics_upstreams_ejected(workers, worker_count, place);
        buf_append_str(out, "barkeep_upstreams_ejected{route=\"");
        metrics_write_label(out, places->names[place]);
        buf_printf(out, "\"} %d\n", __builtin_popcountll(ejected));
    }
}

/* Counters of upstreams by route; `label` may be "", rows of one name stand together. */
static const struct upstream_counter {
    const char *name;
    const char *help; /* NULL: the row before has said it */
    const char *label;
    size_t offset;
} upstream_counters[] = {
    {"barkeep_upstream_ejections_total", "Times that a worker found an upstream failing too often.",
     "", offsetof(struct route_metrics, ejections)},
    {"barkeep_upstream_refusals_total", "Requests refused because no upstream could have them.",
     ",cause=\"full\"", offsetof(struct route_metrics, refused_full)},
    {"barkeep_upstream_refusals_total", NULL, ",cause=\"ejected\"",
     offsetof(struct route_metrics, refused_ejected)},
    {"barkeep_upstream_retries_total",
     "Requests that could be sent a second time, and were or not.", ",result=\"sent\"",
     offsetof(struct route_metrics, retries_sent)},
    {"barkeep_upstream_retries_total", NULL, ",result=\"withheld\"",
     offsetof(struct route_metrics, retries_withheld)},
};

static void write_upstream_counter(struct buf *out, const struct route_places *places,
                                   struct worker_metrics *const *workers, size_t worker_count,
                                   const struct upstream_counter *counter) {
    if (counter->help) {
        buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n", counter->name, counter->help,
                   counter->name);
    }
    for (size_t place = 1; place < places->count; place++) {
        uint64_t total = 0;
        for (size_t i = 0; i < worker_count; i++) {
            const char *metrics = (const char *)worker_route_metrics(workers[i], place);
            total += metric_get((const metric *)(const void *)(metrics + counter->offset));
        }
        buf_printf(out, "%s{route=\"", counter->name);
        metrics_write_label(out, places->names[place]);
        buf_printf(out, "\"%s} %llu\n", counter->label, (unsigned long long)total);
    }
}

static void write_scrubbed(struct buf *out, const struct route_places *places,
                           struct worker_metrics *const *workers, size_t worker_count) {
    buf_append_str(out, "# HELP barkeep_scrubbed_total Forms of injected secrets masked in "
                        "upstreams' answers.\n"
                        "# TYPE barkeep_scrubbed_total counter\n");
    for (size_t place = 1; place < places->count; place++) {
        uint64_t scrubbed = 0;
        for (size_t i = 0; i < worker_count; i++) {
            scrubbed += metric_get(&worker_route_metrics(workers[i], place)->scrubbed);
        }
        buf_append_str(out, "barkeep_scrubbed_total{route=\"");
        metrics_write_label(out, places->names[place]);
        buf_printf(out, "\"} %llu\n", (unsigned long long)scrubbed);
    }
}

static void write_token_metrics(struct buf *out, struct worker_metrics *const *workers,
                                size_t worker_count) {
    buf_append_str(out,
                   "# HELP barkeep_token_verifications_total Tokens judged in full, by result.\n"
                   "# TYPE barkeep_token_verifications_total counter\n");
    for (size_t i = 0; i < TOKEN_CHECK_COUNT; i++) {
        size_t offset = offsetof(struct worker_metrics, token_checks) + i * sizeof(metric);
        buf_printf(out, "barkeep_token_verifications_total{result=\"%s\"} %llu\n",
                   token_check_labels[i],
                   (unsigned long long)total_of(workers, worker_count, offset));
    }
    buf_printf(out,
               "# HELP barkeep_token_cache_hits_total Requests whose token was verified before.\n"
               "# TYPE barkeep_token_cache_hits_total counter\n"
               "barkeep_token_cache_hits_total %llu\n",
               (unsigned long long)total_of(workers, worker_count,
                                            offsetof(struct worker_metrics, token_cache_hits)));
}

static void write_tls_handshakes(struct buf *out, struct worker_metrics *const *workers,
                                 size_t worker_count) {
    buf_append_str(out, "# HELP barkeep_tls_handshakes_total Callers' TLS handshakes, by result.\n"
                        "# TYPE barkeep_tls_handshakes_total counter\n");
    for (size_t i = 0; i < TLS_HANDSHAKE_COUNT; i++) {
        size_t offset = offsetof(struct worker_metrics, tls_handshakes) + i * sizeof(metric);
        buf_printf(out, "barkeep_tls_handshakes_total{result=\"%s\"} %llu\n",
                   tls_handshake_labels[i],
                   (unsigned long long)total_of(workers, worker_count, offset));
    }
}

static void write_limits_reached(struct buf *out, struct worker_metrics *const *workers,
                                 size_t worker_count) {
    static const char *const labels[WORKER_LIMIT_COUNT] = {
#define X(enumerator, label) [enumerator] = (label),
        WORKER_LIMITS(X)
#undef X
    };
    buf_append_str(out, "# HELP barkeep_limits_reached_total Connections and requests refused for "
                        "want of room, by what was full.\n"
                        "# TYPE barkeep_limits_reached_total counter\n");
    for (size_t i = 0; i < WORKER_LIMIT_COUNT; i++) {
        size_t offset = offsetof(struct worker_metrics, limits_reached) + i * sizeof(metric);
        buf_printf(out, "barkeep_limits_reached_total{limit=\"%s\"} %llu\n", labels[i],
                   (unsigned long long)total_of(workers, worker_count, offset));
    }
}

void metrics_write_workers(struct buf *out, const struct route_places *places,
                           struct worker_metrics *const *workers, size_t worker_count) {
    write_requests(out, places, workers, worker_count);
    buf_append_str(
        out,
        "# HELP barkeep_request_seconds Time from the request's head to the end of its answer.\n"
        "# TYPE barkeep_request_seconds histogram\n");
    for (size_t place = 0; place < places->count; place++) {
        write_histogram(out, "barkeep_request_seconds", places->names[place], pick_seconds, place,
                        workers, worker_count);
    }
    buf_append_str(out,
                   "# HELP barkeep_overhead_seconds Time spent in barkeep itself, per request.\n"
                   "# TYPE barkeep_overhead_seconds histogram\n");
    write_histogram(out, "barkeep_overhead_seconds", NULL, pick_overhead, 0, workers, worker_count);
    buf_printf(out,
               "# HELP barkeep_connections Client connections open.\n"
               "# TYPE barkeep_connections gauge\n"
               "barkeep_connections %llu\n",
               (unsigned long long)total_of(workers, worker_count,
                                            offsetof(struct worker_metrics, connections)));
    write_limits_reached(out, workers, worker_count);
    write_tls_handshakes(out, workers, worker_count);
    write_token_metrics(out, workers, worker_count);
    write_upstream_connections(out, places, workers, worker_count);
    write_upstreams_ejected(out, places, workers, worker_count);
    for (size_t i = 0; i < sizeof upstream_counters / sizeof *upstream_counters; i++) {
        write_upstream_counter(out, places, workers, worker_count, &upstream_counters[i]);
    }
    write_scrubbed(out, places, workers, worker_count);
}
