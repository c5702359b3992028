/* The body of an MCP server's answer passes through the filter. JSON is collected and sent whole,
 * an event stream goes on event by event; nothing else passes. */
#include "core/clock.h"
#include "core/log.h"
#include "proxy/client.h"
#include "proxy/exchange_mcp.h"

enum {
    MCP_ANSWER_ROOM = 256 * 1024, /* what a filter may add to what it takes */
    MCP_ESCAPE_GROWTH = 3,        /* two bytes of an event become "\\u0085" */
    MCP_PUMP_BUDGET = 16,
    TOLD_NAME_BYTES = 128,
};

static bool exchange_mcp_may(void *owner, struct slice method, struct slice name) {
    struct exchange *exchange = owner;
    const struct policy_mcp mcp = {.method = method,
                                   .gate = POLICY_MCP_NAME,
                                   .has_name = true,
                                   .name = name,
                                   .arguments = JSON_TEXT_NONE,
                                   .is_any_arguments = true};
    return exchange_mcp_is_granted(exchange, &mcp);
}

/* A stream goes on for as long as its caller's token does; what is whole is sent to its end. */
void exchange_mcp_wait(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    uint64_t wait_ms = exchange_route(exchange)->idle_timeout_ms;
    int64_t left_ms = exchange_token_left_ms(exchange);
    uint64_t token_ms = left_ms > 0 ? (uint64_t)left_ms : 0;
    bool is_stream = exchange->wrote_response_head && !mcp->answer_is_over;
    mcp->waits_for_token = is_stream && token_ms < wait_ms;
    exchange_set_deadline(exchange, mcp->waits_for_token ? token_ms : wait_ms);
}

bool exchange_mcp_on_token_timer(struct exchange *exchange) {
    if (!exchange->mcp || !exchange->mcp->waits_for_token) {
        return false;
    }
    if (exchange_token_left_ms(exchange) <= 0) {
        exchange_abort(exchange, ABORTED_BY_EXPIRY);
    } else {
        exchange_mcp_wait(exchange); /* the clocks went apart */
    }
    return true;
}

/* Of a known length, or as long as it takes. False when it was refused. */
static bool exchange_mcp_begin_response(struct exchange *exchange, bool has_length,
                                        uint64_t length) {
    struct conn *conn = &exchange->client->conn;
    if (!io_buffer_open(&conn->out, conn->pool)) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "no buffer is free");
        return false;
    }
    if (!exchange_mcp_write_head(exchange, has_length, length)) {
        exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0, "the upstream's head is too large");
        return false;
    }
    exchange->status = exchange->response.status;
    exchange->wrote_response_head = true;
    exchange_mcp_wait(exchange);
    exchange_move(exchange, PHASE_RESPONSE);
    return true;
}

/* Names are the server's: what is too long for one is cut. */
static void exchange_mcp_tell_unpinned(void *owner, struct slice tool,
                                       enum mcp_pin_verdict verdict) {
    static const char *const STATES[] = {[MCP_PIN_SAME] = "same",
                                         [MCP_PIN_WORDS_CHANGED] = "words",
                                         [MCP_PIN_CHANGED] = "changed",
                                         [MCP_PIN_UNKNOWN] = "new"};
    const struct exchange *exchange = owner;
    bool is_blocked = exchange_mcp_config(exchange)->pinning == MCP_PINNING_BLOCK;
    LOG_EVENT(LOG_WARNING, "pins", LOG_STR("what", STATES[verdict]),
              LOG_STR("route", exchange_route(exchange)->name),
              LOG_SLICE("tool", slice_of(tool.ptr,
                                         tool.len < TOLD_NAME_BYTES ? tool.len : TOLD_NAME_BYTES)),
              LOG_STR("pinning", is_blocked ? "block" : "warn"));
}

