/* One message, one reading: what passes, and what is refused before a server sees it. */
#include "tests/unit/mcp/message_cases.h"

#define LEGACY "Mcp-Protocol-Version: 2025-11-25\n"
#define CALL ASK("tools/call", "\"name\":\"echo\",\"arguments\":{\"a\":1}")
#define MODERN_CALL ASK("tools/call", "\"name\":\"echo\",\"arguments\":{}," META)
#define INIT(version)                                                                              \
    ASK("initialize",                                                                              \
        "\"protocolVersion\":\"" version "\",\"capabilities\":{},\"clientInfo\":{\"name\":\"x\"}")

static void reads_call_of_the_era_with_sessions(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, LEGACY);
    assert_true(post_read(&post, SLICE(CALL)));
    assert_int_equal(post.message.era, MCP_LEGACY);
    assert_int_equal(post.message.kind, MCP_REQUEST);
    assert_slice(post.message.revision, "2025-11-25");
    assert_slice(post.message.method->text, "tools/call");
    assert_slice(post.message.id, "1");
    assert_true(post.message.has_name);
    assert_slice(post.message.name, "echo");
    assert_slice(json_text_bytes(&post.message.json, post.message.arguments), "{\"a\":1}");
    post_done(&post);
}

static void reads_call_of_the_era_without(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, MODERN("tools/call") "Mcp-Name: echo\n");
    assert_true(post_read(&post, SLICE(MODERN_CALL)));
    assert_int_equal(post.message.era, MCP_MODERN);
    assert_slice(post.message.revision, "2026-07-28");
    assert_slice(post.message.name, "echo");
    post_done(&post);
}

static void reads_the_next_message_into_the_same_place(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, "");
    assert_true(post_read(&post, SLICE(CALL)));
    assert_true(post_read(&post, SLICE(ASK("tools/list", ""))));
    assert_false(post.message.has_name);
    assert_int_equal(post.message.arguments, JSON_TEXT_NONE);
    assert_false(post_read(&post, SLICE("[]")));
    assert_null(post.message.method);
    assert_true(post_read(&post, SLICE(CALL)));
    post_done(&post);
}

static void reads_names_as_they_are_meant(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, "");
    assert_true(
        post_read(&post, SLICE("{\"jsonrpc\":\"2.0\",\"id\":\"\\u0061\",\"\\u006dethod\":"
                               "\"tools\\/call\",\"params\":{\"n\\u0061me\":\"\\u0065cho\"}}")));
    assert_slice(post.message.name, "echo");
    assert_slice(post.message.id, "\"\\u0061\"");
    post_done(&post);
}

static void refuses_what_is_no_json(void **state) {
    (void)state;
    static const struct slice bodies[] = {
        {"", 0},
        {"\xef\xbb\xbf" CALL, sizeof CALL + 2},
        {CALL " x", sizeof CALL + 1},
        {CALL CALL, 2 * sizeof CALL - 2},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"tools/call\"}", 61},
        {"{\"jsonrpc\":\"2.0\",\"id\":01,\"method\":\"ping\"}", 41},
        {"{\"jsonrpc\":\"2.0\",\"id\":NaN,\"method\":\"ping\"}", 42},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", 35},
        {"\0{\0}", 4},
    };
    for (size_t i = 0; i < COUNT(bodies); i++)
        assert_text_refused("", bodies[i], 400, MCP_CODE_PARSE);
    assert_refused("", ASK("tools/call", "\"name\":\"ok\",\"\\u006eame\":\"evil\""), 400,
                   MCP_CODE_PARSE);
    assert_refused("", ASK("tools/call", "\"name\":\"ok\",\"arguments\":{\"a\":1,\"a\":2}"), 400,
                   MCP_CODE_PARSE);
    assert_read("", CALL);
}

