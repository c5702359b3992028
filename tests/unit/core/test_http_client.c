/* The HTTP client against scripted servers on loopback: what it takes, what it refuses, and that
 * its callbacks come once, late enough and never after a cancel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/http_answer.h"
#include "core/http_client.h"

#include "scripted_server.h"

#define PATIENCE_MS 10000

static struct loop *loop;
static struct http_client *client;

struct outcome {
    int count;
    enum status status;
    int http_status;
    int64_t retry_after_sec;
    char error_text[512];
    char content_type[128];
    char www_authenticate[256];
    char *body;
    size_t body_len;
};

static int set_up(void **state) {
    (void)state;
    struct error err;
    loop = loop_new(&err);
    client = http_client_new(loop, NULL, &err);
    return loop && client ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    http_client_free(client);
    loop_free(loop);
    return 0;
}

static void copy_text(char *out_text, size_t size, struct slice text) {
    snprintf(out_text, size, "%.*s", SLICE_ARGS(text));
}

static void on_done(void *owner, const struct http_client_response *response) {
    struct outcome *outcome = owner;
    outcome->count++;
    outcome->status = response->status;
    outcome->http_status = response->http_status;
    outcome->retry_after_sec = response->retry_after_sec;
    copy_text(outcome->content_type, sizeof outcome->content_type, response->content_type);
    copy_text(outcome->www_authenticate, sizeof outcome->www_authenticate,
              response->www_authenticate);
    if (response->status != STATUS_OK)
        copy_text(outcome->error_text, sizeof outcome->error_text,
                  slice_of_str(response->error.text));
    free(outcome->body);
    outcome->body = slice_strdup(response->body);
    outcome->body_len = response->body.len;
}

static void run_until(const int *count, int wanted) {
    uint64_t give_up_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (*count < wanted && clock_monotonic_ms() < give_up_ms)
        loop_run_once(loop, 100);
    assert_int_equal(*count, wanted);
}

static const char *url_of(const struct server *server, const char *path) {
    static char url[128];
    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", server->tls ? "https" : "http", server->port,
             path);
    return url;
}

static void call(struct http_client_request request, struct outcome *outcome) {
    struct error err = {""};
    if (!request.method)
        request.method = "GET";
    if (!http_client_send(client, &request, on_done, outcome, &err))
        fail_msg("refused: %s", err.text);
    assert_int_equal(outcome->count, 0);
    run_until(&outcome->count, 1);
}

static struct outcome get(const struct server *server) {
    struct outcome outcome = {0};
    call((struct http_client_request){.url = url_of(server, "/")}, &outcome);
    return outcome;
}

static struct server start(enum server_manner manner, const char *reply) {
    return (struct server){.manner = manner, .reply = reply};
}

static void reads_status_headers_and_body(void **state) {
    (void)state;
    struct server server = start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
                                                 "Content-Type: application/json\r\n\r\nhello");
    assert_true(server_start(&server));
    struct outcome outcome = get(&server);
    server_stop(&server);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.http_status, 200);
    assert_string_equal(outcome.body, "hello");
    assert_string_equal(outcome.content_type, "application/json");
    assert_int_equal(outcome.retry_after_sec, -1);
    free(outcome.body);
}

static void reads_chunked_bodies_without_decoding_contents(void **state) {
    (void)state;
    struct server server =
        start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                              "Content-Encoding: gzip\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_true(server_start(&server));
    struct outcome outcome = get(&server);
    server_stop(&server);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_string_equal(outcome.body, "abcde");
    free(outcome.body);
}

static void sends_method_headers_and_body_as_given(void **state) {
    (void)state;
    struct server server = start(SERVER_REPLIES, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_true(server_start(&server));
    const char *const headers[] = {"Authorization: Bearer abc", "Content-Type: application/json",
                                   NULL};
    struct outcome outcome = {0};
    call((struct http_client_request){.method = "PUT",
                                      .url = url_of(&server, "/a/../b%2Fc?x=1"),
                                      .headers = headers,
                                      .body = SLICE("{\"a\":1}")},
         &outcome);
    server_stop(&server);
    assert_int_equal(outcome.http_status, 204);
    assert_non_null(strstr(server.request, "PUT /a/../b%2Fc?x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request, "\r\nAuthorization: Bearer abc\r\n"));
    assert_non_null(strstr(server.request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(server.request, "\r\nContent-Length: 7\r\n"));
    assert_non_null(strstr(server.request, "\r\nUser-Agent: barkeep/"));
    assert_non_null(strstr(server.request, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(server.request, "Accept-Encoding"));
    assert_null(strstr(server.request, "Expect"));
    free(outcome.body);
}

static void sends_large_posts_without_waiting_for_100_continue(void **state) {
    (void)state;
    enum { LEN = 2 * 1024 * 1024 }; /* libcurl's own limit for asking first is 1 MiB */
    struct server server = start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_true(server_start(&server));
    char *body = malloc(LEN);
    assert_non_null(body);
    memset(body, 'b', LEN);
    struct outcome outcome = {0};
    call((struct http_client_request){.method = "POST",
                                      .url = url_of(&server, "/"),
                                      .body = slice_of(body, LEN)},
         &outcome);
    server_stop(&server);
    assert_int_equal(outcome.http_status, 200);
    assert_non_null(strstr(server.request, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request, "\r\nContent-Length: 2097152\r\n"));
    assert_null(strstr(server.request, "Expect"));
    free(outcome.body);
    free(body);
}

