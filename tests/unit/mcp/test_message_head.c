/* The head of a message: kinds of bodies, and fields against what the body says. */
#include "proxy/mcp/message_parts.h"
#include "tests/unit/mcp/message_cases.h"

#define JSON_TYPE "Content-Type: application/json\n"
#define LEGACY "Mcp-Protocol-Version: 2025-11-25\n"
#define READ(uri) ASK("resources/read", "\"uri\":\"" uri "\"," META)
#define LIST ASK("tools/list", META)

static int head_status(const char *fields) {
    struct post post;
    post_begin(&post, fields);
    bool is_read = mcp_head_read(&post.request, &post.refusal);
    int status = is_read ? 200 : post.refusal.http_status;
    if (!is_read)
        assert_int_equal(post.refusal.reason, REASON_CONTENT_TYPE);
    post_done(&post);
    return status;
}

static void takes_json_in_utf8_only(void **state) {
    (void)state;
    static const char *const taken[] = {
        JSON_TYPE,
        "content-type: Application/JSON\n",
        "Content-Type: application/json;charset=utf-8\n",
        "Content-Type: application/json ; charset=UTF-8\n",
        "Content-Type: application/json; charset=\"utf-8\"\n",
    };
    static const char *const refused[] = {
        "",
        "Content-Type: \n",
        "Content-Type: text/plain\n",
        "Content-Type: application/json5\n",
        "Content-Type: application/json-rpc\n",
        "Content-Type: application/json, text/plain\n",
        "Content-Type: application/json;\n",
        "Content-Type: application/json; charset=utf-16\n",
        "Content-Type: application/json; charset=utf-7\n",
        "Content-Type: application/json; charset=utf-8; charset=utf-7\n",
        "Content-Type: application/json; charset=utf-8; charset=utf-8\n",
        "Content-Type: application/json; boundary=x\n",
        "Content-Type: multipart/form-data; boundary=x\n",
        JSON_TYPE JSON_TYPE,
        JSON_TYPE "Content-Type: text/plain\n",
        JSON_TYPE "Content-Encoding: gzip\n",
        JSON_TYPE "Content-Encoding: br\n",
        JSON_TYPE "Content-Encoding: identity, gzip\n",
        JSON_TYPE "Content-Encoding: identity\nContent-Encoding: gzip\n",
    };
    for (size_t i = 0; i < COUNT(taken); i++) {
        if (head_status(taken[i]) != 200)
            fail_msg("%s: refused", taken[i]);
    }
    assert_int_equal(head_status(JSON_TYPE "Content-Encoding: identity\n"), 200);
    for (size_t i = 0; i < COUNT(refused); i++) {
        if (head_status(refused[i]) != 415)
            fail_msg("%s: %d", refused[i], head_status(refused[i]));
    }
}

static void refuses_who_takes_no_answer(void **state) {
    (void)state;
    assert_int_equal(head_status(JSON_TYPE "Accept: application/json, text/event-stream\n"), 200);
    assert_int_equal(head_status(JSON_TYPE "Accept: */*\n"), 200);
    assert_int_equal(head_status(JSON_TYPE "Accept: text/html\nAccept: text/*;q=0.5\n"), 200);
    assert_int_equal(head_status(JSON_TYPE "Accept: application/json\n"), 200);
    assert_int_equal(head_status(JSON_TYPE "Accept: text/html\n"), 406);
    assert_int_equal(head_status(JSON_TYPE "Accept: application/json;q=0, text/html\n"), 406);
    assert_int_equal(head_status(JSON_TYPE "Accept: \n"), 406);
}

static int session_status(const char *method, const char *fields, unsigned revisions) {
    struct post post;
    post_begin(&post, fields);
    post.request.method = slice_of_str(method);
    post.mcp.revisions = revisions;
    bool is_read = mcp_session_head_read(&post.mcp, &post.request, &post.refusal);
    int status = is_read ? 200 : post.refusal.http_status;
    post_done(&post);
    return status;
}

static void judges_streams_and_ends_of_sessions(void **state) {
    (void)state;
    const unsigned all = MCP_REVISIONS_ALL;
    assert_int_equal(session_status("GET", "", all), 200);
    assert_int_equal(session_status("GET", LEGACY "Last-Event-ID: a_1\n", all), 200);
    assert_int_equal(session_status("DELETE", LEGACY "Mcp-Session-Id: x\n", all), 200);
    assert_int_equal(session_status("GET", LEGACY "Accept: application/json\n", all), 406);
    assert_int_equal(session_status("DELETE", LEGACY "Accept: application/json\n", all), 200);
    assert_int_equal(session_status("GET", VERSION, all), 405);
    assert_int_equal(session_status("GET", LEGACY LEGACY, all), 400);
    assert_int_equal(session_status("GET", "Mcp-Protocol-Version: 1\n", all), 400);
    assert_int_equal(session_status("GET", LEGACY, MCP_REVISION_2025_03_26), 400);
    assert_int_equal(session_status("GET", "", MCP_REVISION_2025_11_25), 400);
    assert_int_equal(session_status("GET", "Last-Event-ID: a\nlast-event-id: b\n", all), 400);
    assert_int_equal(session_status("GET", "Last-Event-ID: a\xc3\xbc\n", all), 400);
    assert_int_equal(session_status("DELETE", "Mcp-Session-Id: a\nmcp-session-id: a\n", all), 400);
}

