/* How bodies flow: no faster than the sink takes them, through a pipe when they are long, and with
 * no block held while they wait. */
#include "transfer_case.h"

static void lets_a_small_body_leave_with_its_head(void **state) {
    (void)state;
    for (int chunked = 0; chunked <= 1; chunked++) {
        struct transfer transfer;
        transfer_open(&transfer);
        struct conn *sink = &transfer.sink.conn;
        assert_true(io_buffer_open(&sink->out, transfer.pool));
        assert_true(io_buffer_append(&sink->out, transfer.pool, SLICE("HEAD")));
        body_init(&transfer.body, BODY_LENGTH, 3, chunked, UINT64_MAX);
        peer_send(&transfer.source, SLICE("abc"));
        loop_run_once(transfer.loop, 0);
        assert_int_equal(body_pump(&transfer.body, &transfer.source.conn, sink), BODY_PUMP_DONE);
        assert_int_equal(peer_receive(&transfer.sink, &transfer.received), 0);
        assert_slice(io_buffer_data(&sink->out), chunked ? "HEAD3\r\nabc\r\n0\r\n\r\n" : "HEADabc");
        transfer_close(&transfer);
    }
}

/* A head that leaves three bytes of the block: everything goes out at once, and no edge follows. */
static void comes_back_for_a_terminator_that_found_no_room(void **state) {
    (void)state;
    static const char head[BLOCK_BYTES - 3];
    struct transfer transfer;
    transfer_open(&transfer);
    struct conn *sink = &transfer.sink.conn;
    assert_true(io_buffer_open(&sink->out, transfer.pool));
    assert_true(io_buffer_append(&sink->out, transfer.pool, slice_of(head, sizeof head)));
    body_init(&transfer.body, BODY_CHUNKED, 0, true, UINT64_MAX);
    peer_send(&transfer.source, SLICE("0\r\n\r\n"));
    loop_run_once(transfer.loop, 0);
    assert_int_equal(body_pump(&transfer.body, &transfer.source.conn, sink), BODY_PUMP_AGAIN);
    assert_int_equal(body_pump(&transfer.body, &transfer.source.conn, sink), BODY_PUMP_DONE);
    transfer_close(&transfer);
}

static void does_not_starve_the_others(void **state) {
    (void)state;
    struct transfer transfer;
    transfer_open(&transfer);
    char bytes[32 * BLOCK_BYTES];
    memset(bytes, 'x', sizeof bytes);
    peer_send(&transfer.source, slice_of(bytes, sizeof bytes));
    body_init(&transfer.body, BODY_LENGTH, sizeof bytes, false, UINT64_MAX);
    loop_run_once(transfer.loop, 0);
    assert_int_equal(body_pump(&transfer.body, &transfer.source.conn, &transfer.sink.conn),
                     BODY_PUMP_AGAIN);
    assert_true(transfer.body.moved < sizeof bytes);
    transfer_pump(&transfer);
    assert_int_equal(transfer.result, BODY_PUMP_DONE);
    transfer_close(&transfer);
}

static char pattern(size_t at) {
    return (char)('a' + (at * 7 + at / 251) % 26);
}

/* The source's text: `len` bytes of the pattern in the framing of `kind`. */
static void write_source_text(struct buf *out, enum body_kind kind, size_t len) {
    enum { CHUNK = 1000 };
    for (size_t at = 0; at < len; at++) {
        size_t left = len - at < CHUNK ? len - at : CHUNK;
        if (kind == BODY_CHUNKED && at % CHUNK == 0)
            buf_printf(out, "%s%zx\r\n", at ? "\r\n" : "", left);
        buf_append_char(out, pattern(at));
    }
    if (kind == BODY_CHUNKED)
        buf_append_str(out, "\r\n0\r\n\r\n");
    assert_true(buf_ok(out));
}

static void peer_send_some(const struct wired *wired, struct slice *in_out_text) {
    ssize_t sent =
        in_out_text->len ? send(wired->peer, in_out_text->ptr, in_out_text->len, MSG_NOSIGNAL) : 0;
    if (sent > 0)
        *in_out_text = slice_skip(*in_out_text, (size_t)sent);
}

static void assert_received_pattern(const struct transfer *transfer, size_t len) {
    struct buf body;
    buf_init(&body, RECEIVED_MAX);
    assert_true(received_body(transfer, &body));
    assert_int_equal(body.len, len);
    for (size_t at = 0; at < len; at++) {
        if (body.ptr[at] != pattern(at))
            fail_msg("byte %zu is wrong", at);
    }
    buf_done(&body);
}