static bool exchange_mcp_begin_filter(struct exchange *exchange, enum mcp_media media) {
    struct exchange_mcp *mcp = exchange->mcp;
    uint64_t limit = exchange_mcp_config(exchange)->max_result_bytes;
    mcp->view = (struct mcp_view){
        .mcp = exchange_mcp_config(exchange),
        .seal = exchange->snapshot->rules->seal,
        .holder = mcp->holder,
        .era = exchange_mcp_has_message(mcp) ? mcp->message.era : MCP_LEGACY,
        .may = exchange_mcp_may,
        .owner = exchange,
        .asked = exchange_mcp_has_message(mcp) ? &mcp->message : NULL,
        .missing_tool = &exchange->snapshot->rules->missing_tools[exchange->route],
        .pins = exchange->snapshot->rules->pins[exchange->route],
        .on_unpinned = exchange_mcp_tell_unpinned,
    };
    mcp->filter = mcp_filter_new(&mcp->view, media);
    buf_init(&mcp->answer, (size_t)limit * MCP_ESCAPE_GROWTH + MCP_ANSWER_ROOM);
    return mcp->filter != NULL;
}

/* An error with a page for people: the status is what counts. */
static void exchange_mcp_pass_status(struct exchange *exchange, bool is_whole) {
    exchange->mcp->answer_is_over = true;
    exchange->download.is_read = exchange->download.is_written = is_whole;
    exchange_mcp_begin_response(exchange, true, 0);
}

void exchange_begin_mcp_answer(struct exchange *exchange, size_t head_len) {
    const struct h1_response *response = &exchange->response;
    enum mcp_answer_media media = exchange_mcp_media(response);
    const char *problem = exchange_mcp_head_problem(exchange->mcp, response, media);
    if (problem) {
        exchange_refuse(exchange, REASON_UPSTREAM_PROTOCOL, 0, problem);
        return;
    }
    exchange->upstream_idle_ms = exchange_keep_alive_ms(response);
    body_init(&exchange->download, response->body, response->content_length, false, UINT64_MAX);
    if (exchange_scrubs(exchange)) {
        leak_scan_init(&exchange->leaks, exchange->sought);
        exchange->download.scan = &exchange->leaks;
    }
    bool has_body = media == MCP_ANSWER_JSON || media == MCP_ANSWER_EVENTS;
    exchange->mcp->holder.server = exchange->pool - exchange->pools->first_pool[exchange->route];
    exchange_mcp_note_fields(exchange);
    io_buffer_consume(&exchange->upstream->conn.in, head_len);
    exchange->response.header_count = 0; /* they lie in the buffer that now moves on */
    if (!has_body) {
        exchange_mcp_pass_status(exchange, media == MCP_ANSWER_NONE);
    } else if (!exchange_mcp_begin_filter(exchange, media == MCP_ANSWER_JSON ? MCP_MEDIA_JSON
                                                                             : MCP_MEDIA_EVENTS)) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
    } else if (media == MCP_ANSWER_JSON) {
        exchange_set_deadline(exchange, exchange_route(exchange)->idle_timeout_ms);
        exchange_move(exchange, PHASE_MCP_ANSWER);
    } else {
        exchange_mcp_begin_response(exchange, false, 0);
    }
}

/* Refused while nothing was sent, cut off from then on. Always false. */
static bool exchange_mcp_fail(struct exchange *exchange, enum reason reason, const char *detail) {
    if (exchange->phase == PHASE_MCP_ANSWER) {
        exchange_refuse(exchange, reason, 0, detail);
        return false;
    }
    exchange->aborted_by = reason == REASON_OVERLOADED ? ABORTED_BY_OVERLOAD : ABORTED_BY_UPSTREAM;
    exchange->reason = reason;
    exchange_move(exchange, PHASE_DONE);
    return false;
}

static bool exchange_mcp_fail_protocol(struct exchange *exchange, const char *detail) {
    return exchange_mcp_fail(exchange, REASON_UPSTREAM_PROTOCOL, detail);
}

static bool exchange_mcp_fail_overloaded(struct exchange *exchange) {
    return exchange_mcp_fail(exchange, REASON_OVERLOADED, "no memory is free for answers");
}

