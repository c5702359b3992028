/* Bodies between two sockets: every framing on either side, cut in every way, ended in every way.
 */
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

static void transfer_open(struct transfer *transfer) {
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

static void transfer_close(struct transfer *transfer) {
    body_done(&transfer->body);
    wired_close(&transfer->source, transfer->loop);
    wired_close(&transfer->sink, transfer->loop);
    buf_done(&transfer->received);
    io_pool_free(transfer->pool);
    loop_free(transfer->loop);
}

/* Turns, pumps and flushes as an exchange does, as long as something goes on by itself. */
static void transfer_pump(struct transfer *transfer) {
    do {
        loop_run_once(transfer->loop, 0);
        transfer->result = body_pump(&transfer->body, &transfer->source.conn, &transfer->sink.conn);
        conn_flush(&transfer->sink.conn);
    } while (transfer->result == BODY_PUMP_AGAIN);
}

static bool transfer_goes_on(const struct transfer *transfer) {
    return transfer->result == BODY_PUMP_WAIT_SOURCE || transfer->result == BODY_PUMP_WAIT_SINK;
}

static void transfer_feed(struct transfer *transfer, struct slice text, size_t piece_bytes) {
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
static bool received_body(const struct transfer *transfer, struct buf *out) {
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

struct body_case {
    enum body_kind kind;
    uint64_t length;
    bool writes_chunked;
    uint64_t limit;
    const char *text;
    bool source_ends;
    enum body_pump_result result;
    const char *body;   /* what the sink has got of it by then */
    const char *left;   /* what stays in the source's buffer, when all is well */
    const char *secret; /* what is masked; NULL: nothing */
};

static void run_case(const struct body_case *expected, size_t piece_bytes) {
    struct transfer transfer;
    transfer_open(&transfer);
    body_init(&transfer.body, expected->kind, expected->length, expected->writes_chunked,
              expected->limit);
    struct leak_set *leaks = NULL;
    struct leak_scan scan;
    if (expected->secret) {
        const struct leak_source source = {slice_of_str(expected->secret), LEAK_VALUE};
        assert_true(leak_set_new(&source, 1, &leaks));
        leak_scan_init(&scan, leaks);
        transfer.body.scan = &scan;
    }
    transfer_feed(&transfer, slice_of_str(expected->text), piece_bytes);
    if (expected->source_ends && transfer_goes_on(&transfer)) {
        peer_finish(&transfer.source);
        transfer_pump(&transfer);
    }
    peer_receive(&transfer.sink, &transfer.received);
    struct buf body;
    buf_init(&body, RECEIVED_MAX);
    bool is_complete = received_body(&transfer, &body);
    bool is_as_expected = transfer.result == expected->result &&
                          slice_eq_str(buf_slice(&body), expected->body) &&
                          transfer.body.moved == body.len;
    if (expected->result == BODY_PUMP_DONE)
        is_as_expected &= is_complete && transfer.body.is_read && transfer.body.is_written;
    else
        is_as_expected &= !transfer.body.is_written;
    if (!is_as_expected)
        fail_msg("\"%s\" in pieces of %zu: result %d, body \"%.*s\", complete %d", expected->text,
                 piece_bytes, transfer.result, SLICE_ARGS(buf_slice(&body)), is_complete);
    if (expected->left && piece_bytes >= strlen(expected->text))
        assert_slice(io_buffer_data(&transfer.source.conn.in), expected->left);
    leak_set_unref(leaks);
    buf_done(&body);
    transfer_close(&transfer);
}

static void run_cases(const struct body_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t whole = strlen(cases[i].text);
        for (size_t piece = 1; piece < whole; piece = piece * 2 + 1)
            run_case(&cases[i], piece);
        run_case(&cases[i], whole ? whole : 1);
    }
}

static void moves_bodies_of_every_framing(void **state) {
    (void)state;
    static const struct body_case cases[] = {
        {BODY_LENGTH, 5, false, UINT64_MAX, "hello", false, BODY_PUMP_DONE, "hello", "", NULL},
        {BODY_LENGTH, 5, true, UINT64_MAX, "hello", false, BODY_PUMP_DONE, "hello", "", NULL},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n", false,
         BODY_PUMP_DONE, "abcde", "", NULL},
        {BODY_CHUNKED, 0, false, UINT64_MAX, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", false,
         BODY_PUMP_DONE, "abcde", "", NULL},
        {BODY_UNTIL_CLOSE, 0, false, UINT64_MAX, "till the end", true, BODY_PUMP_DONE,
         "till the end", "", NULL},
        {BODY_UNTIL_CLOSE, 0, true, UINT64_MAX, "till the end", true, BODY_PUMP_DONE,
         "till the end", "", NULL},
    };
    run_cases(cases, COUNT(cases));
}

static void moves_empty_bodies(void **state) {
    (void)state;
    static const struct body_case cases[] = {
        {BODY_NONE, 0, false, 0, "", false, BODY_PUMP_DONE, "", "", NULL},
        {BODY_LENGTH, 0, false, 0, "", false, BODY_PUMP_DONE, "", "", NULL},
        {BODY_LENGTH, 0, true, 0, "", false, BODY_PUMP_DONE, "", "", NULL},
        {BODY_CHUNKED, 0, true, 0, "0\r\n\r\n", false, BODY_PUMP_DONE, "", "", NULL},
        {BODY_CHUNKED, 0, false, 0, "0\r\n\r\n", false, BODY_PUMP_DONE, "", "", NULL},
        {BODY_UNTIL_CLOSE, 0, false, 0, "", true, BODY_PUMP_DONE, "", "", NULL},
        {BODY_UNTIL_CLOSE, 0, true, 0, "", true, BODY_PUMP_DONE, "", "", NULL},
    };
    run_cases(cases, COUNT(cases));
}

static void leaves_the_next_message_alone(void **state) {
    (void)state;
    static const struct body_case cases[] = {
        {BODY_LENGTH, 3, false, UINT64_MAX, "abcGET / HTTP/1.1\r\n", false, BODY_PUMP_DONE, "abc",
         "GET / HTTP/1.1\r\n", NULL},
        {BODY_LENGTH, 3, true, UINT64_MAX, "abc3\r\n", false, BODY_PUMP_DONE, "abc", "3\r\n", NULL},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "3\r\nabc\r\n0\r\n\r\nGET", false, BODY_PUMP_DONE,
         "abc", "GET", NULL},
        {BODY_CHUNKED, 0, false, UINT64_MAX, "0\r\n\r\n0\r\n\r\n", false, BODY_PUMP_DONE, "",
         "0\r\n\r\n", NULL},
    };
    run_cases(cases, COUNT(cases));
}

