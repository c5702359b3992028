/* Heads of requests as they leave: what crosses, what is made anew, what never crosses. */
#include "head_writer_case.h"

#define FORWARDING                                                                                 \
    "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h.example\r\n"     \
    "X-Request-Id: " ID "\r\n"

static void writes_the_request_anew(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    assert_string_equal(
        forwarded(&scene, "GET /route/x HTTP/1.1\r\nHost: h.example\r\n"
                          "Accept: */*\r\nX-Custom:  a b \r\n\r\n"),
        "GET /x HTTP/1.1\r\nHost: backend:8080\r\nAccept: */*\r\nX-Custom: a b\r\n" FORWARDING
            OWN_TRACEPARENT "\r\n");
    scene_close(&scene);
}

static void writes_the_target_below_the_upstreams_base(void **state) {
    (void)state;
    static const struct {
        const char *base_path;
        const char *below;
        const char *query; /* NULL: none */
        const char *line;
    } cases[] = {
        {"", "/", NULL, "GET / HTTP/1.1\r\n"},
        {"", "/a%2Fb", NULL, "GET /a%2Fb HTTP/1.1\r\n"},
        {"/base", "/", NULL, "GET /base/ HTTP/1.1\r\n"},
        {"/base", "/a", "q=1&r=?", "GET /base/a?q=1&r=? HTTP/1.1\r\n"},
        {"", "/a", "", "GET /a? HTTP/1.1\r\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct scene scene;
        scene_open(&scene);
        scene.target.base_path = cases[i].base_path;
        scene.exchange.below = slice_of_str(cases[i].below);
        scene.exchange.has_query = cases[i].query != NULL;
        scene.exchange.query = slice_of_str(cases[i].query);
        const char *text = forwarded(&scene, "GET / HTTP/1.1\r\nHost: h.example\r\n\r\n");
        assert_true(slice_starts_with(slice_of_str(text), slice_of_str(cases[i].line)));
        scene_close(&scene);
    }
}

static void keeps_the_host_only_when_told_to(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    const char *request = "GET / HTTP/1.1\r\nHost: h.example:81\r\n\r\n";
    const char *text = forwarded(&scene, request);
    assert_non_null(strstr(text, "\r\nHost: backend:8080\r\n"));
    assert_non_null(strstr(text, "\r\nX-Forwarded-Host: h.example:81\r\n"));
    scene.route.preserve_host = true;
    text = forwarded(&scene, request);
    assert_non_null(strstr(text, "\r\nHost: h.example:81\r\n"));
    assert_null(strstr(text, "backend"));
    scene_close(&scene);
}

static void sends_no_token_on_and_leaves_authorization_free(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    const char *request = "GET / HTTP/1.1\r\nHost: h.example\r\nX-TOKEN: Bearer a\r\n"
                          "Authorization: Basic own\r\n\r\n";
    const char *text = forwarded(&scene, request);
    assert_null(strstr(text, "Authorization"));
    assert_non_null(strstr(text, "\r\nX-TOKEN: Bearer a\r\n"));
    scene.route.token_header = "X-Token";
    text = forwarded(&scene, request);
    assert_non_null(strstr(text, "\r\nAuthorization: Basic own\r\n"));
    assert_null(strstr(text, "Bearer a"));
    struct rendered_header header = {.name = "authorization"};
    header.line = secret_new(SLICE("authorization: Basic ours\r\n"));
    const struct rendered_credential credential = {
        .is_available = true, .headers = &header, .header_count = 1};
    scene.exchange.credential = &credential;
    text = forwarded(&scene, request);
    assert_null(strstr(text, "Basic own"));
    assert_non_null(strstr(text, "\r\nauthorization: Basic ours\r\n"));
    secret_unref(header.line);
    scene_close(&scene);
}

/* Every field of `request` but `X-Stays: yes` is dropped, or replaced by ours. */
static void assert_only_ours(struct scene *scene, const char *field) {
    char request[512];
    snprintf(request, sizeof request,
             "GET / HTTP/1.1\r\nHost: h.example\r\n%s\r\nX-Stays: yes\r\n"
             "\r\n",
             field);
    const char *text = forwarded(scene, request);
    const char *expected =
        "GET /x HTTP/1.1\r\nHost: backend:8080\r\nX-Stays: yes\r\n" FORWARDING OWN_TRACEPARENT
        "\r\n";
    if (strcmp(text, expected) != 0)
        fail_msg("%s: %s", field, text);
}

static void drops_what_belongs_to_the_connection(void **state) {
    (void)state;
    static const char *const fields[] = {
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Trailer: X-Sum",
        "Upgrade: h2c\r\nConnection: upgrade",
        "HTTP2-Settings: AAMAAABk",
        "Proxy-Authorization: Basic eDp5",
        "Proxy-Authenticate: Basic",
        "CONNECTION: X-Hop\r\nX-HOP: gone\r\nx-hop: gone too",
        "Connection: close, X-A , X-B\r\nX-a: gone\r\nX-b: gone",
        "Expect: 100-continue",
    };
    struct scene scene;
    scene_open(&scene);
    for (size_t i = 0; i < COUNT(fields); i++)
        assert_only_ours(&scene, fields[i]);
    scene_close(&scene);
}

static void tells_whom_trusted_proxies_spoke_for(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    take_request(&scene, "GET / HTTP/1.1\r\nHost: h.example\r\n"
                         "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\n\r\n");
    scene.exchange.forwarding.chain = SLICE("198.51.100.1, 192.0.2.7");
    scene.exchange.forwarding.host = SLICE("www.example");
    scene.exchange.forwarding.is_https = true;
    assert_true(write_upstream_request(&scene.exchange, &scene.target));
    assert_string_equal(text_of(&scene.upstream.conn.out),
                        "GET /x HTTP/1.1\r\nHost: backend:8080\r\n"
                        "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
                        "X-Forwarded-Host: www.example\r\nX-Request-Id: " ID "\r\n" OWN_TRACEPARENT
                        "\r\n");
    scene_close(&scene);
}

static void drops_what_only_we_may_say(void **state) {
    (void)state;
    static const char *const fields[] = {
        "X-Forwarded-For: 10.0.0.1",
        "x-forwarded-for: 10.0.0.1\r\nX-FORWARDED-PROTO: https",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Anything: 1",
        "Forwarded: for=10.0.0.1",
        "X-Request-Id: mine",
        "X-Real-IP: 10.0.0.1",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-HTTP-Method-Override: DELETE",
        "X-Method-Override: DELETE",
        "X-MS-CLIENT-PRINCIPAL: e30=",
        "x-ms-client-principal-id: root",
        "X-MS-TOKEN-AAD-ACCESS-TOKEN: t",
        "X-Barkeep-Assertion: t",
        "Authorization: Bearer callers-own",
    };
    struct scene scene;
    scene_open(&scene);
    for (size_t i = 0; i < COUNT(fields); i++)
        assert_only_ours(&scene, fields[i]);
    scene_close(&scene);
}

static void does_not_let_a_caller_nominate_what_counts(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    const char *text =
        forwarded(&scene, "POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: 3\r\n"
                          "Connection: Host, Content-Length, Cookie, X-Request-Id, traceparent, "
                          "X-Forwarded-For\r\nCookie: a=b\r\n\r\n");
    assert_string_equal(
        text, "POST /x HTTP/1.1\r\nHost: backend:8080\r\nCookie: a=b\r\n" FORWARDING OWN_TRACEPARENT
              "Content-Length: 3\r\n\r\n");
    scene_close(&scene);
}

static void replaces_the_callers_copies_by_the_credential(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    struct rendered_header headers[] = {
        {"Authorization", secret_new(SLICE("Authorization: Basic dTpw\r\n"))},
        {"X-Api-Key", secret_new(SLICE("X-Api-Key: k1\r\n"))},
    };
    struct rendered_credential credential = {
        .is_available = true, .headers = headers, .header_count = COUNT(headers)};
    const char *request = "GET / HTTP/1.1\r\nHost: h.example\r\nAuthorization: Bearer t\r\n"
                          "x-api-key: mine\r\nX-API-KEY: mine too\r\nX-Api-Key2: other\r\n\r\n";

    const char *text = forwarded(&scene, request);
    assert_non_null(
        strstr(text, "x-api-key: mine\r\nX-API-KEY: mine too\r\nX-Api-Key2: other\r\n"));
    assert_null(strstr(text, "uthorization"));

    scene.exchange.credential = &credential;
    assert_string_equal(
        forwarded(&scene, request),
        "GET /x HTTP/1.1\r\nHost: backend:8080\r\nX-Api-Key2: other\r\n" FORWARDING OWN_TRACEPARENT
        "Authorization: Basic dTpw\r\nX-Api-Key: k1\r\n\r\n");
    for (size_t i = 0; i < COUNT(headers); i++)
        secret_unref(headers[i].line);
    scene_close(&scene);
}

static void passes_one_valid_traceparent_or_makes_one(void **state) {
    (void)state;
    static const struct {
        const char *fields;
        bool passes;
    } cases[] = {
        {"traceparent: 00-" TRACE "-" SPAN "-01", true},
        {"TraceParent: 00-" TRACE "-" SPAN "-00", true},
        {"X-None: 1", false},
        {"traceparent:", false},
        {"traceparent: 00-" TRACE "-" SPAN "-01-extra", false},
        {"traceparent: 00-" TRACE "-" SPAN "-0", false},
        {"traceparent: ff-" TRACE "-" SPAN "-01", false},
        {"traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", false},
        {"traceparent: 00-00000000000000000000000000000000-" SPAN "-01", false},
        {"traceparent: 00-" TRACE "-0000000000000000-01", false},
        {"traceparent: 00-" TRACE "_" SPAN "-01", false},
        {"traceparent: 00-" TRACE "-" SPAN "_01", false},
        {"traceparent: 00-gbf92f3577b34da6a3ce929d0e0e4736-" SPAN "-01", false},
    };
    struct scene scene;
    scene_open(&scene);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char request[512];
        snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: h.example\r\n%s\r\n\r\n",
                 cases[i].fields);
        const char *text = forwarded(&scene, request);
        bool has_own = strstr(text, "\r\n" OWN_TRACEPARENT) != NULL;
        bool has_callers = strstr(text, TRACE) != NULL;
        size_t count = count_of(text, "traceparent: ") + count_of(text, "TraceParent: ");
        if (count != 1 || has_own == cases[i].passes || has_callers != cases[i].passes)
            fail_msg("%s: %s", cases[i].fields, text);
    }
    const char *twice = forwarded(&scene, "GET / HTTP/1.1\r\nHost: h.example\r\n"
                                          "traceparent: 00-" TRACE "-" SPAN "-01\r\n"
                                          "traceparent: 00-" TRACE "-" SPAN "-00\r\n\r\n");
    assert_int_equal(count_of(twice, "traceparent: "), 1);
    scene_close(&scene);
}

