/* A request that is sent again is load on an upstream in trouble: each request adds a share of a
 * retry to what may be sent again, up to a burst, so that retries stay a fraction of requests. */
#include "proxy/upstream_standing.h"

#include <stdlib.h>

struct upstream_standing *upstream_standing_new(const char *text, struct route_metrics *metrics) {
    size_t text_bytes = strlen(text) + 1;
    struct upstream_standing *standing = calloc(1, sizeof *standing + text_bytes);
    if (standing) {
        standing->holders = 1;
        standing->metrics = metrics;
        standing->place = STANDING_NO_PLACE;
        standing->retry_credit = RETRY_BURST * RETRY_SHARE;
        memcpy(standing->text, text, text_bytes);
    }
    return standing;
}

struct upstream_standing *upstream_standing_ref(struct upstream_standing *standing) {
    standing->holders++;
    return standing;
}

void upstream_standing_unref(struct upstream_standing *standing) {
    if (standing && --standing->holders == 0) {
        free(standing);
    }
}

static void show_state(const struct upstream_standing *standing) {
    if (standing->place == STANDING_NO_PLACE) {
        return;
    }
    uint64_t bit = UINT64_C(1) << standing->place;
    uint64_t shown = metric_get(&standing->metrics->upstreams_ejected) & ~bit;
    atomic_store_explicit(&standing->metrics->upstreams_ejected,
                          standing->health.is_ejected ? shown | bit : shown, memory_order_relaxed);
}

void upstream_standing_move(struct upstream_standing *standing, uint32_t place) {
    standing->place = place;
    show_state(standing);
}

void upstream_standing_begin(struct upstream_standing *standing, const struct config_health *terms,
                             uint64_t now_ms) {
    upstream_health_begin_trial(&standing->health, terms, now_ms);
    standing->requests++;
    standing->awaiting++;
    if (standing->retry_credit < RETRY_BURST * RETRY_SHARE) {
        standing->retry_credit++;
    }
}

void upstream_standing_stop_awaiting(struct upstream_standing *standing) {
    standing->awaiting--;
}

void upstream_standing_end(struct upstream_standing *standing) {
    standing->requests--;
}

bool upstream_standing_note_success(struct upstream_standing *standing) {
    if (!upstream_health_note_success(&standing->health)) {
        return false;
    }
    show_state(standing);
    return true;
}

bool upstream_standing_note_failure(struct upstream_standing *standing,
                                    const struct config_health *terms, uint64_t now_ms) {
    if (!upstream_health_note_failure(&standing->health, terms, now_ms)) {
        return false;
    }
    metric_add(&standing->metrics->ejections, 1);
    show_state(standing);
    return true;
}

bool upstream_standing_take_retry(struct upstream_standing *standing) {
    if (standing->retry_credit < RETRY_SHARE) {
        metric_add(&standing->metrics->retries_withheld, 1);
        return false;
    }
    standing->retry_credit -= RETRY_SHARE;
    metric_add(&standing->metrics->retries_sent, 1);
    return true;
}
