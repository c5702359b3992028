/* What goes on to the server: its fields written anew, and its bytes as they came but for pieces
 * with a name. */
#include "proxy/mcp/request.h"
#include "tests/unit/mcp/mcp_case.h"
#include "tests/unit/mcp/message_cases.h"

#define LEGACY "Mcp-Protocol-Version: 2025-11-25\n"

static struct slice prepared(struct post *post, const struct mcp_seal *seal,
                             struct mcp_holder *holder, struct buf *out) {
    struct mcp_rewrite rewrite;
    buf_clear(out);
    if (!mcp_request_prepare(&post->message, &post->mcp, seal, holder, &post->arena, &rewrite,
                             &post->refusal))
        return SLICE("refused");
    if (!mcp_rewrite_write(&rewrite, slice_of(post->body, post->body_len), out))
        return SLICE("not written");
    return buf_slice(out);
}

static void assert_prepared(const char *fields, const char *body, bool passes,
                            const char *expected) {
    struct post post;
    struct buf out;
    struct identity caller = case_caller();
    struct mcp_holder holder = case_holder(&caller);
    buf_init(&out, 1 << 16);
    post_begin(&post, fields);
    post.mcp.passes_server_requests = passes;
    if (!post_read(&post, slice_of_str(body)))
        fail_msg("%s: %s", body, post.refusal.message);
    assert_slice(prepared(&post, NULL, &holder, &out), expected);
    post_done(&post);
    buf_done(&out);
}

#define INIT(capabilities)                                                                         \
    "{\"jsonrpc\":\"2.0\", \"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"    \
    "\"2025-11-25\",\"capabilities\":" capabilities ",\"clientInfo\":{\"name\":\"\\u0061\"}}}"

static void assert_capabilities(const char *before, const char *after) {
    char body[512], expected[512], claims[512], claims_expected[512];
    snprintf(body, sizeof body, INIT("%s"), before);
    snprintf(expected, sizeof expected, INIT("%s"), after);
    assert_prepared("", body, false, expected);
    assert_prepared("", body, true, body);
    static const char form[] =
        ASK("tools/list", "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
                          "\"io.modelcontextprotocol/clientCapabilities\":@}");
    fill(claims, sizeof claims, form, before);
    fill(claims_expected, sizeof claims_expected, form, after);
    assert_prepared(MODERN("tools/list"), claims, false, claims_expected);
    assert_prepared(MODERN("tools/list"), claims, true, claims);
}

static void takes_capabilities_out_for_what_does_not_pass(void **state) {
    (void)state;
    assert_capabilities("{}", "{}");
    assert_capabilities("{ \"experimental\" : { } }", "{ \"experimental\" : { } }");
    assert_capabilities("{\"sampling\":{}}", "{}");
    assert_capabilities("{ \"sampling\" : {} }", "{  }");
    assert_capabilities("{\"sampling\":{},\"x\":1}", "{\"x\":1}");
    assert_capabilities("{\"x\":1,\"sampling\":{\"tools\":{}}}", "{\"x\":1}");
    assert_capabilities("{\"x\":1,\"sampling\":{},\"y\":2}", "{\"x\":1,\"y\":2}");
    assert_capabilities("{\"roots\":{\"listChanged\":true},\"sampling\":{},\"elicitation\":{}}",
                        "{}");
    assert_capabilities("{\"roots\":{},\"x\":{\"sampling\":{}},\"sampling\":{},\"tasks\":{}}",
                        "{\"x\":{\"sampling\":{}}}");
    assert_capabilities("{\"roots\":{} , \"sampling\":{} , \"x\":1 , \"tasks\":{} , \"y\":2}",
                        "{\"x\":1 , \"y\":2}");
    assert_capabilities("{\"\\u0073ampling\":{},\"x\":1}", "{\"x\":1}");
}

static void leaves_all_else_byte_for_byte(void **state) {
    (void)state;
    static const char call[] =
        " {\"params\" : {\"name\":\"e\\u0063ho\",\"arguments\":{\"sampling\":{},\"n\":1.50e0}},"
        "\t\"id\":\"1\",\"method\":\"tools\\/call\",\"jsonrpc\":\"2.0\"}\r\n";
    assert_prepared("", call, false, call);
}

struct tasks {
    struct mcp_seal *seal;
    struct identity caller, other;
    struct mcp_holder holder, foreign;
    struct arena arena;
    struct buf out;
};

