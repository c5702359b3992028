/* Values that are the same however they are written, and those that are not. Every pair is asked
 * both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/json_text.h"

#include "tests/unit/core/json_reading.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct pair {
    const char *a, *b;
};

static bool are_equal(const char *a, const char *b) {
    struct reading of_a = accepted(slice_of_str(a)), of_b = accepted(slice_of_str(b));
    bool are = json_text_equal(&of_a.json, 0, &of_b.json, 0);
    assert_int_equal(json_text_equal(&of_b.json, 0, &of_a.json, 0), are);
    assert_true(json_text_equal(&of_a.json, 0, &of_a.json, 0));
    assert_false(json_text_equal(&of_a.json, 0, &of_b.json, JSON_TEXT_NONE));
    assert_false(json_text_equal(&of_a.json, JSON_TEXT_NONE, &of_b.json, 0));
    reading_done(&of_a);
    reading_done(&of_b);
    return are;
}

/* As they are and within other values. */
static void assert_pairs(const struct pair *pairs, size_t count, bool expected) {
    for (size_t i = 0; i < count; i++) {
        char a[512], b[512];
        if (are_equal(pairs[i].a, pairs[i].b) != expected)
            fail_msg("%s and %s", pairs[i].a, pairs[i].b);
        (void)snprintf(a, sizeof a, "{\"x\":[0,{\"y\":%s}],\"z\":1}", pairs[i].a);
        (void)snprintf(b, sizeof b, "{\"z\":1.0,\"x\":[0e9,{\"\\u0079\":%s}]}", pairs[i].b);
        if (are_equal(a, b) != expected)
            fail_msg("%s and %s", a, b);
    }
}

static void takes_numbers_for_their_values(void **state) {
    (void)state;
    static const struct pair same[] = {
        {"1", "1.0"},
        {"1", "1e0"},
        {"1", "10e-1"},
        {"1", "0.1e1"},
        {"1", "0.01E+2"},
        {"1", "1.000000"},
        {"100", "1e2"},
        {"100", "1E+02"},
        {"-1.5", "-15e-1"},
        {"0", "-0"},
        {"0", "0.000"},
        {"0", "0e99999999999999999999999999"},
        {"0.0e5", "-0E-7"},
        {"1e400", "10e399"},
        {"12345678901234567890123", "1.2345678901234567890123e22"},
        {"0.00012", "12e-5"},
        {"10.10", "1010e-2"},
        {"1e99999999999999999", "10e99999999999999998"},
        {"1e999999999999999999999", "1e999999999999999999999"},
        {"1e0000000000000000000000002", "100"},
    };
    static const struct pair different[] = {
        {"1", "2"},
        {"1", "-1"},
        {"1", "10"},
        {"1", "0.1"},
        {"1", "1.0000000000000000000000000000000000001"},
        {"9007199254740993", "9007199254740992"},
        {"12", "1.2"},
        {"12", "123"},
        {"0", "1e-400"},
        {"1e400", "1e401"},
        {"1e99999999999999999999", "1e99999999999999999998"},
        {"1e-99999999999999999999", "1e99999999999999999999"},
        {"101", "11"},
        {"1.01", "10.1"},
    };
    assert_pairs(same, COUNT(same), true);
    assert_pairs(different, COUNT(different), false);
}

