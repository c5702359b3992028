#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/rfc3339.h"

static void reads_times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t sec;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-23T09:00:00Z", 1795424400},
        {"2026-11-23t09:00:00z", 1795424400},
        {"2026-11-23T10:00:00+01:00", 1795424400},
        {"2026-11-23T03:30:00-05:30", 1795424400},
        {"2026-11-23T09:00:00.000Z", 1795424400},
        {"2026-11-23T09:00:00.001Z", 1795424401},
        {"2024-02-29T00:00:00Z", 1709164800},
        {"2000-02-29T12:00:00Z", 951825600},
        {"2024-03-01T00:00:00Z", 1709251200},
        {"2016-12-31T23:59:60Z", 1483228800},
        {"9999-12-31T23:59:59Z", INT64_C(253402300799)},
        {"1969-12-31T23:59:59Z", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t sec = 7;
        if (!rfc3339_parse(slice_of_str(rows[i].text), &sec) || sec != rows[i].sec)
            fail_msg("%s: %lld", rows[i].text, (long long)sec);
    }
}

static void refuses_what_is_no_time(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "2026-11-23",
        "2026-11-23T09:00:00",
        "2026-11-23 09:00:00Z",
        "2026-11-23T09:00Z",
        "2026-11-23T9:00:00Z",
        "26-11-23T09:00:00Z",
        "2026-13-01T09:00:00Z",
        "2026-00-01T09:00:00Z",
        "2026-02-29T09:00:00Z",
        "1900-02-29T09:00:00Z",
        "2026-04-31T09:00:00Z",
        "2026-11-00T09:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T09:60:00Z",
        "2026-11-23T09:00:61Z",
        "2026-11-23T09:00:00.Z",
        "2026-11-23T09:00:00.5",
        "2026-11-23T09:00:00+1:00",
        "2026-11-23T09:00:00+01:60",
        "2026-11-23T09:00:00+0100",
        "2026-11-23T09:00:00ZZ",
        "2026-11-23T09:00:00Z ",
        "+2026-11-23T09:00:00Z",
        "2026-+1-23T09:00:00Z",
        "0000-01-01T00:00:00Z",
    };
    int64_t sec = 7;
    assert_true(rfc3339_parse(SLICE("2026-11-23T09:00:00Z"), &sec));
    sec = 7;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (rfc3339_parse(slice_of_str(texts[i]), &sec))
            fail_msg("%s: %lld", texts[i], (long long)sec);
        assert_int_equal(sec, 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_times),
        cmocka_unit_test(refuses_what_is_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
