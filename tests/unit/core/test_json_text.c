/* What is JSON and what is not, in tables by the reason of the refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/json_text.h"

#include "tests/unit/core/json_refusal.h"

static void assert_accepted(struct slice text) {
    struct reading reading = accepted(text);
    assert_null(reading.json.problem);
    reading_done(&reading);
}

/* Once as they are and once deep within other values. */
static void assert_all_accepted(const struct slice *texts, size_t count) {
    struct buf within;
    buf_init(&within, 4096);
    for (size_t i = 0; i < count; i++) {
        assert_accepted(texts[i]);
        buf_clear(&within);
        buf_append_str(&within, " [1,{\"n\":[[");
        buf_append_slice(&within, texts[i]);
        buf_append_str(&within, "]]}] ");
        assert_true(buf_ok(&within));
        assert_accepted(buf_slice(&within));
    }
    buf_done(&within);
}

#define ASSERT_ACCEPTED(texts) assert_all_accepted(texts, COUNT(texts))

static void accepts_words_and_white_space(void **state) {
    (void)state;
    static const struct slice texts[] = {
        T("null"),      T("true"),         T("false"),
        T(" null"),     T("null "),        T("\ttrue"),
        T("\nfalse\n"), T("\r\ntrue\r\n"), T(" \t\r\n null \t\r\n "),
        T("[]"),        T("{}"),           T("[ ]"),
        T("{ }"),       T("[\n]"),         T("{\t}"),
        T(" [ ] "),
    };
    ASSERT_ACCEPTED(texts);
}

static void accepts_numbers(void **state) {
    (void)state;
    static const struct slice texts[] = {
        T("0"),
        T("-0"),
        T("1"),
        T("-1"),
        T("10"),
        T("1234567890"),
        T("0.0"),
        T("-0.0"),
        T("0.5"),
        T("1.25"),
        T("-1.25"),
        T("1e1"),
        T("1E1"),
        T("1e+1"),
        T("1e-1"),
        T("1E+01"),
        T("1e00"),
        T("0e0"),
        T("0e+1"),
        T("0E-1"),
        T("1.5e10"),
        T("-1.5E-10"),
        T("1e400"),
        T("-1e400"),
        T("1e-400"),
        T("123456789012345678901234567890"),
        T("0.00000000000000000000001"),
        T("9007199254740993"),
        T("1.000000000000000000000000000000001"),
    };
    ASSERT_ACCEPTED(texts);
}

static void accepts_strings(void **state) {
    (void)state;
    static const struct slice texts[] = {
        T("\"\""),
        T("\"a\""),
        T("\"sixteen bytes :)\""),
        T("\"a longer text that takes several words of eight bytes\""),
        T("\" \""),
        T("\"\x7F\""),
        T("\"/\""),
        T("\"'\""),
        T("\"\\\"\""),
        T("\"\\\\\""),
        T("\"\\/\""),
        T("\"\\b\\f\\n\\r\\t\""),
        T("\"\\u0000\""),
        T("\"\\u001f\""),
        T("\"\\u0041\\u00e4\\u20AC\""),
        T("\"\\uABCD\\uabcd\""),
        T("\"\\ud7ff\\ue000\\uffff\""),
        T("\"\\ud83d\\ude00\""),
        T("\"\\uD800\\uDC00\\uDBFF\\uDFFF\""),
        T("\"1234567\\\\\""),
        T("\"12345678\\\\\""),
        T("\"123456\\u0041\""),
        T("\"\\\\u0041\""),
        T("\"\\\\\\\"\""),
        T("\"\xC2\x80\""),
        T("\"\xDF\xBF\""),
        T("\"\xE0\xA0\x80\""),
        T("\"\xED\x9F\xBF\""),
        T("\"\xEE\x80\x80\""),
        T("\"\xEF\xBB\xBF\""),
        T("\"\xEF\xBF\xBD\""),
        T("\"\xEF\xBF\xBE\xEF\xBF\xBF\""),
        T("\"\xF0\x90\x80\x80\""),
        T("\"\xF4\x8F\xBF\xBF\""),
        T("\"1234567\xC3\xA4\""),
        T("\"\xC3\xA4"
          "12345678\xE2\x82\xAC"
          "1234567\xF0\x9F\x98\x80\""),
        T("\"\xE2\x80\xA8\xE2\x80\xA9\""),
        T("\"null\""),
        T("\"[]{}:,\""),
    };
    ASSERT_ACCEPTED(texts);
}

