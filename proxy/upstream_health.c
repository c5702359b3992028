/* A failure while ejected changes nothing: what began before the ejection says nothing new, and a
 * trial's own pause begins with it. */
#include "proxy/upstream_health.h"

static uint64_t pause_ms(const struct upstream_health *health, const struct config_health *terms) {
    uint64_t pause = terms->pause_ms;
    for (uint32_t i = 0; i < health->pauses && pause < terms->max_pause_ms; i++) {
        pause *= 2;
    }
    return pause < terms->max_pause_ms ? pause : terms->max_pause_ms;
}

void upstream_health_begin_trial(struct upstream_health *health, const struct config_health *terms,
                                 uint64_t now_ms) {
    if (upstream_health_is_due(health, now_ms)) {
        health->until_ms = now_ms + pause_ms(health, terms);
        health->pauses++;
    }
}

bool upstream_health_note_success(struct upstream_health *health) {
    bool was_ejected = health->is_ejected;
    *health = (struct upstream_health){0};
    return was_ejected;
}

bool upstream_health_note_failure(struct upstream_health *health, const struct config_health *terms,
                                  uint64_t now_ms) {
    health->failures += health->failures < UINT32_MAX;
    if (health->is_ejected || terms->failures == UINT32_MAX || health->failures < terms->failures) {
        return false;
    }
    health->is_ejected = true;
    health->until_ms = now_ms + pause_ms(health, terms);
    health->pauses++;
    return true;
}
