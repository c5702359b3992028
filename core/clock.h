/* Time. Timers and durations use the monotonic clock; only token lifetimes and log stamps use the
 * wall clock. */
#ifndef BARKEEP_CORE_CLOCK_H
#define BARKEEP_CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);
int64_t clock_wall_sec(void);
int64_t clock_wall_ms(void);

/* "2026-11-23T09:00:00.123Z" and NUL: RFC 3339, UTC. */
#define CLOCK_RFC3339_SIZE 25
void clock_format_rfc3339(int64_t wall_ms, char out_text[CLOCK_RFC3339_SIZE]);

#endif
