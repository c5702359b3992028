/* Forms in which servers say that there is no such tool: each is learned from its own answer and
 * written back byte for byte; nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/mcp/missing_tool.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ERROR(code, text)                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":" code ",\"message\":\"" text "\"}}"
#define CONTENT(text)                                                                              \
    "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"" text "\"}],\"isError\":true}"
#define ANSWER(members) "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{" members "}}"
#define RESULT(text) "{\"jsonrpc\":\"2.0\",\"id\":7," CONTENT(text) "}"
#define RESULT_FIRST(text) "{" CONTENT(text) ",\"jsonrpc\":\"2.0\",\"id\":7}"

static struct mcp_message call_of(enum mcp_era era, const char *name) {
    static const struct mcp_method call = {.text = {"tools/call", 10}};
    return (struct mcp_message){.kind = MCP_REQUEST,
                                .era = era,
                                .method = &call,
                                .id = SLICE("7"),
                                .has_name = true,
                                .name = slice_of_str(name)};
}

static void learn(struct mcp_missing_tool *known, const struct mcp_message *asked,
                  const char *answer) {
    const struct json_text_limits limits = {.depth = 16, .values = 1000};
    struct json_text json;
    json_text_init(&json);
    assert_int_equal(json_text_read(&json, slice_of_str(answer), &limits), STATUS_OK);
    mcp_missing_tool_learn(known, asked, &json);
    json_text_done(&json);
}

static void assert_said(const struct mcp_missing_tool *known, enum mcp_era era, const char *name,
                        const char *expected) {
    const struct mcp_message asked = call_of(era, name);
    struct buf out;
    buf_init(&out, 1 << 16);
    mcp_missing_tool_write(&out, known, &asked);
    assert_true(buf_ok(&out));
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.ptr, expected, out.len);
    buf_done(&out);
}

static void says_what_the_server_says(void **state) {
    (void)state;
    static const struct {
        const char *seen, *said;
    } cases[] = {
        {ERROR("-32602", "Unknown tool: no"), ERROR("-32602", "Unknown tool: a\\\"b")},
        {RESULT_FIRST("MCP error -32602: Tool no not found"),
         RESULT_FIRST("MCP error -32602: Tool a\\\"b not found")},
        {ERROR("-32602", "Tool no not found"), ERROR("-32602", "Tool a\\\"b not found")},
        {ERROR("-32602", "MCP error -32602: Tool no not found"),
         ERROR("-32602", "MCP error -32602: Tool a\\\"b not found")},
        {RESULT("Unknown tool: no"), RESULT("Unknown tool: a\\\"b")},
        {ERROR("-32602", "unknown tool \\\"no\\\""),
         ERROR("-32602", "unknown tool \\\"a\\\"b\\\"")},
        {ERROR("-32602", "Unknown tool: 'no'"), ERROR("-32602", "Unknown tool: 'a\\\"b'")},
    };
    for (int era = MCP_LEGACY; era <= MCP_MODERN; era++) {
        const struct mcp_message asked = call_of((enum mcp_era)era, "no");
        struct mcp_missing_tool known = {0};
        for (size_t i = 0; i < COUNT(cases); i++) {
            learn(&known, &asked, cases[i].seen);
            assert_said(&known, (enum mcp_era)era, "a\"b", cases[i].said);
        }
        assert_int_equal(atomic_load(&known.form[1 - era]), 0);
    }
}

static void says_what_is_usual_before(void **state) {
    (void)state;
    struct mcp_missing_tool known = {0};
    assert_said(&known, MCP_LEGACY, "x", ERROR("-32602", "Unknown tool: x"));
    assert_said(&known, MCP_MODERN, "x", ERROR("-32602", "Tool x not found"));
    atomic_init(&known.form[MCP_LEGACY], 255);
    assert_said(&known, MCP_LEGACY, "x", ERROR("-32602", "Unknown tool: x"));
}

static void knows_a_library_by_what_it_writes_first(void **state) {
    (void)state;
    static const struct mcp_method list = {.text = {"tools/list", 10}};
    struct mcp_missing_tool known = {0};
    struct mcp_message asked = {.kind = MCP_REQUEST, .method = &list};
    learn(&known, &asked, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}");
    assert_said(&known, MCP_LEGACY, "x", ERROR("-32602", "Unknown tool: x"));
    learn(&known, &asked, "{\"result\":{\"tools\":[]},\"jsonrpc\":\"2.0\",\"id\":7}");
    assert_said(&known, MCP_LEGACY, "x", RESULT_FIRST("MCP error -32602: Tool x not found"));
    asked = call_of(MCP_LEGACY, "no");
    learn(&known, &asked, RESULT("Unknown tool: no")); /* what was seen counts for more */
    learn(&known, &asked, "{\"result\":{},\"jsonrpc\":\"2.0\",\"id\":7}");
    assert_said(&known, MCP_LEGACY, "x", RESULT("Unknown tool: x"));
    asked.era = MCP_MODERN;
    learn(&known, &asked, "{\"result\":{},\"jsonrpc\":\"2.0\",\"id\":7}");
    assert_int_equal(atomic_load(&known.form[MCP_MODERN]), 0);
}