static void refuses_batches_whole(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, "");
    assert_false(post_read(&post, SLICE("[" CALL "," CALL "]")));
    assert_int_equal(post.refusal.http_status, 400);
    assert_int_equal(post.refusal.code, MCP_CODE_INVALID_REQUEST);
    assert_string_equal(post.refusal.message, "Batch requests are not supported");
    assert_int_equal(post.refusal.id.len, 0);
    post_done(&post);
    assert_refused("", "[" CALL "]", 400, MCP_CODE_INVALID_REQUEST);
    assert_refused("", "[]", 400, MCP_CODE_INVALID_REQUEST);
}

static void refuses_depth_and_numbers_of_values(void **state) {
    (void)state;
    enum { LEVELS = 100000 };
    static char deep[2 * LEVELS];
    memset(deep, '[', LEVELS);
    memset(deep + LEVELS, ']', LEVELS);
    assert_text_refused("", slice_of(deep, sizeof deep), 400, MCP_CODE_PARSE);
    struct post post;
    post_begin(&post, "");
    post.mcp.max_body_bytes = 4096;
    static char wide[9000];
    size_t at = (size_t)snprintf(wide, sizeof wide,
                                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{"
                                 "\"a\":[1");
    while (at < 4000) {
        wide[at++] = ',';
        wide[at++] = '1';
    }
    memcpy(wide + at, "]}}", 4);
    assert_false(post_read(&post, slice_of(wide, at + 3)));
    assert_int_equal(post.refusal.code, MCP_CODE_PARSE);
    post.mcp.max_body_bytes = 4 << 20;
    assert_true(post_read(&post, slice_of(wide, at + 3)));
    post_done(&post);
}

static void refuses_what_is_no_message(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "1",
        "\"x\"",
        "{}",
        "{\"id\":1,\"method\":\"ping\"}",
        "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.00\",\"id\":1,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1.0,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1e3,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":null}",
        "{\"jsonrpc\":\"2.0\",\"id\":1}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"result\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"error\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{},\"error\":{}}",
        "{\"jsonrpc\":\"2.0\",\"result\":{}}",
        /* a notification that some servers would run, a request that none would answer */
        "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"notifications/initialized\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++)
        assert_refused("", bodies[i], 400, MCP_CODE_INVALID_REQUEST);
    assert_read("", "{\"jsonrpc\":\"2.0\",\"id\":9007199254740991,\"method\":\"ping\"}");
    assert_read("", "{\"jsonrpc\":\"2.0\",\"id\":-1,\"method\":\"ping\"}");
    assert_read("", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    assert_read("", " {\"jsonrpc\" : \"2.0\", \"id\": \"x\", \"method\":\"ping\", \"more\":1 }\n");
}

static void refuses_members_that_look_like_the_protocols(void **state) {
    (void)state;
    static const char *const tops[] = {"Method",  "METHOD", "Params",       "ID",           "Id",
                                       "JsonRPC", "Result", "param\\u017f", "re\xc5\xbfult"};
    static const char *const params[] = {"Name",
                                         "NAME",
                                         "\\u004eame",
                                         "Arguments",
                                         "_Meta",
                                         "Uri",
                                         "URI",
                                         "argument\\u017f",
                                         "TaskId",
                                         "ta\\u017fkId",
                                         "tas\xe2\x84\xaaId"};
    char body[512];
    for (size_t i = 0; i < COUNT(tops); i++) {
        snprintf(body, sizeof body,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"%s\":{},\"params\":{"
                 "\"name\":\"ok\"}}",
                 tops[i]);
        assert_refused("", body, 400, MCP_CODE_INVALID_REQUEST);
    }
    for (size_t i = 0; i < COUNT(params); i++) {
        snprintf(body, sizeof body, ASK("tools/call", "\"name\":\"ok\",\"%s\":\"evil\""),
                 params[i]);
        assert_refused("", body, 400, MCP_CODE_INVALID_PARAMS);
        snprintf(body, sizeof body, ASK("tools/call", "\"%s\":\"evil\",\"name\":\"ok\""),
                 params[i]);
        assert_refused("", body, 400, MCP_CODE_INVALID_PARAMS);
        /* an argument may be called what it likes */
        snprintf(body, sizeof body, ASK("tools/call", "\"name\":\"ok\",\"arguments\":{\"%s\":1}"),
                 params[i]);
        assert_read("", body);
    }
    assert_refused("",
                   ASK("tools/call", "\"name\":\"ok\",\"_meta\":{"
                                     "\"io.modelcontextprotocol/ProtocolVersion\":\"2026-07-28\"}"),
                   400, MCP_CODE_INVALID_PARAMS);
    assert_refused("",
                   ASK("initialize", "\"protocolVersion\":\"2025-11-25\","
                                     "\"capabilities\":{\"Sampling\":{}}"),
                   400, MCP_CODE_INVALID_PARAMS);
    assert_refused("",
                   ASK("tools/call", "\"name\":\"ok\",\"_meta\":{"
                                     "\"io.modelcontextprotocol/related-task\":{\"taskid\":1}}"),
                   400, MCP_CODE_INVALID_PARAMS);
    assert_read("", ASK("tools/call", "\"name\":\"ok\",\"_meta\":{\"progressToken\":1,\"X\":2}"));
}

