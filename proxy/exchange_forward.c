/* The upstream's part once a connection is there: send the request, read the answer, stream both
 * bodies. A request is sent a second time only when it is safe to: idempotent, without a body, and
 * the reused connection died before it answered a byte. */
#include <ctype.h>

#include "core/clock.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/head_writer.h"
#include "proxy/tls_session.h"

enum { INFORMATIONAL_MAX = 16, UPSTREAM_IDLE_MS = 30000 };

void exchange_drop_head(struct exchange *exchange) {
    if (exchange->kept_head_bytes == 0) {
        return;
    }
    size_t kept = exchange->keeps_upload ? (size_t)exchange->upload.moved : 0;
    io_buffer_consume(&exchange->client->conn.in, exchange->kept_head_bytes + kept);
    exchange->kept_head_bytes = 0;
    exchange->keeps_upload = false;
    exchange->request.method = exchange->method;
    exchange->request.host = exchange->host;
    exchange->request.header_count = 0;
    exchange->request.authorization_count = 0;
    conn_rest(&exchange->client->conn);
}

void exchange_invite_body(struct exchange *exchange) {
    struct conn *conn = &exchange->client->conn;
    bool has_begun = io_buffer_data(&conn->in).len > exchange->kept_head_bytes;
    if (!exchange->request.expects_continue || has_begun ||
        !io_buffer_open(&conn->out, conn->pool)) {
        return;
    }
    io_buffer_append(&conn->out, conn->pool, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
    conn_flush(conn);
}

/* A body that fits into the block behind its head stays there until the upstream has taken the
 * credential. */
static bool exchange_can_keep_upload(const struct exchange *exchange) {
    const struct h1_request *request = &exchange->request;
    const struct conn *conn = &exchange->client->conn;
    const struct config_route *route = exchange_route(exchange);
    if (!exchange->credential || exchange->on_behalf || request->body != BODY_LENGTH ||
        exchange->has_head_apart || !route->retry_safe ||
        request->content_length > route->body_limit_bytes) {
        return false;
    }
    size_t before = conn->in.start + exchange->kept_head_bytes;
    return request->content_length <= io_pool_block_bytes(conn->pool) - before;
}

static bool exchange_write_request(struct exchange *exchange) {
    struct conn *conn = &exchange->upstream->conn;
    if (!io_buffer_open(&conn->out, conn->pool)) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "no buffer is free");
        return false;
    }
    if (!write_upstream_request(exchange, exchange->target)) {
        exchange_refuse(exchange, REASON_HEAD_TOO_LARGE, 0,
                        "the request head does not fit with what is added to it");
        return false;
    }
    exchange->wrote_request_head = true;
    exchange->response_scanned = 0;
    exchange->upload_is_over = false;
    exchange->upstream_begin_us = clock_monotonic_us();
    body_init(&exchange->upload, exchange->request.body, exchange->request.content_length,
              exchange->request.body == BODY_CHUNKED, exchange_route(exchange)->body_limit_bytes);
    const struct config_route *route = exchange_route(exchange);
    if (exchange->request.body == BODY_NONE) {
        exchange_set_deadline(exchange, route->head_timeout_ms);
    } else {
        exchange->keeps_upload = exchange_can_keep_upload(exchange);
        if (!exchange->keeps_upload) {
            exchange_drop_head(exchange);
        }
        if (!exchange_mcp_has_body(exchange)) {
            exchange_invite_body(exchange);
        }
        exchange_set_deadline(exchange, route->idle_timeout_ms);
    }
    return true;
}

static void exchange_end_aborted(struct exchange *exchange, enum aborted_by by,
                                 enum reason reason) {
    exchange->aborted_by = by;
    exchange->reason = reason;
    exchange_move(exchange, PHASE_DONE);
}

/* What a broken upload means depends on whether the answer has begun. */
static void exchange_fail_upload(struct exchange *exchange, enum reason reason,
                                 const char *detail) {
    if (exchange->phase == PHASE_RESPONSE) {
        exchange_end_aborted(exchange, ABORTED_BY_CLIENT, reason);
        return;
    }
    exchange_refuse(exchange, reason, 0, detail);
}

static enum body_pump_result exchange_pump_upload(struct exchange *exchange) {
    struct conn *client = &exchange->client->conn;
    struct conn *upstream = &exchange->upstream->conn;
    if (exchange_mcp_has_body(exchange)) {
        return body_pump_bytes(&exchange->upload, exchange_mcp_body(exchange), upstream);
    }
    if (exchange->keeps_upload) {
        return body_pump_keeping(&exchange->upload, client, exchange->kept_head_bytes, upstream);
    }
    return body_pump(&exchange->upload, client, upstream);
}

