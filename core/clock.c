/* The only readers of the system's clocks. */
#include "core/clock.h"

#include <time.h>

#define LAST_RFC3339_MS 253402300799999 /* 9999-12-31T23:59:59.999Z */

static struct timespec read_clock(clockid_t id) {
    struct timespec now = {0, 0};
    clock_gettime(id, &now);
    return now;
}

uint64_t clock_monotonic_ms(void) {
    struct timespec now = read_clock(CLOCK_MONOTONIC);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_monotonic_us(void) {
    struct timespec now = read_clock(CLOCK_MONOTONIC);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int64_t clock_wall_sec(void) {
    return read_clock(CLOCK_REALTIME).tv_sec;
}

int64_t clock_wall_ms(void) {
    struct timespec now = read_clock(CLOCK_REALTIME);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *put_digits(char *at, int value, int width) {
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

static char *put_field(char *at, int value, int width, char after) {
    at = put_digits(at, value, width);
    *at = after;
    return at + 1;
}

/* Written by hand: it runs for every line of log and audit, and strftime() reads the locale. */
void clock_format_rfc3339(int64_t wall_ms, char out_text[CLOCK_RFC3339_SIZE]) {
    if (wall_ms < 0)
        wall_ms = 0;
    if (wall_ms > LAST_RFC3339_MS)
        wall_ms = LAST_RFC3339_MS;
    time_t sec = (time_t)(wall_ms / 1000);
    struct tm utc = {0};
    gmtime_r(&sec, &utc);
    char *at = put_field(out_text, utc.tm_year + 1900, 4, '-');
    at = put_field(at, utc.tm_mon + 1, 2, '-');
    at = put_field(at, utc.tm_mday, 2, 'T');
    at = put_field(at, utc.tm_hour, 2, ':');
    at = put_field(at, utc.tm_min, 2, ':');
    at = put_field(at, utc.tm_sec, 2, '.');
    at = put_field(at, (int)(wall_ms % 1000), 3, 'Z');
    *at = '\0';
}
