/* What a server may say to one caller: answers, events, requests and notifications, and what ends
 * the stream. */
#include "filter_case.h"

#define ANSWER "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"
#define NOTICE "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}"
#define ASKS "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"sampling/createMessage\",\"params\":{}}"
#define TOOLS(items) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[" items "]}}"
#define OK "{\"name\":\"ok\"}"
#define NO "{\"name\":\"no\"}"

static void assert_untouched(struct filter_case *filter_case, enum mcp_media media,
                             const char *text) {
    assert_goes_on(filter_case, media, text, text);
}

static void passes_events_as_they_came(void **state) {
    (void)state;
    static const char *const streams[] = {
        "",
        "\n\n\r\r\n",
        ": ping\n\n",
        ":\r\n\r\n",
        "data: " ANSWER "\n\n",
        "data:" ANSWER "\r\n\r\n",
        "data: " ANSWER "\r\r",
        "id: 1\r\ndata: " ANSWER "\r\nevent: message\r\nretry: 5\r\n\r\ndata: " NOTICE "\r\n\r\n",
        "id: 1\ndata: \n\n",
        "id: 1\nretry: 100\ndata\n\n",
        "retry: 100\n\n",
        "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\ndata:\ndata: \"result\":{}}\n\n",
        ": a\ndata: " ANSWER "\n\n: b\n\n\ndata: " NOTICE "\n\n: c\n",
    };
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        assert_untouched(&filter_case, MCP_MEDIA_EVENTS, streams[i]);
        assert_int_equal(filter_case.counts.hidden + filter_case.counts.held_back, 0);
    }
    filter_case_end(&filter_case);
}

static void writes_an_event_anew_around_what_was_taken_out(void **state) {
    (void)state;
    static const char *const streams[][2] = {
        {"data: " TOOLS(NO "," OK) "\n\n", "data: " TOOLS(OK) "\n\n"},
        {"id: 4\r\ndata: " TOOLS(NO "," OK) "\r\nevent: message\r\n\r\ndata: " ANSWER "\r\n\r\n",
         "id: 4\ndata: " TOOLS(OK) "\nevent: message\n\ndata: " ANSWER "\r\n\r\n"},
        {"data: " TOOLS(NO) "\r\rdata: " TOOLS(NO) "\r\r",
         "data: " TOOLS() "\n\ndata: " TOOLS() "\n\n"},
        {"id: 4\ndata:{\"jsonrpc\":\"2.0\",\"id\":1,\ndata:\"result\":{\"tools\":[" OK
         ",\nretry: 9\ndata:" NO "]}}\n\n",
         "id: 4\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\ndata: \"result\":{\"tools\":[" OK
         "]}}\nretry: 9\n\n"},
        {"\xEF\xBB\xBF"
         "data: " TOOLS(NO) "\n\n",
         "data: " TOOLS() "\n\n"},
    };
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, streams[i][0], streams[i][1]);
        assert_true(filter_case.counts.hidden > 0);
    }
    filter_case_end(&filter_case);
}

#define SAYS(text) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"" text "\"}}"

/* Python's splitlines() ends lines at them: what stands behind would be an event of its own. */
static void escapes_code_points_at_which_some_readers_end_lines(void **state) {
    (void)state;
    static const char *const streams[][2] = {
        {"id: 4\r\ndata: " SAYS("a\xC2\x85"
                                "b") "\r\n\r\n",
         "id: 4\ndata: " SAYS("a\\u0085b") "\n\n"},
        {"data: " SAYS("\xE2\x80\xA8\xE2\x80\xA9\xC2\x85") "\r\r",
         "data: " SAYS("\\u2028\\u2029\\u0085") "\n\n"},
        {"data: {\"jsonrpc\":\"2.0\",\"id\":\"\xC2\x85\",\ndata: \"result\":{}}\n\n",
         "data: {\"jsonrpc\":\"2.0\",\"id\":\"\\u0085\",\ndata: \"result\":{}}\n\n"},
        {"data: " TOOLS(NO ",{\"name\":\"ok\",\"title\":\"\xE2\x80\xA8\"}") "\n\n",
         "data: " TOOLS("{\"name\":\"ok\",\"title\":\"\\u2028\"}") "\n\n"},
        {"data: " SAYS("\xC2\x84\xC2\x86\xE2\x80\xA7\xE2\x80\xAA\xE2\x81\xA8\\u2028") "\n\n",
         "data: " SAYS("\xC2\x84\xC2\x86\xE2\x80\xA7\xE2\x80\xAA\xE2\x81\xA8\\u2028") "\n\n"},
    };
    static const char *const refused[] = {
        "data: {\"jsonrpc\":\"2.0\",\"id\":1,\xC2\x85\"result\":{}}\n\n",
        "data: \xE2\x80\xA8" ANSWER "\n\n",
        "data: " SAYS("\x0B") "\n\n",
        "data: " SAYS("\x0C") "\n\n",
        "data: " SAYS("\x1C") "\n\n",
        "data: " SAYS("\x1E") "\n\n",
        "data: " SAYS("\\\xE2\x80\xA9") "\n\n",
    };
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, streams[i][0], streams[i][1]);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        filter_case_run(&filter_case, MCP_MEDIA_EVENTS, slice_of_str(refused[i]));
        assert_int_equal(filter_case.result, MCP_FILTER_MALFORMED);
        assert_int_equal(filter_case.out.len, 0);
    }
    filter_case_end(&filter_case);
}