static void accepts_arrays_and_objects(void **state) {
    (void)state;
    static const struct slice texts[] = {
        T("[1]"),
        T("[1,2,3]"),
        T("[1 , 2 , 3]"),
        T("[ 1,\n2,\t3\r]"),
        T("[[],[],{}]"),
        T("[[[[[]]]]]"),
        T("[null,true,false,0,\"\",[],{}]"),
        T("[\"\",\"\"]"),
        T("{\"\":0}"),
        T("{\"a\":1}"),
        T("{ \"a\" : 1 }"),
        T("{\"a\"\n:\t1\r}"),
        T("{\"a\":1,\"b\":2}"),
        T("{\"a\":1 , \"b\":2}"),
        T("{\"a\":1,\"A\":2}"),
        T("{\"a\":1,\"a \":2}"),
        T("{\"\":1,\" \":2}"),
        T("{\"a\":{\"a\":{\"a\":{}}}}"),
        T("[{\"a\":1},{\"a\":1}]"),
        T("{\"a\":{\"b\":1},\"b\":{\"a\":1}}"),
        T("{\"a\":\"a\"}"),
        T("{\"\\u0061\":1,\"b\":2}"),
        T("{\"\\\\u0061\":1,\"a\":2}"),
        T("{\"e\xCC\x81\":1,\"\xC3\xA9\":2}"),
        T("{\"abcdefgh\":1,\"abcdefgi\":2,\"bbcdefgh\":3}"),
        T("{\"abcdefgh-abcdefgh\":1,\"abcdefgh+abcdefgh\":2}"),
        T("{\"a\":[{\"b\":[{\"c\":[]}]}]}"),
    };
    ASSERT_ACCEPTED(texts);
}

static void refuses_texts_that_end_early(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {T(""), 0},         {T(" "), 1},         {T("\n\t\r "), 4},   {T("["), 1},
        {T("[1"), 2},       {T("[1,"), 3},       {T("[1, "), 4},      {T("[["), 2},
        {T("[[]"), 3},      {T("[[],"), 4},      {T("{\"a\":"), 5},   {T("{\"a\": "), 6},
        {T("{\"a\":1"), 6}, {T("{\"a\":{}"), 7}, {T("[{}"), 3},       {T("[\"a\""), 4},
        {T("[null"), 5},    {T("[1 "), 3},       {T("{\"a\":[]"), 7},
    };
    ASSERT_REFUSED(refusals, "the text ends early");
    static const struct refusal strings[] = {
        {T("\""), 1},
        {T("\"a"), 2},
        {T("[\"a"), 3},
        {T("\"12345678"), 9},
        {T("{\"a"), 3},
        {T("\"\\\""), 3},
        {T("\"a\\\\"), 4},
        {T("\"\xC3\xA4"), 3},
        {T("\"\\\\\\\""), 5},
        {T("\"\\u0041"), 7},
        {T("\"\\ud83d\\ude00"), 13},
    };
    ASSERT_REFUSED(strings, "a string without an end");
}

static const struct refusal no_values[] = {
    {T("nul"), 0},
    {T("Null"), 0},
    {T("NULL"), 0},
    {T("tru"), 0},
    {T("True"), 0},
    {T("fals"), 0},
    {T("False"), 0},
    {T("nil"), 0},
    {T("NaN"), 0},
    {T("nan"), 0},
    {T("Infinity"), 0},
    {T("undefined"), 0},
    {T("+1"), 0},
    {T(".5"), 0},
    {T("'a'"), 0},
    {T("a"), 0},
    {T("]"), 0},
    {T("}"), 0},
    {T(","), 0},
    {T(":"), 0},
    {T("[,]"), 1},
    {T("[1,]"), 3},
    {T("[1,,2]"), 3},
    {T("[,1]"), 1},
    {T("{\"a\":}"), 5},
    {T("{\"a\":,}"), 5},
    {T("{\"a\"::1}"), 5},
    {T("[+1]"), 1},
    {T("[Inf]"), 1},
    {T("[1,}"), 3},
    {T("{\"a\":]"), 5},
    {T("[:1]"), 1},
    {T("//"), 0},
    {T("/**/1"), 0},
    {T("#1"), 0},
    {T("[1,/**/2]"), 3},
    {T("\0"), 0},
    {T("\v1"), 0},
    {T("\f1"), 0},
    {T("\xC2\xA0"
       "1"),
     0},
    {T("\xE2\x80\x8B[]"), 0},
    {T("\xFF\xFE"), 0},
    {T("\xFE\xFF\0["), 0},
    {T("[\0]"), 1},
    {T("\x1E{}"), 0},
    {T("\x7F"), 0},
    {T("\\"), 0},
    {T("<a>"), 0},
    {T("(1)"), 0},
    {T("[t]"), 1},
    {T("[n"), 1},
    {T("[True]"), 1},
    {T("\xEF\xBC\x91"), 0},
    {T("$1"), 0},
    {T("_"), 0},
    {T("`a`"), 0},
};

