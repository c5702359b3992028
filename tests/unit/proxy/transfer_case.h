/* A body between two sockets, with the test at the far end of both. */
#ifndef BARKEEP_TESTS_UNIT_PROXY_TRANSFER_CASE_H
#define BARKEEP_TESTS_UNIT_PROXY_TRANSFER_CASE_H

#include "wired_conn.h"

#include "core/secret.h"
#include "proxy/body.h"

enum { BLOCK_BYTES = 2048, MAX_BLOCKS = 4 };
#define RECEIVED_MAX (16u * 1024 * 1024)

struct transfer {
    struct loop *loop;
    struct io_pool *pool;
    struct wired source;
    struct wired sink;
    struct body body;
    struct buf received;
    enum body_pump_result result;
};

static inline void transfer_open(struct transfer *transfer) {
    struct error err;
    transfer->loop = loop_new(&err);
    transfer->pool = io_pool_new(BLOCK_BYTES, MAX_BLOCKS);
    assert_non_null(transfer->loop);
    assert_non_null(transfer->pool);
    wired_open(&transfer->source, transfer->loop, transfer->pool);
    wired_open(&transfer->sink, transfer->loop, transfer->pool);
    buf_init(&transfer->received, RECEIVED_MAX);
    transfer->result = BODY_PUMP_WAIT_SOURCE;
    loop_run_once(transfer->loop, 0);
}

static inline void transfer_close(struct transfer *transfer) {
    body_done(&transfer->body);
    wired_close(&transfer->source, transfer->loop);
    wired_close(&transfer->sink, transfer->loop);
    buf_done(&transfer->received);
    io_pool_free(transfer->pool);
    loop_free(transfer->loop);
}

/* Turns, pumps and flushes as an exchange does, as long as something goes on by itself. */
static inline void transfer_pump(struct transfer *transfer) {
    do {
        loop_run_once(transfer->loop, 0);
        transfer->result = body_pump(&transfer->body, &transfer->source.conn, &transfer->sink.conn);
        conn_flush(&transfer->sink.conn);
    } while (transfer->result == BODY_PUMP_AGAIN);
}

static inline bool transfer_goes_on(const struct transfer *transfer) {
    return transfer->result == BODY_PUMP_WAIT_SOURCE || transfer->result == BODY_PUMP_WAIT_SINK;
}

static inline void transfer_feed(struct transfer *transfer, struct slice text, size_t piece_bytes) {
    transfer_pump(transfer);
    while (text.len > 0 && transfer_goes_on(transfer)) {
        size_t take = piece_bytes < text.len ? piece_bytes : text.len;
        peer_send(&transfer->source, slice_of(text.ptr, take));
        text = slice_skip(text, take);
        transfer_pump(transfer);
        peer_receive(&transfer->sink, &transfer->received);
    }
}

/* The body bytes of what the sink got, framing undone; false when the framing is not complete. */
static inline bool received_body(const struct transfer *transfer, struct buf *out) {
    struct slice rest = buf_slice(&transfer->received);
    if (!transfer->body.writes_chunked) {
        buf_append_slice(out, rest);
        return true;
    }
    struct chunked_reader reader;
    chunked_reader_init(&reader);
    while (rest.len > 0) {
        size_t taken;
        struct slice bytes;
        enum chunked_outcome outcome = chunked_reader_next(&reader, rest, &taken, &bytes);
        assert_int_not_equal(outcome, CHUNKED_MALFORMED);
        buf_append_slice(out, bytes);
        rest = slice_skip(rest, taken);
        if (outcome == CHUNKED_END)
            return rest.len == 0;
    }
    return false;
}

static inline int open_secret_memory(void **state) {
    (void)state;
    bool is_locked;
    return secret_memory_init(1 << 20, &is_locked, NULL) == STATUS_OK ? 0 : -1;
}

#endif