/* Some readers trim lines or fold case, and would find data in them. */
static void leaves_out_fields_of_other_names(void **state) {
    (void)state;
    static const char *const lines[] = {
        "Data: " TOOLS(NO),
        " data: " TOOLS(NO),
        "data : " TOOLS(NO),
        "\tdata:" TOOLS(NO),
        "DATA:" TOOLS(NO),
        "other: x",
        "other",
        "datadata: x",
    };
    static const char *const ends[][2] = {{"\n", "\n"}, {"\r\n", "\r\n"}, {"\r", "\n"}};
    struct filter_case filter_case;
    char came[512], goes_on[512];
    filter_case_begin(&filter_case);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
            const char *end = ends[k][0], *before = ends[k][1]; /* before what is left out */
            snprintf(came, sizeof came, "%s%s%sevent: message%s%s%sdata: " ANSWER "%s%s%s%s",
                     lines[i], end, end, end, lines[i], end, end, lines[i], end, end);
            snprintf(goes_on, sizeof goes_on, "%sevent: message%sdata: " ANSWER "%s%s", end, before,
                     before, end);
            assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, came, goes_on);
        }
    }
    /* a blank line stays one */
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS,
                   "data: " ANSWER "\rother\n\ndata: " NOTICE "\n\n",
                   "data: " ANSWER "\n\ndata: " NOTICE "\n\n");
    filter_case_end(&filter_case);
}

static void names_events_for_their_holder(void **state) {
    (void)state;
    struct filter_case filter_case;
    char long_id[MCP_SEAL_TEXT_MAX + 2], stream[2 * sizeof long_id];
    filter_case_begin(&filter_case);
    filter_case_run(&filter_case, MCP_MEDIA_EVENTS,
                    SLICE("id: a b\ndata: " ANSWER "\n\nid:7\r\n\r\nid: a b\r\r"));
    struct slice rest = buf_slice(&filter_case.out);
    static const char *const ids[] = {"a b", "7", "a b"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct slice opened = SLICE("");
        rest = slice_skip(rest, (size_t)(strstr(rest.ptr, "id: ") - rest.ptr) + 4);
        struct slice sealed = slice_of(rest.ptr, strcspn(rest.ptr, "\r\n"));
        assert_true(mcp_seal_open(filter_case.view.seal, MCP_SEALED_EVENT, &filter_case.view.holder,
                                  sealed, &filter_case.arena, &opened));
        assert_true(slice_eq_str(opened, ids[i]));
    }
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, "id: 1\nid:2\nid\nid:\ndata: " ANSWER "\n\n",
                   "id: 1\nid: 2\nid\nid:\ndata: " ANSWER "\n\n");
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, "ID: 1\nid : 2\n id: 3\ndata: " ANSWER "\n\n",
                   "data: " ANSWER "\n\n");
    filter_case_run(&filter_case, MCP_MEDIA_EVENTS, SLICE("id: 1\0002\nretry: 5\n\n"));
    assert_true(slice_eq(buf_slice(&filter_case.out), SLICE("retry: 5\n\n")));
    memset(long_id, 'x', sizeof long_id);
    long_id[MCP_SEAL_TEXT_MAX + 1] = '\0';
    (void)snprintf(stream, sizeof stream, "id: %s\r\nretry: 5\r\n\r\n", long_id);
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, stream, "retry: 5\r\n\r\n");
    long_id[MCP_SEAL_TEXT_MAX] = '\0';
    (void)snprintf(stream, sizeof stream, "id: %s\r\nretry: 5\r\n\r\n", long_id);
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, stream, stream);
    filter_case_end(&filter_case);
}

