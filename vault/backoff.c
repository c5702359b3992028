/* Jittered exponential waits. The randomness only spreads load; it decides nothing secret. */
#include "vault/backoff.h"

#include <sys/random.h>

static uint64_t random_below(uint64_t limit) {
    uint64_t value = 0;
    if (limit == 0 || getrandom(&value, sizeof value, GRND_NONBLOCK) != (ssize_t)sizeof value)
        return 0;
    return value % limit;
}

uint64_t backoff_next_ms(struct backoff *backoff, uint64_t min_ms, uint64_t max_ms) {
    const uint64_t ceiling_ms = max_ms - max_ms / 4;
    uint64_t low_ms = min_ms;
    for (uint32_t i = 0; i < backoff->failures && low_ms < ceiling_ms; i++)
        low_ms *= 2;
    if (low_ms > ceiling_ms)
        low_ms = ceiling_ms;
    const uint64_t high_ms = low_ms * 2 < max_ms ? low_ms * 2 : max_ms;
    backoff->failures++;
    return low_ms + random_below(high_ms - low_ms + 1);
}

uint64_t backoff_around_ms(uint64_t base_ms, unsigned percent) {
    const uint64_t spread_ms = base_ms * percent / 100;
    return base_ms - spread_ms + random_below(2 * spread_ms + 1);
}