static bool exchange_mcp_filter(struct exchange *exchange, struct slice bytes, bool is_last) {
    struct exchange_mcp *mcp = exchange->mcp;
    switch (mcp_filter_take(mcp->filter, bytes, is_last, &mcp->answer)) {
    case MCP_FILTER_OK:
        mcp->answer_is_over = is_last;
        return exchange_mcp_count_held(exchange) || exchange_mcp_fail_overloaded(exchange);
    case MCP_FILTER_MALFORMED:
        if (exchange->phase == PHASE_MCP_ANSWER &&
            (exchange->download.moved == 0 || exchange->response.status >= 400)) {
            buf_clear(&mcp->answer); /* nothing, or a page that is no message: its status counts */
            mcp->answer_is_over = true;
            return true;
        }
        return exchange_mcp_fail_protocol(exchange,
                                          "the server's answer is no message of its protocol");
    case MCP_FILTER_TOO_LARGE:
        return exchange_mcp_fail_protocol(exchange,
                                          "the server's answer is larger than this route takes");
    case MCP_FILTER_NO_MEMORY:
        break;
    }
    return exchange_mcp_fail_overloaded(exchange);
}

/* Takes what the server sent until there is something to send on, or nothing more. False when the
 * exchange has moved on. */
static bool exchange_mcp_take(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct conn *upstream = &exchange->upstream->conn;
    int budget = MCP_PUMP_BUDGET;
    bool collects = exchange->phase == PHASE_MCP_ANSWER;
    while (!mcp->answer_is_over && (collects || mcp->answer_sent == mcp->answer.len)) {
        struct slice bytes;
        if (budget-- == 0) {
            exchange_resume_soon(exchange);
            return true;
        }
        switch (body_take(&exchange->download, upstream, &bytes)) {
        case BODY_PUMP_DONE:
            exchange->download.is_written = true;
            if (!exchange_mcp_filter(exchange, SLICE(""), true)) {
                return false;
            }
            break;
        case BODY_PUMP_AGAIN:
            if (bytes.len == 0) {
                exchange_resume_soon(exchange);
                return true;
            }
            if (!exchange_mcp_filter(exchange, bytes, false)) {
                return false;
            }
            body_taken(&exchange->download, upstream, bytes.len);
            exchange_mcp_wait(exchange);
            break;
        case BODY_PUMP_WAIT_SOURCE:
        case BODY_PUMP_WAIT_SINK:
            return true;
        default:
            return exchange_mcp_fail_protocol(exchange, "the server's answer ended before its end");
        }
    }
    return true;
}

void exchange_step_mcp_answer(struct exchange *exchange) {
    if (exchange_upload_beside(exchange) && exchange_mcp_take(exchange) &&
        exchange->mcp->answer_is_over) {
        exchange_mcp_begin_response(exchange, true, exchange->mcp->answer.len);
    }
}

/* Hands over as much of `answer` as there is room for. Returns how much that was. */
static size_t exchange_mcp_put(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct conn *client = &exchange->client->conn;
    struct slice rest = slice_skip(buf_slice(&mcp->answer), mcp->answer_sent);
    size_t sent = 0;
    if (mcp->last_chunk == MCP_LAST_CHUNK_OWED) {
        sent = body_put_chunk(client, rest);
    } else if (io_buffer_is_empty(&client->out)) {
        conn_send_direct(client, rest, &sent);
    } else {
        sent = io_buffer_room(&client->out, client->pool);
        sent = sent < rest.len ? sent : rest.len;
        io_buffer_append(&client->out, client->pool, slice_of(rest.ptr, sent));
    }
    mcp->answer_sent += sent;
    return sent;
}

/* True when all of `answer` is in the client's hands. Nothing goes to a client that is gone, and
 * none of a stream while no block is free: then it is tried again soon. */