static void lets_comments_go_ahead_of_the_event_they_stand_in(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, "id: 1\r\n: ping\r\ndata: " ANSWER "\r\n\r\n",
                   ": ping\r\nid: 1\r\ndata: " ANSWER "\r\n\r\n");
    filter_case_end(&filter_case);
}

static void drops_what_the_end_cuts_off(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, "data: " ANSWER "\n\ndata: " ANSWER "\n",
                   "data: " ANSWER "\n\n");
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, "data: " ANSWER "\n\n: comm",
                   "data: " ANSWER "\n\n");
    filter_case_end(&filter_case);
}

static void passes_comments_and_priming_events_at_once(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    struct mcp_filter *filter = mcp_filter_new(&filter_case.view, MCP_MEDIA_EVENTS);
    static const char *const pieces[] = {": ping\r", "\n", "id: 1\ndata: \n\n", ":\n"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        buf_clear(&filter_case.out);
        assert_int_equal(mcp_filter_take(filter, slice_of_str(pieces[i]), false, &filter_case.out),
                         MCP_FILTER_OK);
        assert_true(slice_eq_str(buf_slice(&filter_case.out),
                                 case_with_sealed_ids(&filter_case, pieces[i])));
    }
    mcp_filter_free(filter);
    filter_case_end(&filter_case);
}

static void holds_back_what_the_route_does_not_pass(void **state) {
    (void)state;
    static const char *const held_back[] = {
        ASKS,
        "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"elicitation/create\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"roots/list\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"notifications/progress\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"sampling/createMessage\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/unheard/of\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"Notifications/progress\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":2}}",
    };
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    for (size_t i = 0; i < sizeof held_back / sizeof *held_back; i++) {
        struct buf stream;
        buf_init(&stream, 4096);
        buf_printf(&stream, "id: 9\nevent: message\ndata: %s\nretry: 3\n\ndata: %s\n\n%c",
                   held_back[i], ANSWER, '\0');
        assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, stream.ptr,
                       ": held back\nid: 9\nretry: 3\n\ndata: " ANSWER "\n\n");
        assert_int_equal(filter_case.counts.held_back, 1);
        buf_done(&stream);
    }
    assert_untouched(&filter_case, MCP_MEDIA_EVENTS, "data: " NOTICE "\n\n");
    filter_case_end(&filter_case);
}

static void holds_back_every_request_of_the_modern_era(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    filter_case.view.era = MCP_MODERN;
    filter_case.mcp.passes_server_requests = true;
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, "data: " ASKS "\r\n\r\n", ": held back\n\n");
    assert_untouched(&filter_case, MCP_MEDIA_EVENTS,
                     "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
                     "\"params\":{\"requestId\":2}}\n\n");
    assert_untouched(
        &filter_case, MCP_MEDIA_EVENTS,
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\"}\n\n");
    filter_case_end(&filter_case);
}

/* A request and what takes it back, under the id as it stands in a text. */
static const char *request_and_end(struct filter_case *filter_case, const char *quote,
                                   const char *id) {
    return arena_printf(&filter_case->arena,
                        "data: {\"jsonrpc\":\"2.0\",\"id\":%s%s%s,\"method\":\"roots/list\"}\n\n"
                        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
                        "\"params\":{\"requestId\":%s%s%s}}\n\n",
                        quote, id, quote, quote, id, quote);
}

static void seals_the_ids_of_requests_that_pass(void **state) {
    (void)state;
    static const char *const ids[] = {"7", "\"7\"", "\"a \\u00e4\"", "-3"};
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    filter_case.mcp.passes_server_requests = true;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const char *sealed = case_sealed(&filter_case, MCP_SEALED_REQUEST, ids[i]);
        assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, request_and_end(&filter_case, "", ids[i]),
                       request_and_end(&filter_case, "\"", sealed));
        assert_int_equal(filter_case.counts.held_back, 0);
    }
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS,
                   "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\"}\n\n",
                   ": held back\n\n");
    filter_case_end(&filter_case);
}