#define SECRET "open-sesame"
#define MASKED "***********"

static void masks_secrets_across_every_border(void **state) {
    (void)state;
    static const struct body_case cases[] = {
        {BODY_LENGTH, 15, false, UINT64_MAX, "a " SECRET " bGET", false, BODY_PUMP_DONE,
         "a " MASKED " b", "GET", SECRET},
        {BODY_LENGTH, 11, true, UINT64_MAX, SECRET, false, BODY_PUMP_DONE, MASKED, "", SECRET},
        {BODY_LENGTH, 22, false, UINT64_MAX, SECRET SECRET, false, BODY_PUMP_DONE, MASKED MASKED,
         "", SECRET},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "4\r\nopen\r\n7;x=y\r\n-sesame\r\n0\r\n\r\nGET", false,
         BODY_PUMP_DONE, MASKED, "GET", SECRET},
        {BODY_CHUNKED, 0, false, UINT64_MAX,
         "1\r\no\r\n1\r\np\r\n1\r\ne\r\n8\r\nn-sesame\r\n1\r\n!\r\n0\r\n\r\n", false,
         BODY_PUMP_DONE, MASKED "!", "", SECRET},
        {BODY_UNTIL_CLOSE, 0, true, UINT64_MAX, "a" SECRET, true, BODY_PUMP_DONE, "a" MASKED, "",
         SECRET},
        /* only begun: it comes out in the end */
        {BODY_LENGTH, 6, false, UINT64_MAX, "a open", false, BODY_PUMP_DONE, "a open", "", SECRET},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "6\r\nopen-s\r\n0\r\n\r\n", false, BODY_PUMP_DONE,
         "open-s", "", SECRET},
        {BODY_UNTIL_CLOSE, 0, false, UINT64_MAX, "open-sesam", true, BODY_PUMP_DONE, "open-sesam",
         "", SECRET},
    };
    run_cases(cases, COUNT(cases));
}