static void refuses_unknown_methods(void **state) {
    (void)state;
    static const char *const methods[] = {"Tools/Call",
                                          "tools/call ",
                                          " tools/call",
                                          "tools//call",
                                          "tools/call\\u0000",
                                          "tools/delete",
                                          "",
                                          "sampling/createMessage",
                                          "roots/list",
                                          "server/discover",
                                          "subscriptions/listen",
                                          "tasks/update",
                                          "rpc.discover"};
    char body[256];
    for (size_t i = 0; i < COUNT(methods); i++) {
        snprintf(body, sizeof body,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{}}", methods[i]);
        assert_refused("", body, 200, MCP_CODE_METHOD_NOT_FOUND);
    }
    assert_refused("", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/other\"}", 400,
                   MCP_CODE_METHOD_NOT_FOUND);
    assert_refused("", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}", 400,
                   MCP_CODE_METHOD_NOT_FOUND);
    assert_refused(MODERN("initialize"), ASK("initialize", META), 404, MCP_CODE_METHOD_NOT_FOUND);
    assert_refused(MODERN("ping"), ASK("ping", META), 404, MCP_CODE_METHOD_NOT_FOUND);
    assert_refused(MODERN("nothing"), ASK("nothing", META), 404, MCP_CODE_METHOD_NOT_FOUND);
    assert_refused(MODERN("notifications/cancelled"),
                   "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{" META
                   "}}",
                   404, MCP_CODE_METHOD_NOT_FOUND);
    assert_read(MODERN("server/discover"), ASK("server/discover", META));
    assert_read("", ASK("ping", ""));
}

static void takes_the_era_from_the_body_and_lets_the_head_only_agree(void **state) {
    (void)state;
    static const char claims_old[] = ASK(
        "tools/call", "\"name\":\"echo\",\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":"
                      "\"2025-11-25\",\"io.modelcontextprotocol/clientCapabilities\":{}}");
    assert_refused("Mcp-Method: tools/call\nMcp-Name: echo\n", MODERN_CALL, 400,
                   MCP_CODE_HEADER_MISMATCH);
    assert_refused(LEGACY "Mcp-Method: tools/call\nMcp-Name: echo\n", MODERN_CALL, 400,
                   MCP_CODE_HEADER_MISMATCH);
    assert_refused(MODERN("tools/call") VERSION "Mcp-Name: echo\n", MODERN_CALL, 400,
                   MCP_CODE_HEADER_MISMATCH);
    assert_refused(VERSION LEGACY, CALL, 400, MCP_CODE_HEADER_MISMATCH);
    assert_refused(MODERN("tools/call") "Mcp-Name: echo\n", CALL, 400, MCP_CODE_INVALID_PARAMS);
    assert_refused(VERSION, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", 404,
                   MCP_CODE_METHOD_NOT_FOUND);
    assert_refused(LEGACY "Mcp-Method: tools/call\nMcp-Name: echo\n", claims_old, 400,
                   MCP_CODE_UNSUPPORTED_VERSION);
    assert_refused("Mcp-Protocol-Version: 2024-11-05\n", CALL, 400, MCP_CODE_UNSUPPORTED_VERSION);
    assert_refused("Mcp-Protocol-Version: 2027-01-01\n", CALL, 400, MCP_CODE_UNSUPPORTED_VERSION);
    assert_refused("Mcp-Protocol-Version: \n", CALL, 400, MCP_CODE_UNSUPPORTED_VERSION);
    assert_read("MCP-PROTOCOL-VERSION: 2025-06-18\n", CALL);
    assert_read("", CALL);
}