/* Feeds until the sink's silence has come through to the source, then reads until all is there. */
static void assert_back_pressure(enum body_kind kind, bool writes_chunked) {
    enum { LEN = 4 * 1024 * 1024 };
    struct transfer transfer;
    transfer_open(&transfer);
    struct buf text;
    buf_init(&text, RECEIVED_MAX);
    write_source_text(&text, kind, LEN);
    struct slice rest = buf_slice(&text);
    body_init(&transfer.body, kind, LEN, writes_chunked, UINT64_MAX);
    do {
        peer_send_some(&transfer.source, &rest);
        transfer_pump(&transfer);
    } while (transfer.result == BODY_PUMP_WAIT_SOURCE && rest.len > 0);
    assert_int_equal(transfer.result, BODY_PUMP_WAIT_SINK);
    assert_false(transfer.sink.conn.can_write);
    assert_true(transfer.body.moved < LEN);
    assert_int_equal(transfer.body.pipe != NULL, kind == BODY_LENGTH && !writes_chunked);
    uint64_t moved = transfer.body.moved;
    transfer_pump(&transfer);
    assert_int_equal(transfer.result, BODY_PUMP_WAIT_SINK);
    assert_int_equal(transfer.body.moved, moved);

    uint64_t limit_ms = clock_monotonic_ms() + WIRED_LIMIT_MS;
    while (transfer_goes_on(&transfer) || !io_buffer_is_empty(&transfer.sink.conn.out)) {
        assert_true(clock_monotonic_ms() < limit_ms);
        peer_receive(&transfer.sink, &transfer.received);
        peer_send_some(&transfer.source, &rest);
        if (kind == BODY_UNTIL_CLOSE && rest.len == 0)
            peer_finish(&transfer.source);
        transfer_pump(&transfer);
    }
    assert_int_equal(transfer.result, BODY_PUMP_DONE);
    peer_receive(&transfer.sink, &transfer.received);
    assert_received_pattern(&transfer, LEN);
    buf_done(&text);
    transfer_close(&transfer);
}

static void stops_with_a_sink_that_stops_and_goes_on_with_it(void **state) {
    (void)state;
    assert_back_pressure(BODY_LENGTH, false);
    assert_back_pressure(BODY_LENGTH, true);
    assert_back_pressure(BODY_CHUNKED, false);
    assert_back_pressure(BODY_CHUNKED, true);
    assert_back_pressure(BODY_UNTIL_CLOSE, false);
    assert_back_pressure(BODY_UNTIL_CLOSE, true);
}

/* Long enough to be spliced. */
enum { LONG_LEN = 1024 * 1024 };

static void transfer_open_long(struct transfer *transfer, struct buf *out_text) {
    int fds[2];
    transfer_open(transfer);
    wired_close(&transfer->source, transfer->loop);
    tcp_pair(fds);
    wired_open_on(&transfer->source, transfer->loop, transfer->pool, fds);
    buf_init(out_text, RECEIVED_MAX);
    write_source_text(out_text, BODY_LENGTH, LONG_LEN);
    body_init(&transfer->body, BODY_LENGTH, LONG_LEN, false, UINT64_MAX);
}

/* Sends and receives until `total` bytes have come through or the transfer has ended. */
static void transfer_move(struct transfer *transfer, struct slice text, size_t total) {
    TURN_UNTIL(transfer->loop, ({
                   peer_send_some(&transfer->source, &text);
                   transfer_pump(transfer);
                   peer_receive(&transfer->sink, &transfer->received);
                   transfer->received.len >= total || !transfer_goes_on(transfer);
               }));
    peer_receive(&transfer->sink, &transfer->received);
}

static void needs_no_pipe_where_none_is_free(void **state) {
    (void)state;
    for (int taken = 0; taken <= PIPES_PER_WORKER; taken += PIPES_PER_WORKER) {
        struct transfer transfer;
        struct buf text;
        struct pipe *pipes[PIPES_PER_WORKER];
        transfer_open_long(&transfer, &text);
        struct pipe_shelf *shelf = io_pool_pipes(transfer.pool);
        for (int i = 0; i < taken; i++) {
            pipes[i] = pipe_take(shelf);
            assert_non_null(pipes[i]);
        }
        transfer_move(&transfer, buf_slice(&text), LONG_LEN);
        assert_int_equal(transfer.result, BODY_PUMP_DONE);
        assert_received_pattern(&transfer, LONG_LEN);
        assert_int_equal(shelf->count, taken ? PIPES_PER_WORKER : 1);
        for (int i = 0; i < taken; i++)
            pipe_give_back(pipes[i], true);
        buf_done(&text);
        transfer_close(&transfer);
    }
}

static void takes_a_long_body_that_ends_early_for_no_body(void **state) {
    (void)state;
    struct transfer transfer;
    struct buf text;
    transfer_open_long(&transfer, &text);
    transfer_move(&transfer, slice_of(buf_slice(&text).ptr, LONG_LEN / 2), LONG_LEN / 2);
    assert_int_equal(transfer.result, BODY_PUMP_WAIT_SOURCE);
    peer_finish(&transfer.source);
    TURN_UNTIL(transfer.loop, (transfer_pump(&transfer), !transfer_goes_on(&transfer)));
    assert_int_equal(transfer.result, BODY_PUMP_SOURCE_ENDED);
    assert_received_pattern(&transfer, LONG_LEN / 2);
    buf_done(&text);
    transfer_close(&transfer);
}

