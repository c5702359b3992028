/* Reads HTTP/1.1 heads strictly (RFC 9110, RFC 9112): one reading of a message or none. Pure
 * functions over bytes; no I/O, no allocation. */
#ifndef BARKEEP_PROXY_H1_HEAD_H
#define BARKEEP_PROXY_H1_HEAD_H

#include <stdint.h>

#include "core/reason.h"
#include "core/slice.h"

/* Headers barkeep treats specially. X(enumerator, lower-case name, flags); names are unique. */
enum header_flag {
    HEADER_HOP_BY_HOP = 1, /* never forwarded (RFC 9110 7.6.1) */
    HEADER_FRAMING = 2,    /* written anew by us: Content-Length, Transfer-Encoding */
    HEADER_FROM_US = 4, /* callers' copies never pass upstream: identity, forwarding, request id */
    HEADER_PROTECTED = 8, /* a Connection header naming it does not remove what we write */
};
#define HEADER_TABLE(X)                                                                            \
    X(HEADER_CONNECTION, "connection", HEADER_HOP_BY_HOP | HEADER_PROTECTED)                       \
    X(HEADER_KEEP_ALIVE, "keep-alive", HEADER_HOP_BY_HOP)                                          \
    X(HEADER_PROXY_CONNECTION, "proxy-connection", HEADER_HOP_BY_HOP)                              \
    X(HEADER_TE, "te", HEADER_HOP_BY_HOP)                                                          \
    X(HEADER_TRAILER, "trailer", HEADER_HOP_BY_HOP)                                                \
    X(HEADER_UPGRADE, "upgrade", HEADER_HOP_BY_HOP)                                                \
    X(HEADER_HTTP2_SETTINGS, "http2-settings", HEADER_HOP_BY_HOP)                                  \
    X(HEADER_PROXY_AUTHENTICATE, "proxy-authenticate", HEADER_HOP_BY_HOP)                          \
    X(HEADER_PROXY_AUTHORIZATION, "proxy-authorization", HEADER_HOP_BY_HOP)                        \
    X(HEADER_PROXY_AUTHENTICATION_INFO, "proxy-authentication-info", HEADER_HOP_BY_HOP)            \
    X(HEADER_CONTENT_LENGTH, "content-length", HEADER_FRAMING | HEADER_PROTECTED)                  \
    X(HEADER_TRANSFER_ENCODING, "transfer-encoding", HEADER_FRAMING | HEADER_PROTECTED)            \
    X(HEADER_HOST, "host", HEADER_PROTECTED)                                                       \
    X(HEADER_EXPECT, "expect", HEADER_PROTECTED)                                                   \
    X(HEADER_AUTHORIZATION, "authorization", HEADER_PROTECTED)                                     \
    X(HEADER_COOKIE, "cookie", HEADER_PROTECTED)                                                   \
    X(HEADER_FORWARDED, "forwarded", HEADER_FROM_US)                                               \
    X(HEADER_X_REQUEST_ID, "x-request-id", HEADER_FROM_US | HEADER_PROTECTED)                      \
    X(HEADER_TRACEPARENT, "traceparent", HEADER_PROTECTED)                                         \
    X(HEADER_TRACESTATE, "tracestate", 0)                                                          \
    X(HEADER_X_ORIGINAL_URL, "x-original-url", HEADER_FROM_US)                                     \
    X(HEADER_X_REWRITE_URL, "x-rewrite-url", HEADER_FROM_US)                                       \
    X(HEADER_X_REAL_IP, "x-real-ip", HEADER_FROM_US)                                               \
    X(HEADER_TRUE_CLIENT_IP, "true-client-ip", HEADER_FROM_US)                                     \
    X(HEADER_X_METHOD_OVERRIDE, "x-method-override", HEADER_FROM_US)                               \
    X(HEADER_ACCEPT_ENCODING, "accept-encoding", 0)                                                \
    X(HEADER_RANGE, "range", 0)                                                                    \
    X(HEADER_IF_RANGE, "if-range", 0)                                                              \
    X(HEADER_DATE, "date", 0)                                                                      \
    X(HEADER_SERVER, "server", 0)                                                                  \
    X(HEADER_WWW_AUTHENTICATE, "www-authenticate", 0)                                              \
    X(HEADER_WEBSOCKET_KEY, "sec-websocket-key", 0)                                                \
    X(HEADER_WEBSOCKET_VERSION, "sec-websocket-version", 0)                                        \
    X(HEADER_WEBSOCKET_ACCEPT, "sec-websocket-accept", 0)                                          \
    X(HEADER_WEBSOCKET_PROTOCOL, "sec-websocket-protocol", 0)                                      \
    X(HEADER_WEBSOCKET_EXTENSIONS, "sec-websocket-extensions", 0)

enum header_id {
    HEADER_OTHER,
#define X(enumerator, name, flags) enumerator,
    HEADER_TABLE(X)
#undef X
        HEADER_ID_COUNT
};

