/* How long to wait before the next try of anything that failed. */
#ifndef BARKEEP_VAULT_BACKOFF_H
#define BARKEEP_VAULT_BACKOFF_H

#include <stdint.h>

/* Zero-initialise; zero again when a try succeeds. */
struct backoff {
    uint32_t failures;
};

/* Counts a failure. Doubles from `min_ms` and is jittered upwards, never above `max_ms`; at the
 * ceiling it is jittered downwards, so that many waiters do not meet again at one moment. */
uint64_t backoff_next_ms(struct backoff *backoff, uint64_t min_ms, uint64_t max_ms);

/* `base_ms` give or take `percent`. */
uint64_t backoff_around_ms(uint64_t base_ms, unsigned percent);

/* `ms` as long as a second of `second_ms` makes them. Every wait of this room is stated in real
 * milliseconds and passes through here: tests shorten the second and nothing else. */
static inline uint64_t backoff_scale_ms(uint32_t second_ms, uint64_t ms) {
    return second_ms == 1000 ? ms : ms * second_ms / 1000;
}

#endif