static void refuses_bodies_where_none_belong(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, "");
    post.request.method = SLICE("GET");
    post.request.body = BODY_LENGTH;
    assert_true(mcp_session_head_read(&post.mcp, &post.request, &post.refusal));
    post.request.content_length = 1;
    assert_false(mcp_session_head_read(&post.mcp, &post.request, &post.refusal));
    assert_int_equal(post.refusal.http_status, 400);
    post.request.body = BODY_CHUNKED;
    assert_false(mcp_session_head_read(&post.mcp, &post.request, &post.refusal));
    post_done(&post);
}

static void holds_mirrored_fields_against_the_body(void **state) {
    (void)state;
    static const char *const taken[] = {
        MODERN("resources/read") "Mcp-Name: demo://a\n",
        MODERN("resources/read") "MCP-NAME: \t demo://a \n",
        MODERN("resources/read") "Mcp-Name: =?base64?ZGVtbzovL2E=?=\n",
        MODERN(
            "resources/read") "Mcp-Name: demo://a\nMcp-Param-A: 1\nMcp-Param-B: =?base64?eA==?=\n",
    };
    static const char *const refused[] = {
        VERSION "Mcp-Name: demo://a\n",
        MODERN("resources/read"),
        MODERN("Resources/Read") "Mcp-Name: demo://a\n",
        MODERN("tools/call") "Mcp-Name: demo://a\n",
        MODERN("resources/read") "Mcp-Method: resources/read\nMcp-Name: demo://a\n",
        MODERN("resources/read") "Mcp-Method: tools/call\nMcp-Name: demo://a\n",
        MODERN("resources/read") "Mcp-Name: demo://b\n",
        MODERN("resources/read") "Mcp-Name: Demo://a\n",
        MODERN("resources/read") "Mcp-Name: demo://a\nMcp-Name: demo://a\n",
        MODERN("resources/read") "Mcp-Name: \n",
        MODERN("resources/read") "Mcp-Name: =?base64?ZGVtbzovL2E?=\n",
        MODERN("resources/read") "Mcp-Name: demo://a\nMcp-Param-A: 1\nmcp-param-a: 1\n",
        MODERN("resources/read") "Mcp-Name: demo://a\nMcp-Param-A: =?base64?e?=\n",
        MODERN("resources/read") "Mcp-Name: demo://a\nMcp-Param-A: \xff\n",
        MODERN("resources/read") "Mcp-Name: demo://a\nMcp-Param-: 1\n",
    };
    for (size_t i = 0; i < COUNT(taken); i++)
        assert_read(taken[i], READ("demo://a"));
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_refused(refused[i], READ("demo://a"), 400, MCP_CODE_HEADER_MISMATCH);
    assert_read(MODERN("tools/list"), LIST);
    assert_refused(MODERN("tools/call") "Mcp-Name: echo\n", LIST, 400, MCP_CODE_HEADER_MISMATCH);
}

static void holds_them_against_legacy_bodies_too(void **state) {
    (void)state;
    static const char call[] = ASK("tools/call", "\"name\":\"echo\"");
    assert_read(LEGACY, call);
    assert_read(LEGACY "Mcp-Method: tools/call\nMcp-Name: echo\n", call);
    assert_refused(LEGACY "Mcp-Method: tools/list\n", call, 400, MCP_CODE_HEADER_MISMATCH);
    assert_refused(LEGACY "Mcp-Name: get-env\n", call, 400, MCP_CODE_HEADER_MISMATCH);
    assert_refused(LEGACY "Mcp-Name: echo\nMcp-Name: echo\n", call, 400, MCP_CODE_HEADER_MISMATCH);
    assert_refused(LEGACY "Mcp-Method: tools/call\n",
                   "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", 400,
                   MCP_CODE_HEADER_MISMATCH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_json_in_utf8_only),
        cmocka_unit_test(refuses_who_takes_no_answer),
        cmocka_unit_test(judges_streams_and_ends_of_sessions),
        cmocka_unit_test(refuses_bodies_where_none_belong),
        cmocka_unit_test(holds_mirrored_fields_against_the_body),
        cmocka_unit_test(holds_them_against_legacy_bodies_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
