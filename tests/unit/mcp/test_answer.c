/* What a client hears when it is refused: the bytes, in each shape. */
#include "proxy/mcp/answer.h"
#include "tests/unit/mcp/message_cases.h"

#define LEGACY "Mcp-Protocol-Version: 2025-11-25\n"
#define CALL(name) ASK("tools/call", "\"name\":\"" name "\"")
#define WHY "{\"reason\":\"no_role\",\"request_id\":\"r1\"}"
#define EXPLAINED(id)                                                                              \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":-31001,\"message\":"                   \
    "\"Denied by policy\",\"data\":" WHY "}}"
#define NO_METHOD                                                                                  \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}"

static const struct mcp_missing_tool nothing_learned;
static const struct mcp_denial why = {
    .reason = REASON_NO_ROLE, .request_id = "r1", .exposes_reason = true};

static void assert_denied_as(enum config_mcp_denial shape, const char *fields, const char *body,
                             const struct mcp_denial *denial, int http_status,
                             const char *expected) {
    struct post post;
    struct buf out;
    int status = 0;
    post_begin(&post, fields);
    post.mcp.denial = shape;
    post.mcp.passes_server_requests = true;
    if (!post_read(&post, slice_of_str(body)))
        fail_msg("%s: %s", body, post.refusal.message);
    buf_init(&out, 1 << 16);
    mcp_write_denial(&out, &post.mcp, &post.message, denial, &nothing_learned, &status);
    assert_true(buf_ok(&out));
    assert_slice(buf_slice(&out), expected);
    assert_int_equal(status, http_status);
    buf_done(&out);
    post_done(&post);
}

static void explains(void **state) {
    (void)state;
    const struct mcp_denial discreet = {.reason = REASON_NO_ROLE, .request_id = "r1"};
    assert_denied_as(MCP_DENIAL_EXPLAIN, LEGACY, CALL("echo"), &why, 200, EXPLAINED("1"));
    assert_denied_as(MCP_DENIAL_EXPLAIN, MODERN("tools/list"), ASK("tools/list", META), &why, 200,
                     EXPLAINED("1"));
    assert_denied_as(MCP_DENIAL_EXPLAIN, LEGACY, CALL("echo"), &discreet, 200,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-31001,\"message\":"
                     "\"Denied by policy\",\"data\":{\"request_id\":\"r1\"}}}");
    assert_denied_as(MCP_DENIAL_EXPLAIN, LEGACY,
                     "{\"jsonrpc\":\"2.0\",\"id\": \"\\u0041/\\/\" ,\"method\":\"ping\"}", &why,
                     200, EXPLAINED("\"\\u0041/\\/\""));
}

static void asks_for_a_better_sign_in(void **state) {
    (void)state;
    assert_denied_as(MCP_DENIAL_CHALLENGE, LEGACY, CALL("echo"), &why, 403, EXPLAINED("1"));
}

static void answers_as_a_tool_that_failed(void **state) {
    (void)state;
    assert_denied_as(MCP_DENIAL_TOOL_ERROR, LEGACY, CALL("echo"), &why, 200,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\","
                     "\"text\":\"Denied by policy (no_role). Request id: r1\"}],"
                     "\"isError\":true}}");
    assert_denied_as(MCP_DENIAL_TOOL_ERROR, MODERN("tools/call") "Mcp-Name: echo\n",
                     ASK("tools/call", "\"name\":\"echo\"," META), &why, 200,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\","
                     "\"text\":\"Denied by policy (no_role). Request id: r1\"}],"
                     "\"isError\":true,\"resultType\":\"complete\"}}");
    assert_denied_as(MCP_DENIAL_TOOL_ERROR, LEGACY, ASK("resources/read", "\"uri\":\"demo://a\""),
                     &why, 200, EXPLAINED("1"));
}

