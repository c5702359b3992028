/* Values of headers that repeat the body: one spelling each, or none. */
#include "proxy/mcp/mirror.h"
#include "tests/unit/mcp/message_cases.h"

static bool read_mirror(const char *value, char *out, size_t size) {
    struct arena arena;
    struct slice text;
    arena_init(&arena, 1 << 16);
    bool is_read = mcp_mirror_read(slice_of_str(value), &arena, &text);
    if (is_read)
        snprintf(out, size, "%.*s", SLICE_ARGS(text));
    arena_done(&arena);
    return is_read;
}

static void assert_means(const char *value, const char *meaning) {
    char text[256];
    if (!read_mirror(value, text, sizeof text) || strcmp(text, meaning) != 0)
        fail_msg("%s is not read as %s", value, meaning);
}

static void reads_plain_and_encoded_values(void **state) {
    (void)state;
    assert_means("echo", "echo");
    assert_means(" \techo\t", "echo");
    assert_means("two words", "two words");
    assert_means("", "");
    assert_means("=?base64?ZWNobw==?=", "echo");
    assert_means("=?base64?ZWNobzE=?=", "echo1");
    assert_means("=?base64?ZWNobzEy?=", "echo12");
    assert_means("=?base64?"
                 "?=",
                 "");
    assert_means("=?base64?w7w=?=", "\xc3\xbc");
    /* no mark: what stands there is meant */
    assert_means("=?BASE64?ZWNobw==?=", "=?BASE64?ZWNobw==?=");
    assert_means("=?base64?ZWNobw==", "=?base64?ZWNobw==");
}

static void refuses_other_spellings(void **state) {
    (void)state;
    static const char *const values[] = {
        "=?base64?ZWNobw?=",
        "=?base64?ZWNobw=?=",
        "=?base64?ZWNobx==?=",
        "=?base64?ZW Nobw==?=",
        "=?base64?ZWNob-==?=",
        "=?base64?====?=",
        "=?base64?Z===?=",
        "=?base64?ZWNobw==ZWNo?=",
        "=?base64?/w==?=",
        "=?base64?7aCA?=",
        "\xc3\xbc",
        "a\tb",
        "a\x7f",
    };
    char text[256];
    for (size_t i = 0; i < COUNT(values); i++) {
        if (read_mirror(values[i], text, sizeof text))
            fail_msg("%s is read as %s", values[i], text);
    }
}

static void writes_what_it_reads_back(void **state) {
    (void)state;
    static const char *const texts[][2] = {{"echo", "echo"},
                                           {"a b", "a b"},
                                           {" a", "=?base64?IGE=?="},
                                           {"a ", "=?base64?YSA=?="},
                                           {"\xc3\xbc", "=?base64?w7w=?="},
                                           {"a\r\nX: 1", "=?base64?YQ0KWDogMQ==?="},
                                           {"=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?="}};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct buf out;
        buf_init(&out, 256);
        mcp_mirror_write(&out, slice_of_str(texts[i][0]));
        assert_slice(buf_slice(&out), texts[i][1]);
        assert_means(texts[i][1], texts[i][0]);
        buf_done(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_and_encoded_values),
        cmocka_unit_test(refuses_other_spellings),
        cmocka_unit_test(writes_what_it_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
