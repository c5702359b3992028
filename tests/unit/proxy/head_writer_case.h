/* As little of an exchange as the writers of heads look at. Requests and responses come through the
 * real readers. */
#ifndef BARKEEP_TESTS_UNIT_PROXY_HEAD_WRITER_CASE_H
#define BARKEEP_TESTS_UNIT_PROXY_HEAD_WRITER_CASE_H

#include "h1_cases.h"

#include "core/buf.h"
#include "proxy/client.h"
#include "proxy/head_writer.h"

enum { BLOCK_BYTES = 64 * 1024 };

#define ID "0123456789abcdef0123456789abcdef"
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define OWN_TRACEPARENT "traceparent: 00-" ID "-0123456789abcdef-00\r\n"

/* As little of an exchange as the writers look at. */
struct scene {
    struct config_upstream target;
    struct config_route route;
    struct config config;
    struct ruleset rules;
    struct snapshot snapshot;
    struct worker worker;
    struct io_pool *pool;
    struct client client;
    struct upstream upstream;
    struct reading reading;
    struct exchange exchange; /* last: it ends in an array of any length */
};

static inline void scene_open_with_blocks(struct scene *scene, size_t block_bytes) {
    *scene = (struct scene){0};
    scene->target = (struct config_upstream){.host_header = "backend:8080", .base_path = ""};
    scene->route = (struct config_route){.upstreams = &scene->target, .upstream_count = 1};
    scene->config = (struct config){.routes = &scene->route, .route_count = 1};
    scene->rules.config = &scene->config;
    scene->snapshot.rules = &scene->rules;
    scene->pool = io_pool_new(block_bytes, 2);
    assert_non_null(scene->pool);
    scene->client.conn.pool = scene->upstream.conn.pool = scene->pool;
    memcpy(scene->client.address.text, "192.0.2.7", sizeof "192.0.2.7");
    assert_true(io_buffer_open(&scene->client.conn.out, scene->pool));
    assert_true(io_buffer_open(&scene->upstream.conn.out, scene->pool));
    scene->exchange.worker = &scene->worker;
    scene->exchange.client = &scene->client;
    scene->exchange.upstream = &scene->upstream;
    scene->exchange.snapshot = &scene->snapshot;
    scene->exchange.below = SLICE("/x");
    memcpy(scene->exchange.id, ID, sizeof ID);
}

static inline void scene_open(struct scene *scene) {
    scene_open_with_blocks(scene, BLOCK_BYTES);
}

static inline void scene_close(struct scene *scene) {
    io_buffer_close(&scene->client.conn.out, scene->pool);
    io_buffer_close(&scene->upstream.conn.out, scene->pool);
    io_pool_free(scene->pool);
    arrival_done(&scene->reading.arrival);
}

static inline void take_request(struct scene *scene, const char *text) {
    arrival_done(&scene->reading.arrival);
    read_request(&scene->reading, slice_of_str(text));
    if (scene->reading.outcome != H1_COMPLETE)
        fail_msg("%s: %s", text, scene->reading.refusal.detail);
    scene->exchange.request = scene->reading.request;
    forwarding_of_peer(&scene->exchange.forwarding, &scene->client.address,
                       scene->exchange.request.host);
}

static inline void take_response(struct scene *scene, const char *text, bool request_is_head) {
    arrival_done(&scene->reading.arrival);
    read_response(&scene->reading, slice_of_str(text), request_is_head);
    if (scene->reading.outcome != H1_COMPLETE)
        fail_msg("%s: %s", text, scene->reading.refusal.detail);
    scene->exchange.response = scene->reading.response;
}

/* What was written, for one look. */
static inline const char *text_of(struct io_buffer *out) {
    static char text[BLOCK_BYTES + 1];
    struct slice bytes = io_buffer_data(out);
    memcpy(text, bytes.ptr, bytes.len);
    text[bytes.len] = '\0';
    io_buffer_consume(out, bytes.len);
    return text;
}

/* `request` with a Host as barkeep sends it on. */
static inline const char *forwarded(struct scene *scene, const char *request) {
    take_request(scene, request);
    assert_true(write_upstream_request(&scene->exchange, &scene->target));
    return text_of(&scene->upstream.conn.out);
}

static inline const char *answered(struct scene *scene, const char *response, bool chunked) {
    take_response(scene, response, false);
    assert_true(write_client_response(&scene->exchange, chunked));
    return text_of(&scene->client.conn.out);
}

static inline size_t count_of(const char *text, const char *needle) {
    size_t count = 0;
    for (const char *at = strstr(text, needle); at; at = strstr(at + 1, needle))
        count++;
    return count;
}

static inline int init_secrets(void **state) {
    (void)state;
    bool is_locked;
    struct error err;
    return secret_memory_init(64 * 1024, &is_locked, &err) == STATUS_OK ? 0 : -1;
}

#endif
