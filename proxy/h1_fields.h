/* Reads the field lines of a head: syntax, framing and Connection, which requests and responses
 * have in common. Private to the h1_* files and websocket.c. */
#ifndef BARKEEP_PROXY_H1_FIELDS_H
#define BARKEEP_PROXY_H1_FIELDS_H

#include "proxy/h1_bytes.h"
#include "proxy/h1_head.h"

/* What the field lines say in all. Framing is settled: at most one of has_content_length and
 * is_chunked. */
struct h1_fields {
    struct header *headers; /* the caller's array */
    size_t count;
    uint64_t content_length;
    bool has_content_length;
    bool is_chunked;
    bool has_close; /* among the Connection tokens, as the following */
    bool has_keep_alive;
    bool has_nominations;
    uint32_t connection_tokens;
};

/* `lines` runs from the first field line to the empty line, which is included. Names are made of
 * `name_class`. Refusals are worded as for a request; h1_bad_response() turns them around. */
enum h1_outcome h1_fields_read(struct slice lines, const struct h1_limits *limits,
                               enum h1_class name_class, int minor_version, struct header *headers,
                               struct h1_fields *out_fields, struct h1_refusal *out_refusal);

/* Takes the next member of a comma-separated list, trimmed; false at the end of the list. Members
 * may be empty. `in_out_rest->ptr` is NULL once the last one is taken. */
bool h1_list_next(struct slice *in_out_rest, struct slice *out_member);

static inline enum h1_outcome h1_refuse(struct h1_refusal *out_refusal, enum reason reason,
                                        int http_status, const char *detail) {
    *out_refusal =
        (struct h1_refusal){.reason = reason, .http_status = http_status, .detail = detail};
    return H1_REFUSED;
}

static inline enum h1_outcome h1_bad_request(struct h1_refusal *out_refusal, const char *detail) {
    return h1_refuse(out_refusal, REASON_BAD_REQUEST, 400, detail);
}

static inline enum h1_outcome h1_bad_response(struct h1_refusal *out_refusal, const char *detail) {
    return h1_refuse(out_refusal, REASON_UPSTREAM_PROTOCOL, 502, detail);
}

#endif