#define TEN "**********"
#define LENGTH_AS_LETTER "\x82open-sesame." TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void masks_secrets_within_each_frame(void **state) {
    (void)state;
    static const struct body_case cases[] = {
        {BODY_WEBSOCKET, 0, false, UINT64_MAX,
         "\x81\x0e"
         "a " SECRET "b\x89\x01?",
         false, BODY_PUMP_WAIT_SOURCE,
         "\x81\x0e"
         "a " MASKED "b\x89\x01?",
         "", SECRET},
        {BODY_WEBSOCKET, 0, false, UINT64_MAX, "\x81\x0b" SECRET "\x81\x0b" SECRET, true,
         BODY_PUMP_DONE, "\x81\x0b" MASKED "\x81\x0b" MASKED, "", SECRET},
        /* a whole frame waits for nothing, one that is not keeps back what it has to */
        {BODY_WEBSOCKET, 0, false, UINT64_MAX, "\x81\x04open", false, BODY_PUMP_WAIT_SOURCE,
         "\x81\x04open", "", SECRET},
        {BODY_WEBSOCKET, 0, false, UINT64_MAX, "\x81\x0bopen", false, BODY_PUMP_WAIT_SOURCE,
         "\x81\x0b", "open", SECRET},
        {BODY_WEBSOCKET, 0, false, UINT64_MAX, "\x81\x0bopen", true, BODY_PUMP_DONE, "\x81\x0bopen",
         "", SECRET},
        /* the header is no text (its length is an o), and no secret goes on behind one */
        {BODY_WEBSOCKET, 0, false, UINT64_MAX, LENGTH_AS_LETTER, false, BODY_PUMP_WAIT_SOURCE,
         LENGTH_AS_LETTER, "", SECRET},
        {BODY_WEBSOCKET, 0, false, UINT64_MAX, "\x01\x04open\x80\x07-sesame", false,
         BODY_PUMP_WAIT_SOURCE, "\x01\x04open\x80\x07-sesame", "", SECRET},
        {BODY_WEBSOCKET, 0, false, UINT64_MAX, "\xc1\x01x", false, BODY_PUMP_MALFORMED, "", NULL,
         SECRET},
    };
    run_cases(cases, COUNT(cases));
}

static void keeps_back_only_what_may_become_a_secret(void **state) {
    (void)state;
    static const struct body_case cases[] = {
        {BODY_UNTIL_CLOSE, 0, true, UINT64_MAX, "an event\n\n", false, BODY_PUMP_WAIT_SOURCE,
         "an event\n\n", "", SECRET},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "7\r\nan open\r\n", false, BODY_PUMP_WAIT_SOURCE, "an ",
         NULL, SECRET},
    };
    run_cases(cases, COUNT(cases));
}

static void waits_for_the_rest(void **state) {
    (void)state;
    static const struct body_case cases[] = {
        {BODY_LENGTH, 6, false, UINT64_MAX, "hello", false, BODY_PUMP_WAIT_SOURCE, "hello", "",
         NULL},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "3\r\nabc\r\n0\r\n", false, BODY_PUMP_WAIT_SOURCE,
         "abc", "", NULL},
        {BODY_CHUNKED, 0, false, UINT64_MAX, "5\r\nabc", false, BODY_PUMP_WAIT_SOURCE, "abc", "",
         NULL},
        {BODY_UNTIL_CLOSE, 0, true, UINT64_MAX, "abc", false, BODY_PUMP_WAIT_SOURCE, "abc", "",
         NULL},
    };
    run_cases(cases, COUNT(cases));
}

