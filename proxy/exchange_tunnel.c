/* An open WebSocket: bytes both ways, each way with its own back-pressure and its own end. It goes
 * on for as long as its caller may: until the token expires, is revoked, or a reload takes the
 * right away; what those do is in exchange_judge.c and exchange_challenge.c. */
#include "core/clock.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/head_writer.h"
#include "proxy/websocket.h"

/* How long at most until the wall clock is looked at: timers stand still while the machine sleeps.
 */
enum { TUNNEL_LOOK_MS = 30000 };

enum flow {
    FLOW_ON,
    FLOW_ENDED,       /* the source has finished, and the sink knows it */
    FLOW_SINK_GONE,   /* it takes nothing any more, and may still say something */
    FLOW_SOURCE_GONE, /* it broke before it had finished */
    FLOW_MALFORMED,
};

static uint64_t tunnel_silent_ms(const struct exchange *exchange) {
    return loop_now_ms(exchange->worker->loop) - exchange->tunnel_moved_ms;
}

/* Once for many messages: the timer finds out by itself that something has moved. */
static void tunnel_wait(struct exchange *exchange) {
    uint64_t idle_ms = exchange_route(exchange)->idle_timeout_ms;
    uint64_t silent_ms = tunnel_silent_ms(exchange);
    uint64_t wait_ms = silent_ms < idle_ms ? idle_ms - silent_ms : 0;
    int64_t token_left_ms = exchange_token_left_ms(exchange);
    uint64_t token_ms = token_left_ms > 0 ? (uint64_t)token_left_ms : 0;
    wait_ms = wait_ms < token_ms ? wait_ms : token_ms;
    exchange_set_deadline(exchange, wait_ms < TUNNEL_LOOK_MS ? wait_ms : TUNNEL_LOOK_MS);
}

void exchange_on_tunnel_timer(struct exchange *exchange) {
    if (exchange_token_left_ms(exchange) <= 0) {
        exchange_abort(exchange, ABORTED_BY_EXPIRY);
    } else if (tunnel_silent_ms(exchange) >= exchange_route(exchange)->idle_timeout_ms) {
        exchange_abort(exchange, ABORTED_BY_TIMEOUT);
    } else {
        tunnel_wait(exchange);
    }
}

void exchange_begin_tunnel(struct exchange *exchange, size_t head_len) {
    struct conn *client = &exchange->client->conn;
    bool scrubs = exchange_scrubs(exchange);
    const char *problem =
        websocket_answer_problem(&exchange->request, &exchange->response, !scrubs);
    if (problem) {
        exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0, problem);
        return;
    }
    if (!io_buffer_open(&client->out, client->pool)) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "no buffer is free");
        return;
    }
    if (!write_client_switch(exchange)) {
        exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0, "the upstream's head is too large");
        return;
    }
    exchange->status = exchange->response.status;
    exchange->wrote_response_head = true;
    exchange->closes_client = true;
    exchange->upstream_head_us = clock_monotonic_us();
    body_init(&exchange->upload, BODY_UNTIL_CLOSE, 0, false, UINT64_MAX);
    body_init(&exchange->download, scrubs ? BODY_WEBSOCKET : BODY_UNTIL_CLOSE, 0, false,
              UINT64_MAX);
    if (exchange->credential) {
        exchange_on_credential_taken(exchange);
    }
    if (scrubs) {
        leak_scan_init(&exchange->leaks, exchange->sought);
        exchange->download.scan = &exchange->leaks;
    }
    io_buffer_consume(&exchange->upstream->conn.in, head_len);
    exchange->response.header_count = 0; /* they lie in the buffer that now moves on */
    exchange_drop_head(exchange);
    exchange->tunnel_moved_ms = loop_now_ms(exchange->worker->loop);
    exchange_move(exchange, PHASE_TUNNEL);
    tunnel_wait(exchange);
}

/* Moves what can be moved one way. */
static enum flow tunnel_flow(struct exchange *exchange, struct body *body, struct conn *source,
                             struct conn *sink) {
    if (sink->has_finished) {
        return FLOW_ENDED;
    }
    enum body_pump_result result = body_pump(body, source, sink);
    enum io_result flushed = sink->is_broken ? IO_ERROR : conn_flush(sink);
    conn_rest(source); /* one that is silent holds no block */
    if (flushed == IO_ERROR || result == BODY_PUMP_SINK_BROKEN) {
        return FLOW_SINK_GONE;
    }
    switch (result) {
    case BODY_PUMP_DONE:
        return flushed == IO_OK && conn_finish_sending(sink) != IO_WAIT ? FLOW_ENDED : FLOW_ON;
    case BODY_PUMP_SOURCE_ENDED:
        return FLOW_SOURCE_GONE;
    case BODY_PUMP_MALFORMED:
        return FLOW_MALFORMED;
    case BODY_PUMP_AGAIN:
        exchange_resume_soon(exchange);
        return FLOW_ON;
    default:
        return FLOW_ON;
    }
}

static void tunnel_end(struct exchange *exchange, enum aborted_by by, enum reason reason) {
    exchange->aborted_by = by;
    exchange->reason = reason;
    exchange_move(exchange, PHASE_DONE);
}

/* A side that had finished and then stopped listening has ended it in good order. */
static void tunnel_judge(struct exchange *exchange, enum flow down, enum flow up) {
    if (down == FLOW_MALFORMED) {
        tunnel_end(exchange, ABORTED_BY_UPSTREAM, REASON_UPSTREAM_PROTOCOL);
    } else if (up == FLOW_SOURCE_GONE || (down == FLOW_SINK_GONE && up == FLOW_SINK_GONE)) {
        tunnel_end(exchange, ABORTED_BY_CLIENT, REASON_NONE);
    } else if (down == FLOW_SOURCE_GONE) {
        tunnel_end(exchange, ABORTED_BY_UPSTREAM, REASON_NONE);
    } else if (down != FLOW_ON && up != FLOW_ON) {
        tunnel_end(exchange, ABORTED_BY_NOBODY, REASON_NONE);
    }
}

void exchange_step_tunnel(struct exchange *exchange) {
    struct conn *client = &exchange->client->conn;
    struct conn *upstream = &exchange->upstream->conn;
    uint64_t moved = exchange->upload.moved + exchange->download.moved;
    enum flow down = tunnel_flow(exchange, &exchange->download, upstream, client);
    enum flow up = tunnel_flow(exchange, &exchange->upload, client, upstream);
    if (exchange->answered_us == 0 && io_buffer_is_empty(&client->out)) {
        exchange->answered_us = clock_monotonic_us();
    }
    if (exchange->upload.moved + exchange->download.moved != moved) {
        exchange->tunnel_moved_ms = loop_now_ms(exchange->worker->loop);
    }
    tunnel_judge(exchange, down, up);
}
