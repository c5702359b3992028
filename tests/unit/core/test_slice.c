/* Slices: comparing, cutting, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/slice.h"

static void compares_bytes(void **state) {
    (void)state;
    assert_true(slice_eq(SLICE("abc"), slice_of("abcd", 3)));
    assert_false(slice_eq(SLICE("abc"), SLICE("abC")));
    assert_false(slice_eq(SLICE("abc"), SLICE("ab")));
    assert_true(slice_eq(slice_of(NULL, 0), SLICE("")));
    assert_true(slice_is_empty(slice_of_str(NULL)));
    assert_true(slice_starts_with(SLICE("abc"), SLICE("ab")));
    assert_true(slice_starts_with(SLICE("abc"), SLICE("")));
    assert_false(slice_starts_with(SLICE("a"), SLICE("ab")));
    assert_true(slice_ends_with(SLICE("abc"), SLICE("bc")));
    assert_false(slice_ends_with(SLICE("c"), SLICE("bc")));
}

static void compares_without_case_in_ascii_only(void **state) {
    (void)state;
    assert_true(slice_eq_nocase(SLICE("Content-TYPE"), SLICE("content-type")));
    assert_false(slice_eq_nocase(SLICE("content-type"), SLICE("content_type")));
    assert_false(slice_eq_nocase(SLICE("@"), SLICE("`")));
    assert_false(slice_eq_nocase(SLICE("["), SLICE("{")));
    assert_false(slice_eq_nocase(SLICE("\xC3\x84"), SLICE("\xC3\xA4")));
    assert_false(slice_eq_nocase(SLICE("ab"), SLICE("abc")));
}

static void skips_and_finds(void **state) {
    (void)state;
    assert_true(slice_eq_str(slice_skip(SLICE("abc"), 1), "bc"));
    assert_true(slice_is_empty(slice_skip(SLICE("abc"), 3)));
    assert_true(slice_is_empty(slice_skip(SLICE("abc"), 99)));
    assert_true(slice_is_empty(slice_skip(slice_of(NULL, 0), 1)));
    assert_int_equal(slice_index(SLICE("a=b=c"), '='), 1);
    assert_int_equal(slice_index(SLICE("abc"), '='), 3);
    assert_int_equal(slice_index(slice_of(NULL, 0), '='), 0);
}

static void trims_spaces_and_tabs_only(void **state) {
    (void)state;
    assert_true(slice_eq_str(slice_trim(SLICE(" \t a b\t ")), "a b"));
    assert_true(slice_is_empty(slice_trim(SLICE(" \t "))));
    assert_true(slice_eq_str(slice_trim(SLICE("\r\na\v")), "\r\na\v"));
}

static void parses_plain_decimal_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        bool is_valid;
        uint64_t value;
    } cases[] = {
        {"0", 10, true, 0},
        {"10", 10, true, 10},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"11", 10, false, 0},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999", UINT64_MAX, false, 0},
        {"", 10, false, 0},
        {"00", 10, false, 0},
        {"03", 10, false, 0},
        {"+3", 10, false, 0},
        {"-3", 10, false, 0},
        {" 3", 10, false, 0},
        {"3 ", 10, false, 0},
        {"0x3", 10, false, 0},
        {"3,3", 10, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t value = 4711;
        bool is_valid = slice_parse_u64(slice_of_str(cases[i].text), cases[i].max, &value);
        assert_int_equal(is_valid, cases[i].is_valid);
        assert_int_equal(value, cases[i].is_valid ? cases[i].value : 4711);
    }
}

static void copies_to_strings(void **state) {
    (void)state;
    char *copy = slice_strdup(slice_of("abcd", 3));
    assert_string_equal(copy, "abc");
    free(copy);
    copy = slice_strdup(slice_of(NULL, 0));
    assert_string_equal(copy, "");
    free(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_bytes),
        cmocka_unit_test(compares_without_case_in_ascii_only),
        cmocka_unit_test(skips_and_finds),
        cmocka_unit_test(trims_spaces_and_tabs_only),
        cmocka_unit_test(parses_plain_decimal_numbers),
        cmocka_unit_test(copies_to_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