static void requires_what_a_modern_message_says_of_itself(void **state) {
    (void)state;
    assert_refused(
        MODERN("tools/list"),
        ASK("tools/list", "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}"),
        400, MCP_CODE_INVALID_PARAMS);
    assert_refused(MODERN("tools/list"),
                   ASK("tools/list",
                       "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":20260728,"
                       "\"io.modelcontextprotocol/clientCapabilities\":{}}"),
                   400, MCP_CODE_INVALID_PARAMS);
    assert_refused(MODERN("tools/list"), ASK("tools/list", "\"_meta\":[]"), 400,
                   MCP_CODE_INVALID_PARAMS);
    assert_read(MODERN("tools/list"), ASK("tools/list", META));
}

static void assert_refused_on_route(unsigned revisions, const char *fields, const char *body,
                                    const char *requested) {
    struct post post;
    post_begin(&post, fields);
    post.mcp.revisions = revisions;
    if (post_read(&post, slice_of_str(body)))
        fail_msg("%s%s: taken", fields, body);
    assert_int_equal(post.refusal.http_status, 400);
    assert_int_equal(post.refusal.code, MCP_CODE_UNSUPPORTED_VERSION);
    assert_slice(post.refusal.requested_revision, requested);
    post_done(&post);
}

static void assert_read_on_route(unsigned revisions, const char *fields, const char *body) {
    struct post post;
    post_begin(&post, fields);
    post.mcp.revisions = revisions;
    if (!post_read(&post, slice_of_str(body)))
        fail_msg("%s%s: %s", fields, body, post.refusal.message);
    post_done(&post);
}

static void keeps_to_the_revisions_of_the_route(void **state) {
    (void)state;
    static const char named[] = MODERN("tools/call") "Mcp-Name: echo\n";
    assert_refused_on_route(MCP_REVISIONS_LEGACY, named, MODERN_CALL, "2026-07-28");
    assert_read_on_route(MCP_REVISIONS_LEGACY, LEGACY, CALL);
    assert_refused_on_route(MCP_REVISION_2026_07_28, LEGACY, CALL, "2025-11-25");
    assert_refused_on_route(MCP_REVISION_2026_07_28, "", CALL, "");
    assert_refused_on_route(MCP_REVISION_2026_07_28, "", INIT("2025-06-18"), "2025-06-18");
    assert_read_on_route(MCP_REVISION_2026_07_28, named, MODERN_CALL);
    assert_refused_on_route(MCP_REVISION_2025_11_25, "", CALL, "");
    assert_refused_on_route(MCP_REVISION_2025_11_25, "Mcp-Protocol-Version: 2025-06-18\n", CALL,
                            "2025-06-18");
    assert_read_on_route(MCP_REVISION_2025_11_25, LEGACY, CALL);
    /* the server settles what it is */
    assert_read_on_route(MCP_REVISION_2025_11_25, "", INIT("2025-06-18"));
    assert_read_on_route(MCP_REVISIONS_ALL, "", INIT("2024-11-05"));
    assert_refused("", ASK("initialize", "\"capabilities\":{}"), 400, MCP_CODE_INVALID_PARAMS);
    assert_refused("", ASK("initialize", "\"protocolVersion\":\"2025-11-25\",\"capabilities\":[]"),
                   400, MCP_CODE_INVALID_PARAMS);
}