static void refuses_what_is_no_value(void **state) {
    (void)state;
    ASSERT_REFUSED(no_values, "not a value");
}

static void refuses_numbers_that_json_does_not_have(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {T("-"), 0},    {T("--1"), 0},  {T("-a"), 0},    {T("00"), 0},   {T("01"), 0},
        {T("-01"), 0},  {T("-00"), 0},  {T("012"), 0},   {T("1."), 0},   {T("-1."), 0},
        {T("1.e1"), 0}, {T("0."), 0},   {T("0.e1"), 0},  {T("-.5"), 0},  {T("1.-5"), 0},
        {T("1e"), 0},   {T("1E"), 0},   {T("1e+"), 0},   {T("1e-"), 0},  {T("1e+-1"), 0},
        {T("1ea"), 0},  {T("1e.5"), 0}, {T("1.5e"), 0},  {T("0e"), 0},   {T("0e+"), 0},
        {T("-Inf"), 0}, {T("-NaN"), 0}, {T("[-]"), 1},   {T("[01]"), 1}, {T("[1.]"), 1},
        {T("[1e]"), 1}, {T("[-]"), 1},  {T("[- 1]"), 1}, {T("00.5"), 0},
    };
    ASSERT_REFUSED(refusals, "a number that JSON does not have");
}

static void refuses_more_than_one_value(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {T("1 2"), 2},        {T("1,2"), 1},     {T("[]]"), 2},       {T("[][]"), 2},
        {T("{}}"), 2},        {T("{} {}"), 3},   {T("null null"), 5}, {T("nulll"), 4},
        {T("\"a\"\"b\""), 3}, {T("\"\"x"), 2},   {T("1a"), 1},        {T("0x10"), 1},
        {T("1_000"), 1},      {T("1.2.3"), 3},   {T("1e1e1"), 3},     {T("1-1"), 1},
        {T("1+1"), 1},        {T("[]//"), 2},    {T("{}#"), 2},       {T("[]\0"), 2},
        {T("1\0"), 1},        {T("1\x1A"), 1},   {T("1\xC2\xA0"), 1}, {T("[]\xEF\xBB\xBF"), 2},
        {T("{};"), 2},        {T("1f"), 1},      {T("0n"), 1},        {T("-0-"), 2},
        {T("0b1"), 1},        {T("\"a\":1"), 3}, {T("truetrue"), 4},  {T("1\v"), 1},
    };
    ASSERT_REFUSED(refusals, "more than one value");
}

static void refuses_arrays_and_objects_that_are_not_right(void **state) {
    (void)state;
    static const struct refusal commas[] = {
        {T("[1 2]"), 3},       {T("[1}"), 2},           {T("[1:2]"), 2},
        {T("[\"a\":1]"), 4},   {T("[1;2]"), 2},         {T("{\"a\":1]"), 6},
        {T("[[]1]"), 3},       {T("[0x1]"), 2},         {T("{\"a\":1 \"b\":2}"), 7},
        {T("{\"a\":1:2}"), 6}, {T("{\"a\":1;}"), 6},    {T("[{}}"), 3},
        {T("[1.2.3]"), 4},     {T("[nulll]"), 5},       {T("[1\0]"), 2},
        {T("[\"a\"b]"), 4},    {T("[\"a\" \"b\"]"), 5}, {T("[1a]"), 2},
        {T("[1/**/]"), 2},     {T("[1\xC2\xA0]"), 2},
    };
    ASSERT_REFUSED(commas, "no comma behind a value");
    static const struct refusal names[] = {
        {T("{"), 1},          {T("{ "), 2},
        {T("{,"), 1},         {T("{,}"), 1},
        {T("{1:2}"), 1},      {T("{a:1}"), 1},
        {T("{'a':1}"), 1},    {T("{null:1}"), 1},
        {T("{:1}"), 1},       {T("{]"), 1},
        {T("{[]:1}"), 1},     {T("{{}:1}"), 1},
        {T("{\"a\":1,}"), 7}, {T("{\"a\":1,,\"b\":2}"), 7},
        {T("{\"a\":1,"), 7},  {T("{\"a\":1,b"), 7},
        {T("{\"a\":1,]"), 7}, {T("{/**/\"a\":1}"), 1},
        {T("{\0}"), 1},
    };
    ASSERT_REFUSED(names, "no name where one is due");
    static const struct refusal colons[] = {
        {T("{\"a\""), 4},    {T("{\"a\" "), 5},   {T("{\"a\"}"), 4},      {T("{\"a\",1}"), 4},
        {T("{\"a\" 1}"), 5}, {T("{\"a\"=1}"), 4}, {T("{\"a\"\"b\"}"), 4}, {T("{\"a\"b:1}"), 4},
    };
    ASSERT_REFUSED(colons, "no colon behind a name");
}

