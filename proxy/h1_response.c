/* Reads an upstream's head: the status line here, field lines in h1_fields.c, then how long the
 * body is (RFC 9112 6.3). Upstreams may use any token as a header name; ambiguous framing is
 * refused as strictly as from callers, because the next caller's answer follows on the same
 * connection. */
#include "proxy/h1_fields.h"
#include "proxy/h1_head.h"

enum { STATUS_LINE_BYTES_MIN = 12 }; /* "HTTP/1.1 200" */

static const struct slice line_ends = {"\r\n\r\n", 4};

struct status_line {
    int status;
    int minor_version;
    struct slice phrase;
};

/* "HTTP/1." minor SP 3DIGIT, then SP phrase, or nothing from upstreams that leave both out. */
static enum h1_outcome status_line_read(const char **in_out_at, const char *end,
                                        struct status_line *out_line,
                                        struct h1_refusal *out_refusal) {
    const char *at = *in_out_at;
    if (end - at < STATUS_LINE_BYTES_MIN || memcmp(at, "HTTP/1.", 7) != 0 ||
        (at[7] != '0' && at[7] != '1') || at[8] != ' ' || !h1_is(at[9], H1_DIGIT) ||
        !h1_is(at[10], H1_DIGIT) || !h1_is(at[11], H1_DIGIT)) {
        return h1_bad_response(out_refusal, "the status line is malformed");
    }
    const char *phrase = at + STATUS_LINE_BYTES_MIN;
    const char *line_end = h1_find_control(phrase, end);
    if (line_end[0] != '\r' || line_end[1] != '\n' || (*phrase != ' ' && phrase != line_end)) {
        return h1_bad_response(out_refusal, "the status line is malformed");
    }
    int status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    if (status < 100 || status > 599) {
        return h1_bad_response(out_refusal, "the status code is not between 100 and 599");
    }
    out_line->status = status;
    out_line->minor_version = at[7] - '0';
    out_line->phrase = slice_skip(slice_of(phrase, (size_t)(line_end - phrase)), 1);
    *in_out_at = line_end + 2;
    return H1_COMPLETE;
}

static enum body_kind body_of(const struct h1_fields *fields, int status, bool request_is_head) {
    if (request_is_head || status < 200 || status == 204 || status == 304) {
        return BODY_NONE;
    }
    if (fields->is_chunked) {
        return BODY_CHUNKED;
    }
    return fields->has_content_length ? BODY_LENGTH : BODY_UNTIL_CLOSE;
}

enum h1_outcome h1_response_parse(struct slice head, const struct h1_limits *limits,
                                  struct header *headers, bool request_is_head,
                                  struct h1_response *out_response,
                                  struct h1_refusal *out_refusal) {
    if (head.len > limits->head_bytes) {
        return h1_bad_response(out_refusal, "the response head is too long");
    }
    if (!slice_ends_with(head, line_ends)) {
        return h1_bad_response(out_refusal, "the head does not end in an empty line");
    }
    const char *at = head.ptr;
    const char *end = head.ptr + head.len;
    struct status_line line;
    if (status_line_read(&at, end, &line, out_refusal) != H1_COMPLETE) {
        return H1_REFUSED;
    }
    struct h1_fields fields;
    struct h1_refusal refusal;
    if (h1_fields_read(slice_of(at, (size_t)(end - at)), limits, H1_TOKEN, line.minor_version,
                       headers, &fields, &refusal) != H1_COMPLETE) {
        return h1_bad_response(out_refusal, refusal.detail);
    }
    *out_response = (struct h1_response){
        .status = line.status,
        .phrase = line.phrase,
        .minor_version = line.minor_version,
        .headers = headers,
        .header_count = fields.count,
        .body = body_of(&fields, line.status, request_is_head),
        .content_length = fields.content_length,
        .has_content_length = fields.has_content_length,
        .wants_close = fields.has_close || (line.minor_version == 0 && !fields.has_keep_alive),
    };
    return H1_COMPLETE;
}
