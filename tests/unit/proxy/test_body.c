/* Bodies between two sockets: every framing on either side, cut in every way, ended in every way.
 */
#include "transfer_case.h"

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
    };
    return cmocka_run_group_tests(tests, open_secret_memory, NULL);
}
