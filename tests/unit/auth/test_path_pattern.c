#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/path_pattern.h"
#include "core/clock.h"

static const struct segment_match {
    const char *pattern;
    const char *path;
    bool matches;
} segment_matches[] = {
    {"/", "/", true},
    {"/", "/a", false},
    {"/a", "/a", true},
    {"/a", "/a/", false},
    {"/a", "/A", false},
    {"/a", "/ab", false},
    {"/a", "/a/b", false},
    {"/a/", "/a/", true},
    {"/a/", "/a", false},
    {"/a/b", "/a/b", true},
    {"/a/b", "/a", false},
    {"/**", "/", true},
    {"/**", "/a", true},
    {"/**", "/a/b/c", true},
    {"/**", "/a/", true},
    {"/a/**", "/a", true},
    {"/a/**", "/a/", true},
    {"/a/**", "/a/b/c", true},
    {"/a/**", "/ab", false},
    {"/a/**", "/b/a", false},
    {"/**/z", "/z", true},
    {"/**/z", "/a/b/z", true},
    {"/**/z", "/a/z/b", false},
    {"/**/z", "/az", false},
    {"/a/**/z", "/a/z", true},
    {"/a/**/z", "/a/b/c/z", true},
    {"/a/**/z", "/a/z/b/z", true},
    {"/a/**/z", "/a/b", false},
    {"/a/**/m/**/z", "/a/m/z", true},
    {"/a/**/m/**/z", "/a/x/m/y/y/z", true},
    {"/a/**/m/**/z", "/a/x/y/z", false},
    {"/**/**", "/", true},
    {"/**/a/b", "/a/a/b", true},
    {"/**/a/b", "/a/b/a/b", true},
    {"/*", "/a", true},
    {"/*", "/a/b", false},
    {"/a/*", "/a/b", true},
    {"/a/*", "/a", false},
    {"/a/*/c", "/a/b/c", true},
    {"/a/*/c", "/a/b/b/c", false},
    {"/a/*.json", "/a/x.json", true},
    {"/a/*.json", "/a/.json", true},
    {"/a/*.json", "/a/x.jsonx", false},
    {"/a/x*y*z", "/a/xyz", true},
    {"/a/x*y*z", "/a/x1yy2z", true},
    {"/a/x*y*z", "/a/x1z", false},
    {"/a/x*y*z", "/a/x/y/z", false},
    {"/a/**b", "/a/ccb", true}, /* not a whole segment of stars: an ordinary glob */
    {"/a/**b", "/a/c/b", false},
    {"/api/queues/%2F/*", "/api/queues/%2F/orders", true},
    {"/api/queues/%2F/*", "/api/queues/%2f/orders", true},
    {"/api/queues/%2f/*", "/api/queues/%2F/orders", true},
    {"/api/queues/*%2F", "/api/queues/a%2f", true},
    {"/api/queues/%2F/*", "/api/queues/%2E/orders", false},
    {"/api/queues/%2F/*", "/api/queues//orders", false},
    {"/x2f", "/x2F", false},
    {"/%3F", "/%3f", false},
    {"/f", "/F", false},
};

static void matches_by_segments(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof segment_matches / sizeof *segment_matches; i++) {
        const struct segment_match *row = &segment_matches[i];
        if (path_pattern_matches(slice_of_str(row->pattern), slice_of_str(row->path)) !=
            row->matches)
            fail_msg("%s %s %s", row->pattern, row->matches ? "must match" : "must not match",
                     row->path);
    }
}

static void stays_cheap_on_hostile_input(void **state) {
    (void)state;
    enum { STARS = 40, LEN = 8000 };
    char pattern[2 * STARS + 3], *path = malloc(LEN + 1);
    for (size_t i = 0; i < STARS; i++)
        memcpy(pattern + 1 + 2 * i, "a*", 2);
    pattern[0] = '/';
    memcpy(pattern + 1 + 2 * STARS, "b", 2);
    memset(path, 'a', LEN);
    path[0] = '/';
    path[LEN] = '\0';
    uint64_t started_us = clock_monotonic_us();
    assert_false(path_pattern_matches(slice_of_str(pattern), slice_of_str(path)));
    for (size_t i = 0; i < LEN; i += 2)
        path[i] = '/';
    assert_false(path_pattern_matches(SLICE("/**/a/**/a/**/a/**/a/**/b"), slice_of_str(path)));
    assert_true(clock_monotonic_us() - started_us < 500000);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_by_segments),
        cmocka_unit_test(stays_cheap_on_hostile_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