static void sends_posts_without_body(void **state) {
    (void)state;
    struct server server = start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_true(server_start(&server));
    struct outcome outcome = {0};
    call((struct http_client_request){.method = "POST", .url = url_of(&server, "/")}, &outcome);
    server_stop(&server);
    assert_int_equal(outcome.http_status, 200);
    assert_non_null(strstr(server.request, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request, "\r\nContent-Length: 0\r\n"));
    free(outcome.body);
}

static void reuses_connections(void **state) {
    (void)state;
    struct server server = start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_true(server_start(&server));
    for (int i = 0; i < 3; i++)
        free(get(&server).body);
    server_stop(&server);
    assert_int_equal(atomic_load(&server.connections), 1);
    assert_int_equal(atomic_load(&server.requests), 3);
}

static void does_not_follow_redirects(void **state) {
    (void)state;
    struct server server = start(
        SERVER_REPLIES, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    assert_true(server_start(&server));
    struct outcome outcome = get(&server);
    server_stop(&server);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.http_status, 302);
    assert_int_equal(atomic_load(&server.requests), 1);
    free(outcome.body);
}

static void takes_refusals_as_answers(void **state) {
    (void)state;
    struct server server =
        start(SERVER_REPLIES, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n"
                              "WWW-Authenticate: Bearer authorization=\"a\"\r\n"
                              "www-authenticate: Basic\r\nRetry-After: 17\r\n\r\nno");
    assert_true(server_start(&server));
    struct outcome outcome = get(&server);
    server_stop(&server);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.http_status, 401);
    assert_string_equal(outcome.body, "no");
    assert_string_equal(outcome.www_authenticate, "Bearer authorization=\"a\", Basic");
    assert_int_equal(outcome.retry_after_sec, 17);
    free(outcome.body);
}

