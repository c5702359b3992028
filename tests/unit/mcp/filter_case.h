/* A server's answer through the filter, for one caller: whole and in pieces, which must come to the
 * same. */
#ifndef BARKEEP_TESTS_FILTER_CASE_H
#define BARKEEP_TESTS_FILTER_CASE_H

#include "mcp_case.h"

#include "proxy/mcp/filter.h"

struct filter_case {
    struct identity identity;
    struct config_mcp mcp;
    struct mcp_view view;
    struct arena arena;
    struct buf out;
    enum mcp_filter_result result;
    struct mcp_filter_counts counts;
};

/* Names that begin with "ok" may be used, whatever they are for, and resources below /ok/. */
static inline bool case_may(void *owner, struct slice method, struct slice name) {
    (void)owner;
    if (slice_eq(method, SLICE("resources/read"))) {
        return slice_starts_with(name, SLICE("file:///ok/"));
    }
    return (slice_eq(method, SLICE("tools/call")) || slice_eq(method, SLICE("prompts/get"))) &&
           slice_starts_with(name, SLICE("ok"));
}

static inline void filter_case_begin(struct filter_case *filter_case) {
    *filter_case = (struct filter_case){
        .identity = case_caller(),
        .mcp = {.revisions = MCP_REVISIONS_LEGACY, .max_result_bytes = 16 << 20}};
    filter_case->view = (struct mcp_view){.mcp = &filter_case->mcp,
                                          .seal = mcp_seal_new(case_key),
                                          .holder = case_holder(&filter_case->identity),
                                          .era = MCP_LEGACY,
                                          .may = case_may};
    assert_non_null(filter_case->view.seal);
    arena_init(&filter_case->arena, 16 << 20);
    buf_init(&filter_case->out, 64 << 20);
}

static inline void filter_case_end(struct filter_case *filter_case) {
    mcp_seal_free((struct mcp_seal *)filter_case->view.seal);
    arena_done(&filter_case->arena);
    buf_done(&filter_case->out);
}

/* In pieces of `piece_bytes`, 0 for pieces of changing size, each in memory of just its size. */
static inline void filter_case_feed(struct filter_case *filter_case, enum mcp_media media,
                                    struct slice text, size_t piece_bytes, struct buf *out) {
    struct mcp_filter *filter = mcp_filter_new(&filter_case->view, media);
    unsigned seed = 1;
    assert_non_null(filter);
    filter_case->result = MCP_FILTER_OK;
    while (text.len > 0 && filter_case->result == MCP_FILTER_OK) {
        seed = seed * 1103515245u + 12345u;
        size_t take = piece_bytes ? piece_bytes : 1 + (seed >> 16) % 9;
        take = take < text.len ? take : text.len;
        char *exact = malloc(take);
        assert_non_null(exact);
        memcpy(exact, text.ptr, take);
        filter_case->result = mcp_filter_take(filter, slice_of(exact, take), false, out);
        free(exact);
        text = slice_skip(text, take);
    }
    if (filter_case->result == MCP_FILTER_OK) {
        filter_case->result = mcp_filter_take(filter, SLICE(""), true, out);
    }
    filter_case->counts = mcp_filter_counts(filter);
    mcp_filter_free(filter);
}

/* What goes on lies in `out`. */
static inline void filter_case_run(struct filter_case *filter_case, enum mcp_media media,
                                   struct slice text) {
    static const size_t piece_bytes[] = {1, 2, 0, 4096};
    buf_clear(&filter_case->out);
    filter_case_feed(filter_case, media, text, text.len ? text.len : 1, &filter_case->out);
    enum mcp_filter_result whole = filter_case->result;
    struct mcp_filter_counts counts = filter_case->counts;
    for (size_t i = 0; i < sizeof piece_bytes / sizeof *piece_bytes; i++) {
        struct buf out;
        buf_init(&out, 64 << 20);
        filter_case_feed(filter_case, media, text, piece_bytes[i], &out);
        assert_int_equal(filter_case->result, whole);
        assert_int_equal(filter_case->counts.hidden, counts.hidden);
        assert_int_equal(filter_case->counts.held_back, counts.held_back);
        assert_true(slice_eq(buf_slice(&out), buf_slice(&filter_case->out)));
        buf_done(&out);
    }
}

/* A sealed name as it stands in a JSON text. */
static inline const char *case_sealed(struct filter_case *filter_case, enum mcp_sealed what,
                                      const char *text) {
    struct slice sealed = mcp_seal_close(filter_case->view.seal, what, &filter_case->view.holder,
                                         slice_of_str(text), &filter_case->arena);
    assert_true(sealed.len > 0);
    return arena_strdup_slice(&filter_case->arena, sealed);
}

/* The stream with the ids of its events as the caller gets to know them. */
static inline const char *case_with_sealed_ids(struct filter_case *filter_case, const char *text) {
    struct buf out;
    buf_init(&out, 1 << 20);
    for (struct slice rest = slice_of_str(text); rest.len > 0;) {
        size_t len = strcspn(rest.ptr, "\r\n");
        if (len > 4 && slice_starts_with(rest, SLICE("id: "))) {
            char *id = arena_strdup_slice(&filter_case->arena, slice_of(rest.ptr + 4, len - 4));
            buf_printf(&out, "id: %s", case_sealed(filter_case, MCP_SEALED_EVENT, id));
        } else {
            buf_append(&out, rest.ptr, len);
        }
        rest = slice_skip(rest, len);
        len = strspn(rest.ptr, "\r\n");
        buf_append(&out, rest.ptr, len);
        rest = slice_skip(rest, len);
    }
    char *copy = arena_strdup_slice(&filter_case->arena, buf_slice(&out));
    buf_done(&out);
    return copy;
}

/* `expected` has the server's own ids of events. */
static inline void assert_goes_on(struct filter_case *filter_case, enum mcp_media media,
                                  const char *text, const char *expected) {
    filter_case_run(filter_case, media, slice_of_str(text));
    buf_append_char(&filter_case->out, '\0');
    assert_int_equal(filter_case->result, MCP_FILTER_OK);
    if (media == MCP_MEDIA_EVENTS) {
        expected = case_with_sealed_ids(filter_case, expected);
    }
    assert_string_equal(filter_case->out.ptr, expected);
}

#endif
