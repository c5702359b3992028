/* What is copied and what is made anew: hop-by-hop and framing fields never cross, callers' copies
 * of ours never cross, and every header a credential sets is ours alone (security.md 5, rules 2 and
 * 3). */
#include "proxy/head_writer.h"

#include "auth/identity_lines.h"
#include "core/secret.h"
#include "proxy/client.h"
#include "proxy/injected_pairs.h"
#include "proxy/mcp/request.h"

void head_writer_begin(struct head_writer *writer, struct io_buffer *out,
                       const struct io_pool *pool) {
    writer->begin = writer->at = io_buffer_tail(out);
    writer->end = writer->at + io_buffer_room(out, pool);
    writer->overflowed = false;
}

bool head_writer_end(struct head_writer *writer, struct io_buffer *out) {
    if (writer->overflowed) {
        secret_wipe(writer->begin, (size_t)(writer->at - writer->begin));
        return false;
    }
    io_buffer_produced(out, (size_t)(writer->at - writer->begin));
    return true;
}

void head_write_u64(struct head_writer *writer, uint64_t value) {
    char digits[20];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    head_write(writer, slice_of(digits + n, sizeof digits - n));
}

void head_write_status(struct head_writer *writer, int status, struct slice phrase) {
    HEAD_WRITE_LITERAL(writer, "HTTP/1.1 ");
    head_write_u64(writer, (uint64_t)status);
    HEAD_WRITE_LITERAL(writer, " ");
    head_write(writer, phrase);
    HEAD_WRITE_LITERAL(writer, "\r\n");
}

static bool credential_sets(const struct rendered_credential *credential, struct slice name) {
    for (size_t i = 0; credential && i < credential->header_count; i++) {
        if (slice_eq_nocase(slice_of_str(credential->headers[i].name), name)) {
            return true;
        }
    }
    return false;
}

static bool credential_sets_cookies(const struct rendered_credential *credential) {
    return credential && credential->cookie_count > 0;
}

/* version "00", 32 and 16 hex digits not all zero, 2 hex flags (W3C trace context 3.2). */
static bool traceparent_is_valid(struct slice value) {
    if (value.len != 55 || memcmp(value.ptr, "00-", 3) != 0 || value.ptr[35] != '-' ||
        value.ptr[52] != '-') {
        return false;
    }
    bool has_trace = false;
    bool has_span = false;
    for (size_t i = 3; i < value.len; i++) {
        char c = value.ptr[i];
        if (i == 35 || i == 52) {
            continue;
        }
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        has_trace |= i < 35 && c != '0';
        has_span |= i > 35 && i < 52 && c != '0';
    }
    return has_trace && has_span;
}

/* The caller's trace goes on when it is one; otherwise ours begins, and its state means nothing. */
static bool request_has_trace(const struct h1_request *request) {
    size_t count = 0;
    bool is_valid = false;
    for (size_t i = 0; i < request->header_count; i++) {
        if (request->headers[i].id == HEADER_TRACEPARENT) {
            count++;
            is_valid = traceparent_is_valid(request->headers[i].value);
        }
    }
    return count == 1 && is_valid;
}

static bool request_field_passes(const struct exchange *exchange, const struct header *header,
                                 bool has_trace) {
    if (header->is_nominated ||
        (header->flags & (HEADER_HOP_BY_HOP | HEADER_FRAMING | HEADER_FROM_US))) {
        return false;
    }
    if (exchange->mcp && mcp_field_is_ours(header->name)) {
        return false;
    }
    const char *token_header = exchange_route(exchange)->token_header;
    if (token_header && slice_eq_nocase(header->name, slice_of_str(token_header))) {
        return false;
    }
    switch (header->id) {
    case HEADER_HOST:
    case HEADER_EXPECT:
        return false;
    case HEADER_ACCEPT_ENCODING: /* what is compressed cannot be searched */
    case HEADER_WEBSOCKET_EXTENSIONS:
    case HEADER_RANGE: /* nor what begins or ends within a secret */
    case HEADER_IF_RANGE:
        return !exchange_reads_answer(exchange) &&
               !credential_sets(exchange->credential, header->name);
    case HEADER_COOKIE: /* written anew when the credential sets some */
        return !credential_sets_cookies(exchange->credential) &&
               !credential_sets(exchange->credential, header->name);
    case HEADER_AUTHORIZATION: /* the caller's own, unless tokens come in it */
        return token_header && !credential_sets(exchange->credential, header->name);
    case HEADER_TRACEPARENT:
    case HEADER_TRACESTATE:
        return has_trace;
    default:
        return !credential_sets(exchange->credential, header->name);
    }
}