static void forgets_what_interim_responses_said(void **state) {
    (void)state;
    struct server server =
        start(SERVER_REPLIES, "HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
                              "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_true(server_start(&server));
    struct outcome outcome = get(&server);
    server_stop(&server);
    assert_int_equal(outcome.http_status, 200);
    assert_int_equal(outcome.retry_after_sec, -1);
    free(outcome.body);
}

static void parses_retry_after_as_seconds_or_date(void **state) {
    (void)state;
    const int64_t now_sec = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *value;
        int64_t expected;
    } cases[] = {
        {"0", 0},
        {"120", 120},
        {"007", 7},
        {"Sun, 06 Nov 1994 08:50:37 GMT", 60},
        {"Sun, 06 Nov 1994 08:49:36 GMT", 0},
        {"", -1},
        {"-1", -1},
        {"1.5", -1},
        {"soon", -1},
        {"99999999999999999999", -1},
        {"Sun, 06 Nov 1994 08:50:37 GMT, and more", -1},
        {"Sun, 06 Nov 1994", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(http_answer_parse_retry_after(slice_of_str(cases[i].value), now_sec),
                         cases[i].expected);
}

static void accepts_body_of_exactly_the_limit(void **state) {
    (void)state;
    struct server server =
        start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_true(server_start(&server));
    struct outcome fits = {0};
    struct outcome does_not = {0};
    call((struct http_client_request){.url = url_of(&server, "/"), .max_body_bytes = 5}, &fits);
    call((struct http_client_request){.url = url_of(&server, "/"), .max_body_bytes = 4}, &does_not);
    server_stop(&server);
    assert_int_equal(fits.status, STATUS_OK);
    assert_int_equal(fits.body_len, 5);
    assert_int_equal(does_not.status, STATUS_LIMIT);
    free(fits.body);
    free(does_not.body);
}

static void refuses_floods(void **state) {
    (void)state;
    static const enum server_manner floods[] = {SERVER_FLOODS_BODY, SERVER_FLOODS_HEADERS};
    for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
        struct server server = start(floods[i], NULL);
        assert_true(server_start(&server));
        struct outcome outcome = get(&server);
        server_stop(&server);
        assert_int_equal(outcome.status, STATUS_LIMIT);
        assert_non_null(strstr(outcome.error_text, "larger than allowed"));
        free(outcome.body);
    }
}

static void keeps_a_large_body_whole(void **state) {
    (void)state;
    enum { LEN = 300000 };
    char *reply = malloc(LEN + 100);
    assert_non_null(reply);
    int head = snprintf(reply, 100, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", LEN);
    for (int i = 0; i < LEN; i++)
        reply[head + i] = (char)('a' + i % 26);
    reply[head + LEN] = '\0';
    struct server server = start(SERVER_REPLIES, reply);
    assert_true(server_start(&server));
    struct outcome outcome = get(&server);
    server_stop(&server);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_int_equal(outcome.body_len, LEN);
    assert_memory_equal(outcome.body, reply + head, LEN);
    free(outcome.body);
    free(reply);
}

static void times_out_on_silence(void **state) {
    (void)state;
    struct server server = start(SERVER_HANGS, NULL);
    assert_true(server_start(&server));
    uint64_t before_ms = clock_monotonic_ms();
    struct outcome outcome = {0};
    call((struct http_client_request){.url = url_of(&server, "/"), .timeout_ms = 150}, &outcome);
    uint64_t took_ms = clock_monotonic_ms() - before_ms;
    server_stop(&server);
    assert_int_equal(outcome.status, STATUS_TIMEOUT);
    assert_int_equal(outcome.http_status, 0);
    assert_in_range(took_ms, 140, 5000);
    free(outcome.body);
}

static void reports_connections_that_break(void **state) {
    (void)state;
    struct server server = start(SERVER_RESETS, NULL);
    assert_true(server_start(&server));
    struct outcome reset = get(&server);
    server_stop(&server);
    assert_int_equal(reset.status, STATUS_IO);
    assert_non_null(strstr(reset.error_text, "127.0.0.1"));

    struct outcome refused = get(&server); /* nobody listens there any more */
    assert_int_equal(refused.status, STATUS_IO);

    struct server cutting =
        start(SERVER_REPLIES_AND_CLOSES, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    assert_true(server_start(&cutting));
    struct outcome cut = get(&cutting);
    server_stop(&cutting);
    assert_int_equal(cut.status, STATUS_IO);
    free(reset.body);
    free(refused.body);
    free(cut.body);
}

static void refuses_answers_that_are_not_http(void **state) {
    (void)state;
    struct server server = start(SERVER_REPLIES_AND_CLOSES, "hello there\r\n\r\n");
    assert_true(server_start(&server));
    struct outcome outcome = get(&server);
    server_stop(&server);
    assert_int_equal(outcome.status, STATUS_IO);
    free(outcome.body);
}

static void cancelled_call_gets_no_callback(void **state) {
    (void)state;
    struct server server = start(SERVER_HANGS, NULL);
    assert_true(server_start(&server));
    struct error err;
    struct outcome outcome = {0};
    struct http_client_request request = {
        .method = "GET", .url = url_of(&server, "/"), .timeout_ms = 1000};
    struct http_call *at_once = http_client_send(client, &request, on_done, &outcome, &err);
    assert_non_null(at_once);
    http_call_cancel(at_once);
    struct http_call *later = http_client_send(client, &request, on_done, &outcome, &err);
    assert_non_null(later);
    uint64_t give_up_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (atomic_load(&server.requests) == 0 && clock_monotonic_ms() < give_up_ms)
        loop_run_once(loop, 5);
    http_call_cancel(later);
    /* Long enough for the time limit of a call that was not cancelled. */
    uint64_t until_ms = clock_monotonic_ms() + 1200;
    while (clock_monotonic_ms() < until_ms)
        loop_run_once(loop, 10);
    server_stop(&server);
    assert_int_equal(outcome.count, 0);
}

static void freeing_the_client_cancels_what_runs(void **state) {
    (void)state;
    struct server server = start(SERVER_HANGS, NULL);
    assert_true(server_start(&server));
    struct error err;
    struct outcome outcome = {0};
    struct http_client *other = http_client_new(loop, NULL, &err);
    assert_non_null(other);
    struct http_client_request request = {.method = "GET", .url = url_of(&server, "/")};
    assert_non_null(http_client_send(other, &request, on_done, &outcome, &err));
    assert_non_null(http_client_send(other, &request, on_done, &outcome, &err));
    loop_run_once(loop, 50);
    http_client_free(other);
    loop_run_once(loop, 10);
    server_stop(&server);
    assert_int_equal(outcome.count, 0);
}

struct chain {
    struct http_client *client;
    const char *url;
    struct http_call *other;
    struct http_call *self;
    struct outcome next;
    int count;
};

static void on_done_start_next_and_cancel(void *owner,
                                          const struct http_client_response *response) {
    struct chain *chain = owner;
    (void)response;
    struct error err;
    struct http_client_request request = {.method = "GET", .url = chain->url};
    http_call_cancel(chain->self);
    http_call_cancel(chain->other);
    assert_non_null(http_client_send(chain->client, &request, on_done, &chain->next, &err));
    assert_int_equal(chain->next.count, 0);
    chain->count++;
}

static void on_done_free_client(void *owner, const struct http_client_response *response) {
    struct chain *chain = owner;
    http_client_free(chain->client);
    assert_true(slice_eq_str(response->body, "hello"));
    chain->count++;
}

static void callbacks_may_start_cancel_and_free(void **state) {
    (void)state;
    struct server server =
        start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    struct server silent = start(SERVER_HANGS, NULL);
    assert_true(server_start(&server));
    assert_true(server_start(&silent));
    struct error err;
    struct outcome never = {0};
    char url[128];
    char silent_url[128];
    copy_text(url, sizeof url, slice_of_str(url_of(&server, "/")));
    copy_text(silent_url, sizeof silent_url, slice_of_str(url_of(&silent, "/")));
    struct chain chain = {.client = http_client_new(loop, NULL, &err), .url = url};
    assert_non_null(chain.client);
    struct http_client_request request = {.method = "GET", .url = url};
    struct http_client_request hanging = {.method = "GET", .url = silent_url};

    chain.other = http_client_send(chain.client, &hanging, on_done, &never, &err);
    chain.self =
        http_client_send(chain.client, &request, on_done_start_next_and_cancel, &chain, &err);
    run_until(&chain.count, 1);
    run_until(&chain.next.count, 1);
    assert_int_equal(chain.next.status, STATUS_OK);

    assert_non_null(http_client_send(chain.client, &hanging, on_done, &never, &err));
    assert_non_null(http_client_send(chain.client, &request, on_done_free_client, &chain, &err));
    run_until(&chain.count, 2);
    loop_run_once(loop, 10);
    assert_int_equal(never.count, 0);
    server_stop(&server);
    server_stop(&silent);
    free(chain.next.body);
}

static void ignores_proxies_from_the_environment(void **state) {
    (void)state;
    static const char *const names[] = {"http_proxy", "all_proxy", "ALL_PROXY", "https_proxy",
                                        "HTTPS_PROXY"};
    struct server proxy = start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct server server =
        start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_true(server_start(&proxy));
    assert_true(server_start(&server));
    char proxy_url[128];
    copy_text(proxy_url, sizeof proxy_url, slice_of_str(url_of(&proxy, "")));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], proxy_url, 1);
    setenv("no_proxy", "", 1);
    struct outcome outcome = get(&server);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    unsetenv("no_proxy");
    server_stop(&server);
    server_stop(&proxy);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_string_equal(outcome.body, "hello");
    assert_int_equal(atomic_load(&proxy.connections), 0);
    free(outcome.body);
}

static bool is_accepted(struct http_client_request request, struct error *err) {
    struct outcome outcome = {0};
    request.method = "GET";
    struct http_call *started = http_client_send(client, &request, on_done, &outcome, err);
    http_call_cancel(started);
    return started != NULL;
}

static void refuses_urls_before_any_connection(void **state) {
    (void)state;
    static const struct {
        const char *url;
        bool allow_link_local;
        bool is_accepted;
    } cases[] = {
        {"https://vault.example/", false, true},
        {"http://127.0.0.1/", false, true},
        {"http://127.8.7.6:81/", false, true},
        {"http://localhost/", false, true},
        {"http://[::1]:80/", false, true},
        {"http://169.254.169.254/metadata", true, true},
        {"http://169.254.169.254:80", true, true},
        {"http://169.254.169.254/metadata", false, false},
        {"http://0xa9fea9fe/metadata", true, false},
        {"http://169.254.43518/metadata", true, false},
        {"http://169.254.169.253/metadata", true, false},
        {"http://169.254.169.254.example/metadata", true, false},
        {"http://169.254.169.254@example.com/", true, false},
        {"http://example.com/", false, false},
        {"http://128.0.0.1/", false, false},
        {"http://localhost.example/", false, false},
        {"http://[::2]/", false, false},
        {"http://[::ffff:127.0.0.1]/", false, false},
        {"ftp://127.0.0.1/", false, false},
        {"file:///etc/passwd", false, false},
        {"https://user:password@vault.example/", false, false},
        {"vault.example", false, false},
        {"/relative", false, false},
        {"https://", false, false},
        {"https://a b/", false, false},
        {"https://vault.example/\r\nX-Injected: 1", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {""};
        struct http_client_request request = {.url = cases[i].url,
                                              .allow_link_local = cases[i].allow_link_local};
        if (is_accepted(request, &err) != cases[i].is_accepted)
            fail_msg("%s: expected %d (%s)", cases[i].url, cases[i].is_accepted, err.text);
        assert_true(cases[i].is_accepted || err.text[0]);
    }
}

static void lets_a_request_go_to_any_link_local_address_when_it_says_so(void **state) {
    (void)state;
    static const struct {
        const char *url;
        bool is_accepted;
    } cases[] = {
        {"http://169.254.129.2:8081/msi/token", true},
        {"http://169.254.255.2:8081/msi/token?resource=x", true},
        {"http://169.254.169.254/metadata", true},
        {"http://127.0.0.1:42356/msi/token", true},
        {"http://169.253.129.2:8081/msi/token", false},
        {"http://169.255.129.2/", false},
        {"http://169.254.129.2.example/", false},
        {"http://169.254.129.2@example.com/", false},
        {"http://169.254.33026/", false},
        {"http://169.254.0x81.2/", false},
        {"http://0xa9fe8102/", false},
        {"http://0251.0376.129.2/", false},
        {"http://[::ffff:169.254.129.2]/", false},
        {"http://[fe80::1]/", false},
        {"http://172.16.0.1:8081/msi/token", false},
        {"http://10.0.0.1/", false},
        {"http://example.com/", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {""};
        struct http_client_request request = {.url = cases[i].url, .allow_any_link_local = true};
        if (is_accepted(request, &err) != cases[i].is_accepted)
            fail_msg("%s: expected %d (%s)", cases[i].url, cases[i].is_accepted, err.text);
        request.allow_any_link_local = false;
        if (strstr(cases[i].url, "//169.254.") && is_accepted(request, &err))
            fail_msg("%s: accepted without being allowed", cases[i].url);
    }
}

static void refuses_headers_that_would_inject_others(void **state) {
    (void)state;
    static const struct {
        const char *header;
        bool is_accepted;
    } cases[] = {
        {"X-A: b", true},     {"X-A: b\r\nX-C: d", false}, {"X-A: b\n", false},
        {"X-A: \x7F", false}, {"no colon", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        const char *const headers[] = {cases[i].header, NULL};
        struct http_client_request request = {.url = "https://vault.example/", .headers = headers};
        assert_int_equal(is_accepted(request, &err), cases[i].is_accepted);
    }
}

/* A private authority, and a server certificate of its for "localhost". */
struct authority {
    EVP_PKEY *ca_key;
    X509 *ca;
    EVP_PKEY *server_key;
    X509 *server;
    char ca_path[64];
};

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate_new(const char *name, long serial, EVP_PKEY *key, X509 *issuer) {
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
    return certificate;
}

static void authority_init(struct authority *authority) {
    authority->ca_key = EVP_EC_gen("P-256");
    authority->server_key = EVP_EC_gen("P-256");
    authority->ca = certificate_new("Test CA", 1, authority->ca_key, NULL);
    add_extension(authority->ca, authority->ca, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(authority->ca, authority->ca, NID_key_usage, "critical,keyCertSign");
    assert_true(X509_sign(authority->ca, authority->ca_key, EVP_sha256()) > 0);
    authority->server = certificate_new("server", 2, authority->server_key, authority->ca);
    add_extension(authority->server, authority->ca, NID_subject_alt_name, "DNS:localhost");
    assert_true(X509_sign(authority->server, authority->ca_key, EVP_sha256()) > 0);

    strcpy(authority->ca_path, "/tmp/barkeep-test-ca-XXXXXX");
    int fd = mkstemp(authority->ca_path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, authority->ca), 1);
    fclose(file);
}

static void authority_done(struct authority *authority) {
    unlink(authority->ca_path);
    X509_free(authority->ca);
    X509_free(authority->server);
    EVP_PKEY_free(authority->ca_key);
    EVP_PKEY_free(authority->server_key);
}

static SSL_CTX *server_tls(const struct authority *authority) {
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    assert_non_null(tls);
    assert_int_equal(SSL_CTX_use_certificate(tls, authority->server), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(tls, authority->server_key), 1);
    return tls;
}

static struct outcome get_over_tls(const struct server *server, const char *ca_path,
                                   const char *host) {
    struct error err = {""};
    struct outcome outcome = {0};
    char url[128];
    snprintf(url, sizeof url, "https://%s:%u/", host, server->port);
    struct http_client *other = http_client_new(loop, ca_path, &err);
    assert_non_null(other);
    struct http_client_request request = {.method = "GET", .url = url};
    assert_non_null(http_client_send(other, &request, on_done, &outcome, &err));
    run_until(&outcome.count, 1);
    http_client_free(other);
    return outcome;
}

static void trusts_only_the_given_authority_and_the_right_name(void **state) {
    (void)state;
    struct authority authority;
    authority_init(&authority);
    struct server server =
        start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    server.tls = server_tls(&authority);
    assert_true(server_start(&server));

    struct outcome right = get_over_tls(&server, authority.ca_path, "localhost");
    assert_int_equal(right.status, STATUS_OK);
    assert_string_equal(right.body, "hello");
    struct outcome system_store = get_over_tls(&server, NULL, "localhost");
    assert_int_equal(system_store.status, STATUS_IO);
    struct outcome wrong_name = get_over_tls(&server, authority.ca_path, "127.0.0.1");
    assert_int_equal(wrong_name.status, STATUS_IO);

    server_stop(&server);
    assert_int_equal(atomic_load(&server.requests), 1);
    free(right.body);
    free(system_store.body);
    free(wrong_name.body);
    SSL_CTX_free(server.tls);
    authority_done(&authority);
}

static void refuses_tls_before_1_2(void **state) {
    (void)state;
    static const struct {
        int version;
        enum status expected;
    } cases[] = {{TLS1_1_VERSION, STATUS_IO}, {TLS1_2_VERSION, STATUS_OK}};
    struct authority authority;
    authority_init(&authority);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server server =
            start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        server.tls = server_tls(&authority);
        SSL_CTX_set_cipher_list(server.tls, "DEFAULT:@SECLEVEL=0");
        SSL_CTX_set_min_proto_version(server.tls, cases[i].version);
        SSL_CTX_set_max_proto_version(server.tls, cases[i].version);
        assert_true(server_start(&server));
        struct outcome outcome = get_over_tls(&server, authority.ca_path, "localhost");
        server_stop(&server);
        assert_int_equal(outcome.status, cases[i].expected);
        free(outcome.body);
        SSL_CTX_free(server.tls);
    }
    authority_done(&authority);
}

static void refuses_a_missing_ca_file(void **state) {
    (void)state;
    struct error err = {""};
    assert_null(http_client_new(loop, "/nonexistent/ca.pem", &err));
    assert_non_null(strstr(err.text, "/nonexistent/ca.pem"));
}

static void encodes_form_values(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 256);
    http_form_encode(&buf, SLICE("aZ09-._~ +&=/\xC3\xA9\n%"));
    assert_int_equal(buf.len, http_form_size(SLICE("aZ09-._~ +&=/\xC3\xA9\n%")));
    assert_true(slice_eq_str(buf_slice(&buf), "aZ09-._~%20%2B%26%3D%2F%C3%A9%0A%25"));
    buf_done(&buf);
}

static void knows_loopback_hosts(void **state) {
    (void)state;
    static const struct {
        const char *host;
        bool is_loopback;
    } cases[] = {
        {"localhost", true},
        {"LocalHost", true},
        {"127.0.0.1", true},
        {"127.255.255.254", true},
        {"::1", true},
        {"[::1]", true},
        {"[0:0:0:0:0:0:0:1]", true},
        {"", false},
        {"localhost.", false},
        {"localhost.example", false},
        {"[localhost]", false},
        {"127.1", false},
        {"0x7f000001", false},
        {"127.0.0.1.example", false},
        {"[127.0.0.1]", false},
        {"128.0.0.1", false},
        {"0.0.0.0", false},
        {"::", false},
        {"[::1", false},
        {"::ffff:127.0.0.1", false},
        {"127.0.0.1:80", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (http_host_is_loopback(slice_of_str(cases[i].host)) != cases[i].is_loopback)
            fail_msg("%s: expected %d", cases[i].host, cases[i].is_loopback);
    assert_false(http_host_is_loopback(slice_of("127.0.0.1\0x", 11)));
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_status_headers_and_body),
        cmocka_unit_test(reads_chunked_bodies_without_decoding_contents),
        cmocka_unit_test(sends_method_headers_and_body_as_given),
        cmocka_unit_test(sends_large_posts_without_waiting_for_100_continue),
        cmocka_unit_test(sends_posts_without_body),
        cmocka_unit_test(reuses_connections),
        cmocka_unit_test(does_not_follow_redirects),
        cmocka_unit_test(takes_refusals_as_answers),
        cmocka_unit_test(forgets_what_interim_responses_said),
        cmocka_unit_test(parses_retry_after_as_seconds_or_date),
        cmocka_unit_test(accepts_body_of_exactly_the_limit),
        cmocka_unit_test(refuses_floods),
        cmocka_unit_test(keeps_a_large_body_whole),
        cmocka_unit_test(times_out_on_silence),
        cmocka_unit_test(reports_connections_that_break),
        cmocka_unit_test(refuses_answers_that_are_not_http),
        cmocka_unit_test(cancelled_call_gets_no_callback),
        cmocka_unit_test(freeing_the_client_cancels_what_runs),
        cmocka_unit_test(callbacks_may_start_cancel_and_free),
        cmocka_unit_test(ignores_proxies_from_the_environment),
        cmocka_unit_test(refuses_urls_before_any_connection),
        cmocka_unit_test(lets_a_request_go_to_any_link_local_address_when_it_says_so),
        cmocka_unit_test(refuses_headers_that_would_inject_others),
        cmocka_unit_test(trusts_only_the_given_authority_and_the_right_name),
        cmocka_unit_test(refuses_tls_before_1_2),
        cmocka_unit_test(refuses_a_missing_ca_file),
        cmocka_unit_test(encodes_form_values),
        cmocka_unit_test(knows_loopback_hosts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