static void an_urgent_byte_ends_no_long_body(void **state) {
    (void)state;
    struct transfer transfer;
    struct buf text;
    transfer_open_long(&transfer, &text);
    struct slice rest = buf_slice(&text);
    transfer_move(&transfer, slice_of(rest.ptr, LONG_LEN / 4), LONG_LEN / 4);
    rest = slice_skip(rest, LONG_LEN / 4);
    assert_int_equal(send(transfer.source.peer, rest.ptr, 1, MSG_OOB | MSG_NOSIGNAL), 1);
    transfer_move(&transfer, slice_skip(rest, 1), LONG_LEN);
    assert_int_equal(transfer.result, BODY_PUMP_DONE);
    assert_received_pattern(&transfer, LONG_LEN);
    buf_done(&text);
    transfer_close(&transfer);
}

static void ends_a_pipe_that_it_did_not_empty(void **state) {
    (void)state;
    struct transfer transfer;
    struct buf text;
    transfer_open_long(&transfer, &text);
    struct slice rest = buf_slice(&text);
    TURN_UNTIL(transfer.loop, (peer_send_some(&transfer.source, &rest), transfer_pump(&transfer),
                               transfer.result == BODY_PUMP_WAIT_SINK));
    struct pipe_shelf *shelf = io_pool_pipes(transfer.pool);
    assert_int_equal(shelf->count, 1);
    body_done(&transfer.body);
    assert_int_equal(shelf->count, 0);
    assert_null(shelf->free_pipes);
    buf_done(&text);
    transfer_close(&transfer);
}

static void moves_no_long_body_over_the_limit(void **state) {
    (void)state;
    struct transfer transfer;
    struct buf text;
    transfer_open_long(&transfer, &text);
    transfer.body.limit = LONG_LEN - 1;
    transfer_move(&transfer, buf_slice(&text), LONG_LEN);
    assert_int_equal(transfer.result, BODY_PUMP_TOO_LARGE);
    assert_int_equal(io_pool_pipes(transfer.pool)->count, 0);
    buf_done(&text);
    transfer_close(&transfer);
}

static void gives_its_blocks_back(void **state) {
    (void)state;
    struct transfer transfer;
    transfer_open(&transfer);
    body_init(&transfer.body, BODY_LENGTH, 5, true, UINT64_MAX);
    transfer_feed(&transfer, SLICE("hello"), 5);
    assert_int_equal(transfer.result, BODY_PUMP_DONE);
    assert_null(transfer.source.conn.in.bytes);
    assert_null(transfer.sink.conn.out.bytes);
    transfer_close(&transfer);
}

static void holds_no_block_while_it_waits(void **state) {
    (void)state;
    struct transfer transfer;
    transfer_open(&transfer);
    body_init(&transfer.body, BODY_UNTIL_CLOSE, 0, true, UINT64_MAX);
    transfer_feed(&transfer, SLICE("event"), 5);
    assert_int_equal(transfer.result, BODY_PUMP_WAIT_SOURCE);
    assert_null(transfer.source.conn.in.bytes);
    assert_null(transfer.sink.conn.out.bytes);
    transfer_close(&transfer);
}

static void a_byte_is_progress_only_when_nobody_is_kept_waiting(void **state) {
    (void)state;
    struct body body;
    body_init(&body, BODY_UNTIL_CLOSE, 0, false, UINT64_MAX);
    assert_false(body_has_come_on(&body, false));
    body.moved++;
    assert_false(body_has_come_on(&body, true));
    assert_true(body_has_come_on(&body, false));
    assert_false(body_has_come_on(&body, false));
    for (uint64_t stretch = 64 * 1024; --stretch > 0;) {
        body.moved++;
        assert_false(body_has_come_on(&body, true));
    }
    body.moved++;
    assert_true(body_has_come_on(&body, true));
    assert_false(body_has_come_on(&body, true));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_a_small_body_leave_with_its_head),
        cmocka_unit_test(comes_back_for_a_terminator_that_found_no_room),
        cmocka_unit_test(does_not_starve_the_others),
        cmocka_unit_test(stops_with_a_sink_that_stops_and_goes_on_with_it),
        cmocka_unit_test(needs_no_pipe_where_none_is_free),
        cmocka_unit_test(takes_a_long_body_that_ends_early_for_no_body),
        cmocka_unit_test(an_urgent_byte_ends_no_long_body),
        cmocka_unit_test(ends_a_pipe_that_it_did_not_empty),
        cmocka_unit_test(moves_no_long_body_over_the_limit),
        cmocka_unit_test(gives_its_blocks_back),
        cmocka_unit_test(holds_no_block_while_it_waits),
        cmocka_unit_test(a_byte_is_progress_only_when_nobody_is_kept_waiting),
    };
    return cmocka_run_group_tests(tests, open_secret_memory, NULL);
}
