/* Heads of responses as they reach the client. */
#include "head_writer_case.h"

/* `response` as the client gets it; `rest` is what follows the upstream's own Date. */
static void assert_answer(const char *response, bool chunked, bool closes, const char *expected) {
    struct scene scene;
    scene_open(&scene);
    scene.exchange.closes_client = closes;
    const char *text = answered(&scene, response, chunked);
    if (strcmp(text, expected) != 0)
        fail_msg("%s became %s", response, text);
    scene_close(&scene);
}

#define DATE "Date: Mon, 23 Nov 2026 09:00:00 GMT\r\n"

static void frames_the_response_by_itself(void **state) {
    (void)state;
    assert_answer("HTTP/1.1 200 OK\r\n" DATE "content-length: 5\r\n\r\n", false, false,
                  "HTTP/1.1 200 OK\r\n" DATE "X-Request-Id: " ID "\r\nContent-Length: 5\r\n\r\n");
    assert_answer("HTTP/1.1 200 OK\r\n" DATE "transfer-encoding: CHUNKED\r\n\r\n", true, false,
                  "HTTP/1.1 200 OK\r\n" DATE "X-Request-Id: " ID
                  "\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_answer("HTTP/1.1 200 OK\r\n" DATE "\r\n", true, false, /* until close becomes chunked */
                  "HTTP/1.1 200 OK\r\n" DATE "X-Request-Id: " ID
                  "\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_answer("HTTP/1.1 200 OK\r\n" DATE "Transfer-Encoding: chunked\r\n\r\n", false, true,
                  "HTTP/1.1 200 OK\r\n" DATE "X-Request-Id: " ID "\r\nConnection: close\r\n\r\n");
    assert_answer("HTTP/1.0 200 OK\r\n" DATE "Content-Length: 0\r\nConnection: close\r\n\r\n",
                  false, false,
                  "HTTP/1.1 200 OK\r\n" DATE "X-Request-Id: " ID "\r\nContent-Length: 0\r\n\r\n");
    assert_answer("HTTP/1.1 204 No Content\r\n" DATE "\r\n", false, false,
                  "HTTP/1.1 204 No Content\r\n" DATE "X-Request-Id: " ID "\r\n\r\n");
    assert_answer("HTTP/1.1 304 Not Modified\r\n" DATE "Content-Length: 7\r\n\r\n", false, true,
                  "HTTP/1.1 304 Not Modified\r\n" DATE "X-Request-Id: " ID
                  "\r\nContent-Length: 7\r\nConnection: close\r\n\r\n");
}

static void keeps_the_length_of_what_head_would_have_got(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    take_response(&scene, "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 1234\r\n\r\n", true);
    assert_int_equal(scene.exchange.response.body, BODY_NONE);
    assert_true(write_client_response(&scene.exchange, false));
    assert_string_equal(text_of(&scene.client.conn.out),
                        "HTTP/1.1 200 OK\r\n" DATE "X-Request-Id: " ID
                        "\r\nContent-Length: 1234\r\n\r\n");
    scene_close(&scene);
}

static void passes_the_response_without_the_connections_own(void **state) {
    (void)state;
    assert_answer("HTTP/1.1 404 Not  Here\r\n" DATE "Server: x\r\nSet-Cookie: a=1\r\n"
                  "set-cookie: b=2\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\n"
                  "X-Hop: gone\r\nUpgrade: h2\r\nProxy-Authenticate: Basic\r\nTrailer: X-Sum\r\n"
                  "X-Request-Id: theirs\r\nX-Forwarded-For: theirs\r\nETag: \"1\"\r\n"
                  "Content-Length: 0\r\n\r\n",
                  false, false,
                  "HTTP/1.1 404 Not  Here\r\n" DATE "Server: x\r\nSet-Cookie: a=1\r\n"
                  "set-cookie: b=2\r\nETag: \"1\"\r\nX-Request-Id: " ID
                  "\r\nContent-Length: 0\r\n\r\n");
}

static void dates_what_the_upstream_did_not(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    const char *text = answered(&scene, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false);
    const char *date = strstr(text, "\r\nDate: ");
    assert_non_null(date);
    assert_int_equal(strcspn(date + 2, "\r"), strlen("Date: Mon, 23 Nov 2026 09:00:00 GMT"));
    assert_int_equal(count_of(text, "Date: "), 1);
    assert_true(slice_starts_with(slice_of_str(text), SLICE("HTTP/1.1 200 \r\n")));
    scene_close(&scene);
}

static void passes_informational_answers_on_behind_what_waits(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene);
    assert_true(io_buffer_append(&scene.client.conn.out, scene.pool, SLICE("BEFORE")));
    take_response(&scene, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n\r\n",
                  false);
    assert_true(write_client_informational(&scene.exchange, &scene.exchange.response));
    assert_string_equal(text_of(&scene.client.conn.out),
                        "BEFOREHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    scene_close(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_the_response_by_itself),
        cmocka_unit_test(keeps_the_length_of_what_head_would_have_got),
        cmocka_unit_test(passes_the_response_without_the_connections_own),
        cmocka_unit_test(dates_what_the_upstream_did_not),
        cmocka_unit_test(passes_informational_answers_on_behind_what_waits),
    };
    return cmocka_run_group_tests(tests, init_secrets, NULL);
}