static void passes_a_ping_whatever_the_route_says(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    const char *sealed = case_sealed(&filter_case, MCP_SEALED_REQUEST, "7");
    const char *expected =
        arena_printf(&filter_case.arena,
                     "data: {\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"ping\"}\n\n", sealed);
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS,
                   "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}\n\n", expected);
    assert_int_equal(filter_case.counts.held_back, 0);
    filter_case.view.era = MCP_MODERN;
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS,
                   "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}\n\n",
                   ": held back\n\n");
    filter_case_end(&filter_case);
}

static void seals_the_names_of_tasks(void **state) {
    (void)state;
    static const char *const formats[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"task\":{\"taskId\":\"%s\",\"ttl\":1}}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"taskId\":\"%s\",\"status\":\"working\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[],\"_meta\":{"
        "\"io.modelcontextprotocol/related-task\":{\"taskId\":\"%s\"}}}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks/status\",\"params\":{\"taskId\":"
        "\"%s\"}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"_meta\":{"
        "\"io.modelcontextprotocol/related-task\":{\"taskId\":\"%s\"}}}}",
    };
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    const char *sealed = case_sealed(&filter_case, MCP_SEALED_TASK, "t-1");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        struct buf comes, goes_on;
        buf_init(&comes, 4096);
        buf_init(&goes_on, 4096);
        buf_append_str(&comes, "data: ");
        buf_append_str(&goes_on, "data: ");
        for (const char *at = formats[i]; *at; at++) {
            bool is_name = at[0] == '%' && at[1] == 's';
            buf_append_str(&comes, is_name ? "t-\\u0031" : (char[]){*at, '\0'});
            buf_append_str(&goes_on, is_name ? sealed : (char[]){*at, '\0'});
            at += is_name;
        }
        buf_append(&comes, "\n\n", 3);
        buf_append(&goes_on, "\n\n", 3);
        assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, comes.ptr, goes_on.ptr);
        buf_done(&comes);
        buf_done(&goes_on);
    }
    filter_case_end(&filter_case);
}

static void empties_lists_of_tasks(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    assert_goes_on(&filter_case, MCP_MEDIA_JSON,
                   "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tasks\":[{\"taskId\":\"a\"},"
                   "{\"taskId\":\"b\"}],\"nextCursor\":\"c\"}}",
                   "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tasks\":[],\"nextCursor\":\"c\"}}");
    assert_int_equal(filter_case.counts.hidden, 2);
    filter_case_end(&filter_case);
}

#define WANTS_WITH(state)                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":\"q\\u0031\",\"result\":{\"resultType\":\"input_required\","      \
    "\"inputRequests\":{\"a\":{\"method\":\"elicitation/create\"}},\"requestState\":" state "}}"
#define WANTS WANTS_WITH("\"s\"")

static void answers_with_an_error_when_input_may_not_be_asked_for(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    filter_case.view.era = MCP_MODERN;
    static const char expected[] =
        "{\"jsonrpc\":\"2.0\",\"id\":\"q\\u0031\",\"error\":{\"code\":-31002,\"message\":\"The "
        "server asks for input that may not be asked for here\"}}";
    assert_goes_on(&filter_case, MCP_MEDIA_JSON, WANTS, expected);
    assert_int_equal(filter_case.counts.held_back, 1);
    struct buf stream;
    buf_init(&stream, 4096);
    buf_printf(&stream, "data: %s\n\n%c", expected, '\0');
    assert_goes_on(&filter_case, MCP_MEDIA_EVENTS, "data: " WANTS "\n\n", stream.ptr);
    buf_done(&stream);
    assert_untouched(&filter_case, MCP_MEDIA_JSON,
                     "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"input_required\","
                     "\"requestState\":null}}");
    filter_case.mcp.passes_server_requests = true;
    assert_untouched(&filter_case, MCP_MEDIA_JSON, WANTS_WITH("null"));
    assert_int_equal(filter_case.counts.held_back, 0);
    filter_case_end(&filter_case);
}

static void seals_the_state_of_a_request_that_wants_input(void **state) {
    (void)state;
    struct filter_case filter_case;
    struct buf text;
    static const char *const given[] = {"\"s\"", "\"\"", "\"\\\"\\u0061\xC2\x85\""};
    filter_case_begin(&filter_case);
    filter_case.view.era = MCP_MODERN;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        buf_clear(&text);
        buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"requestState\":%s}}%c",
                   given[i], '\0');
        char expected[512];
        (void)snprintf(expected, sizeof expected,
                       "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"requestState\":\"%s\"}}",
                       case_sealed(&filter_case, MCP_SEALED_STATE, given[i]));
        assert_goes_on(&filter_case, MCP_MEDIA_JSON, text.ptr, expected);
    }
    filter_case.mcp.passes_server_requests = true;
    const char *sealed = case_sealed(&filter_case, MCP_SEALED_STATE, "\"s\"");
    buf_clear(&text);
    buf_printf(&text, WANTS_WITH("\"%s\"") "%c", sealed, '\0');
    assert_goes_on(&filter_case, MCP_MEDIA_JSON, WANTS, text.ptr);
    buf_done(&text);
    filter_case_end(&filter_case);
}