static void exchange_await_more(struct exchange *exchange) {
    if (exchange->mcp) {
        exchange_mcp_wait(exchange); /* no byte lets a stream outlive its caller's token */
    } else {
        exchange_set_deadline(exchange, exchange_route(exchange)->idle_timeout_ms);
    }
}

/* Sends what is to be sent. False when the exchange has moved on or ended. */
static bool exchange_upload(struct exchange *exchange) {
    struct conn *upstream = &exchange->upstream->conn;
    const struct config_route *route = exchange_route(exchange);
    bool was_written = exchange->upload.is_written;
    bool is_awaited = exchange->phase == PHASE_REQUEST; /* later it may be half of a stream */
    switch (exchange_pump_upload(exchange)) {
    case BODY_PUMP_DONE:
        if (!was_written && exchange->phase == PHASE_REQUEST) {
            exchange_set_deadline(exchange, route->head_timeout_ms);
        }
        break;
    case BODY_PUMP_WAIT_SOURCE:
    case BODY_PUMP_WAIT_SINK:
        break;
    case BODY_PUMP_AGAIN:
        exchange_resume_soon(exchange);
        break;
    case BODY_PUMP_MALFORMED:
        exchange_fail_upload(exchange, REASON_BODY_MALFORMED,
                             "the chunked coding of the body is malformed");
        return false;
    case BODY_PUMP_TOO_LARGE:
        exchange_fail_upload(exchange, REASON_BODY_TOO_LARGE,
                             "the body is larger than this route takes");
        return false;
    case BODY_PUMP_SOURCE_ENDED:
        exchange_end_aborted(exchange, ABORTED_BY_CLIENT, REASON_NONE);
        return false;
    case BODY_PUMP_SINK_BROKEN:
        exchange->upload_is_over = true; /* it may have answered before it stopped listening */
        break;
    }
    if (!exchange->upload.is_written && body_has_come_on(&exchange->upload, is_awaited)) {
        exchange_await_more(exchange);
    }
    if (conn_flush(upstream) == IO_ERROR) {
        exchange->upload_is_over = true;
    }
    return true;
}

static bool method_is_idempotent(struct slice method) {
    static const struct slice methods[] = {SLICE("GET"), SLICE("HEAD"), SLICE("PUT"),
                                           SLICE("DELETE"), SLICE("OPTIONS")};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (slice_eq(method, methods[i])) {
            return true;
        }
    }
    return false;
}

/* The upstream closed or broke before a complete head. */
static void exchange_on_upstream_gone(struct exchange *exchange) {
    bool is_untouched =
        io_buffer_is_empty(&exchange->upstream->conn.in) && exchange->informational_count == 0;
    bool may_retry = is_untouched && exchange->upstream->is_reused && !exchange->has_retried &&
                     exchange->kept_head_bytes > 0 && exchange_route(exchange)->retry_safe &&
                     method_is_idempotent(exchange->method) && exchange_may_send_again(exchange);
    const struct tls_session *tls = exchange->upstream->conn.tls;
    if (!may_retry && is_untouched && tls && tls_session_was_refused(tls)) {
        /* TLS 1.3 judges the client certificate when the request is on its way already */
        exchange_note_tls_problem(exchange);
        exchange_refuse(exchange, REASON_UPSTREAM_TLS, 0, exchange->tls_problem);
        return;
    }
    if (!may_retry) {
        exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0,
                        is_untouched ? "the upstream closed the connection without an answer"
                                     : "the upstream's answer ended within its head");
        return;
    }
    upstream_close(exchange->upstream);
    exchange->upstream = NULL;
    exchange->has_retried = true;
    exchange->wrote_request_head = false;
    exchange_move(exchange, PHASE_CONNECT);
}

/* "timeout=5" of a Keep-Alive field: we let go a second earlier than the upstream would. */
uint32_t exchange_keep_alive_ms(const struct h1_response *response) {
    for (size_t i = 0; i < response->header_count; i++) {
        const struct header *header = &response->headers[i];
        if (header->id != HEADER_KEEP_ALIVE) {
            continue;
        }
        struct slice rest = header->value;
        if (!slice_starts_with(rest, SLICE("timeout="))) {
            return UPSTREAM_IDLE_MS;
        }
        rest = slice_skip(rest, 8);
        uint64_t seconds = 0;
        if (!slice_parse_u64(slice_of(rest.ptr, slice_index(rest, ',')), 86400, &seconds)) {
            return UPSTREAM_IDLE_MS;
        }
        uint64_t ms = seconds > 1 ? (seconds - 1) * 1000 : 0;
        return ms < UPSTREAM_IDLE_MS ? (uint32_t)ms : UPSTREAM_IDLE_MS;
    }
    return UPSTREAM_IDLE_MS;
}

