/* Reads a request's head: the request line here, field lines in h1_fields.c, then what a request
 * alone has: exactly one Host that agrees with the target, Expect, Upgrade and the authorization.
 * The target's path is not judged here; it is the path canonicaliser's. */
#include "proxy/h1_head.h"

#include "proxy/h1_fields.h"

enum {
    METHOD_BYTES_MAX = 32,
    VERSION_BYTES = 8, /* "HTTP/1.1" */
};

static const struct slice line_ends = {"\r\n\r\n", 4};

/* The request line as it came. */
struct request_line {
    struct slice method;
    struct slice target;
    int minor_version;
};

static enum h1_outcome version_read(const char *at, const char *end, int *out_minor_version,
                                    struct h1_refusal *out_refusal) {
    if (end - at < VERSION_BYTES + 2 || memcmp(at, "HTTP/", 5) != 0 || !h1_is(at[5], H1_DIGIT) ||
        at[6] != '.' || !h1_is(at[7], H1_DIGIT) || at[8] != '\r' || at[9] != '\n') {
        return h1_bad_request(out_refusal, "the request line does not end in an HTTP version");
    }
    if (at[5] != '1' || at[7] > '1') {
        return h1_refuse(out_refusal, REASON_BAD_REQUEST, 505,
                         "the only versions supported are HTTP/1.0 and HTTP/1.1");
    }
    *out_minor_version = at[7] - '0';
    return H1_COMPLETE;
}

static enum h1_outcome request_line_read(const char **in_out_at, const char *end,
                                         const struct h1_limits *limits,
                                         struct request_line *out_line,
                                         struct h1_refusal *out_refusal) {
    const char *method = *in_out_at;
    const char *method_end = h1_span(method, H1_METHOD);
    if (*method_end != ' ' || *method == '-' || method_end == method ||
        method_end - method > METHOD_BYTES_MAX) {
        return h1_bad_request(out_refusal, "the method is malformed");
    }
    const char *target = method_end + 1;
    const char *target_end = h1_span(target, H1_TARGET);
    if ((size_t)(target_end - target) > limits->target_bytes) {
        return h1_refuse(out_refusal, REASON_HEAD_TOO_LARGE, 414, "the request target is too long");
    }
    if (*target_end != ' ' || target_end == target) {
        return h1_bad_request(out_refusal, "the request target is malformed");
    }
    const char *version = target_end + 1;
    if (version_read(version, end, &out_line->minor_version, out_refusal) != H1_COMPLETE) {
        return H1_REFUSED;
    }
    out_line->method = slice_of(method, (size_t)(method_end - method));
    out_line->target = slice_of(target, (size_t)(target_end - target));
    *in_out_at = version + VERSION_BYTES + 2;
    return H1_COMPLETE;
}

static const struct {
    struct slice prefix;
    struct slice port; /* when the authority names none */
} schemes[] = {
    [H1_SCHEME_HTTP] = {{"http://", 7}, {"80", 2}},
    [H1_SCHEME_HTTPS] = {{"https://", 8}, {"443", 3}},
};

static bool has_scheme(struct slice target, enum h1_scheme scheme) {
    struct slice prefix = schemes[scheme].prefix;
    return target.len > prefix.len && h1_equal_nocase(slice_of(target.ptr, prefix.len), prefix);
}

/* What the target says beside the path; all zero unless it is in absolute-form. */
struct target_origin {
    enum h1_scheme scheme;
    struct slice authority;
};

/* Splits "http://authority/path?query". A query without a path is refused: its origin-form needs a
 * '/' that is nowhere in the head, and nobody sends it. */
static bool absolute_form_split(struct slice target, struct target_origin *out_origin,
                                struct slice *out_path) {
    enum h1_scheme scheme = has_scheme(target, H1_SCHEME_HTTP)    ? H1_SCHEME_HTTP
                            : has_scheme(target, H1_SCHEME_HTTPS) ? H1_SCHEME_HTTPS
                                                                  : H1_SCHEME_NONE;
    if (scheme == H1_SCHEME_NONE) {
        return false;
    }
    struct slice rest = slice_skip(target, schemes[scheme].prefix.len);
    size_t slash = slice_index(rest, '/');
    *out_origin = (struct target_origin){scheme, slice_of(rest.ptr, slash)};
    *out_path = slash == rest.len ? SLICE("/") : slice_skip(rest, slash);
    return true;
}

static enum h1_outcome target_read(const struct request_line *line, struct slice *out_target,
                                   struct target_origin *out_origin,
                                   struct h1_refusal *out_refusal) {
    if (slice_eq(line->method, SLICE("CONNECT")) || slice_eq(line->method, SLICE("TRACE")) ||
        slice_eq(line->method, SLICE("TRACK"))) {
        return h1_refuse(out_refusal, REASON_METHOD_REFUSED, 405, "the method is never accepted");
    }
    *out_origin = (struct target_origin){0};
    *out_target = line->target;
    if (line->target.ptr[0] == '/') {
        return H1_COMPLETE;
    }
    if (slice_eq(line->target, SLICE("*")) && slice_eq(line->method, SLICE("OPTIONS"))) {
        return H1_COMPLETE;
    }
    if (!absolute_form_split(line->target, out_origin, out_target)) {
        return h1_bad_request(out_refusal, "the request target is neither a path nor an http URL");
    }
    return H1_COMPLETE;
}

