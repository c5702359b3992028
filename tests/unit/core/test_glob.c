#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/glob.h"

static bool matches(const char *pattern, const char *text) {
    return glob_match(slice_of_str(pattern), slice_of_str(text));
}

static void stars_stand_for_any_run(void **state) {
    (void)state;
    static const char *const GOOD[][2] = {
        {"", ""},         {"*", ""},
        {"*", "a/b:c"},   {"a*", "a"},
        {"a*", "abc"},    {"*c", "abc"},
        {"a*c", "ac"},    {"a*c", "abcbc"},
        {"*b*", "abc"},   {"a*b*c", "aXbbYc"},
        {"a*bc", "abbc"}, {"**", "x"},
        {"*a*a*", "aa"},  {"tools/*", "tools/call"},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        assert_true(matches(GOOD[i][0], GOOD[i][1]));
    static const char *const BAD[][2] = {
        {"", "a"},    {"a", ""},    {"a", "A"},      {"a*", "ba"},   {"*c", "cb"},
        {"a*c", "a"}, {"a*a", "a"}, {"*a*a*", "ba"}, {"a?c", "abc"}, {"[a]", "a"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(matches(BAD[i][0], BAD[i][1]));
}

static void a_pattern_covers_a_narrower_one(void **state) {
    (void)state;
    assert_true(matches("*", "a*b"));
    assert_true(matches("a*", "a*b"));
    assert_true(matches("a*b", "a*b"));
    assert_false(matches("a*b", "a*"));
    assert_false(matches("*a*", "*"));
    assert_false(matches("ab", "a*"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stars_stand_for_any_run),
        cmocka_unit_test(a_pattern_covers_a_narrower_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