static void tasks_begin(struct tasks *tasks) {
    tasks->seal = mcp_seal_new(case_key);
    assert_non_null(tasks->seal);
    tasks->caller = case_caller();
    tasks->other = case_caller();
    tasks->other.oid = SLICE("99999999-2222-2222-2222-222222222222");
    tasks->holder = case_holder(&tasks->caller);
    tasks->foreign = case_holder(&tasks->other);
    arena_init(&tasks->arena, 1 << 16);
    buf_init(&tasks->out, 1 << 16);
}

static void tasks_done(struct tasks *tasks) {
    mcp_seal_free(tasks->seal);
    arena_done(&tasks->arena);
    buf_done(&tasks->out);
}

static const char *sealed(struct tasks *tasks, enum mcp_sealed what, const char *text) {
    return arena_strdup_slice(&tasks->arena, mcp_seal_close(tasks->seal, what, &tasks->holder,
                                                            slice_of_str(text), &tasks->arena));
}

static void assert_opened(struct tasks *tasks, const char *fields, const char *form,
                          const char *name, const char *put) {
    char body[2048], expected[2048];
    struct post post;
    fill(body, sizeof body, form, name);
    fill(expected, sizeof expected, form, put);
    post_begin(&post, fields);
    post.mcp.passes_server_requests = true;
    assert_true(post_read(&post, slice_of_str(body)));
    assert_slice(prepared(&post, tasks->seal, &tasks->holder, &tasks->out), expected);
    assert_slice(prepared(&post, tasks->seal, &tasks->foreign, &tasks->out), "refused");
    post_done(&post);
}

static void opens_tasks_of_their_holder_only(void **state) {
    (void)state;
    struct tasks tasks;
    tasks_begin(&tasks);
    const char *name = sealed(&tasks, MCP_SEALED_TASK, "task \"7\"");
    assert_opened(&tasks, LEGACY, ASK("tasks/get", "\"taskId\":\"@\",\"x\":1"), name,
                  "task \\\"7\\\"");
    assert_opened(&tasks, LEGACY, ASK("tasks/cancel", "\"taskId\":\"@\""), name, "task \\\"7\\\"");
    assert_opened(&tasks, LEGACY,
                  ASK("tools/call", "\"name\":\"a\",\"_meta\":{"
                                    "\"io.modelcontextprotocol/related-task\":{\"taskId\":\"@\"}}"),
                  name, "task \\\"7\\\"");
    tasks_done(&tasks);
}

static void refuses_tasks_that_nobody_was_given(void **state) {
    (void)state;
    struct tasks tasks;
    struct post post;
    char body[2048];
    static const char *const forms[] = {
        ASK("tasks/get", "\"taskId\":\"@\""), ASK("tasks/result", "\"taskId\":\"@\""),
        ASK("ping", "\"_meta\":{\"io.modelcontextprotocol/related-task\":{\"taskId\":\"@\"}}")};
    tasks_begin(&tasks);
    post_begin(&post, LEGACY);
    const char *const names[] = {"task-7", sealed(&tasks, MCP_SEALED_REQUEST, "7")};
    for (size_t i = 0; i < COUNT(forms) * COUNT(names); i++) {
        fill(body, sizeof body, forms[i / COUNT(names)], names[i % COUNT(names)]);
        assert_true(post_read(&post, slice_of_str(body)));
        assert_slice(prepared(&post, tasks.seal, &tasks.holder, &tasks.out), "refused");
        assert_int_equal(post.refusal.code, MCP_CODE_INVALID_PARAMS);
        assert_int_equal(post.refusal.http_status, 200);
        assert_slice(post.refusal.id, "1");
    }
    assert_true(post_read(&post, SLICE(ASK("ping", "\"_meta\":{\"io.modelcontextprotocol/"
                                                   "related-task\":{\"taskId\":7}}"))));
    assert_slice(prepared(&post, tasks.seal, &tasks.holder, &tasks.out), "refused");
    post_done(&post);
    tasks_done(&tasks);
}