/* An MCP route's own path is the upstream's own, without a slash that servers take for another or
 * answer with a redirect; a caller's slash stays where the route's path has none. */
static bool is_the_server_itself(const struct exchange *exchange,
                                 const struct config_upstream *upstream) {
    struct slice path = exchange->path.text;
    bool has_own_slash = path.len > 1 && path.ptr[path.len - 1] == '/';
    return exchange->mcp && upstream->base_path[0] != '\0' &&
           slice_eq(exchange->below, SLICE("/")) && !has_own_slash;
}

static void write_request_line(struct head_writer *writer, const struct exchange *exchange,
                               const struct config_upstream *upstream) {
    head_write(writer, exchange->request.method);
    HEAD_WRITE_LITERAL(writer, " ");
    head_write(writer, slice_of_str(upstream->base_path));
    if (!is_the_server_itself(exchange, upstream)) {
        head_write(writer, exchange->below);
    }
    bool has_query =
        exchange->has_query && !exchange->mcp; /* sessions are named in a header alone */
    if (has_query || (exchange->credential && exchange->credential->query_count > 0)) {
        HEAD_WRITE_LITERAL(writer, "?");
        write_query(writer, has_query ? exchange->query : SLICE(""), exchange->credential);
    }
    HEAD_WRITE_LITERAL(writer, " HTTP/1.1\r\nHost: ");
    head_write(writer, exchange_route(exchange)->preserve_host
                           ? exchange->request.host
                           : slice_of_str(upstream->host_header));
    HEAD_WRITE_LITERAL(writer, "\r\n");
}

static void write_forwarding(struct head_writer *writer, const struct exchange *exchange,
                             bool has_trace) {
    const struct forwarding *forwarding = &exchange->forwarding;
    head_write_field(writer, SLICE("X-Forwarded-For"), forwarding->chain);
    head_write_field(writer, SLICE("X-Forwarded-Proto"),
                     forwarding->is_https ? SLICE("https") : SLICE("http"));
    head_write_field(writer, SLICE("X-Forwarded-Host"), forwarding->host);
    head_write_field(writer, SLICE("X-Request-Id"), slice_of(exchange->id, 32));
    if (!has_trace) {
        HEAD_WRITE_LITERAL(writer, "traceparent: 00-");
        head_write(writer, slice_of(exchange->id, 32));
        HEAD_WRITE_LITERAL(writer, "-");
        head_write(writer, slice_of(exchange->id + 16, 16));
        HEAD_WRITE_LITERAL(writer, "-00\r\n");
    }
}

static void write_identity(struct head_writer *writer, const struct exchange *exchange) {
    if (exchange->lines) {
        head_write(writer, identity_lines_text(exchange->lines));
    }
}

static void write_credential(struct head_writer *writer, const struct exchange *exchange) {
    const struct rendered_credential *credential = exchange->credential;
    for (size_t i = 0; credential && i < credential->header_count; i++) {
        head_write(writer, secret_bytes(credential->headers[i].line));
    }
    if (credential_sets_cookies(credential)) {
        write_cookies(writer, &exchange->request, credential);
    }
    if (exchange_reads_answer(exchange)) {
        HEAD_WRITE_LITERAL(writer, "Accept-Encoding: identity\r\n");
    }
}

static bool method_expects_body(struct slice method) {
    return slice_eq(method, SLICE("POST")) || slice_eq(method, SLICE("PUT")) ||
           slice_eq(method, SLICE("PATCH"));
}

