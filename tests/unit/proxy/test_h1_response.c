/* Responses: status lines, framing as RFC 9112 6.3 has it, and upstreams that cannot be followed.
 */
#include "core/buf.h"
#include "h1_cases.h"

#define FIELD(field) TEXT("HTTP/1.1 200 OK\r\nServer: x\r\n" field "\r\nLast: 1\r\n\r\n")

static void reads_everything_a_response_says(void **state) {
    (void)state;
    struct reading reading;
    read_response(&reading,
                  SLICE("HTTP/1.1 404 Not  Found\xff\r\n"
                        "Server: x\r\nX_Under.score!: 1\r\nContent-Length: 5\r\n"
                        "Set-Cookie: a\r\nset-cookie: b\r\n\r\nhello"),
                  false);
    assert_int_equal(reading.outcome, H1_COMPLETE);
    assert_int_equal(reading.arrival.head_len, reading.arrival.len - 5);
    assert_int_equal(reading.response.status, 404);
    assert_slice(reading.response.phrase, "Not  Found\xff");
    assert_int_equal(reading.response.minor_version, 1);
    assert_int_equal(reading.response.header_count, 5);
    assert_slice(reading.response.headers[1].name, "X_Under.score!");
    assert_int_equal(reading.response.headers[0].id, HEADER_SERVER);
    assert_int_equal(reading.response.body, BODY_LENGTH);
    assert_int_equal(reading.response.content_length, 5);
    assert_true(reading.response.has_content_length);
    assert_false(reading.response.wants_close);
    arrival_done(&reading.arrival);
}

static void accepts_what_status_lines_look_like(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        int status; /* 0 when refused */
    } cases[] = {
        {TEXT("HTTP/1.1 200 OK\r\n\r\n"), 200},
        {TEXT("HTTP/1.0 599 x\r\n\r\n"), 599},
        {TEXT("HTTP/1.1 100 Continue\r\n\r\n"), 100},
        {TEXT("HTTP/1.1 200 \r\n\r\n"), 200},
        {TEXT("HTTP/1.1 200\r\n\r\n"), 200},

        {TEXT("HTTP/1.1 099 x\r\n\r\n"), 0},
        {TEXT("HTTP/1.1 600 x\r\n\r\n"), 0},
        {TEXT("HTTP/1.1 20 x\r\n\r\n"), 0},
        {TEXT("HTTP/1.1 2000 x\r\n\r\n"), 0},
        {TEXT("HTTP/1.1 200OK\r\n\r\n"), 0},
        {TEXT("HTTP/1.1 2x0 OK\r\n\r\n"), 0},
        {TEXT("HTTP/1.1  200 OK\r\n\r\n"), 0},
        {TEXT("HTTP/1.1 -20 OK\r\n\r\n"), 0},
        {TEXT("HTTP/1.2 200 OK\r\n\r\n"), 0},
        {TEXT("HTTP/1.11 200 OK\r\n\r\n"), 0},
        {TEXT("HTTP/1.1\r\n\r\n"), 0},
        {TEXT("HTTP/1.\r\n\r\n"), 0},
        {TEXT("HTTP/1.1\t200 OK\r\n\r\n"), 0},
        {TEXT("HTTP/1.1 200\tOK\r\n\r\n"), 0},
        {TEXT("HTTP/2 200 OK\r\n\r\n"), 0},
        {TEXT("<html>hello</html>\r\n\r\n"), 0},
        {TEXT("HTTP/1.1 200 O\0K\r\n\r\n"), 0},
        {TEXT("HTTP/1.1 200 O\rK\r\n\r\n"), 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;
        read_response(&reading, cases[i].text, false);
        if ((reading.outcome == H1_COMPLETE) != (cases[i].status != 0))
            fail_msg("\"%.*s\": outcome %d", SLICE_ARGS(cases[i].text), reading.outcome);
        if (cases[i].status)
            assert_int_equal(reading.response.status, cases[i].status);
        else
            assert_int_equal(reading.refusal.reason, REASON_UPSTREAM_PROTOCOL);
        arrival_done(&reading.arrival);
    }
}

static void refuses_framing_that_cannot_be_trusted(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        bool is_fine;
    } cases[] = {
        {FIELD("Content-Length: 3"), true},
        {FIELD("Transfer-Encoding: chunked"), true},
        {FIELD("Date: x"), true},

        {FIELD("Content-Length: 3\r\nTransfer-Encoding: chunked"), false},
        {FIELD("Transfer-Encoding: chunked\r\nContent-Length: 3"), false},
        {FIELD("Content-Length: 3\r\nContent-Length: 3"), false},
        {FIELD("Content-Length: 3\r\nContent-Length: 4"), false},
        {FIELD("Content-Length: 3, 3"), false},
        {FIELD("Content-Length: abc"), false},
        {FIELD("Content-Length:"), false},
        {FIELD("Content-Length: -1"), false},
        {FIELD("Content-Length: 9223372036854775808"), false},
        {FIELD("Transfer-Encoding: gzip"), false},
        {FIELD("Transfer-Encoding: gzip, chunked"), false},
        {FIELD("Transfer-Encoding: identity"), false},
        {FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), false},
        {FIELD("Transfer-Encoding:"), false},
        {TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), false},
        {FIELD("A: b\r\n c"), false},
        {FIELD("A : b"), false},
        {FIELD("A: b\0"), false},
        {FIELD("A: b\rc"), false},
        {FIELD("A: b\nC: d"), false},
        {FIELD(": b"), false},
        {FIELD("A"), false},
        {FIELD("Connection: a b"), false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;
        read_response(&reading, cases[i].text, false);
        if ((reading.outcome == H1_COMPLETE) != cases[i].is_fine)
            fail_msg("\"%.*s\": outcome %d", SLICE_ARGS(cases[i].text), reading.outcome);
        if (!cases[i].is_fine) {
            assert_int_equal(reading.refusal.reason, REASON_UPSTREAM_PROTOCOL);
            assert_int_equal(reading.refusal.http_status, 502);
        }
        arrival_done(&reading.arrival);
    }
}