static void refuses_strings_that_are_not_right(void **state) {
    (void)state;
    static const struct refusal controls[] = {
        {T("\"\0\""), 1},           {T("\"\n\""), 1},          {T("\"\t\""), 1},
        {T("\"\r\""), 1},           {T("\"\x01\""), 1},        {T("\"\x1F\""), 1},
        {T("\"a\0b\""), 2},         {T("\"1234567\x0B\""), 8}, {T("\"12345678\x1F\""), 9},
        {T("\"\xC3\xA4\x02\""), 3}, {T("{\"\n\":1}"), 2},      {T("{\"\0\":1}"), 2},
        {T("\"\\n\n\""), 3},
    };
    ASSERT_REFUSED(controls, "a control character in a string");
    static const struct refusal escapes[] = {
        {T("\"\\a\""), 1},  {T("\"\\'\""), 1},     {T("\"\\0\""), 1},        {T("\"\\x41\""), 1},
        {T("\"\\v\""), 1},  {T("\"\\U0041\""), 1}, {T("\"\\ \""), 1},        {T("\"\\\0\""), 1},
        {T("\"\\\n\""), 1}, {T("\"\\N\""), 1},     {T("\"\\\xC3\xA4\""), 1}, {T("\"\\1\""), 1},
        {T("\"\\e\""), 1},  {T("{\"\\a\":1}"), 2},
    };
    ASSERT_REFUSED(escapes, "an escape that JSON does not have");
    static const struct refusal digits[] = {
        {T("\"\\u\""), 1},     {T("\"\\u0\""), 1},       {T("\"\\u00\""), 1},
        {T("\"\\u004\""), 1},  {T("\"\\u004g\""), 1},    {T("\"\\u 041\""), 1},
        {T("\"\\u+041\""), 1}, {T("\"\\u-041\""), 1},    {T("\"\\u{41}\""), 1},
        {T("\"\\u0x41\""), 1}, {T("\"\\u00\0\60\""), 1}, {T("\"\\u004"), 1},
        {T("\"\\u"), 1},       {T("\"\\"), 1},           {T("\"\\uGGGG\""), 1},
        {T("\"\\u004@\""), 1}, {T("\"\\u004`\""), 1},
    };
    ASSERT_REFUSED(digits, "an escape without its four hex digits");
}

static void refuses_surrogates_alone(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {T("\"\\ud800\""), 1},
        {T("\"\\uDBFF\""), 1},
        {T("\"\\udc00\""), 1},
        {T("\"\\uDFFF\""), 1},
        {T("\"\\ud800a\""), 1},
        {T("\"\\ud800\\n\""), 1},
        {T("\"\\ud800\\u0041\""), 1},
        {T("\"\\ud800\\ud800\""), 1},
        {T("\"\\udc00\\ud800\""), 1},
        {T("\"\\ud800\\uDBFF\""), 1},
        {T("\"\\ud800\\ue000\""), 1},
        {T("\"\\ud800\\u\""), 1},
        {T("\"\\ud800\\udc0\""), 1},
        {T("\"\\ud83d\\ude00\\ud83d\""), 13},
        {T("\"\\ud83d\\ude00\\ude00\""), 13},
        {T("\"\\ud800 \\udc00\""), 1},
        {T("{\"\\ud800\":1}"), 2},
        {T("\"\\ud800\xED\xB0\x80\""), 1},
        {T("\"\\ud800"), 1},
    };
    ASSERT_REFUSED(refusals, "a surrogate alone");
}