static void answers_with_an_error_when_a_state_cannot_be_sealed(void **state) {
    (void)state;
    struct filter_case filter_case;
    static const char error[] =
        "{\"jsonrpc\":\"2.0\",\"id\":\"q\\u0031\",\"error\":{\"code\":-31002,\"message\":\"The "
        "server's request state is malformed or too long\"}}";
    static const char *const states[] = {"7", "{}", "[\"s\"]", "true"};
    char longest[MCP_SEAL_STATE_MAX + 2], text[MCP_SEAL_STATE_MAX + 512];
    filter_case_begin(&filter_case);
    filter_case.view.era = MCP_MODERN;
    filter_case.mcp.passes_server_requests = true;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        (void)snprintf(text, sizeof text, WANTS_WITH("%s"), states[i]);
        assert_goes_on(&filter_case, MCP_MEDIA_JSON, text, error);
        assert_int_equal(filter_case.counts.held_back, 1);
    }
    memset(longest, 'x', sizeof longest);
    longest[MCP_SEAL_STATE_MAX + 1] = '\0';
    (void)snprintf(text, sizeof text, WANTS_WITH("\"%s\""), longest + 2);
    assert_goes_on(&filter_case, MCP_MEDIA_JSON, text, error);
    (void)snprintf(text, sizeof text, WANTS_WITH("\"%s\""), longest + 3);
    filter_case_run(&filter_case, MCP_MEDIA_JSON, slice_of_str(text));
    assert_int_equal(filter_case.result, MCP_FILTER_OK);
    assert_int_equal(filter_case.counts.held_back, 0);
    assert_true(filter_case.out.len > MCP_SEAL_STATE_MAX);
    filter_case_end(&filter_case);
}

static const char *const malformed[] = {
    "x",
    "[]",
    "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]",
    "\"a\"",
    "{}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}} {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
    "{\"id\":1,\"result\":{}}",
    "{\"jsonrpc\":\"1.0\",\"id\":1,\"result\":{}}",
    "{\"jsonrpc\":2.0,\"id\":1,\"result\":{}}",
    "{\"jsonrpc\":\"2.0\",\"id\":1}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[]}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\"no\"}",
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{}}",
    "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"result\":{}}",
    "{\"jsonrpc\":\"2.0\",\"id\":[],\"error\":{}}",
    "{\"jsonrpc\":\"2.0\",\"result\":{}}",
    "{\"jsonrpc\":\"2.0\",\"method\":7}",
    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"result\":{}}",
    "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"roots/list\"}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[],\"\\u0074ools\":[]}}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"\xFF\"}}",
};

static void ends_with_the_first_thing_that_is_no_message(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct buf stream;
        buf_init(&stream, 4096);
        buf_printf(&stream, "data: %s\n\ndata: %s\n\ndata: %s\n\n", ANSWER, malformed[i], ANSWER);
        filter_case_run(&filter_case, MCP_MEDIA_EVENTS, buf_slice(&stream));
        assert_int_equal(filter_case.result, MCP_FILTER_MALFORMED);
        assert_true(slice_eq_str(buf_slice(&filter_case.out), "data: " ANSWER "\n\n"));
        buf_done(&stream);
        filter_case_run(&filter_case, MCP_MEDIA_JSON, slice_of_str(malformed[i]));
        assert_int_equal(filter_case.result, MCP_FILTER_MALFORMED);
        assert_int_equal(filter_case.out.len, 0);
    }
    filter_case_end(&filter_case);
}

static void takes_answers_alone_as_json(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    filter_case.mcp.passes_server_requests = true;
    filter_case_run(&filter_case, MCP_MEDIA_JSON, SLICE(ASKS));
    assert_int_equal(filter_case.result, MCP_FILTER_MALFORMED);
    assert_untouched(&filter_case, MCP_MEDIA_JSON, " " ANSWER "\r\n");
    assert_untouched(&filter_case, MCP_MEDIA_JSON,
                     "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"no\"},"
                     "\"id\":null}");
    assert_untouched(&filter_case, MCP_MEDIA_JSON, "");
    filter_case_end(&filter_case);
}