static void knows_how_a_body_ends(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        bool request_is_head;
        enum body_kind body;
        bool has_content_length;
    } cases[] = {
        {TEXT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), false, BODY_LENGTH, true},
        {TEXT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), false, BODY_LENGTH, true},
        {TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), false, BODY_CHUNKED, false},
        {TEXT("HTTP/1.1 200 OK\r\n\r\n"), false, BODY_UNTIL_CLOSE, false},
        {TEXT("HTTP/1.1 205 x\r\nContent-Length: 0\r\n\r\n"), false, BODY_LENGTH, true},
        {TEXT("HTTP/1.1 500 x\r\n\r\n"), false, BODY_UNTIL_CLOSE, false},
        {TEXT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), true, BODY_NONE, true},
        {TEXT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), true, BODY_NONE, false},
        {TEXT("HTTP/1.1 200 OK\r\n\r\n"), true, BODY_NONE, false},
        {TEXT("HTTP/1.1 100 Continue\r\n\r\n"), false, BODY_NONE, false},
        {TEXT("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), false, BODY_NONE, false},
        {TEXT("HTTP/1.1 101 x\r\nContent-Length: 3\r\n\r\n"), false, BODY_NONE, true},
        {TEXT("HTTP/1.1 204 x\r\nContent-Length: 3\r\n\r\n"), false, BODY_NONE, true},
        {TEXT("HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n"), false, BODY_NONE, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;
        read_response(&reading, cases[i].text, cases[i].request_is_head);
        assert_int_equal(reading.outcome, H1_COMPLETE);
        assert_int_equal(reading.response.body, cases[i].body);
        assert_int_equal(reading.response.has_content_length, cases[i].has_content_length);
        arrival_done(&reading.arrival);
    }
}

static void knows_who_wants_to_close(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        bool wants_close;
    } cases[] = {
        {FIELD("A: b"), false},
        {FIELD("Connection: Close"), true},
        {FIELD("Connection: keep-alive, close"), true},
        {TEXT("HTTP/1.0 200 OK\r\n\r\n"), true},
        {TEXT("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n"), false},
        {TEXT("HTTP/1.0 200 OK\r\nConnection: close, keep-alive\r\n\r\n"), true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;
        read_response(&reading, cases[i].text, false);
        assert_int_equal(reading.outcome, H1_COMPLETE);
        assert_int_equal(reading.response.wants_close, cases[i].wants_close);
        arrival_done(&reading.arrival);
    }
}

static void connection_nominates_any_token(void **state) {
    (void)state;
    struct reading reading;
    read_response(&reading,
                  SLICE("HTTP/1.1 200 OK\r\nConnection: x_private, set-cookie, a^b, content-length"
                        "\r\nX_Private: 1\r\nSet-Cookie: 2\r\nA~b: 3\r\nContent-Length: 4\r\n\r\n"),
                  false);
    assert_int_equal(reading.outcome, H1_COMPLETE);
    const struct header *headers = reading.response.headers;
    size_t count = reading.response.header_count;
    assert_true(header_named(headers, count, "X_Private")->is_nominated);
    assert_true(header_named(headers, count, "Set-Cookie")->is_nominated);
    assert_false(header_named(headers, count, "A~b")->is_nominated);
    assert_false(header_named(headers, count, "Content-Length")->is_nominated);
    arrival_done(&reading.arrival);
}

static void refuses_more_headers_than_there_is_room_for(void **state) {
    (void)state;
    for (size_t headers = 99; headers <= 102; headers++) {
        struct buf text;
        struct reading reading;
        buf_init(&text, 2048);
        buf_append_str(&text, "HTTP/1.1 200 OK\r\n");
        for (size_t i = 0; i < headers; i++)
            buf_append_str(&text, "A: b\r\n");
        buf_append_str(&text, "\r\n");
        assert_true(buf_ok(&text));
        read_response(&reading, buf_slice(&text), false);
        buf_done(&text);
        assert_int_equal(reading.outcome, headers <= CASE_HEADERS ? H1_COMPLETE : H1_REFUSED);
        arrival_done(&reading.arrival);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything_a_response_says),
        cmocka_unit_test(accepts_what_status_lines_look_like),
        cmocka_unit_test(refuses_framing_that_cannot_be_trusted),
        cmocka_unit_test(knows_how_a_body_ends),
        cmocka_unit_test(knows_who_wants_to_close),
        cmocka_unit_test(connection_nominates_any_token),
        cmocka_unit_test(refuses_more_headers_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
