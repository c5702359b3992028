/* Feeds bytes to the head readers as a connection does: in pieces, from memory that ends where the
 * bytes end, so that a sanitizer sees one read too many. */
#ifndef BARKEEP_TESTS_UNIT_PROXY_H1_CASES_H
#define BARKEEP_TESTS_UNIT_PROXY_H1_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/h1_head.h"

enum { CASE_HEADERS = 100 };

/* An initialiser for a slice in a static table; the literal may hold NUL. */
#define TEXT(literal)                                                                              \
    { (literal), sizeof(literal) - 1 }
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct h1_limits case_limits = {
    .head_bytes = 32768, .headers = CASE_HEADERS, .target_bytes = 8192};

typedef enum h1_outcome (*scan_fn)(struct slice bytes, const struct h1_limits *limits,
                                   size_t *in_out_scanned, size_t *out_head_len,
                                   struct h1_refusal *out_refusal);

/* Bytes that arrive piece by piece, moving to new memory each time. */
struct arrival {
    char *bytes;
    size_t len;
    size_t scanned;
    size_t head_len;
    struct h1_refusal refusal;
};

static inline void arrival_done(struct arrival *arrival) {
    free(arrival->bytes);
    arrival->bytes = NULL;
}

static inline enum h1_outcome arrival_add(struct arrival *arrival, struct slice piece, scan_fn scan,
                                          const struct h1_limits *limits) {
    size_t len = arrival->len + piece.len;
    char *grown = malloc(len ? len : 1);
    assert_non_null(grown);
    if (arrival->len > 0)
        memcpy(grown, arrival->bytes, arrival->len);
    if (piece.len > 0)
        memcpy(grown + arrival->len, piece.ptr, piece.len);
    free(arrival->bytes);
    arrival->bytes = grown;
    arrival->len = len;
    return scan(slice_of(grown, len), limits, &arrival->scanned, &arrival->head_len,
                &arrival->refusal);
}

/* What arrival_add() last said, after `text` came in pieces of `piece_bytes`. */
static inline enum h1_outcome arrival_feed(struct arrival *arrival, struct slice text,
                                           size_t piece_bytes, scan_fn scan,
                                           const struct h1_limits *limits) {
    enum h1_outcome outcome = H1_INCOMPLETE;
    while (text.len > 0 && outcome == H1_INCOMPLETE) {
        size_t take = piece_bytes < text.len ? piece_bytes : text.len;
        outcome = arrival_add(arrival, slice_of(text.ptr, take), scan, limits);
        text = slice_skip(text, take);
    }
    return outcome;
}

/* A request read through both doors. arrival_done() ends its memory. */
struct reading {
    struct arrival arrival;
    struct header headers[CASE_HEADERS];
    struct h1_request request;
    struct h1_response response;
    enum h1_outcome outcome;
    struct h1_refusal refusal;
};

static inline void read_request_within(struct reading *reading, struct slice text,
                                       const struct h1_limits *limits) {
    *reading = (struct reading){.outcome = H1_INCOMPLETE};
    struct arrival *arrival = &reading->arrival;
    reading->outcome = arrival_feed(arrival, text, text.len ? text.len : 1, h1_head_scan, limits);
    reading->refusal = arrival->refusal;
    if (reading->outcome != H1_COMPLETE)
        return;
    reading->outcome = h1_request_parse(slice_of(arrival->bytes, arrival->head_len), limits,
                                        reading->headers, &reading->request, &reading->refusal);
}

static inline void read_request(struct reading *reading, struct slice text) {
    read_request_within(reading, text, &case_limits);
}

static inline void read_response(struct reading *reading, struct slice text, bool request_is_head) {
    *reading = (struct reading){.outcome = H1_INCOMPLETE};
    struct arrival *arrival = &reading->arrival;
    reading->outcome =
        arrival_feed(arrival, text, text.len ? text.len : 1, h1_response_scan, &case_limits);
    reading->refusal = arrival->refusal;
    if (reading->outcome != H1_COMPLETE)
        return;
    reading->outcome =
        h1_response_parse(slice_of(arrival->bytes, arrival->head_len), &case_limits,
                          reading->headers, request_is_head, &reading->response, &reading->refusal);
}

static inline void assert_slice(struct slice actual, const char *expected) {
    if (!slice_eq_str(actual, expected))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARGS(actual), expected);
}

/* The header of that name as it stands in the text; fails the test when it is not there. */
static inline const struct header *header_named(const struct header *headers, size_t count,
                                                const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (slice_eq_str(headers[i].name, name))
            return &headers[i];
    }
    fail_msg("there is no header %s", name);
    return NULL;
}

#endif
