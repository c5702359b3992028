/* One pass over the field lines. Nothing is repaired: whatever two readers could take differently
 * (folds, spaces before the colon, repeated or listed lengths, a coding that is not ours) refuses
 * the head. Values stay where they are; the headers point into the head. */
#include "proxy/h1_fields.h"

enum {
    NAME_BYTES_MAX = 255, /* others keep the length in a byte */
    CONNECTION_TOKENS_MAX = 100,
};

static bool is_ows(char byte) {
    return byte == ' ' || byte == '\t';
}

/* Reads one line from *in_out_at and moves it to the next. The head ends in two line ends, so that
 * every search stops inside of it. */
static enum h1_outcome field_read(const char **in_out_at, const char *end, enum h1_class name_class,
                                  struct header *out_header, struct h1_refusal *out_refusal) {
    const char *name = *in_out_at;
    const char *colon = h1_span(name, name_class);
    if (*colon != ':' || colon == name) {
        return h1_bad_request(out_refusal, is_ows(*name)
                                               ? "a header line is folded"
                                               : "a header name is empty or holds a wrong byte");
    }
    if (colon - name > NAME_BYTES_MAX) {
        return h1_bad_request(out_refusal, "a header name is too long");
    }
    const char *value = colon + 1;
    while (is_ows(*value)) {
        value++;
    }
    const char *line_end = h1_find_control(value, end);
    if (line_end[0] != '\r' || line_end[1] != '\n') {
        return h1_bad_request(out_refusal, "a header value holds a control byte");
    }
    *in_out_at = line_end + 2;
    while (line_end > value && is_ows(line_end[-1])) {
        line_end--;
    }
    out_header->name = slice_of(name, (size_t)(colon - name));
    out_header->value = slice_of(value, (size_t)(line_end - value));
    out_header->id = header_id_of(out_header->name, &out_header->flags);
    out_header->is_nominated = false;
    return H1_COMPLETE;
}

static enum h1_outcome content_length_read(struct h1_fields *fields, struct slice value,
                                           struct h1_refusal *out_refusal) {
    if (fields->has_content_length) {
        return h1_bad_request(out_refusal, "Content-Length is there more than once");
    }
    if (value.len == 0 || !h1_all(value, H1_DIGIT) || (value.len > 1 && value.ptr[0] == '0')) {
        return h1_bad_request(out_refusal, "Content-Length is no plain decimal number");
    }
    uint64_t length;
    if (!slice_parse_u64(value, INT64_MAX, &length)) {
        return h1_refuse(out_refusal, REASON_BODY_TOO_LARGE, 413, "Content-Length is too large");
    }
    fields->has_content_length = true;
    fields->content_length = length;
    return H1_COMPLETE;
}

bool h1_list_next(struct slice *in_out_rest, struct slice *out_member) {
    if (in_out_rest->ptr == NULL) {
        return false;
    }
    size_t comma = slice_index(*in_out_rest, ',');
    *out_member = slice_trim(slice_of(in_out_rest->ptr, comma));
    *in_out_rest =
        comma == in_out_rest->len ? (struct slice){NULL, 0} : slice_skip(*in_out_rest, comma + 1);
    return true;
}

/* True when all members are codings by their syntax and chunked is not among them twice: a request
 * we understand and do not implement, rather than one that is malformed. */
static bool is_list_of_codings(struct slice value) {
    int chunked_count = 0;
    struct slice coding;
    while (h1_list_next(&value, &coding)) {
        if (coding.len == 0 || !h1_all(coding, H1_TOKEN)) {
            return false;
        }
        chunked_count += h1_is_name(coding, SLICE("chunked"));
    }
    return chunked_count < 2;
}