static void exchange_pass_informational(struct exchange *exchange) {
    struct conn *conn = &exchange->client->conn;
    if (exchange->response.status == 100 || exchange->request.minor_version == 0 ||
        !io_buffer_open(&conn->out, conn->pool)) {
        return;
    }
    if (write_client_informational(exchange, &exchange->response)) {
        conn_flush(conn);
    }
}

static void exchange_begin_response(struct exchange *exchange, size_t head_len) {
    struct conn *client = &exchange->client->conn;
    struct conn *upstream = &exchange->upstream->conn;
    const struct h1_response *response = &exchange->response;
    bool has_open_end = response->body == BODY_CHUNKED || response->body == BODY_UNTIL_CLOSE;
    bool chunked = has_open_end && exchange->request.minor_version == 1;
    exchange->closes_client |= (has_open_end && !chunked) || !exchange->upload.is_written ||
                               exchange->worker->is_draining || exchange->client->is_half_closed;
    if (!io_buffer_open(&client->out, client->pool)) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "no buffer is free");
        return;
    }
    if (!write_client_response(exchange, chunked)) {
        exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0, "the upstream's head is too large");
        return;
    }
    exchange->status = response->status;
    exchange->wrote_response_head = true;
    exchange->upstream_idle_ms = exchange_keep_alive_ms(response);
    body_init(&exchange->download, response->body, response->content_length, chunked, UINT64_MAX);
    if (exchange_scrubs(exchange)) {
        leak_scan_init(&exchange->leaks, exchange->sought);
        exchange->download.scan = &exchange->leaks;
    }
    io_buffer_consume(&upstream->in, head_len);
    exchange->response.header_count = 0; /* they lie in the buffer that now moves on */
    exchange_drop_head(exchange);
    exchange_set_deadline(exchange, exchange_route(exchange)->idle_timeout_ms);
    exchange_move(exchange, PHASE_RESPONSE);
}

/* Names and values lie in the head: masking it masks them. The framing was read before. */
static void exchange_scrub_head(struct exchange *exchange, size_t head_len) {
    struct io_buffer *in = &exchange->upstream->conn.in;
    struct leak_scan scan;
    if (!exchange_scrubs(exchange)) {
        return;
    }
    leak_scan_init(&scan, exchange->sought);
    leak_scan_bytes(&scan, in->bytes + in->start, head_len, true);
    exchange->scrubbed += scan.found;
}

/* Judges one complete head. True when another may follow (informational). */
static bool exchange_take_response(struct exchange *exchange, size_t head_len) {
    struct worker *worker = exchange->worker;
    struct io_buffer *in = &exchange->upstream->conn.in;
    struct h1_refusal refusal;
    bool is_head = slice_eq(exchange->method, SLICE("HEAD"));
    if (h1_response_parse(slice_of(io_buffer_data(in).ptr, head_len), &worker->response_limits,
                          worker->response_headers, is_head, &exchange->response,
                          &refusal) != H1_COMPLETE) {
        exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0, refusal.detail);
        return false;
    }
    exchange->upstream_status = exchange->response.status;
    exchange_scrub_head(exchange, head_len);
    if (exchange->response.status == 101 && exchange->opens_websocket) {
        exchange_note_target_well(exchange);
        exchange_begin_tunnel(exchange, head_len);
        return false;
    }
    if (exchange->response.status == 101 ||
        (exchange->response.status < 200 && ++exchange->informational_count > INFORMATIONAL_MAX)) {
        exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0,
                        "the upstream sent an informational answer out of place");
        return false;
    }
    if (exchange->response.status < 200) {
        exchange_pass_informational(exchange);
        io_buffer_consume(in, head_len);
        exchange->response_scanned = 0;
        return true;
    }
    exchange->upstream_head_us = clock_monotonic_us();
    exchange_note_target_well(exchange);
    if (exchange->credential && exchange->response.status == 401) {
        exchange_on_credential_refused(exchange);
        return false;
    }
    if (exchange->credential) {
        exchange_on_credential_taken(exchange);
    }
    if (exchange->mcp) {
        exchange_begin_mcp_answer(exchange, head_len);
    } else {
        exchange_begin_response(exchange, head_len);
    }
    return false;
}

