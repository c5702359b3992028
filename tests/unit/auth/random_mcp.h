/* Random mcp: actions with conditions, and random questions for them. Arguments are made as values
 * and spelled in random ways, so that whoever knows the values need not read the text. */
#ifndef BARKEEP_TESTS_RANDOM_MCP_H
#define BARKEEP_TESTS_RANDOM_MCP_H

#include "random_values.h"

static const char *const mcp_methods[] = {"tools/call", "tools/call", "prompts/get", "tools/*",
                                          "*",          "*/get",      "tools/list"};
static const char *const mcp_names[] = {"a", "a*", "*b", "a*b", "*", "ab", "b"};
static const char *const asked_methods[] = {"tools/call", "tools/call", "prompts/get",
                                            "tools/list", "initialize", ""};
static const char *const asked_names[] = {"a", "b", "ab", "aab", "c", ""};
static const char *const pointers[] = {
    "/a",    "/a",    "/a",   "/a", "/b",      "/a/b",   "/a/b/0",   "/b/1", "/b/01",    "/b/-",
    "/t~0n", "/s~1h", "/s/h", "/",  "/a/s~1h", "/b/0/a", "/missing", "/~01", "/b/1/t~0n"};
static const char *const bounds[] = {"0", "5", "1.5", "-1", "10", "5.000"};

/* Texts of values as a configuration holds them. */
static inline const char *any_scalar(void) {
    static const char *const scalars[] = {
        "\"sales\"", "\"s\"", "\"5\"", "\"\"",         "5",           "5.0", "0", "1.5",
        "-1",        "true",  "false", "\"\xc3\xa4\"", "\"SELECT 1\""};
    return scalars[below(COUNT(scalars))];
}

static inline struct config_argument_test make_test(void) {
    struct config_argument_test test = {.pointer = pointers[below(COUNT(pointers))],
                                        .test = (enum config_test)below(TEST_COUNT)};
    if (test.test == TEST_EQUALS)
        test.values = some(any_scalar, 1);
    else if (test.test == TEST_ONE_OF)
        test.values = some(any_scalar, 4);
    else if (test.test == TEST_MATCHES)
        test.text = expressions[below(EXPRESSIONS)].text;
    else if (test.test == TEST_MAX || test.test == TEST_MIN)
        test.text = bounds[below(COUNT(bounds))];
    test.length = (uint32_t)below(8);
    return test;
}

static inline const struct config_mcp_action *make_mcp_action(void) {
    struct config_mcp_action *action = make(1, sizeof *action);
    action->method = mcp_methods[below(COUNT(mcp_methods))];
    action->name = one_in(2) ? NULL : mcp_names[below(COUNT(mcp_names))];
    action->test_count = one_in(2) ? 0 : 1 + below(one_in(3) ? 3 : 1);
    action->tests = make(action->test_count, sizeof *action->tests);
    for (size_t i = 0; i < action->test_count; i++)
        action->tests[i] = make_test();
    return action;
}

static inline struct slice make_name(void) {
    enum { LONG = 8193 };
    if (!one_in(60))
        return slice_of_str(asked_names[below(COUNT(asked_names))]);
    char *name = make(LONG, 1);
    memset(name, 'a', LONG);
    return slice_of(name, LONG - below(2));
}

/* What a client asks; `value` becomes what the arguments are, NULL for none. The text is read into
 * `json`. */
static inline struct policy_mcp make_asked(struct json_text *json, const struct value **value) {
    static const enum policy_mcp_gate gates[] = {
        POLICY_MCP_NAME, POLICY_MCP_NAME,   POLICY_MCP_NAME, POLICY_MCP_NAME,
        POLICY_MCP_SOME, POLICY_MCP_METHOD, POLICY_MCP_LIST};
    const struct json_text_limits limits = {16, 10000};
    struct policy_mcp asked = {.gate = gates[below(COUNT(gates))], .arguments = JSON_TEXT_NONE};
    asked.method = slice_of_str(asked_methods[below(COUNT(asked_methods))]);
    asked.has_name = !one_in(5);
    asked.name = asked.has_name ? make_name() : slice_of_str("");
    asked.uses = slice_of_str(one_in(2) ? "tools/call" : "prompts/get");
    asked.is_any_arguments = one_in(8);
    *value = NULL;
    if (one_in(8))
        return asked;
    asked.json = json;
    bool has_arguments = !one_in(8);
    const struct value *made = make_arguments();
    assert_int_equal(json_text_read(json, spell(made), &limits), STATUS_OK);
    if (has_arguments) {
        *value = made;
        asked.arguments = 0;
    }
    return asked;
}

#endif