static bool exchange_mcp_send(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct conn *client = &exchange->client->conn;
    bool is_flushed = false;
    while (mcp->answer_sent < mcp->answer.len) {
        if (exchange_mcp_put(exchange) > 0) {
            is_flushed = false;
            continue;
        }
        if (client->is_broken || conn_flush(client) != IO_OK || !client->can_write) {
            return false;
        }
        if (is_flushed) {
            exchange_resume_soon(exchange);
            return false;
        }
        is_flushed = true;
    }
    return true;
}

static void exchange_mcp_reuse_room(struct exchange_mcp *mcp) {
    if (mcp->answer_sent == mcp->answer.len && !mcp->answer_is_over) {
        buf_clear(&mcp->answer);
        mcp->answer_sent = 0;
    }
}

/* False when there is no room for it. */
static bool exchange_mcp_write_end(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct conn *client = &exchange->client->conn;
    if (mcp->last_chunk == MCP_LAST_CHUNK_OWED) {
        io_buffer_compact(&client->out);
        if (!io_buffer_open(&client->out, client->pool) ||
            !io_buffer_append(&client->out, client->pool, SLICE("0\r\n\r\n"))) {
            return false;
        }
        mcp->last_chunk = MCP_LAST_CHUNK_WRITTEN;
    }
    return true;
}

static bool exchange_mcp_end(struct exchange *exchange) {
    if (!exchange_mcp_write_end(exchange)) {
        exchange_resume_soon(exchange);
        return false;
    }
    return true;
}

bool exchange_mcp_end_stream(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct conn *client = &exchange->client->conn;
    bool is_denied = exchange->aborted_by == ABORTED_BY_EXPIRY ||
                     exchange->aborted_by == ABORTED_BY_RELOAD ||
                     exchange->aborted_by == ABORTED_BY_REVOCATION;
    bool is_stream = mcp && mcp->filter && exchange->wrote_response_head && !mcp->answer_is_over;
    if (!is_denied || !is_stream || mcp->answer_sent < mcp->answer.len || client->is_broken ||
        conn_flush(client) != IO_OK || !exchange_mcp_write_end(exchange) ||
        conn_flush(client) != IO_OK) {
        return false;
    }
    exchange->closes_client = true;
    return true;
}

/* A stream may live long: nothing is kept for it that nobody needs any more. */
static void exchange_mcp_shed(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    bool is_sent = exchange->upload.is_written || exchange->upload_is_over;
    if (is_sent && mcp->filter && !mcp->answer_is_over && !mcp->is_shed) {
        mcp->is_shed = true;
        exchange_mcp_forget_message(exchange);
    }
}

void exchange_step_mcp_response(struct exchange *exchange) {
    struct exchange_mcp *mcp = exchange->mcp;
    struct conn *client = &exchange->client->conn;
    if (!exchange_upload_beside(exchange)) {
        return;
    }
    exchange_mcp_shed(exchange);
    for (;;) {
        size_t sent_before = mcp->answer_sent;
        bool is_sent = exchange_mcp_send(exchange);
        bool is_ended = is_sent && mcp->answer_is_over && exchange_mcp_end(exchange);
        enum io_result flushed = client->is_broken ? IO_ERROR : conn_flush(client);
        if (flushed == IO_ERROR) {
            exchange->aborted_by = ABORTED_BY_CLIENT;
            exchange_move(exchange, PHASE_DONE);
            return;
        }
        if (mcp->answer_sent != sent_before) {
            exchange_mcp_wait(exchange);
        }
        if (exchange->answered_us == 0 && flushed == IO_OK) {
            exchange->answered_us = clock_monotonic_us();
        }
        if (is_ended && flushed == IO_OK) {
            exchange_move(exchange, PHASE_DONE);
            return;
        }
        if (!is_sent || mcp->answer_is_over) {
            return;
        }
        exchange_mcp_reuse_room(mcp);
        if (!exchange_mcp_take(exchange) || exchange->phase != PHASE_RESPONSE ||
            (mcp->answer.len == 0 && !mcp->answer_is_over)) {
            return;
        }
    }
}
