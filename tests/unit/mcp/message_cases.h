/* Posts a head, written as "Name: value\n" lines, and a body, to be read as a client's message. */
#ifndef BARKEEP_TESTS_UNIT_MCP_MESSAGE_CASES_H
#define BARKEEP_TESTS_UNIT_MCP_MESSAGE_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/mcp/message.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define VERSION "Mcp-Protocol-Version: 2026-07-28\n"
#define MODERN(method) VERSION "Mcp-Method: " method "\n"
/* _meta as every modern message has it */
#define META                                                                                       \
    "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                       \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define ASK(method, params)                                                                        \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":{" params "}}"

enum { CASE_HEADERS = 32 };

struct post {
    struct config_mcp mcp;
    struct h1_request request;
    struct header headers[CASE_HEADERS];
    struct arena arena;
    struct mcp_message message;
    struct mcp_refusal refusal;
    char *body; /* ends where its memory ends */
    size_t body_len;
    bool is_read;
};

static inline void post_add_fields(struct post *post, const char *fields) {
    struct slice rest = slice_of_str(fields);
    while (rest.len) {
        struct slice line = slice_of(rest.ptr, slice_index(rest, '\n'));
        size_t colon = slice_index(line, ':');
        assert_true(post->request.header_count < CASE_HEADERS);
        post->headers[post->request.header_count++] = (struct header){
            .name = slice_of(line.ptr, colon), .value = slice_trim(slice_skip(line, colon + 1))};
        rest = slice_skip(rest, line.len + 1);
    }
}

static inline void post_begin(struct post *post, const char *fields) {
    memset(post, 0, sizeof *post);
    post->mcp = (struct config_mcp){.revisions = MCP_REVISIONS_ALL, .max_body_bytes = 4 << 20};
    post->request.method = SLICE("POST");
    post->request.headers = post->headers;
    arena_init(&post->arena, 1 << 20);
    mcp_message_init(&post->message);
    post_add_fields(post, fields);
}

static inline bool post_read(struct post *post, struct slice body) {
    free(post->body);
    post->body = malloc(body.len ? body.len : 1);
    assert_non_null(post->body);
    memcpy(post->body, body.ptr, body.len);
    post->body_len = body.len;
    post->is_read = mcp_message_read(&post->message, &post->mcp, &post->request,
                                     slice_of(post->body, body.len), &post->arena, &post->refusal);
    return post->is_read;
}

static inline void post_done(struct post *post) {
    mcp_message_done(&post->message);
    arena_done(&post->arena);
    free(post->body);
}

static inline void assert_read(const char *fields, const char *body) {
    struct post post;
    post_begin(&post, fields);
    if (!post_read(&post, slice_of_str(body)))
        fail_msg("%s%s: refused: %s", fields, body, post.refusal.message);
    post_done(&post);
}

static inline void assert_text_refused(const char *fields, struct slice body, int http_status,
                                       int code) {
    struct post post;
    post_begin(&post, fields);
    if (post_read(&post, body))
        fail_msg("%s%.*s: taken", fields, SLICE_ARGS(body));
    if (post.refusal.http_status != http_status || post.refusal.code != code)
        fail_msg("%s%.*s: %d %d %s", fields, SLICE_ARGS(body), post.refusal.http_status,
                 post.refusal.code, post.refusal.message);
    assert_non_null(post.refusal.message);
    assert_int_not_equal(post.refusal.reason, REASON_NONE);
    post_done(&post);
}

static inline void assert_refused(const char *fields, const char *body, int http_status, int code) {
    assert_text_refused(fields, slice_of_str(body), http_status, code);
}

/* `text` in the place of the one '@' of `form`. */
static inline void fill(char *out, size_t size, const char *form, const char *text) {
    size_t before = slice_index(slice_of_str(form), '@');
    int len = snprintf(out, size, "%.*s%s%s", (int)before, form, text, form + before + 1);
    assert_true(len > 0 && (size_t)len < size);
}

static inline void assert_slice(struct slice actual, const char *expected) {
    if (!slice_eq_str(actual, expected))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARGS(actual), expected);
}

#endif