static void passes_tracestate_only_with_its_trace(void **state) {
    (void)state;
    static const struct {
        const char *fields;
        bool passes;
    } cases[] = {
        {"tracestate: a=1\r\ntraceparent: 00-" TRACE "-" SPAN "-01\r\n", true},
        {"tracestate: a=1\r\ntraceparent: broken\r\n", false},
        {"tracestate: a=1\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[400];
        snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: h.example\r\n%s\r\n",
                 cases[i].fields);
        struct scene scene;
        scene_open(&scene);
        const char *sent = forwarded(&scene, request);
        assert_int_equal(strstr(sent, "tracestate: a=1\r\n") != NULL, cases[i].passes);
        scene_close(&scene);
    }
}

static void frames_the_request_by_itself(void **state) {
    (void)state;
    static const struct {
        const char *request;
        const char *framing; /* "": none */
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: h.example\r\n\r\n", ""},
        {"DELETE / HTTP/1.1\r\nHost: h.example\r\n\r\n", ""},
        {"POST / HTTP/1.1\r\nHost: h.example\r\n\r\n", "Content-Length: 0\r\n"},
        {"PUT / HTTP/1.1\r\nHost: h.example\r\n\r\n", "Content-Length: 0\r\n"},
        {"PATCH / HTTP/1.1\r\nHost: h.example\r\n\r\n", "Content-Length: 0\r\n"},
        {"GET / HTTP/1.1\r\nHost: h.example\r\ncontent-length: 0\r\n\r\n", "Content-Length: 0\r\n"},
        {"POST / HTTP/1.1\r\nHost: h.example\r\ncontent-length: 18446744073709551\r\n\r\n",
         "Content-Length: 18446744073709551\r\n"},
        {"POST / HTTP/1.1\r\nHost: h.example\r\ntransfer-encoding: Chunked\r\n\r\n",
         "Transfer-Encoding: chunked\r\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct scene scene;
        scene_open(&scene);
        const char *text = forwarded(&scene, cases[i].request);
        char end[200];
        snprintf(end, sizeof end, OWN_TRACEPARENT "%s\r\n", cases[i].framing);
        if (!slice_ends_with(slice_of_str(text), slice_of_str(end)))
            fail_msg("%s became %s", cases[i].request, text);
        size_t framings = count_of(text, "ontent-") + count_of(text, "ncoding:");
        assert_int_equal(framings, cases[i].framing[0] ? 1 : 0);
        scene_close(&scene);
    }
}

static void switches_protocols_anew(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    const char *request = "GET / HTTP/1.1\r\nHost: h.example\r\nConnection: x, Upgrade\r\n"
                          "Upgrade: WebSocket\r\nSec-WebSocket-Extensions: e\r\nX: y\r\n\r\n";
    assert_null(strstr(forwarded(&scene, request), "pgrade"));
    scene.exchange.opens_websocket = true;
    assert_string_equal(
        forwarded(&scene, request),
        "GET /x HTTP/1.1\r\nHost: backend:8080\r\nSec-WebSocket-Extensions: e\r\n" FORWARDING
            OWN_TRACEPARENT "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    take_response(&scene,
                  "HTTP/1.1 101 Now\r\nConnection: y, upgrade\r\nY: z\r\nUpgrade: WebSocket\r\n"
                  "Sec-WebSocket-Accept: a\r\nX-Request-Id: its\r\n\r\n",
                  false);
    scene.exchange.closes_client = true;
    assert_true(write_client_switch(&scene.exchange));
    assert_string_equal(text_of(&scene.client.conn.out),
                        "HTTP/1.1 101 Now\r\nSec-WebSocket-Accept: a\r\nX-Request-Id: " ID
                        "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    scene_close(&scene);
}

static void offers_no_extension_where_it_searches(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    struct leak_set *leaks = NULL;
    const struct leak_source source = {SLICE("open-sesame"), LEAK_VALUE};
    assert_true(leak_set_new(&source, 1, &leaks));
    const char *request = "GET / HTTP/1.1\r\nHost: h.example\r\nSec-WebSocket-Extensions: e\r\n"
                          "sec-websocket-protocol: p\r\n\r\n";
    scene.exchange.opens_websocket = true;
    assert_non_null(strstr(forwarded(&scene, request), "Sec-WebSocket-Extensions: e\r\n"));
    scene.exchange.sought = leaks;
    const char *text = forwarded(&scene, request);
    assert_null(strstr(text, "Extensions"));
    assert_non_null(strstr(text, "sec-websocket-protocol: p\r\n"));
    leak_set_unref(leaks);
    scene_close(&scene);
}

static void writes_nothing_that_does_not_fit(void **state) {
    (void)state;
    const char *request = "GET / HTTP/1.1\r\nHost: h.example\r\n\r\n";
    struct scene scene;
    scene_open(&scene);
    size_t len = strlen(forwarded(&scene, request));
    scene_close(&scene);
    for (size_t block = len - 1; block <= len; block++) {
        scene_open_with_blocks(&scene, block);
        take_request(&scene, request);
        bool fits = write_upstream_request(&scene.exchange, &scene.target);
        assert_int_equal(fits, block == len);
        assert_int_equal(io_buffer_data(&scene.upstream.conn.out).len, fits ? len : 0);
        scene_close(&scene);
    }
}

/* The credential is written after the headers: what overflows must not stay in the block. */
static void leaves_nothing_of_what_did_not_fit(void **state) {
    (void)state;
    enum { SMALL_BLOCK = 300 };
    static char long_value[5000];
    memset(long_value, 'v', sizeof long_value);
    struct scene scene;
    scene_open_with_blocks(&scene, SMALL_BLOCK);
    struct rendered_header line = {"Authorization",
                                   secret_new(SLICE("Authorization: Basic SEKRET\r\n"))};
    const struct rendered_credential credential = {
        .is_available = true, .headers = &line, .header_count = 1};
    struct header fields[] = {{.name = SLICE("X-Long"), .value = slice_of(long_value, 5000)}};
    take_request(&scene, "GET / HTTP/1.1\r\nHost: h.example\r\n\r\n");
    scene.exchange.request.headers = fields;
    scene.exchange.request.header_count = 1;
    scene.exchange.credential = &credential;
    const char *block = scene.upstream.conn.out.bytes;
    assert_false(write_upstream_request(&scene.exchange, &scene.target));
    for (size_t i = 0; i + 6 <= SMALL_BLOCK; i++)
        assert_memory_not_equal(block + i, "SEKRET", 6);
    secret_unref(line.line);
    scene_close(&scene);
}

static void writes_numbers_of_every_length(void **state) {
    (void)state;
    static const struct {
        uint64_t value;
        const char *text;
    } cases[] = {{0, "0"}, {9, "9"}, {10, "10"}, {UINT64_MAX, "18446744073709551615"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct scene scene;
        scene_open(&scene);
        struct head_writer writer;
        head_writer_begin(&writer, &scene.client.conn.out, scene.pool);
        head_write_u64(&writer, cases[i].value);
        assert_true(head_writer_end(&writer, &scene.client.conn.out));
        assert_string_equal(text_of(&scene.client.conn.out), cases[i].text);
        scene_close(&scene);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_request_anew),
        cmocka_unit_test(writes_the_target_below_the_upstreams_base),
        cmocka_unit_test(keeps_the_host_only_when_told_to),
        cmocka_unit_test(sends_no_token_on_and_leaves_authorization_free),
        cmocka_unit_test(drops_what_belongs_to_the_connection),
        cmocka_unit_test(tells_whom_trusted_proxies_spoke_for),
        cmocka_unit_test(drops_what_only_we_may_say),
        cmocka_unit_test(does_not_let_a_caller_nominate_what_counts),
        cmocka_unit_test(replaces_the_callers_copies_by_the_credential),
        cmocka_unit_test(passes_one_valid_traceparent_or_makes_one),
        cmocka_unit_test(passes_tracestate_only_with_its_trace),
        cmocka_unit_test(frames_the_request_by_itself),
        cmocka_unit_test(switches_protocols_anew),
        cmocka_unit_test(offers_no_extension_where_it_searches),
        cmocka_unit_test(writes_nothing_that_does_not_fit),
        cmocka_unit_test(leaves_nothing_of_what_did_not_fit),
        cmocka_unit_test(writes_numbers_of_every_length),
    };
    return cmocka_run_group_tests(tests, init_secrets, NULL);
}
