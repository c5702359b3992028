/* When one rule takes in another, and that a yes is never wrong. */
#include "config_case.h"

#include "config/rule_cover.h"

static bool covers(const char *wider, const char *narrower) {
    struct cover_budget budget = {100000};
    return pattern_covers(&budget, slice_of_str(wider), slice_of_str(narrower));
}

static void compares_patterns(void **state) {
    (void)state;
    static const struct {
        const char *wider, *narrower;
        bool expected;
    } CASES[] = {
        {"/**", "/", true},
        {"/**", "/**", true},
        {"/**", "/a/*/b", true},
        {"/a", "/a", true},
        {"/a", "/a/", false},
        {"/a/", "/a", false},
        {"/a/**", "/a", true},
        {"/a/**", "/a/", true},
        {"/a/**", "/ab", false},
        {"/a/*", "/a/**", false},
        {"/a/*", "/a/b", true},
        {"/a/*", "/a/b*c", true},
        {"/a/*", "/a/", true},
        {"/a/*", "/a", false},
        {"/a/b*", "/a/bc", true},
        {"/a/b*", "/a/*", false},
        {"/a/*b*", "/a/b*b", true},
        {"/a/*x", "/a/*", false},
        {"/**/b", "/a/b", true},
        {"/**/b", "/b", true},
        {"/**/b", "/**/a/b", true},
        {"/**/b", "/**", false},
        {"/**/b/**", "/a/b/c/b/d", true},
        {"/a/**/b", "/a/**", false},
        {"/a/**/b", "/a/**/**/b", true},
        {"/**/**", "/a", true},
        {"/*/*", "/a/b", true},
        {"/*/*", "/**", false},
        {"/*", "/**", false},
        {"/a/b/**", "/a/**", false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        if (covers(CASES[i].wider, CASES[i].narrower) != CASES[i].expected)
            fail_msg("%s and %s", CASES[i].wider, CASES[i].narrower);
    }
}

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static unsigned pick(unsigned below) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % below;
}

/* Few letters, so that patterns meet. Without stars it is a path. */
static void make(char *out_text, bool has_stars) {
    static const char *const SEGMENTS[] = {"a", "b", "ab", "", "*", "a*", "*b", "**"};
    size_t len = 0;
    for (unsigned i = 0, count = 1 + pick(4); i < count; i++)
        len += (size_t)sprintf(out_text + len, "/%s", SEGMENTS[pick(has_stars ? 8 : 4)]);
}

/* A path matches a pattern when the pattern covers it: then what covers the pattern must too. */
static void covering_is_transitive_to_paths(void **state) {
    (void)state;
    size_t covered = 0;
    for (size_t i = 0; i < 300000; i++) {
        char wider[32], narrower[32], path[32];
        make(wider, true);
        make(narrower, true);
        make(path, false);
        if (!covers(wider, narrower) || !covers(narrower, path))
            continue;
        covered++;
        if (!covers(wider, path))
            fail_msg("%s covers %s but not %s", wider, narrower, path);
    }
    assert_true(covered > 1000);
}

static void says_no_when_the_budget_is_spent(void **state) {
    (void)state;
    struct cover_budget budget = {2};
    assert_false(pattern_covers(&budget, SLICE("/a/b/c"), SLICE("/a/b/c")));
    assert_int_equal(budget.left, 0);
    assert_false(pattern_covers(&budget, SLICE("/**"), SLICE("/a")));
}

static void compares_methods(void **state) {
    (void)state;
    const char *reading[] = {"GET", "HEAD"};
    struct cover_budget budget = {1000};
    const struct config_action all = {.pattern = "/**"};
    const struct config_action read = {.methods = {reading, 2}, .pattern = "/**"};
    const struct config_action get = {.methods = {reading, 1}, .pattern = "/a"};
    assert_true(action_covers(&budget, &all, &read));
    assert_true(action_covers(&budget, &read, &get));
    assert_false(action_covers(&budget, &get, &read));
    assert_false(action_covers(&budget, &read, &all));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_patterns),
        cmocka_unit_test(covering_is_transitive_to_paths),
        cmocka_unit_test(says_no_when_the_budget_is_spent),
        cmocka_unit_test(compares_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
