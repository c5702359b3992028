/* How deep, how many, how long, and on how small a stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/json_text.h"

#include "tests/unit/core/json_refusal.h"

static void keeps_to_its_limits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        struct json_text_limits limits;
        const char *problem;
        size_t at;
    } cases[] = {
        {"[[]]", {2, 2}, NULL, 0},
        {"[[]]", {1, 2}, "deeper than allowed", 1},
        {"[[]]", {2, 1}, "more values than allowed", 1},
        {"1", {0, 1}, NULL, 0},
        {"[]", {0, 1}, "deeper than allowed", 0},
        {"1", {1, 0}, "more values than allowed", 0},
        {"[[],[[]],{}]", {3, 100}, NULL, 0},
        {"[{\"a\":[]}]", {2, 100}, "deeper than allowed", 6},
        {"{\"a\":1}", {1, 3}, NULL, 0},
        {"{\"a\":1}", {1, 2}, "more values than allowed", 5},
        {"{\"a\":1}", {1, 1}, "more values than allowed", 1},
        {"[1,2,3,4]", {1, 5}, NULL, 0},
        {"[1,2,3,4]", {1, 4}, "more values than allowed", 7},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading = reading_within(slice_of_str(cases[i].text), &cases[i].limits);
        assert_int_equal(reading.status, cases[i].problem ? STATUS_INVALID : STATUS_OK);
        if (cases[i].problem)
            assert_string_equal(reading.json.problem, cases[i].problem);
        assert_int_equal(reading.json.problem_at, cases[i].at);
        reading_done(&reading);
    }
}

enum { DEEP = 100000, SMALL_STACK_BYTES = 256 * 1024 };

static void *read_deep(void *text) {
    static const struct json_text_limits deeper = {DEEP, 2 * DEEP};
    struct slice all = slice_of(text, 2 * DEEP);
    assert_refused(all, "deeper than allowed", 64);
    assert_refused(slice_of(text, DEEP), "deeper than allowed", 64);
    struct reading a = reading_within(all, &deeper), b = reading_within(all, &deeper);
    assert_int_equal(a.status, STATUS_OK);
    assert_int_equal(a.json.count, DEEP);
    assert_true(json_text_equal(&a.json, 0, &b.json, 0));
    assert_false(json_text_equal(&a.json, 0, &b.json, 1));
    reading_done(&a);
    reading_done(&b);
    return text;
}

static void needs_no_stack_for_depth(void **state) {
    (void)state;
    char *text = malloc(2 * DEEP);
    assert_non_null(text);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    pthread_attr_t attributes;
    pthread_t thread;
    void *returned = NULL;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, SMALL_STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attributes, read_deep, text), 0);
    assert_int_equal(pthread_join(thread, &returned), 0);
    assert_ptr_equal(returned, text);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
    free(text);
}

/* Its pages are never touched: the length is looked at first. */
static void refuses_what_its_offsets_cannot_reach(void **state) {
    (void)state;
    struct json_text json;
    json_text_init(&json);
    enum status status = json_text_read(&json, slice_of("1", UINT32_MAX), &wide);
    assert_int_equal(status, STATUS_INVALID);
    assert_string_equal(json.problem, "longer than 4 GiB");
    json_text_done(&json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_to_its_limits),
        cmocka_unit_test(needs_no_stack_for_depth),
        cmocka_unit_test(refuses_what_its_offsets_cannot_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