static void exchange_read_response(struct exchange *exchange) {
    struct conn *upstream = &exchange->upstream->conn;
    for (;;) {
        if (!io_buffer_is_empty(&upstream->in)) {
            size_t head_len = 0;
            struct h1_refusal refusal;
            switch (h1_response_scan(io_buffer_data(&upstream->in),
                                     &exchange->worker->response_limits,
                                     &exchange->response_scanned, &head_len, &refusal)) {
            case H1_COMPLETE:
                if (!exchange_take_response(exchange, head_len)) {
                    return;
                }
                continue;
            case H1_REFUSED:
                exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0, refusal.detail);
                return;
            case H1_INCOMPLETE:
                io_buffer_compact(&upstream->in);
                break;
            }
        }
        switch (conn_fill(upstream)) {
        case IO_OK:
            break;
        case IO_WAIT:
            conn_rest(upstream);
            return;
        case IO_FULL:
            if (!upstream->in.bytes) {
                exchange_refuse(exchange, REASON_OVERLOADED, 0, "no buffer is free");
                return;
            }
            exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0,
                            "the upstream's head is too large");
            return;
        case IO_EOF:
        case IO_ERROR:
            exchange_on_upstream_gone(exchange);
            return;
        }
    }
}

void exchange_step_request(struct exchange *exchange) {
    if (!exchange->wrote_request_head && !exchange_write_request(exchange)) {
        return;
    }
    if (!exchange->upload_is_over && !exchange_upload(exchange)) {
        return;
    }
    exchange_read_response(exchange);
}

bool exchange_upload_beside(struct exchange *exchange) {
    bool has_more =
        !exchange->upload.is_written || !io_buffer_is_empty(&exchange->upstream->conn.out);
    return !has_more || exchange->upload_is_over || exchange_upload(exchange);
}

void exchange_step_response(struct exchange *exchange) {
    if (exchange->mcp) {
        exchange_step_mcp_response(exchange);
        return;
    }
    struct conn *client = &exchange->client->conn;
    struct conn *upstream = &exchange->upstream->conn;
    if (!exchange_upload_beside(exchange)) {
        return;
    }
    enum body_pump_result result = body_pump(&exchange->download, upstream, client);
    enum io_result flushed = client->is_broken ? IO_ERROR : conn_flush(client);
    if (exchange->answered_us == 0 && flushed == IO_OK) {
        exchange->answered_us = clock_monotonic_us();
    }
    if (flushed == IO_ERROR || result == BODY_PUMP_SINK_BROKEN) {
        exchange_end_aborted(exchange, ABORTED_BY_CLIENT, REASON_NONE);
        return;
    }
    switch (result) {
    case BODY_PUMP_DONE:
        if (flushed == IO_OK) {
            exchange_move(exchange, PHASE_DONE);
        }
        return;
    case BODY_PUMP_MALFORMED:
    case BODY_PUMP_SOURCE_ENDED:
        exchange_end_aborted(exchange, ABORTED_BY_UPSTREAM, REASON_UPSTREAM_PROTOCOL);
        return;
    case BODY_PUMP_AGAIN:
        exchange_resume_soon(exchange);
        break;
    default:
        break;
    }
    if (body_has_come_on(&exchange->download, result == BODY_PUMP_WAIT_SINK)) {
        exchange_set_deadline(exchange, exchange_route(exchange)->idle_timeout_ms);
    }
}

static bool exchange_is_blocked_by_client(const struct exchange *exchange) {
    return exchange->download.pending > 0 || !io_buffer_is_empty(&exchange->client->conn.out);
}

void exchange_on_forward_timeout(struct exchange *exchange) {
    if (exchange_mcp_on_token_timer(exchange)) {
        return;
    }
    switch (exchange->phase) {
    case PHASE_CONNECT:
        exchange_on_connect_timeout(exchange);
        break;
    case PHASE_MCP_MESSAGE:
        exchange_refuse(exchange, REASON_HEAD_TIMEOUT, 0, "the message stopped arriving");
        break;
    case PHASE_MCP_ANSWER:
        exchange_refuse(exchange, REASON_UPSTREAM_TIMEOUT, 0,
                        "the server's answer stopped arriving");
        break;
    case PHASE_REQUEST:
        if (exchange->upload.is_written || exchange->upload_is_over ||
            exchange->upload.pending > 0) {
            exchange_refuse(exchange, REASON_UPSTREAM_TIMEOUT, 0,
                            "the upstream did not answer in time");
        } else {
            exchange_refuse(exchange, REASON_HEAD_TIMEOUT, 0, "the request body stopped arriving");
        }
        break;
    default: /* a stream went silent: on the upstream's side, or because the client stopped reading
              */
        exchange->reason =
            exchange_is_blocked_by_client(exchange) ? REASON_NONE : REASON_UPSTREAM_TIMEOUT;
        exchange_abort(exchange, ABORTED_BY_TIMEOUT);
        break;
    }
}