static void refuses_names_that_are_none(void **state) {
    (void)state;
    static const char *const values[] = {"\"\"",
                                         "\" echo\"",
                                         "\"echo \"",
                                         "\"ec\\u0000ho\"",
                                         "\"ec\\tho\"",
                                         "\"\\u0435cho\"",
                                         "\"e\\u200bcho\"",
                                         "\"ech\xd0\xbe\"",
                                         "1",
                                         "null",
                                         "[\"echo\"]",
                                         "{}",
                                         "\"echo\\u007f\""};
    char body[512];
    for (size_t i = 0; i < COUNT(values); i++) {
        snprintf(body, sizeof body, ASK("tools/call", "\"name\":%s"), values[i]);
        assert_refused("", body, 400, MCP_CODE_INVALID_PARAMS);
        snprintf(body, sizeof body, ASK("prompts/get", "\"name\":%s"), values[i]);
        assert_refused("", body, 400, MCP_CODE_INVALID_PARAMS);
    }
    assert_refused("", ASK("tools/call", ""), 400, MCP_CODE_INVALID_PARAMS);
    assert_refused("", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\"}", 400,
                   MCP_CODE_INVALID_PARAMS);
    assert_refused("", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":[]}",
                   400, MCP_CODE_INVALID_PARAMS);
    assert_refused("", ASK("tools/call", "\"name\":\"echo\",\"arguments\":[]"), 400,
                   MCP_CODE_INVALID_PARAMS);
    assert_refused("", ASK("tools/call", "\"name\":\"echo\",\"arguments\":null"), 400,
                   MCP_CODE_INVALID_PARAMS);
    assert_read("", ASK("tools/call", "\"name\":\"a.b_c-d/e f%20\""));
}

static void refuses_names_without_end(void **state) {
    (void)state;
    enum { LONG = 1 << 20 };
    char *body = malloc(LONG + 256);
    assert_non_null(body);
    for (size_t len = 256; len <= LONG; len = len == 256 ? 257 : LONG) {
        int at = snprintf(body, 256,
                          "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\","
                          "\"params\":{\"name\":\"");
        memset(body + at, 'a', len);
        memcpy(body + (size_t)at + len, "\"}}", 4);
        if (len == 256)
            assert_read("", body);
        else
            assert_refused("", body, 400, MCP_CODE_INVALID_PARAMS);
        if (len == LONG)
            break;
    }
    free(body);
}