static void takes_a_truncated_body_for_no_body(void **state) {
    (void)state;
    static const struct body_case cases[] = {
        {BODY_LENGTH, 5, false, UINT64_MAX, "hello", true, BODY_PUMP_DONE, "hello", NULL, NULL},
        {BODY_LENGTH, 6, false, UINT64_MAX, "hello", true, BODY_PUMP_SOURCE_ENDED, "hello", NULL,
         NULL},
        {BODY_LENGTH, 6, true, UINT64_MAX, "hello", true, BODY_PUMP_SOURCE_ENDED, "hello", NULL,
         NULL},
        {BODY_LENGTH, 1, false, UINT64_MAX, "", true, BODY_PUMP_SOURCE_ENDED, "", NULL, NULL},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "", true, BODY_PUMP_SOURCE_ENDED, "", NULL, NULL},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "5\r\nabc", true, BODY_PUMP_SOURCE_ENDED, "abc", NULL,
         NULL},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "3\r\nabc\r\n", true, BODY_PUMP_SOURCE_ENDED, "abc",
         NULL, NULL},
        {BODY_CHUNKED, 0, false, UINT64_MAX, "3\r\nabc\r\n0\r\n", true, BODY_PUMP_SOURCE_ENDED,
         "abc", NULL, NULL},
    };
    run_cases(cases, COUNT(cases));
}

static void stops_at_broken_framing(void **state) {
    (void)state;
    static const struct body_case cases[] = {
        {BODY_CHUNKED, 0, true, UINT64_MAX, "3\r\nabc\r\n0\r\n\r\n", false, BODY_PUMP_DONE, "abc",
         NULL, NULL},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "x\r\nabc\r\n", false, BODY_PUMP_MALFORMED, "", NULL,
         NULL},
        {BODY_CHUNKED, 0, false, UINT64_MAX, "3\r\nabcd\r\n", false, BODY_PUMP_MALFORMED, "abc",
         NULL, NULL},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "3\r\nabc\r\n-1\r\n", false, BODY_PUMP_MALFORMED, "abc",
         NULL, NULL},
        {BODY_CHUNKED, 0, true, UINT64_MAX, "3\nabc", false, BODY_PUMP_MALFORMED, "", NULL, NULL},
    };
    run_cases(cases, COUNT(cases));
}

/* The result, and that the sink never sees more than the limit. */
static void assert_limit(struct body_case limited, enum body_pump_result result) {
    for (size_t piece = 1; piece <= strlen(limited.text); piece++) {
        struct transfer transfer;
        transfer_open(&transfer);
        body_init(&transfer.body, limited.kind, limited.length, limited.writes_chunked,
                  limited.limit);
        transfer_feed(&transfer, slice_of_str(limited.text), piece);
        if (limited.source_ends && transfer_goes_on(&transfer)) {
            peer_finish(&transfer.source);
            transfer_pump(&transfer);
        }
        assert_int_equal(transfer.result, result);
        assert_true(transfer.body.moved <= limited.limit);
        transfer_close(&transfer);
    }
}

static void moves_no_more_than_the_limit(void **state) {
    (void)state;
    static const struct body_case bodies[] = {
        {.kind = BODY_LENGTH, .length = 10, .text = "0123456789"},
        {.kind = BODY_LENGTH, .length = 10, .writes_chunked = true, .text = "0123456789"},
        {.kind = BODY_CHUNKED, .text = "a\r\n0123456789\r\n0\r\n\r\n"},
        {.kind = BODY_CHUNKED,
         .writes_chunked = true,
         .text = "4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n"},
        {.kind = BODY_UNTIL_CLOSE, .text = "0123456789", .source_ends = true},
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct body_case limited = bodies[i];
        limited.limit = 11;
        assert_limit(limited, BODY_PUMP_DONE);
        limited.limit = 10;
        assert_limit(limited, BODY_PUMP_DONE);
        limited.limit = 9;
        assert_limit(limited, BODY_PUMP_TOO_LARGE);
        limited.limit = 0;
        assert_limit(limited, BODY_PUMP_TOO_LARGE);
    }
}

