/* The HTTP client against scripted servers on loopback: what it takes, what it refuses, and that
 * its callbacks come once, late enough and never after a cancel. */
#include "client_case.h"

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
        cmocka_unit_test(refuses_headers_that_would_inject_others),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
