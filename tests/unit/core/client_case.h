/* A client on a loop, and calls of which each says how it ended. Included by one translation unit a
 * test. */
#ifndef BARKEEP_TESTS_CLIENT_CASE_H
#define BARKEEP_TESTS_CLIENT_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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

static inline int set_up(void **state) {
    (void)state;
    struct error err;
    loop = loop_new(&err);
    client = http_client_new(loop, NULL, &err);
    return loop && client ? 0 : -1;
}

static inline int tear_down(void **state) {
    (void)state;
    http_client_free(client);
    loop_free(loop);
    return 0;
}

static inline void copy_text(char *out_text, size_t size, struct slice text) {
    snprintf(out_text, size, "%.*s", SLICE_ARGS(text));
}

static inline void on_done(void *owner, const struct http_client_response *response) {
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

static inline void run_until(const int *count, int wanted) {
    uint64_t give_up_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (*count < wanted && clock_monotonic_ms() < give_up_ms)
        loop_run_once(loop, 100);
    assert_int_equal(*count, wanted);
}

static inline const char *url_of(const struct server *server, const char *path) {
    static char url[128];
    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", server->tls ? "https" : "http", server->port,
             path);
    return url;
}

static inline void call(struct http_client_request request, struct outcome *outcome) {
    struct error err = {""};
    if (!request.method)
        request.method = "GET";
    if (!http_client_send(client, &request, on_done, outcome, &err))
        fail_msg("refused: %s", err.text);
    assert_int_equal(outcome->count, 0);
    run_until(&outcome->count, 1);
}

static inline struct outcome get(const struct server *server) {
    struct outcome outcome = {0};
    call((struct http_client_request){.url = url_of(server, "/")}, &outcome);
    return outcome;
}

static inline struct server start(enum server_manner manner, const char *reply) {
    return (struct server){.manner = manner, .reply = reply};
}

static inline bool is_accepted(struct http_client_request request, struct error *err) {
    struct outcome outcome = {0};
    request.method = "GET";
    struct http_call *started = http_client_send(client, &request, on_done, &outcome, err);
    http_call_cancel(started);
    return started != NULL;
}

#endif