static void mirrors_a_task_by_the_servers_name(void **state) {
    (void)state;
    struct tasks tasks;
    struct post post;
    char body[2048], fields[2048];
    struct buf out;
    tasks_begin(&tasks);
    const char *name = sealed(&tasks, MCP_SEALED_TASK, "task-7");
    snprintf(fields, sizeof fields, MODERN("tasks/get") "Mcp-Name: %s\n", name);
    snprintf(body, sizeof body, ASK("tasks/get", "\"taskId\":\"%s\"," META), name);
    post_begin(&post, fields);
    assert_true(post_read(&post, slice_of_str(body)));
    assert_slice(prepared(&post, tasks.seal, &tasks.holder, &tasks.out),
                 ASK("tasks/get", "\"taskId\":\"task-7\"," META));
    buf_init(&out, 4096);
    assert_true(mcp_write_fields(&out, &post.message, SLICE(""), SLICE("3_a"), &post.request));
    buf_append_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "\r\nMcp-Name: task-7\r\n"));
    buf_done(&out);
    post_done(&post);
    tasks_done(&tasks);
}

static void lists_tasks_within_a_session_only(void **state) {
    (void)state;
    struct tasks tasks;
    struct post post;
    tasks_begin(&tasks);
    post_begin(&post, LEGACY);
    assert_true(post_read(&post, SLICE(ASK("tasks/list", ""))));
    assert_slice(prepared(&post, tasks.seal, &tasks.holder, &tasks.out), ASK("tasks/list", ""));
    tasks.holder.session = SLICE("");
    assert_slice(prepared(&post, tasks.seal, &tasks.holder, &tasks.out), "refused");
    assert_int_equal(post.refusal.code, MCP_CODE_NOT_FORWARDED);
    post_done(&post);
    tasks_done(&tasks);
}

static void gives_answers_the_id_that_the_server_asked_under(void **state) {
    (void)state;
    struct tasks tasks;
    tasks_begin(&tasks);
    static const char *const ids[] = {"7", "\"a\\u0062\"", "0"};
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct post post;
        char body[512], expected[512];
        snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"result\":{\"a\":1}}",
                 sealed(&tasks, MCP_SEALED_REQUEST, ids[i]));
        snprintf(expected, sizeof expected, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"a\":1}}",
                 ids[i]);
        post_begin(&post, LEGACY);
        post.mcp.passes_server_requests = true;
        assert_true(post_read(&post, slice_of_str(body)));
        assert_slice(prepared(&post, tasks.seal, &tasks.holder, &tasks.out), expected);
        assert_slice(prepared(&post, tasks.seal, &tasks.foreign, &tasks.out), "refused");
        assert_int_equal(post.refusal.code, MCP_CODE_INVALID_REQUEST);
        assert_true(post_read(&post, SLICE("{\"jsonrpc\":\"2.0\",\"id\":\"7\",\"result\":{}}")));
        assert_slice(prepared(&post, tasks.seal, &tasks.holder, &tasks.out), "refused");
        post_done(&post);
    }
    tasks_done(&tasks);
}

static void assert_fields(struct post *post, const char *session, const char *event_id,
                          const char *expected) {
    struct buf out;
    buf_init(&out, 4096);
    assert_true(mcp_write_fields(&out, post->is_read ? &post->message : NULL, slice_of_str(session),
                                 slice_of_str(event_id), &post->request));
    assert_slice(buf_slice(&out), expected);
    buf_done(&out);
}

static void writes_fields_anew_from_the_body(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, MODERN("resources/read") "Mcp-Name: =?base64?ZGVtbzovL2E=?=\n"
                                               "Mcp-Session-Id: s\nLast-Event-ID: 3\n"
                                               "Accept: application/json\n"
                                               "Mcp-Param-Region: =?base64?eA==?=\n");
    assert_true(post_read(&post, SLICE(ASK("resources/read", "\"uri\":\"demo://a\"," META))));
    assert_fields(&post, "up", "3_a",
                  "Content-Type: application/json\r\n"
                  "Accept: application/json, text/event-stream\r\n"
                  "Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: resources/read\r\n"
                  "Mcp-Name: demo://a\r\nMcp-Param-Region: =?base64?eA==?=\r\n");
    post_done(&post);
    post_begin(&post, LEGACY "Mcp-Method: tools/call\nMcp-Name: echo\nMcp-Param-A: 1\n"
                             "Mcp-Session-Id: s\nLast-Event-ID: 3\n");
    assert_true(post_read(&post, SLICE(ASK("tools/call", "\"name\":\"echo\""))));
    assert_fields(&post, "up", "3_a",
                  "Content-Type: application/json\r\n"
                  "Accept: application/json, text/event-stream\r\n"
                  "Mcp-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: up\r\n");
    post_done(&post);
    post_begin(&post, "");
    assert_true(post_read(&post, SLICE(INIT("{}"))));
    assert_fields(&post, "", "",
                  "Content-Type: application/json\r\n"
                  "Accept: application/json, text/event-stream\r\n");
    post_done(&post);
}

