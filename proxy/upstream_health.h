/* Whether an upstream is worth asking, from how requests to it have ended: after so many failures
 * on end it is ejected for a pause, then one request tries it, and each failure doubles the pause.
 * Knows no sockets and no clock. Used by one thread. */
#ifndef BARKEEP_PROXY_UPSTREAM_HEALTH_H
#define BARKEEP_PROXY_UPSTREAM_HEALTH_H

#include "config/config.h"

struct upstream_health {
    uint32_t failures; /* on end */
    uint32_t pauses;   /* on end, each twice as long as the one before */
    bool is_ejected;
    uint64_t until_ms; /* while ejected: when a request may try it */
};

static inline bool upstream_health_is_due(const struct upstream_health *health, uint64_t now_ms) {
    return health->is_ejected && now_ms >= health->until_ms;
}

/* One request tries an ejected upstream: nobody else does before another pause is over, whatever
 * becomes of this one. */
void upstream_health_begin_trial(struct upstream_health *health, const struct config_health *terms,
                                 uint64_t now_ms);
/* True when it was ejected and is so no longer. */
bool upstream_health_note_success(struct upstream_health *health);
/* True when it is ejected by this one. */
bool upstream_health_note_failure(struct upstream_health *health, const struct config_health *terms,
                                  uint64_t now_ms);

#endif