static void hides_behind_a_servers_own_words(void **state) {
    (void)state;
    assert_denied_as(MCP_DENIAL_HIDE, LEGACY, CALL("a\\\"b"), &why, 200,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":"
                     "\"Unknown tool: a\\\"b\"}}");
    assert_denied_as(MCP_DENIAL_HIDE, LEGACY, ASK("prompts/get", "\"name\":\"p\""), &why, 200,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":"
                     "\"Unknown prompt: p\"}}");
    assert_denied_as(MCP_DENIAL_HIDE, LEGACY, ASK("resources/read", "\"uri\":\"demo://a\""), &why,
                     200,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32002,\"message\":"
                     "\"Resource not found\",\"data\":{\"uri\":\"demo://a\"}}}");
    assert_denied_as(
        MCP_DENIAL_HIDE, LEGACY,
        ASK("completion/complete", "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"demo://{a}\"}"),
        &why, 200,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":"
        "\"Unknown resource template: demo://{a}\"}}");
    assert_denied_as(MCP_DENIAL_HIDE, MODERN("tools/call") "Mcp-Name: echo\n",
                     ASK("tools/call", "\"name\":\"echo\"," META), &why, 200,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":"
                     "\"Tool echo not found\"}}");
    assert_denied_as(MCP_DENIAL_HIDE, MODERN("resources/read") "Mcp-Name: demo://a\n",
                     ASK("resources/read", "\"uri\":\"demo://a\"," META), &why, 200,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":"
                     "\"Resource not found: demo://a\",\"data\":{\"uri\":\"demo://a\"}}}");
    assert_denied_as(MCP_DENIAL_HIDE, LEGACY, ASK("tasks/list", ""), &why, 200, NO_METHOD);
    assert_denied_as(MCP_DENIAL_HIDE, MODERN("tools/list"), ASK("tools/list", META), &why, 404,
                     NO_METHOD);
}

static void says_it_by_the_status_where_nobody_waits_for_an_answer(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":\"s\",\"result\":{}}"};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        for (int shape = MCP_DENIAL_EXPLAIN; shape <= MCP_DENIAL_CHALLENGE; shape++)
            assert_denied_as((enum config_mcp_denial)shape, LEGACY, bodies[i], &why, 403,
                             EXPLAINED("null"));
    }
}

static void assert_refusal(struct mcp_refusal refusal, unsigned revisions, const char *expected) {
    struct buf out;
    const struct config_mcp mcp = {.revisions = revisions};
    buf_init(&out, 1 << 16);
    mcp_write_refusal(&out, &mcp, &refusal, &why);
    assert_true(buf_ok(&out));
    assert_slice(buf_slice(&out), expected);
    buf_done(&out);
}

static void writes_refusals(void **state) {
    (void)state;
    assert_refusal((struct mcp_refusal){.code = MCP_CODE_PARSE, .message = "no JSON"},
                   MCP_REVISIONS_ALL,
                   "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":"
                   "\"no JSON\",\"data\":" WHY "}}");
    assert_refusal((struct mcp_refusal){.code = MCP_CODE_SESSION,
                                        .message = "Session not found",
                                        .id = SLICE("\"a\\n\"")},
                   MCP_REVISIONS_ALL,
                   "{\"jsonrpc\":\"2.0\",\"id\":\"a\\n\",\"error\":{\"code\":-32001,\"message\":"
                   "\"Session not found\",\"data\":" WHY "}}");
}

static void names_the_revisions_that_are_served(void **state) {
    (void)state;
    assert_refusal((struct mcp_refusal){.code = MCP_CODE_UNSUPPORTED_VERSION,
                                        .message = "m",
                                        .id = SLICE("1"),
                                        .requested_revision = SLICE("20\"\xff")},
                   MCP_REVISION_2026_07_28 | MCP_REVISION_2025_03_26,
                   "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":\"m\","
                   "\"data\":{\"supported\":[\"2026-07-28\",\"2025-03-26\"],"
                   "\"requested\":\"20\\\"\xef\xbf\xbd\","
                   "\"reason\":\"no_role\",\"request_id\":\"r1\"}}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explains),
        cmocka_unit_test(asks_for_a_better_sign_in),
        cmocka_unit_test(answers_as_a_tool_that_failed),
        cmocka_unit_test(hides_behind_a_servers_own_words),
        cmocka_unit_test(says_it_by_the_status_where_nobody_waits_for_an_answer),
        cmocka_unit_test(writes_refusals),
        cmocka_unit_test(names_the_revisions_that_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