static void refuses_bytes_that_are_not_utf_8(void **state) {
    (void)state;
    static const struct refusal refusals[] = {
        {T("\"\x80\""), 1},
        {T("\"\xBF\""), 1},
        {T("\"\xC0\x80\""), 1},
        {T("\"\xC1\xBF\""), 1},
        {T("\"\xC2\""), 1},
        {T("\"\xC2"
           "a\""),
         1},
        {T("\"\xC2\xC2\""), 1},
        {T("\"\xE0\x80\x80\""), 1},
        {T("\"\xE0\x9F\xBF\""), 1},
        {T("\"\xE2\x82\""), 1},
        {T("\"\xE2\x82"
           "a\""),
         1},
        {T("\"\xED\xA0\x80\""), 1},
        {T("\"\xED\xBF\xBF\""), 1},
        {T("\"\xED\xA0\xBD\xED\xB8\x80\""), 1},
        {T("\"\xF0\x80\x80\x80\""), 1},
        {T("\"\xF0\x8F\xBF\xBF\""), 1},
        {T("\"\xF0\x9F\x98\""), 1},
        {T("\"\xF4\x90\x80\x80\""), 1},
        {T("\"\xF5\x80\x80\x80\""), 1},
        {T("\"\xF8\x88\x80\x80\x80\""), 1},
        {T("\"\xFC\x84\x80\x80\x80\x80\""), 1},
        {T("\"\xFE\""), 1},
        {T("\"\xFF\""), 1},
        {T("\"a\xE4\""), 2},
        {T("\"\xC3\xA4\xA4\""), 3},
        {T("\"1234567\x80\""), 8},
        {T("{\"\xFF\":1}"), 2},
        {T("\"\xC2"), 1},
        {T("\"\xF0\x9F\x98"), 1},
        {T("\"12345678\xE4\""), 9},
    };
    ASSERT_REFUSED(refusals, "bytes that are not UTF-8");
}

static void refuses_what_names_and_beginnings_must_not_have(void **state) {
    (void)state;
    static const struct refusal nul[] = {
        {T("{\"\\u0000\":1}"), 2},
        {T("{\"a\\u0000b\":1}"), 3},
        {T("[{\"a\":{\"a\\u0000\":1}}]"), 9},
    };
    ASSERT_REFUSED(nul, "NUL in a name");
    static const struct refusal marks[] = {
        {T("\xEF\xBB\xBF"), 0},
        {T("\xEF\xBB\xBF[]"), 0},
        {T("\xEF\xBB\xBF 1"), 0},
    };
    ASSERT_REFUSED(marks, "a byte order mark");
}

static void refuses_every_beginning_of_a_text(void **state) {
    (void)state;
    static const char text[] =
        "{\"a\":[1.5e1,-0,\"\\u00e4\\ud83d\\ude00\xE2\x82\xAC\\n\",true,null],"
        "\"b\\\"\":{\"c\":{},\"d\":[[],false]}} ";
    size_t whole = sizeof text - 2;
    for (size_t len = 0; len <= whole + 1; len++) {
        struct reading reading = reading_of(slice_of(text, len));
        assert_int_equal(reading.status, len < whole ? STATUS_INVALID : STATUS_OK);
        assert_true(len >= whole || reading.json.problem_at <= len);
        reading_done(&reading);
    }
}

static void is_used_again_after_anything(void **state) {
    (void)state;
    struct json_text json;
    json_text_init(&json);
    assert_int_equal(json_text_read(&json, SLICE("[1,2"), &wide), STATUS_INVALID);
    assert_int_equal(json_text_read(&json, SLICE("{\"a\":[1]}"), &wide), STATUS_OK);
    assert_null(json.problem);
    assert_int_equal(json.count, 4);
    assert_int_equal(json_text_read(&json, slice_of(NULL, 0), &wide), STATUS_INVALID);
    assert_int_equal(json.count, 0);
    json_text_done(&json);
    assert_int_equal(json_text_read(&json, SLICE("7"), &wide), STATUS_OK);
    assert_int_equal(json.count, 1);
    json_text_done(&json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_words_and_white_space),
        cmocka_unit_test(accepts_numbers),
        cmocka_unit_test(accepts_strings),
        cmocka_unit_test(accepts_arrays_and_objects),
        cmocka_unit_test(refuses_texts_that_end_early),
        cmocka_unit_test(refuses_what_is_no_value),
        cmocka_unit_test(refuses_numbers_that_json_does_not_have),
        cmocka_unit_test(refuses_more_than_one_value),
        cmocka_unit_test(refuses_arrays_and_objects_that_are_not_right),
        cmocka_unit_test(refuses_strings_that_are_not_right),
        cmocka_unit_test(refuses_surrogates_alone),
        cmocka_unit_test(refuses_bytes_that_are_not_utf_8),
        cmocka_unit_test(refuses_what_names_and_beginnings_must_not_have),
        cmocka_unit_test(refuses_every_beginning_of_a_text),
        cmocka_unit_test(is_used_again_after_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