static void tells_the_library_by_its_words(void **state) {
    (void)state;
    static const struct {
        const char *seen;
        enum mcp_library library;
    } cases[] = {
        {RESULT_FIRST("MCP error -32602: Tool no not found"), MCP_LIBRARY_TYPESCRIPT_1},
        {ERROR("-32602", "MCP error -32602: Tool no not found"), MCP_LIBRARY_TYPESCRIPT_1},
        {ERROR("-32602", "Tool no not found"), MCP_LIBRARY_TYPESCRIPT_2},
        {ERROR("-32602", "Unknown tool: no"), MCP_LIBRARY_OTHER},
        {RESULT("Unknown tool: no"), MCP_LIBRARY_OTHER},
        {ERROR("-32602", "unknown tool \\\"no\\\""), MCP_LIBRARY_OTHER},
    };
    struct mcp_missing_tool known = {0};
    assert_int_equal(mcp_missing_tool_library(&known, MCP_LEGACY), MCP_LIBRARY_OTHER);
    assert_int_equal(mcp_missing_tool_library(&known, MCP_MODERN), MCP_LIBRARY_TYPESCRIPT_2);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct mcp_message asked = call_of(MCP_LEGACY, "no");
        learn(&known, &asked, cases[i].seen);
        assert_int_equal(mcp_missing_tool_library(&known, MCP_LEGACY), cases[i].library);
    }
}

static void learns_from_nothing_else(void **state) {
    (void)state;
    static const char *const answers[] = {
        ERROR("-32602", "Unknown tool: nob"),
        ERROR("-32602", "Unknown tool: no for alice"),
        ERROR("-32603", "Tool no not found"),
        ERROR("-32602", "Bad argument"),
        RESULT("no"),
        RESULT("Tool no not found"),
        ANSWER("\"content\":[{\"type\":\"text\",\"text\":\"Unknown tool: no\"}]"),
        ANSWER("\"content\":[{\"text\":\"Unknown tool: no\"},1],\"isError\":true"),
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[],\"isError\":true}}",
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[1],\"isError\":true}}",
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"isError\":true}}",
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32602,\"message\":1}}",
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":[]}",
        "[]",
    };
    for (size_t i = 0; i < COUNT(answers); i++) {
        const struct mcp_message asked = call_of(MCP_LEGACY, "no");
        struct mcp_missing_tool known = {0};
        learn(&known, &asked, answers[i]);
        if (atomic_load(&known.form[MCP_LEGACY]) != 0)
            fail_msg("%s", answers[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_the_server_says),
        cmocka_unit_test(says_what_is_usual_before),
        cmocka_unit_test(knows_a_library_by_what_it_writes_first),
        cmocka_unit_test(tells_the_library_by_its_words),
        cmocka_unit_test(learns_from_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
