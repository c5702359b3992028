/* Finds where a head ends while its bytes are still arriving. Every byte is looked at once however
 * the head was cut into reads, and the verdict is the same for every cut. Refuses only what no
 * further bytes could mend; the rest is for the parsers. */
#include "proxy/h1_fields.h"

enum {
    /* What a request line holds besides its target: method, spaces and version, with room. */
    REQUEST_LINE_EXTRA_BYTES = 64,
};

static const struct slice status_line_start = {"HTTP/1.", 7};

/* Looks at the bytes from *in_out_scanned to `limit`; the bytes before hold no empty line, and at
 * least one. A CR in the last place waits for its LF. */
static enum h1_outcome lines_scan(const char *bytes, size_t limit, size_t *in_out_scanned,
                                  size_t *out_head_len) {
    const char *end = bytes + limit;
    const char *from = bytes + *in_out_scanned;
    for (;;) {
        const char *at = h1_find_control(from, end);
        if (at == end || (*at == '\r' && at + 1 == end)) {
            *in_out_scanned = (size_t)(at - bytes);
            return H1_INCOMPLETE;
        }
        if (at[0] != '\r' || at[1] != '\n') {
            return H1_REFUSED;
        }
        from = at + 2;
        if (at[-1] == '\n') {
            *in_out_scanned = *out_head_len = (size_t)(from - bytes);
            return H1_COMPLETE;
        }
    }
}

/* Settles the first bytes of a request. Sets *in_out_scanned past the CRLF that old clients send
 * after a body and the first letter of the method. */
static enum h1_outcome request_start_scan(struct slice bytes, size_t limit,
                                          size_t *in_out_scanned) {
    size_t start = bytes.len > 0 && bytes.ptr[0] == '\r' ? 2 : 0;
    if (start == 2 && bytes.len >= 2 && bytes.ptr[1] != '\n') {
        return H1_REFUSED;
    }
    if (limit <= start) {
        return H1_INCOMPLETE;
    }
    if (bytes.ptr[start] < 'A' || bytes.ptr[start] > 'Z') {
        return H1_REFUSED;
    }
    *in_out_scanned = start + 1;
    return H1_COMPLETE;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static enum h1_outcome too_long_or_incomplete(struct slice bytes, const struct h1_limits *limits,
                                              struct h1_refusal *out_refusal) {
    /* Also when the limit is just met: the head would have ended there. */
    if (bytes.len >= limits->head_bytes) {
        return h1_refuse(out_refusal, REASON_HEAD_TOO_LARGE, 431, "the head is too long");
    }
    return H1_INCOMPLETE;
}

enum h1_outcome h1_head_scan(struct slice bytes, const struct h1_limits *limits,
                             size_t *in_out_scanned, size_t *out_head_len,
                             struct h1_refusal *out_refusal) {
    size_t limit = smaller(bytes.len, limits->head_bytes);
    if (*in_out_scanned == 0) {
        enum h1_outcome start = request_start_scan(bytes, limit, in_out_scanned);
        if (start == H1_REFUSED) {
            return h1_bad_request(out_refusal, "this is not the start of an HTTP/1.1 request");
        }
        if (start == H1_INCOMPLETE) {
            return too_long_or_incomplete(bytes, limits, out_refusal);
        }
    }

    /* The request line has a limit of its own. It is looked for once, when the scan gets there. */
    size_t line_start = bytes.ptr[0] == '\r' ? 2 : 0;
    size_t line_limit = line_start + limits->target_bytes + REQUEST_LINE_EXTRA_BYTES;
    bool crosses = *in_out_scanned < line_limit && limit >= line_limit;
    enum h1_outcome outcome =
        lines_scan(bytes.ptr, crosses ? line_limit : limit, in_out_scanned, out_head_len);
    if (outcome == H1_INCOMPLETE && crosses) {
        if (memchr(bytes.ptr + line_start, '\n', line_limit - line_start) == NULL) {
            return h1_refuse(out_refusal, REASON_HEAD_TOO_LARGE, 414,
                             "the request target is too long");
        }
        outcome = lines_scan(bytes.ptr, limit, in_out_scanned, out_head_len);
    }
    if (outcome == H1_REFUSED) {
        return h1_bad_request(out_refusal, "a line holds a control byte or does not end in CRLF");
    }
    return outcome == H1_COMPLETE ? H1_COMPLETE
                                  : too_long_or_incomplete(bytes, limits, out_refusal);
}

enum h1_outcome h1_response_scan(struct slice bytes, const struct h1_limits *limits,
                                 size_t *in_out_scanned, size_t *out_head_len,
                                 struct h1_refusal *out_refusal) {
    size_t limit = smaller(bytes.len, limits->head_bytes);
    if (*in_out_scanned < status_line_start.len && limit > 0) {
        size_t known = smaller(limit, status_line_start.len);
        if (memcmp(bytes.ptr, status_line_start.ptr, known) != 0) {
            return h1_bad_response(out_refusal, "this is not the start of an HTTP/1 response");
        }
        *in_out_scanned = known;
    }
    enum h1_outcome outcome =
        lines_scan(bytes.ptr, smaller(bytes.len, limits->head_bytes), in_out_scanned, out_head_len);
    if (outcome == H1_REFUSED) {
        return h1_bad_response(out_refusal, "a line holds a control byte or does not end in CRLF");
    }
    if (outcome == H1_INCOMPLETE && bytes.len >= limits->head_bytes) {
        return h1_bad_response(out_refusal, "the response head is too long");
    }
    return outcome;
}