static void takes_a_reset_for_no_end(void **state) {
    (void)state;
    for (int resets = 0; resets <= 1; resets++) {
        struct transfer transfer;
        transfer_open(&transfer);
        body_init(&transfer.body, BODY_UNTIL_CLOSE, 0, true, UINT64_MAX);
        transfer_feed(&transfer, SLICE("some"), 4);
        size_t sent = 0;
        if (resets) /* unread bytes make the peer's close a reset */
            assert_int_equal(conn_send_direct(&transfer.source.conn, SLICE("x"), &sent), IO_OK);
        peer_close(&transfer.source);
        transfer_pump(&transfer);
        assert_int_equal(transfer.result, resets ? BODY_PUMP_SOURCE_ENDED : BODY_PUMP_DONE);
        assert_int_equal(transfer.body.is_written, !resets);
        transfer_close(&transfer);
    }
}

static void notices_a_sink_that_is_gone(void **state) {
    (void)state;
    for (int chunked = 0; chunked <= 1; chunked++) {
        struct transfer transfer;
        transfer_open(&transfer);
        body_init(&transfer.body, BODY_LENGTH, 10, chunked, UINT64_MAX);
        transfer_feed(&transfer, SLICE("01234"), 5);
        assert_int_equal(transfer.result, BODY_PUMP_WAIT_SOURCE);
        peer_close(&transfer.sink);
        transfer_feed(&transfer, SLICE("56789"), 5);
        assert_int_equal(transfer.result, BODY_PUMP_SINK_BROKEN);
        transfer_close(&transfer);
    }
}

/* Before the event says that the sink is gone, the failing call does. */
static void notices_a_sink_that_fails(void **state) {
    (void)state;
    for (int chunked = 0; chunked <= 1; chunked++) {
        struct transfer transfer;
        transfer_open(&transfer);
        body_init(&transfer.body, BODY_LENGTH, 100000, chunked, UINT64_MAX);
        char bytes[8 * BLOCK_BYTES] = {0};
        peer_send(&transfer.source, slice_of(bytes, sizeof bytes));
        loop_run_once(transfer.loop, 0);
        peer_close(&transfer.sink);
        enum body_pump_result result;
        do
            result = body_pump(&transfer.body, &transfer.source.conn, &transfer.sink.conn);
        while (result == BODY_PUMP_AGAIN);
        assert_int_equal(result, BODY_PUMP_SINK_BROKEN);
        transfer_close(&transfer);
    }
}

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

static int open_secret_memory(void **state) {
    (void)state;
    bool is_locked;
    return secret_memory_init(1 << 20, &is_locked, NULL) == STATUS_OK ? 0 : -1;
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
        cmocka_unit_test(moves_bodies_of_every_framing),
        cmocka_unit_test(moves_empty_bodies),
        cmocka_unit_test(leaves_the_next_message_alone),
        cmocka_unit_test(masks_secrets_across_every_border),
        cmocka_unit_test(masks_secrets_within_each_frame),
        cmocka_unit_test(keeps_back_only_what_may_become_a_secret),
        cmocka_unit_test(waits_for_the_rest),
        cmocka_unit_test(takes_a_truncated_body_for_no_body),
        cmocka_unit_test(stops_at_broken_framing),
        cmocka_unit_test(moves_no_more_than_the_limit),
        cmocka_unit_test(takes_a_reset_for_no_end),
        cmocka_unit_test(notices_a_sink_that_is_gone),
        cmocka_unit_test(notices_a_sink_that_fails),
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