struct header {
    struct slice name;  /* as it came */
    struct slice value; /* OWS trimmed */
    enum header_id id;
    unsigned flags;    /* enum header_flag; families by prefix (x-forwarded-*, x-http-method*,
                          x-ms-client-principal*, x-ms-token-*, x-envoy-*, x-barkeep-*,
                          x-original-*, x-rewrite-*) get HEADER_FROM_US */
    bool is_nominated; /* named by a Connection header and not protected: not forwarded */
};

enum header_id header_id_of(struct slice name, unsigned *out_flags);

enum body_kind {
    BODY_NONE,
    BODY_LENGTH, /* Content-Length, 0 included */
    BODY_CHUNKED,
    BODY_UNTIL_CLOSE, /* responses and tunnels only */
    BODY_WEBSOCKET,   /* tunnels only: frames until close, read to be searched */
};

struct h1_limits {
    uint32_t head_bytes;
    uint32_t headers;
    uint32_t target_bytes; /* H1_TARGET_BYTES_MAX */
};
enum { H1_TARGET_BYTES_MAX = 8192 };

/* What an absolute-form target begins with. */
enum h1_scheme { H1_SCHEME_NONE, H1_SCHEME_HTTP, H1_SCHEME_HTTPS };

struct h1_request {
    struct slice method;
    enum h1_scheme scheme; /* of an absolute-form target; whether it is the connection's is judged
                              elsewhere */
    struct slice target; /* origin-form: begins with '/'; path and query of an absolute-form target,
                            "/" when it has neither (a query without a path is refused); "*" */
    struct slice host;   /* value of Host, validated; may hold a port */
    int minor_version;   /* 0 or 1 */
    struct header *headers; /* the caller's array */
    size_t header_count;
    enum body_kind body;
    uint64_t content_length;
    bool expects_continue;
    bool wants_close; /* Connection: close, or HTTP/1.0 */
    bool has_upgrade;
    struct slice authorization; /* value when exactly one is there */
    size_t authorization_count;
};

struct h1_response {
    int status; /* 100-599 */
    struct slice phrase;
    int minor_version;
    struct header *headers;
    size_t header_count;
    enum body_kind body; /* RFC 9112 6.3, with the request's method considered */
    uint64_t content_length;
    bool has_content_length;
    bool wants_close;
};

/* Why a head was refused: reason code, the HTTP status to answer (mostly the reason's own; 414,
 * 417, 501, 505 where the RFCs name one) and a short text for the response's detail. */
struct h1_refusal {
    enum reason reason;
    int http_status;
    const char *detail;
};

enum h1_outcome { H1_COMPLETE, H1_INCOMPLETE, H1_REFUSED };

/* Looks for the end of a head in `bytes`, resuming at *in_out_scanned (0 at first). Refuses what
 * can never become a head (bare LF, control bytes, too long, not starting like a request line), so
 * that nobody waits for the rest of garbage. At most one CRLF before the request line is tolerated
 * and counted into out_head_len. */
enum h1_outcome h1_head_scan(struct slice bytes, const struct h1_limits *limits,
                             size_t *in_out_scanned, size_t *out_head_len,
                             struct h1_refusal *out_refusal);

/* `head` is exactly what h1_head_scan() delimited. `headers` has room for `limits->headers`
 * entries. */
enum h1_outcome h1_request_parse(struct slice head, const struct h1_limits *limits,
                                 struct header *headers, struct h1_request *out_request,
                                 struct h1_refusal *out_refusal);

/* How many of the request's headers have this name, whatever its case; *out_value is the first
 * one's, empty when there is none. */
size_t h1_request_find_header(const struct h1_request *request, struct slice name,
                              struct slice *out_value);
/* What a Content-Type's value says without its parameters (RFC 9110 8.3.1), in the case in which it
 * came; points into it. */
struct slice h1_media_type(struct slice content_type);

/* Upstream's head. `request_is_head`: no body follows whatever the headers say. Refusal means
 * upstream_protocol. */
enum h1_outcome h1_response_parse(struct slice head, const struct h1_limits *limits,
                                  struct header *headers, bool request_is_head,
                                  struct h1_response *out_response, struct h1_refusal *out_refusal);
/* As h1_head_scan() for status lines. */
enum h1_outcome h1_response_scan(struct slice bytes, const struct h1_limits *limits,
                                 size_t *in_out_scanned, size_t *out_head_len,
                                 struct h1_refusal *out_refusal);

/* True for a syntactically valid Host value: reg-name of unreserved characters without empty
 * labels, IPv4 or bracketed IPv6, optional port 1-65535 (RFC 9110 7.2, RFC 3986 3.2.2, narrower).
 * out_name is the host without port and brackets kept. */
bool h1_host_is_valid(struct slice value, struct slice *out_name);

#endif