static void keeps_to_the_bound_for_results(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    filter_case.mcp.max_result_bytes = sizeof ANSWER - 1;
    assert_untouched(&filter_case, MCP_MEDIA_JSON, ANSWER);
    assert_untouched(&filter_case, MCP_MEDIA_EVENTS, "data: " ANSWER "\n\ndata: " ANSWER "\n\n");
    filter_case_run(&filter_case, MCP_MEDIA_JSON, SLICE(ANSWER " "));
    assert_int_equal(filter_case.result, MCP_FILTER_TOO_LARGE);
    assert_int_equal(filter_case.out.len, 0);
    static const char *const too_large[] = {"data: " ANSWER " \n\n", "data:  " ANSWER "\n\n",
                                            "data:\ndata: " ANSWER "\n\n"};
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        filter_case_run(&filter_case, MCP_MEDIA_EVENTS, slice_of_str(too_large[i]));
        assert_int_equal(filter_case.result, MCP_FILTER_TOO_LARGE);
        assert_int_equal(filter_case.out.len, 0);
    }
    filter_case_end(&filter_case);
}

/* Neither a line without an end nor an event without one may grow on. */
static void keeps_to_the_bound_for_what_surrounds_data(void **state) {
    (void)state;
    struct filter_case filter_case;
    struct buf stream;
    static const char *const repeated[] = {"x", "id: 1\n", ":", "data: \n"};
    buf_init(&stream, 1 << 20);
    filter_case_begin(&filter_case);
    filter_case.mcp.max_result_bytes = 1024;
    for (size_t i = 0; i < sizeof repeated / sizeof *repeated; i++) {
        buf_clear(&stream);
        while (stream.len < 100000) {
            buf_append_str(&stream, repeated[i]);
        }
        filter_case_run(&filter_case, MCP_MEDIA_EVENTS, buf_slice(&stream));
        assert_int_equal(filter_case.result, MCP_FILTER_TOO_LARGE);
    }
    filter_case_end(&filter_case);
    buf_done(&stream);
}

static void says_when_there_is_no_room_to_write_to(void **state) {
    (void)state;
    struct filter_case filter_case;
    filter_case_begin(&filter_case);
    for (size_t limit = 0; limit < sizeof "data: " ANSWER; limit++) {
        struct buf out;
        buf_init(&out, limit);
        filter_case_feed(&filter_case, MCP_MEDIA_EVENTS, SLICE("data: " ANSWER "\n\n"), 9, &out);
        assert_int_equal(filter_case.result, MCP_FILTER_NO_MEMORY);
        buf_done(&out);
    }
    filter_case_end(&filter_case);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_events_as_they_came),
        cmocka_unit_test(writes_an_event_anew_around_what_was_taken_out),
        cmocka_unit_test(escapes_code_points_at_which_some_readers_end_lines),
        cmocka_unit_test(leaves_out_fields_of_other_names),
        cmocka_unit_test(names_events_for_their_holder),
        cmocka_unit_test(lets_comments_go_ahead_of_the_event_they_stand_in),
        cmocka_unit_test(drops_what_the_end_cuts_off),
        cmocka_unit_test(passes_comments_and_priming_events_at_once),
        cmocka_unit_test(holds_back_what_the_route_does_not_pass),
        cmocka_unit_test(holds_back_every_request_of_the_modern_era),
        cmocka_unit_test(seals_the_ids_of_requests_that_pass),
        cmocka_unit_test(passes_a_ping_whatever_the_route_says),
        cmocka_unit_test(seals_the_names_of_tasks),
        cmocka_unit_test(empties_lists_of_tasks),
        cmocka_unit_test(answers_with_an_error_when_input_may_not_be_asked_for),
        cmocka_unit_test(seals_the_state_of_a_request_that_wants_input),
        cmocka_unit_test(answers_with_an_error_when_a_state_cannot_be_sealed),
        cmocka_unit_test(ends_with_the_first_thing_that_is_no_message),
        cmocka_unit_test(takes_answers_alone_as_json),
        cmocka_unit_test(keeps_to_the_bound_for_results),
        cmocka_unit_test(keeps_to_the_bound_for_what_surrounds_data),
        cmocka_unit_test(says_when_there_is_no_room_to_write_to),
    };
    return cmocka_run_group_tests(tests, case_begin, NULL);
}
