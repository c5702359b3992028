/* JSON output, read back by jansson. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jansson.h>

#include "core/json_out.h"

static struct buf buf;
static struct json_out out;

static int set_up(void **state) {
    (void)state;
    buf_init(&buf, 1 << 20);
    json_out_init(&out, &buf);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    buf_done(&buf);
    return 0;
}

static void writes_nested_values_with_commas(void **state) {
    (void)state;
    json_out_object_begin(&out, NULL);
    json_out_str(&out, "a", SLICE("x"));
    json_out_array_begin(&out, "b");
    json_out_u64(&out, NULL, UINT64_MAX);
    json_out_i64(&out, NULL, INT64_MIN);
    json_out_i64(&out, NULL, 5);
    json_out_object_begin(&out, NULL);
    json_out_object_end(&out);
    json_out_array_begin(&out, NULL);
    json_out_array_end(&out);
    json_out_array_end(&out);
    json_out_bool(&out, "c", true);
    json_out_bool(&out, "d", false);
    json_out_null(&out, "e");
    json_out_cstr(&out, "f", NULL);
    json_out_cstr(&out, "g", "y");
    json_out_milli(&out, "h", 1234005);
    json_out_milli(&out, "i", 70);
    json_out_object_end(&out);
    assert_true(slice_eq_str(buf_slice(&buf),
                             "{\"a\":\"x\",\"b\":[18446744073709551615,-9223372036854775808,5,{},"
                             "[]],\"c\":true,\"d\":false,\"e\":null,\"f\":null,\"g\":\"y\","
                             "\"h\":1234.005,\"i\":0.070}"));
}

static void escapes_what_could_break_a_line_or_a_terminal(void **state) {
    (void)state;
    json_out_str(&out, NULL, SLICE("\"\\\n\r\t\x01\x1b[0m\x7F\0/\xC2\x9B"));
    assert_true(slice_eq_str(buf_slice(&buf), "\"\\\"\\\\\\n\\r\\t\\u0001\\u001b[0m\\u007f\\u0000/"
                                              "\\u009b\""));
}

static void keeps_valid_utf8_and_replaces_the_rest(void **state) {
    (void)state;
    static const struct {
        const char *in, *expected;
    } cases[] = {
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8D\xBA", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x8D\xBA\""},
        {"\xFF", "\"\xEF\xBF\xBD\""},
        {"a\xC3", "\"a\xEF\xBF\xBD\""},
        {"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xE2\x82z", "\"\xEF\xBF\xBD\xEF\xBF\xBDz\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&buf);
        json_out_init(&out, &buf);
        json_out_cstr(&out, NULL, cases[i].in);
        assert_true(slice_eq_str(buf_slice(&buf), cases[i].expected));
    }
}

static void every_byte_string_becomes_valid_json(void **state) {
    (void)state;
    uint32_t seed = 0x1234567;
    for (int round = 0; round < 20000; round++) {
        char text[24];
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525 + 1013904223;
            text[i] = (char)(seed >> 24);
        }
        buf_clear(&buf);
        json_out_init(&out, &buf);
        json_out_array_begin(&out, NULL);
        json_out_str(&out, NULL, slice_of(text, sizeof text));
        json_out_array_end(&out);
        json_t *parsed = json_loadb(buf.ptr, buf.len, JSON_ALLOW_NUL, NULL);
        assert_non_null(parsed);
        json_decref(parsed);
    }
}

static void cuts_long_strings_between_characters(void **state) {
    (void)state;
    char text[JSON_OUT_MAX_STRING + 8];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof text);
        for (size_t i = shift; i + 4 <= sizeof text; i += 4)
            memcpy(text + i, "\xF0\x9F\x8D\xBA", 4);
        buf_clear(&buf);
        json_out_init(&out, &buf);
        json_out_str(&out, NULL, slice_of(text, sizeof text));
        assert_true(slice_ends_with(buf_slice(&buf), SLICE("\xF0\x9F\x8D\xBA\xE2\x80\xA6\"")));
        assert_true(buf.len <= JSON_OUT_MAX_STRING + 5);
    }
    memset(text, 'x', sizeof text);
    buf_clear(&buf);
    json_out_init(&out, &buf);
    json_out_str(&out, NULL, slice_of(text, JSON_OUT_MAX_STRING));
    assert_int_equal(buf.len, JSON_OUT_MAX_STRING + 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_nested_values_with_commas, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes_what_could_break_a_line_or_a_terminal, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(keeps_valid_utf8_and_replaces_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_byte_string_becomes_valid_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_long_strings_between_characters, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
