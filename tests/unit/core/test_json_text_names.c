/* Names that repeat in one object, however they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/json_text.h"

#include "tests/unit/core/json_refusal.h"

static void refuses_names_that_read_the_same(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {T("{\"a\":1,\"a\":2}"), 7},
        {T("{\"a\":1,\"a\":1}"), 7},
        {T("{\"\":1,\"\":2}"), 6},
        {T("{\"a\":1,\"b\":2,\"a\":3}"), 13},
        {T("{\"b\":1,\"a\":2,\"a\":3}"), 13},
        {T("{\"a\":[],\"a\":{}}"), 8},
        {T("{\"a\":1,\"\\u0061\":2}"), 7},
        {T("{\"\\u0061\":1,\"a\":2}"), 12},
        {T("{\"\\u006a\":1,\"\\u006A\":2}"), 12},
        {T("{\"name\":1,\"\\u006eame\":2}"), 10},
        {T("{\"\\/\":1,\"/\":2}"), 8},
        {T("{\"\\n\":1,\"\\u000a\":2}"), 8},
        {T("{\"\xC3\xA4\":1,\"\\u00e4\":2}"), 8},
        {T("{\"\xF0\x9F\x98\x80\":1,\"\\uD83d\\uDe00\":2}"), 10},
        {T("[{\"a\":1,\"a\":2}]"), 8},
        {T("{\"x\":{\"a\":1,\"a\":2}}"), 12},
        {T("{\"x\":[0,{\"a\":1,\"a\":2}]}"), 15},
        {T("{\"abcdefghijkl\":1,\"abcdefghijkl\":2}"), 18},
        {T("{\"abcdefg\":1,\"abcdefg\":2}"), 13},
    };
    ASSERT_REFUSED(refusals, "a name twice in one object");
}

/* `count` names, the last as the one at `same_as` when that is one of them. */
static char *make_names(unsigned count, unsigned same_as, const char *before, const char *behind) {
    size_t size = (size_t)count * 32 + 16, len = 1;
    char *text = malloc(size);
    assert_non_null(text);
    text[0] = '{';
    for (unsigned i = 0; i < count; i++) {
        unsigned number = i == count - 1 ? same_as : i;
        len += (size_t)snprintf(text + len, size - len, "%s\"%s%u%s\":%u", i ? "," : "", before,
                                number, behind, i);
    }
    (void)snprintf(text + len, size - len, "}");
    return text;
}

static enum status status_of(const char *text) {
    struct reading reading = reading_of(slice_of_str(text));
    enum status status = reading.status;
    reading_done(&reading);
    return status;
}

static void finds_a_name_twice_among_any_number_of_them(void **state) {
    (void)state;
    static const unsigned counts[] = {2, 3, 15, 16, 17, 18, 64, 65, 1000, 100000};
    static const char *const forms[][2] = {
        {"", ""}, {"0000000", ""}, {"\\u0061", ""}, {"", "-long-end"}};
    for (size_t i = 0; i < COUNT(counts) * COUNT(forms); i++) {
        unsigned count = counts[i % COUNT(counts)];
        const char *const *form = forms[i / COUNT(counts)];
        char *differ = make_names(count, count - 1, form[0], form[1]);
        char *first_again = make_names(count, 0, form[0], form[1]);
        char *one_again = make_names(count, (count - 1) / 2, form[0], form[1]);
        assert_int_equal(status_of(differ), STATUS_OK);
        assert_int_equal(status_of(first_again), STATUS_INVALID);
        assert_int_equal(status_of(one_again), STATUS_INVALID);
        free(differ);
        free(first_again);
        free(one_again);
    }
}

static void does_not_take_names_for_each_other_that_only_look_alike(void **state) {
    (void)state;
    /* all pairs of lengths 0-20 that differ in one byte at most */
    char text[64];
    for (int len = 1; len <= 20; len++) {
        for (int changed = 0; changed <= len; changed++) {
            char name[24], other[24];
            memset(name, 'a', sizeof name);
            memset(other, 'a', sizeof other);
            if (changed < len)
                other[changed] = 'b';
            (void)snprintf(text, sizeof text, "{\"%.*s\":1,\"%.*s\":2}", len, name, len, other);
            assert_int_equal(status_of(text), changed < len ? STATUS_OK : STATUS_INVALID);
            (void)snprintf(text, sizeof text, "{\"%.*s\":1,\"%.*s\":2}", len, name, len - 1, name);
            assert_int_equal(status_of(text), STATUS_OK);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_names_that_read_the_same),
        cmocka_unit_test(finds_a_name_twice_among_any_number_of_them),
        cmocka_unit_test(does_not_take_names_for_each_other_that_only_look_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
