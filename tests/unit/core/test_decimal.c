#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/decimal.h"

static int compare(const char *left, const char *right) {
    struct decimal a, b;
    assert_true(decimal_parse(slice_of_str(left), &a));
    assert_true(decimal_parse(slice_of_str(right), &b));
    int order = decimal_compare(&a, &b);
    return (order > 0) - (order < 0);
}

static void compares_without_rounding(void **state) {
    (void)state;
    static const char *const ASCENDING[] = {
        "-1e9999",
        "-100.5",
        "-100",
        "-99.99",
        "-1e-3",
        "0",
        "1e-9999",
        "0.001",
        "0.01",
        "0.1",
        "1",
        "1.0000000000000000000000001",
        "9",
        "10",
        "99.9",
        "1e2",
        "100.00000000000000000001",
        "9007199254740992",
        "9007199254740993",
        "1e9999",
    };
    enum { COUNT = sizeof ASCENDING / sizeof *ASCENDING };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++)
            assert_int_equal(compare(ASCENDING[i], ASCENDING[j]), (i > j) - (i < j));
    static const char *const SAME[][2] = {
        {"1", "1.0"}, {"1", "10e-1"}, {"100", "1E+2"}, {"0", "-0.0e5"}, {"0.05", "5e-2"},
    };
    for (size_t i = 0; i < sizeof SAME / sizeof *SAME; i++)
        assert_int_equal(compare(SAME[i][0], SAME[i][1]), 0);
}

static void refuses_what_is_no_number(void **state) {
    (void)state;
    struct decimal decimal;
    static const char *const BAD[] = {"",    "-",   "+1",  "01", "1.",  ".5",   "1e",
                                      "1e+", "0x1", "NaN", "1 ", "--1", "1e5.", "1e12345"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(decimal_parse(slice_of_str(BAD[i]), &decimal));
    assert_true(decimal_is_number(SLICE("1e12345")));
    assert_false(decimal_is_number(SLICE("1e")));
}

static void knows_what_every_reader_takes_alike(void **state) {
    (void)state;
    struct decimal decimal;
    static const char *const SAFE[] = {"0", "-9007199254740991", "9007199254740991", "0.1"};
    for (size_t i = 0; i < sizeof SAFE / sizeof *SAFE; i++)
        assert_true(decimal_parse(slice_of_str(SAFE[i]), &decimal) && decimal_is_safe(&decimal));
    static const char *const UNSAFE[] = {"9007199254740992", "-9007199254740991.5", "1e16"};
    for (size_t i = 0; i < sizeof UNSAFE / sizeof *UNSAFE; i++)
        assert_true(decimal_parse(slice_of_str(UNSAFE[i]), &decimal) && !decimal_is_safe(&decimal));
}

static bool reads_alike(const char *left, const char *right) {
    struct decimal a, b;
    assert_true(decimal_parse(slice_of_str(left), &a));
    assert_true(decimal_parse(slice_of_str(right), &b));
    assert_int_equal(decimal_reads_alike(&a, &b), decimal_reads_alike(&b, &a));
    return decimal_reads_alike(&a, &b);
}

static void knows_what_doubles_do_not_tell_apart(void **state) {
    (void)state;
    static const char *const ALIKE[][2] = {
        {"5", "5.0"},
        {"5", "5.0000000000000000001"},
        {"-5", "-4.9999999999999999999"},
        {"9", "9.0000000000000001"},
        {"0", "1e-400"},
        {"0.1", "0.1000000000000000055511151231257827"},
        {"9007199254740992", "9007199254740993"},
    };
    for (size_t i = 0; i < sizeof ALIKE / sizeof *ALIKE; i++)
        assert_true(reads_alike(ALIKE[i][0], ALIKE[i][1]));
    static const char *const APART[][2] = {
        {"5", "-5"},
        {"5", "5.00000000000001"},
        {"9", "9.000000000000002"},
        {"0.3", "0.30000000000000004"},
        {"0", "1e-300"},
        {"9007199254740991", "9007199254740990"},
    };
    for (size_t i = 0; i < sizeof APART / sizeof *APART; i++)
        assert_false(reads_alike(APART[i][0], APART[i][1]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_without_rounding),
        cmocka_unit_test(refuses_what_is_no_number),
        cmocka_unit_test(knows_what_every_reader_takes_alike),
        cmocka_unit_test(knows_what_doubles_do_not_tell_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