static void names_what_is_completed(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, "");
    assert_true(post_read(
        &post, SLICE(ASK("completion/complete", "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"p\"},"
                                                "\"argument\":{\"name\":\"a\",\"value\":\"b\"}"))));
    assert_slice(post.message.name, "p");
    assert_slice(post.message.completes, "prompts/get");
    assert_true(post_read(
        &post, SLICE(ASK("completion/complete",
                         "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"demo://a/{b}\"}"))));
    assert_slice(post.message.name, "demo://a/{b}");
    assert_slice(post.message.completes, "resources/read");
    post_done(&post);
    static const char *const refs[] = {
        "",
        "\"ref\":\"ref/prompt\"",
        "\"ref\":{\"type\":\"ref/tool\",\"name\":\"p\"}",
        "\"ref\":{\"type\":\"ref/prompt\",\"uri\":\"demo://a\"}",
        "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"p\",\"Name\":\"q\"}",
        "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"demo://a/../b\"}",
    };
    char body[512];
    for (size_t i = 0; i < COUNT(refs); i++) {
        snprintf(body, sizeof body, ASK("completion/complete", "%s"), refs[i]);
        assert_refused("", body, 400, MCP_CODE_INVALID_PARAMS);
    }
}

static void names_every_resource_that_is_listened_to(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, MODERN("subscriptions/listen"));
    assert_true(post_read(
        &post, SLICE(ASK("subscriptions/listen", "\"notifications\":{\"toolsListChanged\":true,"
                                                 "\"resourceSubscriptions\":[\"demo://a\","
                                                 "\"demo://\\u0062\"]}," META))));
    assert_int_equal(post.message.listen_count, 2);
    assert_slice(post.message.listen_uris[0], "demo://a");
    assert_slice(post.message.listen_uris[1], "demo://b");
    assert_true(post_read(&post, SLICE(ASK("subscriptions/listen", "\"notifications\":{}," META))));
    assert_int_equal(post.message.listen_count, 0);
    post_done(&post);
    static const char *const filters[] = {
        "",
        "\"notifications\":[],",
        "\"notifications\":{\"resourceSubscriptions\":\"demo://a\"},",
        "\"notifications\":{\"resourceSubscriptions\":[1]},",
        "\"notifications\":{\"resourceSubscriptions\":[\"demo://a\",\"demo://b/..\"]},",
        "\"notifications\":{\"ResourceSubscriptions\":[\"demo://a\"]},",
    };
    char body[512];
    for (size_t i = 0; i < COUNT(filters); i++) {
        snprintf(body, sizeof body, ASK("subscriptions/listen", "%s" META), filters[i]);
        assert_refused(MODERN("subscriptions/listen"), body, 400, MCP_CODE_INVALID_PARAMS);
    }
}

static void takes_answers_under_sealed_ids_alone(void **state) {
    (void)state;
    static const char answer[] =
        "{\"jsonrpc\":\"2.0\",\"id\":\"sealed\",\"result\":{\"roots\":[]}}";
    struct post post;
    assert_refused(VERSION, answer, 400, MCP_CODE_INVALID_REQUEST);
    post_begin(&post, LEGACY); /* whether anything was asked, the sealed id says */
    assert_true(post_read(&post, slice_of_str(answer)));
    assert_int_equal(post.message.kind, MCP_RESPONSE);
    assert_null(post.message.method);
    assert_true(post_read(&post, SLICE("{\"jsonrpc\":\"2.0\",\"id\":\"s\",\"error\":{\"code\":1,"
                                       "\"message\":\"no\"}}")));
    assert_false(post_read(&post, SLICE("{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}")));
    assert_int_equal(post.refusal.code, MCP_CODE_INVALID_REQUEST);
    post_done(&post);
}

static void says_to_whom_it_refuses(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, "");
    assert_false(
        post_read(&post, SLICE("{\"jsonrpc\":\"2.0\",\"id\":\"\\u0041 b\",\"method\":\"x\"}")));
    assert_slice(post.refusal.id, "\"\\u0041 b\"");
    assert_int_equal(post.refusal.reason, REASON_METHOD_REFUSED);
    assert_false(post_read(&post, SLICE("{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"x\"}")));
    assert_int_equal(post.refusal.id.len, 0);
    assert_int_equal(post.refusal.reason, REASON_BODY_MALFORMED);
    post_done(&post);
}

static void fails_without_memory_and_says_so(void **state) {
    (void)state;
    struct post post;
    post_begin(&post, "");
    arena_done(&post.arena);
    arena_init(&post.arena, 1);
    assert_false(post_read(&post, SLICE(CALL)));
    assert_int_equal(post.refusal.reason, REASON_OVERLOADED);
    post_done(&post);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_call_of_the_era_with_sessions),
        cmocka_unit_test(reads_call_of_the_era_without),
        cmocka_unit_test(reads_the_next_message_into_the_same_place),
        cmocka_unit_test(reads_names_as_they_are_meant),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(refuses_batches_whole),
        cmocka_unit_test(refuses_depth_and_numbers_of_values),
        cmocka_unit_test(refuses_what_is_no_message),
        cmocka_unit_test(refuses_members_that_look_like_the_protocols),
        cmocka_unit_test(refuses_unknown_methods),
        cmocka_unit_test(takes_the_era_from_the_body_and_lets_the_head_only_agree),
        cmocka_unit_test(requires_what_a_modern_message_says_of_itself),
        cmocka_unit_test(keeps_to_the_revisions_of_the_route),
        cmocka_unit_test(refuses_names_that_are_none),
        cmocka_unit_test(refuses_names_without_end),
        cmocka_unit_test(names_what_is_completed),
        cmocka_unit_test(names_every_resource_that_is_listened_to),
        cmocka_unit_test(takes_answers_under_sealed_ids_alone),
        cmocka_unit_test(says_to_whom_it_refuses),
        cmocka_unit_test(fails_without_memory_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