static void writes_fields_of_streams_and_ends_of_sessions(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, LEGACY "Mcp-Session-Id: s\nLast-Event-ID: 3_a\nMcp-Method: x\n");
    post.request.method = SLICE("GET");
    assert_fields(&post, "up", "e-3",
                  "Accept: text/event-stream\r\nMcp-Protocol-Version: 2025-11-25\r\n"
                  "Mcp-Session-Id: up\r\nLast-Event-ID: e-3\r\n");
    post.request.method = SLICE("DELETE");
    assert_fields(&post, "up", "",
                  "Accept: text/event-stream\r\nMcp-Protocol-Version: 2025-11-25\r\n"
                  "Mcp-Session-Id: up\r\n");
    post_done(&post);
    static const char *const refused[] = {
        "Mcp-Protocol-Version: 2025-11-25\nMcp-Protocol-Version: 2025-11-25\n",
        "Mcp-Protocol-Version: 2026-07-28\n", "Mcp-Protocol-Version: x\n"};
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct buf out;
        buf_init(&out, 4096);
        post_begin(&post, refused[i]);
        post.request.method = SLICE("GET");
        assert_false(mcp_write_fields(&out, NULL, SLICE(""), SLICE(""), &post.request));
        post_done(&post);
        buf_done(&out);
    }
}

static bool opens_event(const struct mcp_seal *seal, struct mcp_holder *holder, const char *method,
                        struct slice sealed, const char *expected) {
    struct post post;
    char fields[2048];
    struct slice id = SLICE("untouched");
    (void)snprintf(fields, sizeof fields, LEGACY "Last-Event-ID: %.*s\n", SLICE_ARGS(sealed));
    post_begin(&post, fields);
    post.request.method = slice_of_str(method);
    bool is_open = mcp_event_id_open(&post.request, seal, holder, &post.arena, &id);
    assert_slice(id, is_open ? expected : "untouched");
    post_done(&post);
    return is_open;
}

#define RETRY(state) ASK("tools/call", "\"name\":\"a\",\"requestState\":" state "," META)
#define MODERN_CALL MODERN("tools/call") "Mcp-Name: a\n"

static void opens_states_of_their_holder_only(void **state) {
    (void)state;
    struct tasks tasks;
    tasks_begin(&tasks);
    for (size_t i = 0; i < 2; i++) {
        const char *given = i == 0 ? "\"a \\\"b\\u2028\"" : "\"\"";
        const char *name = sealed(&tasks, MCP_SEALED_STATE, given);
        char quoted[256];
        (void)snprintf(quoted, sizeof quoted, "\"%s\"", name);
        assert_opened(&tasks, MODERN_CALL, RETRY("@"), quoted, given);
        assert_opened(&tasks, LEGACY, ASK("tools/call", "\"requestState\":@,\"name\":\"a\""),
                      quoted, given);
    }
    tasks_done(&tasks);
}

