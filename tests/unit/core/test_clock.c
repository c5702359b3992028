/* Clocks and the time stamp of log and audit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>

#include "core/clock.h"

static void formats_utc_with_milliseconds(void **state) {
    (void)state;
    static const struct {
        int64_t wall_ms;
        const char *expected;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1795424400123, "2026-11-23T09:00:00.123Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
    };
    setenv("TZ", "America/New_York", 1);
    tzset();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CLOCK_RFC3339_SIZE];
        clock_format_rfc3339(cases[i].wall_ms, text);
        assert_string_equal(text, cases[i].expected);
    }
}

static void monotonic_clocks_agree_and_never_run_back(void **state) {
    (void)state;
    uint64_t before_us = clock_monotonic_us();
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t after_us = clock_monotonic_us();
    assert_in_range(now_ms, before_us / 1000, after_us / 1000);
    for (int i = 0; i < 1000; i++) {
        uint64_t next_us = clock_monotonic_us();
        assert_true(next_us >= after_us);
        after_us = next_us;
    }
}

static void wall_clocks_agree(void **state) {
    (void)state;
    int64_t before_sec = (int64_t)time(NULL) - 1; /* time() may lag behind by a tick */
    int64_t now_ms = clock_wall_ms();
    int64_t now_sec = clock_wall_sec();
    assert_true(now_ms / 1000 >= before_sec);
    assert_true(now_sec >= now_ms / 1000);
    assert_true(now_sec - before_sec < 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_utc_with_milliseconds),
        cmocka_unit_test(monotonic_clocks_agree_and_never_run_back),
        cmocka_unit_test(wall_clocks_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
