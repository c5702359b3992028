/* What can be asked of a text that was read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/json_text.h"

#include "tests/unit/core/json_reading.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char message[] =
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"a\\u0062\","
    "\"arguments\":{\"list\":[10,{\"deep\":true},[]],\"\":\"empty\",\"a/b\":1,\"m~n\":2,"
    "\"\\u007e1\":3,\"x\\u002fy~\":4,\"0\":5}}}";

static void assert_bytes(const struct json_text *json, uint32_t value, const char *expected) {
    if (!expected) {
        assert_int_equal(value, JSON_TEXT_NONE);
        return;
    }
    assert_int_not_equal(value, JSON_TEXT_NONE);
    struct slice bytes = json_text_bytes(json, value);
    if (!slice_eq_str(bytes, expected))
        fail_msg("%.*s, expected %s", SLICE_ARGS(bytes), expected);
}

static void finds_members_by_what_their_names_read(void **state) {
    (void)state;
    struct reading reading = accepted(SLICE("{\"a\":1,\"\\u0062c\":[2],\"\":3,\"d\":{\"e\":4}}"));
    const struct json_text *json = &reading.json;
    assert_bytes(json, json_text_member(json, 0, SLICE("a")), "1");
    assert_bytes(json, json_text_member(json, 0, SLICE("bc")), "[2]");
    assert_bytes(json, json_text_member(json, 0, SLICE("")), "3");
    assert_bytes(json, json_text_member(json, 0, SLICE("d")), "{\"e\":4}");
    static const char *const absent[] = {"A", "b", "c", "bcd", "\\u0062c", "e", "a ", "1"};
    for (size_t i = 0; i < COUNT(absent); i++)
        assert_bytes(json, json_text_member(json, 0, slice_of_str(absent[i])), NULL);
    uint32_t array = json_text_member(json, 0, SLICE("bc"));
    assert_bytes(json, json_text_member(json, array, SLICE("0")), NULL);
    assert_bytes(json, json_text_member(json, JSON_TEXT_NONE, SLICE("a")), NULL);
    reading_done(&reading);
}

static void walks_containers_in_their_order(void **state) {
    (void)state;
    struct reading reading = accepted(SLICE("[[1,[2]],{\"a\":{\"b\":3},\"c\":4},[],{}]"));
    const struct json_text *json = &reading.json;
    uint32_t array = json_text_first(json, 0);
    assert_bytes(json, array, "[1,[2]]");
    assert_int_equal(json->values[0].count, 4);
    uint32_t item = json_text_first(json, array);
    assert_bytes(json, item, "1");
    item = json_text_after(json, array, item);
    assert_bytes(json, item, "[2]");
    assert_bytes(json, json_text_after(json, array, item), NULL);
    uint32_t object = json_text_after(json, 0, array);
    assert_int_equal(json->values[object].count, 2);
    uint32_t at = json_text_first(json, object);
    static const char *const members[] = {"\"a\"", "{\"b\":3}", "\"c\"", "4"};
    for (size_t i = 0; i < COUNT(members); i++) {
        assert_bytes(json, at, members[i]);
        at = json_text_after(json, object, at);
    }
    assert_bytes(json, at, NULL);
    uint32_t empty = json_text_after(json, 0, object);
    assert_bytes(json, json_text_first(json, empty), NULL);
    empty = json_text_after(json, 0, empty);
    assert_bytes(json, empty, "{}");
    assert_bytes(json, json_text_first(json, empty), NULL);
    assert_bytes(json, json_text_after(json, 0, empty), NULL);
    assert_bytes(json, json_text_first(json, item + 1), NULL);
    assert_bytes(json, json_text_first(json, JSON_TEXT_NONE), NULL);
    reading_done(&reading);
}

static void follows_pointers(void **state) {
    (void)state;
    static const struct {
        const char *pointer;
        const char *bytes;
    } cases[] = {
        {"/id", "7"},
        {"/params/name", "\"a\\u0062\""},
        {"/params/arguments/list/0", "10"},
        {"/params/arguments/list/1/deep", "true"},
        {"/params/arguments/list/2", "[]"},
        {"/params/arguments/", "\"empty\""},
        {"/params/arguments/a~1b", "1"},
        {"/params/arguments/m~0n", "2"},
        {"/params/arguments/~01", "3"},
        {"/params/arguments/x~1y~0", "4"},
        {"/params/arguments/0", "5"},
        {"/params/arguments/a/b", NULL},
        {"/params/arguments/m~n", NULL},
        {"/params/arguments/m~2n", NULL},
        {"/params/arguments/m~", NULL},
        {"/params/arguments/x~1y~", NULL},
        {"/params/arguments/~1", NULL},
        {"/params/arguments/list/3", NULL},
        {"/params/arguments/list/-", NULL},
        {"/params/arguments/list/00", NULL},
        {"/params/arguments/list/01", NULL},
        {"/params/arguments/list/-1", NULL},
        {"/params/arguments/list/+1", NULL},
        {"/params/arguments/list/ 1", NULL},
        {"/params/arguments/list/", NULL},
        {"/params/arguments/list/4294967296", NULL},
        {"/params/arguments/list/99999999999999999999999", NULL},
        {"/params/arguments/list/2/0", NULL},
        {"/params/arguments/list/0/0", NULL},
        {"/id/", NULL},
        {"/ID", NULL},
        {"/", NULL},
        {"id", NULL},
        {"#/id", NULL},
        {" ", NULL},
    };
    struct reading reading = accepted(slice_of_str(message));
    const struct json_text *json = &reading.json;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_bytes(json, json_text_pointer(json, 0, slice_of_str(cases[i].pointer)),
                     cases[i].bytes);
    assert_int_equal(json_text_pointer(json, 0, SLICE("")), 0);
    uint32_t params = json_text_member(json, 0, SLICE("params"));
    assert_int_equal(json_text_pointer(json, params, SLICE("")), params);
    assert_bytes(json, json_text_pointer(json, params, SLICE("/arguments/list/0")), "10");
    assert_bytes(json, json_text_pointer(json, JSON_TEXT_NONE, SLICE("/id")), NULL);
    assert_bytes(json, json_text_pointer(json, JSON_TEXT_NONE, SLICE("")), NULL);
    reading_done(&reading);
}

static void reads_strings_unescaped(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        struct slice reads;
    } cases[] = {
        {{"\"\"", 2}, {"", 0}},
        {{"\"abc\"", 5}, {"abc", 3}},
        {{"\"a\\u0062c\"", 10}, {"abc", 3}},
        {{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 18}, {"\"\\/\b\f\n\r\t", 8}},
        {{"\"\\u0000\"", 8}, {"\0", 1}},
        {{"\"a\\u0000b\"", 10}, {"a\0b", 3}},
        {{"\"\\u00e4\\u00E4\"", 14}, {"\xC3\xA4\xC3\xA4", 4}},
        {{"\"\\u007f\\u0080\"", 14}, {"\x7F\xC2\x80", 3}},
        {{"\"\\u07ff\\u0800\"", 14}, {"\xDF\xBF\xE0\xA0\x80", 5}},
        {{"\"\\uffff\"", 8}, {"\xEF\xBF\xBF", 3}},
        {{"\"\\ud83d\\ude00\"", 14}, {"\xF0\x9F\x98\x80", 4}},
        {{"\"\\uDBFF\\uDFFF\"", 14}, {"\xF4\x8F\xBF\xBF", 4}},
        {{"\"\\ud800\\udc00x\"", 15}, {"\xF0\x90\x80\x80x", 5}},
        {{"\"\xE2\x82\xAC\\\\\"", 7}, {"\xE2\x82\xAC\\", 4}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading = accepted(cases[i].text);
        char *out = malloc(cases[i].text.len);
        assert_non_null(out);
        struct slice read = json_text_unescape(&reading.json, 0, out);
        assert_true(slice_eq(read, cases[i].reads));
        assert_true(json_text_is(&reading.json, 0, cases[i].reads));
        free(out);
        reading_done(&reading);
    }
}

static void does_not_take_a_string_for_another(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *other;
    } cases[] = {
        {"\"abc\"", "ab"},
        {"\"abc\"", "abcd"},
        {"\"abc\"", "ABC"},
        {"\"abc\"", "\"abc\""},
        {"\"abc\"", ""},
        {"\"\"", "a"},
        {"\"a\\u0062c\"", "a\\u0062c"},
        {"\"a\\u0062c\"", "a"},
        {"\"a\\u0062c\"", "ab"},
        {"\"a\\u0062c\"", "abcd"},
        {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98"},
        {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x81"},
        {"\"\\u0000\"", ""},
        {"1", "1"},
        {"null", "null"},
        {"[\"a\"]", "a"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading = accepted(slice_of_str(cases[i].text));
        assert_false(json_text_is(&reading.json, 0, slice_of_str(cases[i].other)));
        assert_false(json_text_is(&reading.json, JSON_TEXT_NONE, slice_of_str(cases[i].other)));
        reading_done(&reading);
    }
}

static void tells_integers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t integer;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"1", 1},
        {"-1", -1},
        {"1234567890123", 1234567890123},
        {"9007199254740991", 9007199254740991},
        {"-9007199254740991", -9007199254740991},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading = accepted(slice_of_str(cases[i].text));
        int64_t integer = -7;
        assert_true(json_text_integer(&reading.json, 0, &integer));
        assert_true(integer == cases[i].integer);
        reading_done(&reading);
    }
    static const char *const others[] = {
        "9007199254740992",
        "-9007199254740992",
        "18446744073709551616",
        "99999999999999999999999999",
        "1.0",
        "1e0",
        "1E2",
        "0.5",
        "-0.0",
        "\"1\"",
        "null",
        "[1]",
        "true",
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        struct reading reading = accepted(slice_of_str(others[i]));
        int64_t integer = -7;
        assert_false(json_text_integer(&reading.json, 0, &integer));
        assert_false(json_text_integer(&reading.json, JSON_TEXT_NONE, &integer));
        assert_true(integer == -7);
        reading_done(&reading);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_members_by_what_their_names_read),
        cmocka_unit_test(walks_containers_in_their_order),
        cmocka_unit_test(follows_pointers),
        cmocka_unit_test(reads_strings_unescaped),
        cmocka_unit_test(does_not_take_a_string_for_another),
        cmocka_unit_test(tells_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