static enum h1_outcome transfer_encoding_read(struct h1_fields *fields, struct slice value,
                                              int minor_version, struct h1_refusal *out_refusal) {
    if (fields->is_chunked) {
        return h1_bad_request(out_refusal, "Transfer-Encoding is there more than once");
    }
    if (minor_version == 0) {
        return h1_bad_request(out_refusal, "Transfer-Encoding does not exist in HTTP/1.0");
    }
    if (h1_is_name(value, SLICE("chunked"))) {
        /* Readers that do not trim see another coding in "chunked ". */
        if (value.ptr[value.len] != '\r') {
            return h1_bad_request(out_refusal, "Transfer-Encoding ends in white space");
        }
        fields->is_chunked = true;
        return H1_COMPLETE;
    }
    if (is_list_of_codings(value)) {
        return h1_refuse(out_refusal, REASON_BAD_REQUEST, 501,
                         "the only transfer coding supported is chunked");
    }
    return h1_bad_request(out_refusal, "Transfer-Encoding is malformed");
}

static enum h1_outcome connection_read(struct h1_fields *fields, struct slice value,
                                       struct h1_refusal *out_refusal) {
    struct slice token;
    while (h1_list_next(&value, &token)) {
        if (++fields->connection_tokens > CONNECTION_TOKENS_MAX) {
            return h1_bad_request(out_refusal, "Connection names too many options");
        }
        if (!h1_all(token, H1_TOKEN)) {
            return h1_bad_request(out_refusal, "Connection is malformed");
        }
        if (h1_is_name(token, SLICE("close"))) {
            fields->has_close = true;
        } else if (h1_is_name(token, SLICE("keep-alive"))) {
            fields->has_keep_alive = true;
        } else if (token.len > 0) {
            fields->has_nominations = true;
        }
    }
    return H1_COMPLETE;
}

/* What we write or judge ourselves stays, whatever a caller would like to see removed. */
static void nominate(struct h1_fields *fields, struct slice name) {
    for (size_t i = 0; i < fields->count; i++) {
        struct header *header = &fields->headers[i];
        if (!(header->flags & (HEADER_PROTECTED | HEADER_FROM_US)) && !header->is_nominated &&
            h1_equal_nocase(header->name, name)) {
            header->is_nominated = true;
        }
    }
}

static void nominate_all(struct h1_fields *fields) {
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->headers[i].id != HEADER_CONNECTION) {
            continue;
        }
        struct slice rest = fields->headers[i].value;
        struct slice token;
        while (h1_list_next(&rest, &token)) {
            if (token.len > 0 && !h1_is_name(token, SLICE("close"))) {
                nominate(fields, token);
            }
        }
    }
}

static enum h1_outcome field_judge(struct h1_fields *fields, const struct header *header,
                                   int minor_version, struct h1_refusal *out_refusal) {
    switch (header->id) {
    case HEADER_CONTENT_LENGTH:
        return content_length_read(fields, header->value, out_refusal);
    case HEADER_TRANSFER_ENCODING:
        return transfer_encoding_read(fields, header->value, minor_version, out_refusal);
    case HEADER_CONNECTION:
        return connection_read(fields, header->value, out_refusal);
    default:
        return H1_COMPLETE;
    }
}

enum h1_outcome h1_fields_read(struct slice lines, const struct h1_limits *limits,
                               enum h1_class name_class, int minor_version, struct header *headers,
                               struct h1_fields *out_fields, struct h1_refusal *out_refusal) {
    struct h1_fields fields = {.headers = headers};
    const char *at = lines.ptr;
    const char *end = lines.ptr + lines.len;
    while (*at != '\r') {
        if (fields.count == limits->headers) {
            return h1_refuse(out_refusal, REASON_HEAD_TOO_LARGE, 431, "there are too many headers");
        }
        struct header *header = &headers[fields.count];
        if (field_read(&at, end, name_class, header, out_refusal) != H1_COMPLETE ||
            field_judge(&fields, header, minor_version, out_refusal) != H1_COMPLETE) {
            return H1_REFUSED;
        }
        fields.count++;
    }
    if (end - at != 2) {
        return h1_bad_request(out_refusal, "an empty line stands inside the head");
    }
    if (fields.has_content_length && fields.is_chunked) {
        return h1_bad_request(out_refusal, "Content-Length and Transfer-Encoding are both there");
    }
    if (fields.has_nominations) {
        nominate_all(&fields);
    }
    *out_fields = fields;
    return H1_COMPLETE;
}