/* The port of a valid Host value whose name is `name`, without ':'. */
static struct slice port_of(struct slice host, struct slice name, struct slice fallback) {
    return host.len == name.len ? fallback : slice_skip(host, name.len + 1);
}

static bool is_same_authority(const struct target_origin *origin, struct slice host,
                              struct slice host_name) {
    struct slice name;
    struct slice usual = schemes[origin->scheme].port;
    return h1_host_is_valid(origin->authority, &name) && h1_equal_nocase(name, host_name) &&
           slice_eq(port_of(origin->authority, name, usual), port_of(host, host_name, usual));
}

/* RFC 9110 10.1.1. HTTP/1.0 has no interim responses, so that its expectation cannot be met. */
static enum h1_outcome expect_read(struct h1_request *request, struct slice value,
                                   struct h1_refusal *out_refusal) {
    if (request->expects_continue || request->minor_version == 0 ||
        !h1_is_name(value, SLICE("100-continue"))) {
        return h1_refuse(out_refusal, REASON_BAD_REQUEST, 417,
                         "the only expectation supported is one 100-continue");
    }
    request->expects_continue = true;
    return H1_COMPLETE;
}

static enum h1_outcome host_read(struct h1_request *request, struct slice value,
                                 struct slice *out_name, struct h1_refusal *out_refusal) {
    if (request->host.ptr != NULL) {
        return h1_bad_request(out_refusal, "Host is there more than once");
    }
    if (!h1_host_is_valid(value, out_name)) {
        return h1_bad_request(out_refusal, "Host is malformed");
    }
    request->host = value;
    return H1_COMPLETE;
}

static void authorization_read(struct h1_request *request, struct slice value) {
    request->authorization_count++;
    request->authorization = request->authorization_count == 1 ? value : (struct slice){NULL, 0};
}

/* Looks at the headers that matter in a request only. */
static enum h1_outcome headers_judge(struct h1_request *request, const struct target_origin *origin,
                                     struct h1_refusal *out_refusal) {
    struct slice host_name = {NULL, 0};
    enum h1_outcome outcome = H1_COMPLETE;
    for (size_t i = 0; i < request->header_count && outcome == H1_COMPLETE; i++) {
        const struct header *header = &request->headers[i];
        switch (header->id) {
        case HEADER_HOST:
            outcome = host_read(request, header->value, &host_name, out_refusal);
            break;
        case HEADER_EXPECT:
            outcome = expect_read(request, header->value, out_refusal);
            break;
        case HEADER_AUTHORIZATION:
            authorization_read(request, header->value);
            break;
        case HEADER_UPGRADE:
        case HEADER_HTTP2_SETTINGS:
            request->has_upgrade = true;
            break;
        default:
            break;
        }
    }
    if (outcome != H1_COMPLETE) {
        return outcome;
    }
    if (request->host.ptr == NULL) {
        return h1_bad_request(out_refusal, "Host is missing");
    }
    if (origin->scheme != H1_SCHEME_NONE && !is_same_authority(origin, request->host, host_name)) {
        return h1_bad_request(out_refusal, "the request target names another host than Host");
    }
    return H1_COMPLETE;
}

static enum body_kind body_of(const struct h1_fields *fields) {
    if (fields->is_chunked) {
        return BODY_CHUNKED;
    }
    return fields->has_content_length ? BODY_LENGTH : BODY_NONE;
}

enum h1_outcome h1_request_parse(struct slice head, const struct h1_limits *limits,
                                 struct header *headers, struct h1_request *out_request,
                                 struct h1_refusal *out_refusal) {
    if (head.len > limits->head_bytes) {
        return h1_refuse(out_refusal, REASON_HEAD_TOO_LARGE, 431, "the head is too long");
    }
    if (!slice_ends_with(head, line_ends)) {
        return h1_bad_request(out_refusal, "the head does not end in an empty line");
    }
    const char *end = head.ptr + head.len;
    const char *at = head.ptr + (head.ptr[0] == '\r' && head.ptr[1] == '\n' ? 2 : 0);
    struct request_line line;
    struct slice target;
    struct target_origin origin;
    struct h1_fields fields;
    if (request_line_read(&at, end, limits, &line, out_refusal) != H1_COMPLETE ||
        target_read(&line, &target, &origin, out_refusal) != H1_COMPLETE ||
        h1_fields_read(slice_of(at, (size_t)(end - at)), limits, H1_NAME, line.minor_version,
                       headers, &fields, out_refusal) != H1_COMPLETE) {
        return H1_REFUSED;
    }
    struct h1_request request = {
        .method = line.method,
        .scheme = origin.scheme,
        .target = target,
        .minor_version = line.minor_version,
        .headers = headers,
        .header_count = fields.count,
        .body = body_of(&fields),
        .content_length = fields.content_length,
        .wants_close = fields.has_close || line.minor_version == 0,
    };
    if (headers_judge(&request, &origin, out_refusal) != H1_COMPLETE) {
        return H1_REFUSED;
    }
    *out_request = request;
    return H1_COMPLETE;
}

size_t h1_request_find_header(const struct h1_request *request, struct slice name,
                              struct slice *out_value) {
    size_t count = 0;
    *out_value = SLICE("");
    for (size_t i = 0; i < request->header_count; i++) {
        if (slice_eq_nocase(request->headers[i].name, name) && count++ == 0) {
            *out_value = request->headers[i].value;
        }
    }
    return count;
}

struct slice h1_media_type(struct slice content_type) {
    return slice_trim(slice_of(content_type.ptr, slice_index(content_type, ';')));
}