static void refuses_states_that_nobody_was_given(void **state) {
    (void)state;
    struct tasks tasks;
    tasks_begin(&tasks);
    const char *task = sealed(&tasks, MCP_SEALED_TASK, "\"a\"");
    const char *name = sealed(&tasks, MCP_SEALED_STATE, "\"a\"");
    char as_task[128], longer[128], escaped[128];
    (void)snprintf(as_task, sizeof as_task, "\"%s\"", task);
    (void)snprintf(longer, sizeof longer, "\"%sA\"", name);
    (void)snprintf(escaped, sizeof escaped, "\"\\u00%02x%s\"", (unsigned)name[0], name + 1);
    const char *const refused[] = {"\"a\"", "\"\"",  "7",    "{}",   "[]",
                                   "true",  as_task, longer, escaped};
    for (size_t i = 0; i < COUNT(refused); i++) {
        char body[2048];
        struct post post;
        fill(body, sizeof body, RETRY("@"), refused[i]);
        post_begin(&post, MODERN_CALL);
        assert_true(post_read(&post, slice_of_str(body)));
        assert_slice(prepared(&post, tasks.seal, &tasks.holder, &tasks.out), "refused");
        assert_int_equal(post.refusal.http_status, 400);
        assert_int_equal(post.refusal.code, MCP_CODE_INVALID_PARAMS);
        assert_int_equal(post.refusal.reason, REASON_BAD_REQUEST);
        post_done(&post);
    }
    tasks_done(&tasks);
    assert_prepared(MODERN_CALL, RETRY("null"), true, RETRY("null"));
    assert_prepared("", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", true,
                    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
}

static void opens_events_of_their_holder_only(void **state) {
    (void)state;
    struct arena arena;
    struct identity caller = case_caller(), other = case_caller();
    struct mcp_seal *seal = mcp_seal_new(case_key);
    struct mcp_holder own = case_holder(&caller), foreign = case_holder(&other), elsewhere = own;
    other.oid = SLICE("99999999-2222-2222-2222-222222222222");
    elsewhere.session = SLICE("s-2");
    arena_init(&arena, 1 << 20);
    struct slice sealed = mcp_seal_close(seal, MCP_SEALED_EVENT, &own, SLICE("e 3"), &arena);
    struct slice task = mcp_seal_close(seal, MCP_SEALED_TASK, &own, SLICE("e 3"), &arena);
    assert_true(opens_event(seal, &own, "GET", sealed, "e 3"));
    assert_false(opens_event(seal, &foreign, "GET", sealed, ""));
    assert_false(opens_event(seal, &elsewhere, "GET", sealed, ""));
    assert_false(opens_event(seal, &own, "GET", task, ""));
    assert_false(opens_event(seal, &own, "GET", SLICE("e-3"), ""));
    assert_false(opens_event(seal, &own, "GET", SLICE(""), ""));
    assert_true(opens_event(seal, &own, "DELETE", SLICE("e-3"), ""));
    assert_true(opens_event(seal, &own, "POST", SLICE("e-3"), ""));
    struct post post;
    struct slice id;
    post_begin(&post, LEGACY);
    post.request.method = SLICE("GET");
    assert_true(mcp_event_id_open(&post.request, seal, &own, &post.arena, &id));
    assert_int_equal(id.len, 0);
    post_done(&post);
    arena_done(&arena);
    mcp_seal_free(seal);
}

static void fails_when_the_fields_have_no_room(void **state) {
    (void)state;
    struct post post;
    struct buf out;
    buf_init(&out, 40);
    post_begin(&post, LEGACY);
    assert_true(post_read(&post, SLICE(ASK("ping", ""))));
    assert_false(mcp_write_fields(&out, &post.message, SLICE(""), SLICE(""), &post.request));
    post_done(&post);
    buf_done(&out);
}

static void knows_the_fields_that_are_never_copied(void **state) {
    (void)state;
    static const char *const ours[] = {"Mcp-Method",     "mcp-name",     "MCP-Protocol-Version",
                                       "Mcp-Session-Id", "Mcp-Param-A",  "Last-Event-ID",
                                       "Accept",         "Content-Type", "Cookie",
                                       "Origin",         "mcp-anything", "content-encoding"};
    static const char *const others[] = {"User-Agent", "Accept-Language", "Mcp", "X-Mcp-Name", ""};
    for (size_t i = 0; i < COUNT(ours); i++)
        assert_true(mcp_field_is_ours(slice_of_str(ours[i])));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(mcp_field_is_ours(slice_of_str(others[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_capabilities_out_for_what_does_not_pass),
        cmocka_unit_test(leaves_all_else_byte_for_byte),
        cmocka_unit_test(opens_tasks_of_their_holder_only),
        cmocka_unit_test(refuses_tasks_that_nobody_was_given),
        cmocka_unit_test(mirrors_a_task_by_the_servers_name),
        cmocka_unit_test(lists_tasks_within_a_session_only),
        cmocka_unit_test(gives_answers_the_id_that_the_server_asked_under),
        cmocka_unit_test(writes_fields_anew_from_the_body),
        cmocka_unit_test(writes_fields_of_streams_and_ends_of_sessions),
        cmocka_unit_test(opens_states_of_their_holder_only),
        cmocka_unit_test(refuses_states_that_nobody_was_given),
        cmocka_unit_test(opens_events_of_their_holder_only),
        cmocka_unit_test(fails_when_the_fields_have_no_room),
        cmocka_unit_test(knows_the_fields_that_are_never_copied),
    };
    return cmocka_run_group_tests(tests, case_begin, NULL);
}
