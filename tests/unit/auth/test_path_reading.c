/* What another spelling of a path folds to, and that a fold is never longer than its room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/path_reading.h"

static void assert_readings(const char *path, const char *folded, const char *split) {
    char *bytes = malloc(PATH_READING_BYTES);
    struct path_readings readings;
    path_readings_of(slice_of_str(path), bytes, &readings);
    assert_true(slice_eq_str(readings.items[0], path));
    assert_int_equal(readings.count, folded ? 3 : 1);
    if (folded && !slice_eq_str(readings.items[1], folded))
        fail_msg("%s: folded to %.*s", path, SLICE_ARGS(readings.items[1]));
    if (folded && !slice_eq_str(readings.items[2], split))
        fail_msg("%s: split to %.*s", path, SLICE_ARGS(readings.items[2]));
    free(bytes);
}

static void reads_plain_paths_one_way(void **state) {
    (void)state;
    assert_readings("/", NULL, NULL);
    assert_readings("/api/definitions", NULL, NULL);
    assert_readings("/a:b@c", NULL, NULL);
}

static void folds_what_servers_read_alike(void **state) {
    (void)state;
    assert_readings("/api/definitions/", "/api/definitions", "/api/definitions");
    assert_readings("/q/orders%3Aeu", "/q/orders:eu", "/q/orders:eu");
    assert_readings("/%21%24%26%27%28%29%2B%2C%3D%40", "/!$&'()+,=@", "/!$&'()+,=@");
    assert_readings("/admin%3Bx=1/y", "/admin/y", "/admin/y");
    assert_readings("/a*b", "/a%2Ab", "/a%2Ab");
    assert_readings("/a%2Ab%20c%C3%A9", "/a%2Ab%20c%C3%A9", "/a%2Ab%20c%C3%A9");
}

static void splits_encoded_slashes_except_a_name_of_one(void **state) {
    (void)state;
    assert_readings("/api%2Fdefinitions", "/api%2Fdefinitions", "/api/definitions");
    assert_readings("/api%2f%2Fdefinitions%2f", "/api%2F%2Fdefinitions%2F", "/api/definitions");
    assert_readings("/api/%2Fdefinitions", "/api/%2Fdefinitions", "/api/definitions");
    assert_readings("/queues/%2f/orders", "/queues/%2F/orders", "/queues/%2F/orders");
}

static void folds_patterns_but_not_their_wildcards(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"/**", "/**"},
        {"/admin/**", "/admin/**"},
        {"/x/", "/x"},
        {"/a%2Ab", "/a%2Ab"},
        {"/q/*/orders%3Aeu", "/q/*/orders:eu"},
        {"/", "/"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char bytes[64];
        assert_true(slice_eq_str(path_pattern_fold(slice_of_str(rows[i][0]), bytes), rows[i][1]));
    }
}

static void keeps_within_its_room(void **state) {
    (void)state;
    char *path = malloc(PATH_READING_MAX + 1);
    char *bytes = malloc(PATH_READING_BYTES);
    memset(path, '*', PATH_READING_MAX + 1);
    path[0] = '/';
    struct path_readings readings;
    path_readings_of(slice_of(path, PATH_READING_MAX), bytes, &readings);
    assert_int_equal(readings.items[1].len, 1 + 3 * (PATH_READING_MAX - 1));
    path_readings_of(slice_of(path, PATH_READING_MAX + 1), bytes, &readings);
    assert_int_equal(readings.count, 1);
    free(bytes);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_paths_one_way),
        cmocka_unit_test(folds_what_servers_read_alike),
        cmocka_unit_test(splits_encoded_slashes_except_a_name_of_one),
        cmocka_unit_test(folds_patterns_but_not_their_wildcards),
        cmocka_unit_test(keeps_within_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