static void write_switch(struct head_writer *writer) {
    HEAD_WRITE_LITERAL(writer, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
}

static void write_request_framing(struct head_writer *writer, const struct h1_request *request) {
    switch (request->body) {
    case BODY_LENGTH:
        HEAD_WRITE_LITERAL(writer, "Content-Length: ");
        head_write_u64(writer, request->content_length);
        HEAD_WRITE_LITERAL(writer, "\r\n");
        break;
    case BODY_CHUNKED:
        HEAD_WRITE_LITERAL(writer, "Transfer-Encoding: chunked\r\n");
        break;
    default:
        if (method_expects_body(request->method)) {
            HEAD_WRITE_LITERAL(writer, "Content-Length: 0\r\n");
        }
        break;
    }
}

bool write_upstream_request(struct exchange *exchange, const struct config_upstream *upstream) {
    struct conn *conn = &exchange->upstream->conn;
    struct head_writer writer;
    bool has_trace = request_has_trace(&exchange->request);
    head_writer_begin(&writer, &conn->out, conn->pool);
    write_request_line(&writer, exchange, upstream);
    for (size_t i = 0; i < exchange->request.header_count; i++) {
        const struct header *header = &exchange->request.headers[i];
        if (request_field_passes(exchange, header, has_trace)) {
            head_write_field(&writer, header->name, header->value);
        }
    }
    write_forwarding(&writer, exchange, has_trace);
    write_identity(&writer, exchange);
    if (exchange->mcp) {
        head_write(&writer, exchange_mcp_fields(exchange));
    }
    write_credential(&writer, exchange);
    if (exchange->opens_websocket) {
        write_switch(&writer);
    }
    write_request_framing(&writer, &exchange->request);
    HEAD_WRITE_LITERAL(&writer, "\r\n");
    return head_writer_end(&writer, &conn->out);
}

static bool response_field_passes(const struct header *header) {
    return !header->is_nominated &&
           !(header->flags & (HEADER_HOP_BY_HOP | HEADER_FRAMING | HEADER_FROM_US));
}

static void write_response_fields(struct head_writer *writer, const struct h1_response *response) {
    for (size_t i = 0; i < response->header_count; i++) {
        if (response_field_passes(&response->headers[i])) {
            head_write_field(writer, response->headers[i].name, response->headers[i].value);
        }
    }
}

static bool response_has_date(const struct h1_response *response) {
    for (size_t i = 0; i < response->header_count; i++) {
        if (response->headers[i].id == HEADER_DATE) {
            return true;
        }
    }
    return false;
}

bool write_client_response(struct exchange *exchange, bool chunked) {
    struct conn *conn = &exchange->client->conn;
    const struct h1_response *response = &exchange->response;
    struct head_writer writer;
    head_writer_begin(&writer, &conn->out, conn->pool);
    head_write_status(&writer, response->status, response->phrase);
    write_response_fields(&writer, response);
    if (!response_has_date(response)) {
        head_write_field(&writer, SLICE("Date"), worker_date(exchange->worker));
    }
    head_write_field(&writer, SLICE("X-Request-Id"), slice_of(exchange->id, 32));
    if (response->has_content_length && response->status != 204) {
        HEAD_WRITE_LITERAL(&writer, "Content-Length: ");
        head_write_u64(&writer, response->content_length);
        HEAD_WRITE_LITERAL(&writer, "\r\n");
    } else if (chunked) {
        HEAD_WRITE_LITERAL(&writer, "Transfer-Encoding: chunked\r\n");
    }
    if (exchange->closes_client) {
        HEAD_WRITE_LITERAL(&writer, "Connection: close\r\n");
    }
    HEAD_WRITE_LITERAL(&writer, "\r\n");
    return head_writer_end(&writer, &conn->out);
}

bool write_client_switch(struct exchange *exchange) {
    struct conn *conn = &exchange->client->conn;
    struct head_writer writer;
    head_writer_begin(&writer, &conn->out, conn->pool);
    head_write_status(&writer, exchange->response.status, exchange->response.phrase);
    write_response_fields(&writer, &exchange->response);
    head_write_field(&writer, SLICE("X-Request-Id"), slice_of(exchange->id, 32));
    write_switch(&writer);
    HEAD_WRITE_LITERAL(&writer, "\r\n");
    return head_writer_end(&writer, &conn->out);
}

bool write_client_informational(struct exchange *exchange, const struct h1_response *response) {
    struct conn *conn = &exchange->client->conn;
    struct head_writer writer;
    head_writer_begin(&writer, &conn->out, conn->pool);
    head_write_status(&writer, response->status, response->phrase);
    if (!exchange->mcp) { /* what clients may see of such a server's fields, its answer has */
        write_response_fields(&writer, response);
    }
    HEAD_WRITE_LITERAL(&writer, "\r\n");
    return head_writer_end(&writer, &conn->out);
}
