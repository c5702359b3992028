/* The vectors of RFC 8785 and what lies beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <locale.h>

#include "core/json_canonical.h"

#include "tests/unit/core/json_reading.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct form {
    const char *text, *canonical;
};

static void assert_form(const char *text, const char *canonical) {
    struct reading reading = accepted(slice_of_str(text));
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_append_str(&out, "before:");
    assert_true(json_canonical_write(&reading.json, 0, &out));
    struct slice written = slice_skip(buf_slice(&out), 7);
    if (!slice_eq_str(written, canonical))
        fail_msg("%s became %.*s, expected %s", text, SLICE_ARGS(written), canonical);
    struct reading again = accepted(written);
    buf_clear(&out);
    assert_true(json_canonical_write(&again.json, 0, &out));
    assert_true(slice_eq_str(buf_slice(&out), canonical));
    reading_done(&again);
    reading_done(&reading);
    buf_done(&out);
}

static void assert_forms(const struct form *forms, size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_form(forms[i].text, forms[i].canonical);
}

/* RFC 8785 3.2.2 and 3.2.3 */
static void writes_the_examples_of_the_specification(void **state) {
    (void)state;
    static const struct form forms[] = {
        {"{\n  \"numbers\": [333333333.33333329, 1E30, 4.50,\n"
         "              2e-3, 0.000000000000000000000000001],\n"
         "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\n"
         "  \"literals\": [null, true, false]\n}",
         "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
         "\"string\":\"\xE2\x82\xAC$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
        {"{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\","
         "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\","
         "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\","
         "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
         "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xC2\x80\":\"Control\","
         "\"\xC3\xB6\":\"Latin Small Letter O With Diaeresis\",\"\xE2\x82\xAC\":\"Euro Sign\","
         "\"\xF0\x9F\x98\x80\":\"Emoji: Grinning Face\","
         "\"\xEF\xAC\xB3\":\"Hebrew Letter Dalet With Dagesh\"}"},
        {"{\"\xEF\xAC\xB3\":1,\"\xF0\x9F\x98\x80\":2}",
         "{\"\xF0\x9F\x98\x80\":2,\"\xEF\xAC\xB3\":1}"},
    };
    assert_forms(forms, COUNT(forms));
}

/* RFC 8785 appendix B, each double with 17 digits and with all its digits. */
static void writes_the_numbers_of_the_specification(void **state) {
    (void)state;
    static const struct {
        uint64_t bits;
        const char *canonical;
    } cases[] = {
        {0x0000000000000000, "0"},
        {0x8000000000000000, "0"},
        {0x0000000000000001, "5e-324"},
        {0x8000000000000001, "-5e-324"},
        {0x7fefffffffffffff, "1.7976931348623157e+308"},
        {0xffefffffffffffff, "-1.7976931348623157e+308"},
        {0x4340000000000000, "9007199254740992"},
        {0xc340000000000000, "-9007199254740992"},
        {0x4430000000000000, "295147905179352830000"},
        {0x44b52d02c7e14af5, "9.999999999999997e+22"},
        {0x44b52d02c7e14af6, "1e+23"},
        {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
        {0x444b1ae4d6e2ef4e, "999999999999999700000"},
        {0x444b1ae4d6e2ef4f, "999999999999999900000"},
        {0x444b1ae4d6e2ef50, "1e+21"},
        {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
        {0x3eb0c6f7a0b5ed8d, "0.000001"},
        {0x41b3de4355555553, "333333333.3333332"},
        {0x41b3de4355555554, "333333333.33333325"},
        {0x41b3de4355555555, "333333333.3333333"},
        {0x41b3de4355555556, "333333333.3333334"},
        {0x41b3de4355555557, "333333333.33333343"},
        {0xbecbf647612f3696, "-0.0000033333333333333333"},
        {0x43143ff3c1cb0959, "1424953923781206.2"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        double value;
        char text[1200];
        memcpy(&value, &cases[i].bits, sizeof value);
        (void)snprintf(text, sizeof text, "%.17g", value);
        assert_form(text, cases[i].canonical);
        (void)snprintf(text, sizeof text, "%.1100f", value);
        assert_form(text, cases[i].canonical);
        (void)snprintf(text, sizeof text, "%.800e", value);
        assert_form(text, cases[i].canonical);
    }
}

static void writes_other_numbers_as_ecmascript_does(void **state) {
    (void)state;
    static const struct form forms[] = {
        {"0", "0"},
        {"-0", "0"},
        {"-0.0e7", "0"},
        {"1", "1"},
        {"-1", "-1"},
        {"1.0", "1"},
        {"1e0", "1"},
        {"10e-1", "1"},
        {"1E2", "100"},
        {"123456789012345", "123456789012345"},
        {"1234567890123456", "1234567890123456"},
        {"9007199254740991", "9007199254740991"},
        {"-9007199254740991", "-9007199254740991"},
        {"9007199254740993", "9007199254740992"},
        {"9007199254740995", "9007199254740996"},
        {"12345678901234567890", "12345678901234567000"},
        {"100000000000000000000", "100000000000000000000"},
        {"1000000000000000000000", "1e+21"},
        {"1e20", "100000000000000000000"},
        {"1e21", "1e+21"},
        {"0.000001", "0.000001"},
        {"0.0000001", "1e-7"},
        {"0.00000123", "0.00000123"},
        {"0.000000123", "1.23e-7"},
        {"1.5", "1.5"},
        {"-12.50", "-12.5"},
        {"0.1", "0.1"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"5.6843418860808015e-14", "5.684341886080802e-14"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        {"2.2250738585072011e-308", "2.225073858507201e-308"},
        {"2.4703282292062327e-324", "0"},
        {"2.4703282292062328e-324", "5e-324"},
        {"9.99999999999999999999e22", "1e+23"},
        {"9.9999999999999995e15", "10000000000000000"},
        {"1e-400", "0"},
        {"-1e-400", "0"},
        {"1e-99999999999999999999", "0"},
        {"0e99999999999999999999", "0"},
    };
    assert_forms(forms, COUNT(forms));
}

static void keeps_numbers_apart_that_no_double_holds(void **state) {
    (void)state;
    static const struct form forms[] = {
        {"1e309", "1e+309"},
        {"10e308", "1e+309"},
        {"-1.25E+400", "-1.25e+400"},
        {"1.7976931348623159e308", "1.7976931348623159e+308"},
    };
    assert_forms(forms, COUNT(forms));
}

static void writes_strings_with_few_escapes(void **state) {
    (void)state;
    static const struct form forms[] = {
        {"\"\"", "\"\""},
        {"\"a/b\"", "\"a/b\""},
        {"\"a\\/b\"", "\"a/b\""},
        {"\"\\u0008\\u0009\\u000A\\u000c\\u000D\"", "\"\\b\\t\\n\\f\\r\""},
        {"\"\\b\\t\\n\\f\\r\"", "\"\\b\\t\\n\\f\\r\""},
        {"\"\\u0000\\u0001\\u000b\\u001F\"", "\"\\u0000\\u0001\\u000b\\u001f\""},
        {"\"\\u0022\\u005C\"", "\"\\\"\\\\\""},
        {"\"\\u007f\\u0080\\u2028\"", "\"\x7F\xC2\x80\xE2\x80\xA8\""},
        {"\"\\uD83D\\uDE00\\u00e4\"", "\"\xF0\x9F\x98\x80\xC3\xA4\""},
        {"\"\\u003c\\u0041\"", "\"<A\""},
    };
    assert_forms(forms, COUNT(forms));
}

static void writes_containers_in_order_and_without_space(void **state) {
    (void)state;
    static const struct form forms[] = {
        {" [ ] ", "[]"},
        {" { } ", "{}"},
        {"[1, [2, [3, []]], {}]", "[1,[2,[3,[]]],{}]"},
        {"{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
        {"{\"b\":{\"d\":1,\"c\":[{\"f\":1,\"e\":2}]},\"a\":{}}",
         "{\"a\":{},\"b\":{\"c\":[{\"e\":2,\"f\":1}],\"d\":1}}"},
        {"{\"10\":1,\"9\":2,\"1\":3,\"\":4,\"A\":5,\"a\":6,\"aa\":7}",
         "{\"\":4,\"1\":3,\"10\":1,\"9\":2,\"A\":5,\"a\":6,\"aa\":7}"},
        {"{\"\\u0062\":1,\"a\":2,\"\\u0061\\u0062\":3}", "{\"a\":2,\"ab\":3,\"b\":1}"},
        {"{\"[\":[\"[\",\"{\"],\"{\":{\"{\":\"[\"}}", "{\"[\":[\"[\",\"{\"],\"{\":{\"{\":\"[\"}}"},
        {"{\"r\":1,\"q\":1,\"p\":1,\"o\":1,\"n\":1,\"m\":1,\"l\":1,\"k\":1,\"j\":1,\"i\":1,\"h\":1,"
         "\"g\":1,\"f\":1,\"e\":1,\"d\":1,\"c\":1,\"b\":1,\"a\":1}",
         "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,"
         "\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"r\":1}"},
    };
    assert_forms(forms, COUNT(forms));
}

static void writes_a_part_of_a_text(void **state) {
    (void)state;
    struct reading reading = accepted(SLICE("{\"a\":{\"c\":1,\"b\":[2]},\"z\":0}"));
    struct buf out;
    buf_init(&out, 100);
    uint32_t part = json_text_member(&reading.json, 0, SLICE("a"));
    assert_true(json_canonical_write(&reading.json, part, &out));
    assert_true(slice_eq_str(buf_slice(&out), "{\"b\":[2],\"c\":1}"));
    buf_done(&out);
    reading_done(&reading);
}

static void keeps_to_the_limit_of_the_buffer(void **state) {
    (void)state;
    struct reading reading = accepted(SLICE("{\"b\":[1,2,3],\"a\":\"\\u0041\"}"));
    for (size_t limit = 0; limit <= 22; limit++) {
        struct buf out;
        buf_init(&out, limit);
        assert_int_equal(json_canonical_write(&reading.json, 0, &out), limit >= 21);
        buf_done(&out);
    }
    reading_done(&reading);
}

static void assert_digest(const char *text, const char *hex) {
    struct reading reading = accepted(slice_of_str(text));
    char digest[65];
    assert_true(json_canonical_digest(&reading.json, 0, digest));
    assert_string_equal(digest, hex);
    reading_done(&reading);
}

/* By sha256sum of the canonical forms. */
static void digests_the_canonical_form(void **state) {
    (void)state;
    assert_digest(" [ ] ", "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945");
    static const char expected[] =
        "025f8293a9adde62afd7a2f13310854f6e85c0086b14e76cfaea276bcd4ab65c";
    assert_digest("{\"a\":1,\"b\":[\"\xE2\x82\xAC\",100]}", expected);
    assert_digest("{ \"b\" : [\"\\u20AC\", 1e2], \"\\u0061\":1.0 }", expected);
    assert_digest("1e20", "c344e9487bfbd5c4e03c9fb90d62a5dde5e00b54d55c46e9f4a803aea162b80c");
    assert_digest("[1e20,1e20,1e20,0.000001,1e-6]",
                  "792dba58530338fcb69fb0d651ff2d28893e3758c52b8ff2c3c9294863bd6187");
}

/* A locale with another decimal point, where the system has one. */
static void does_not_mind_the_locale(void **state) {
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    for (size_t i = 0; i < COUNT(names) && !setlocale(LC_ALL, names[i]); i++)
        continue;
    assert_form("[1.5,333333333.33333329,1e-7]", "[1.5,333333333.3333333,1e-7]");
    assert_non_null(setlocale(LC_ALL, "C"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_examples_of_the_specification),
        cmocka_unit_test(writes_the_numbers_of_the_specification),
        cmocka_unit_test(writes_other_numbers_as_ecmascript_does),
        cmocka_unit_test(keeps_numbers_apart_that_no_double_holds),
        cmocka_unit_test(writes_strings_with_few_escapes),
        cmocka_unit_test(writes_containers_in_order_and_without_space),
        cmocka_unit_test(writes_a_part_of_a_text),
        cmocka_unit_test(keeps_to_the_limit_of_the_buffer),
        cmocka_unit_test(digests_the_canonical_form),
        cmocka_unit_test(does_not_mind_the_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
