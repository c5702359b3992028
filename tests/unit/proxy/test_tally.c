/* Counting by name, up to a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/tally.h"

static void counts_by_name_and_keeps_the_latest_time(void **state) {
    (void)state;
    struct tally tally;
    tally_init(&tally, 10);
    tally_add(&tally, "a", SLICE("2026-11-23T10:00:00.000Z"));
    tally_add(&tally, "b", SLICE("2026-11-23T10:00:02.000Z"));
    tally_add(&tally, "b", SLICE("2026-11-23T10:00:01.000Z"));
    tally_add(&tally, "b", (struct slice){0});
    assert_int_equal(tally_find(&tally, "a")->count, 1);
    assert_int_equal(tally_find(&tally, "b")->count, 3);
    assert_string_equal(tally_find(&tally, "b")->last, "2026-11-23T10:00:02.000Z");
    assert_null(tally_find(&tally, "c"));
    tally_sort(&tally);
    assert_string_equal(tally.rows[0].key, "b");
    assert_string_equal(tally.rows[1].key, "a");
    tally_done(&tally);
}

static void leaves_out_what_is_no_time(void **state) {
    (void)state;
    struct tally tally;
    tally_init(&tally, 10);
    tally_add(&tally, "a", SLICE("\x1b[2J"));
    tally_add(&tally, "a", slice_of("2026\0", 5));
    tally_add(&tally, "a", SLICE("2026-11-23T10:00:00.000000Z"));
    assert_int_equal(tally_find(&tally, "a")->count, 3);
    assert_string_equal(tally_find(&tally, "a")->last, "");
    tally_add(&tally, "a", SLICE("2026-11-23T10:00:00.000Z"));
    assert_string_equal(tally_find(&tally, "a")->last, "2026-11-23T10:00:00.000Z");
    tally_done(&tally);
}

static void finds_each_of_many(void **state) {
    (void)state;
    struct tally tally;
    char key[32];
    tally_init(&tally, 5000);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++) {
            snprintf(key, sizeof key, "name-%d", i);
            tally_add(&tally, key, (struct slice){0});
        }
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "name-%d", i);
        assert_int_equal(tally_find(&tally, key)->count, 2);
    }
    assert_int_equal(tally.beyond, 0);
    tally_done(&tally);
}

static void counts_names_beyond_the_limit_together(void **state) {
    (void)state;
    struct tally tally;
    tally_init(&tally, 2);
    tally_add(&tally, "a", (struct slice){0});
    tally_add(&tally, "b", (struct slice){0});
    tally_add(&tally, "c", (struct slice){0});
    tally_add(&tally, "a", (struct slice){0});
    assert_int_equal(tally.count, 2);
    assert_int_equal(tally.beyond, 1);
    assert_int_equal(tally_find(&tally, "a")->count, 2);
    assert_null(tally_find(&tally, "c"));
    tally_done(&tally);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_name_and_keeps_the_latest_time),
        cmocka_unit_test(leaves_out_what_is_no_time),
        cmocka_unit_test(finds_each_of_many),
        cmocka_unit_test(counts_names_beyond_the_limit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