static void takes_strings_for_what_they_read(void **state) {
    (void)state;
    static const struct pair same[] = {
        {"\"a\"", "\"\\u0061\""},
        {"\"\\/\"", "\"/\""},
        {"\"\\u00e4x\"", "\"\xC3\xA4x\""},
        {"\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""},
        {"\"a\\nb\"", "\"\\u0061\\u000ab\""},
        {"\"\"", "\"\""},
    };
    static const struct pair different[] = {
        {"\"a\"", "\"b\""},
        {"\"a\"", "\"A\""},
        {"\"a\"", "\"ab\""},
        {"\"\\u0061\"", "\"ab\""},
        {"\"\\u0061b\"", "\"a\""},
        {"\"\"", "\"\\u0000\""},
        {"\"\\\\u0061\"", "\"\\u0061\""},
        {"\"e\xCC\x81\"", "\"\xC3\xA9\""},
    };
    assert_pairs(same, COUNT(same), true);
    assert_pairs(different, COUNT(different), false);
}

static void does_not_take_one_kind_for_another(void **state) {
    (void)state;
    static const char *const values[] = {
        "null",   "true", "false", "0",        "1",        "\"\"",     "\"0\"", "\"1\"", "[]",
        "[null]", "{}",   "[[]]",  "{\"\":0}", "\"null\"", "\"true\"", "[0]",   "[{}]",  "\"[]\""};
    for (size_t i = 0; i < COUNT(values); i++) {
        for (size_t k = 0; k < COUNT(values); k++) {
            const struct pair pair = {values[i], values[k]};
            assert_pairs(&pair, 1, i == k);
        }
    }
}

static void takes_members_in_any_order_and_items_in_theirs(void **state) {
    (void)state;
    static const struct pair same[] = {
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"},
        {"{\"a\":1,\"\\u0062\":2,\"c\":3}", "{\"c\":3,\"b\":2.0,\"a\":1}"},
        {"{\"a\":{\"b\":1,\"c\":2},\"d\":[1]}", "{\"d\":[1],\"a\":{\"c\":2,\"b\":1}}"},
        {"[1,[2,{}],[]]", "[ 1, [2.0,{ }], [\n] ]"},
        {"{\"\xF0\x9F\x98\x80\":1,\"\xEF\xAC\xB3\":2}", "{\"\\ufb33\":2,\"\\ud83d\\ude00\":1}"},
    };
    static const struct pair different[] = {
        {"{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}"},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}"},
        {"{\"a\":1}", "{\"b\":1}"},
        {"{\"a\":1}", "{\"A\":1}"},
        {"{\"a\":null}", "{}"},
        {"[1,2]", "[2,1]"},
        {"[1,2]", "[1,2,3]"},
        {"[1,[2]]", "[[1],2]"},
        {"[[1],[2]]", "[[1,2],[]]"},
        {"[{},[]]", "[[],{}]"},
        {"{\"a\":{\"b\":1}}", "{\"a\":{\"b\":2}}"},
        {"{\"a\":{\"b\":1},\"c\":{}}", "{\"a\":{},\"c\":{\"b\":1}}"},
    };
    assert_pairs(same, COUNT(same), true);
    assert_pairs(different, COUNT(different), false);
}

enum { MANY = 5000, MEMBER_BYTES = 24 };

static char *make_members(bool backwards, unsigned odd_one) {
    char *text = malloc((size_t)MANY * MEMBER_BYTES + 4);
    assert_non_null(text);
    size_t len = 0;
    text[len++] = '{';
    for (unsigned i = 0; i < MANY; i++) {
        unsigned number = backwards ? MANY - 1 - i : i;
        len += (size_t)snprintf(text + len, MEMBER_BYTES, "%s\"%u\":%u", i ? "," : "", number,
                                number == odd_one ? 0 : number);
    }
    text[len++] = '}';
    text[len] = '\0';
    return text;
}

static void compares_objects_of_many_members(void **state) {
    (void)state;
    char *forwards = make_members(false, 0), *backwards = make_members(true, 0);
    char *other = make_members(true, MANY / 2);
    assert_true(are_equal(forwards, backwards));
    assert_false(are_equal(forwards, other));
    free(forwards);
    free(backwards);
    free(other);
}

static void compares_parts_of_one_text(void **state) {
    (void)state;
    struct reading reading = accepted(SLICE("[{\"a\":[1,2]},{\"a\":[1.0,2]},{\"a\":[2,1]}]"));
    const struct json_text *json = &reading.json;
    uint32_t first = json_text_first(json, 0), second = json_text_after(json, 0, first);
    uint32_t third = json_text_after(json, 0, second);
    assert_true(json_text_equal(json, first, json, second));
    assert_false(json_text_equal(json, first, json, third));
    assert_false(json_text_equal(json, 0, json, first));
    reading_done(&reading);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_numbers_for_their_values),
        cmocka_unit_test(takes_strings_for_what_they_read),
        cmocka_unit_test(does_not_take_one_kind_for_another),
        cmocka_unit_test(takes_members_in_any_order_and_items_in_theirs),
        cmocka_unit_test(compares_objects_of_many_members),
        cmocka_unit_test(compares_parts_of_one_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
