/* Fields of requests: which lines are fields, and what those that count mean. */
#include "core/buf.h"
#include "h1_request_case.h"

static void refuses_lines_that_are_no_header(void **state) {
    (void)state;
    static const struct request_case cases[] = {
        {FIELD("A: b"), OK},
        {FIELD("A:b"), OK},
        {FIELD("9-: b"), OK},
        {FIELD("A: b: c"), OK},
        {FIELD("A:"), OK},
        {FIELD("A: \t "), OK},
        {FIELD("A: caf\xc3\xa9 \xff"), OK},

        {FIELD(": b"), BAD},
        {FIELD(":"), BAD},
        {FIELD("A"), BAD},
        {FIELD("A b"), BAD},
        {FIELD("A : b"), BAD},
        {FIELD("A\t: b"), BAD},
        {FIELD("A B: c"), BAD},
        {FIELD(" A: b"), BAD},
        {FIELD("\tA: b"), BAD},
        {FIELD("A: b\r\n c"), BAD},
        {FIELD("A: b\r\n\tc"), BAD},
        {FIELD("A: b\r\n "), BAD},
        {FIELD("X-Iden: evil\r\n tity"), BAD},
        {FIELD("Transfer-Enc: chunked\r\n oding"), BAD},
        {FIELD("X_Forwarded_User: admin"), BAD},
        {FIELD("X.Identity.User: admin"), BAD},
        {FIELD("\0\r\nGET /smug HTTP/1.1"), BAD},
        {FIELD("A: b\0c"), BAD},
        {FIELD("A\0: b"), BAD},
        {FIELD("A: b\x7f"), BAD},
        {FIELD("A: b\rc"), BAD},
        {FIELD("A\r: b"), BAD},
        {FIELD("A: b\r\r"), BAD},
        {FIELD("A: b\nC: d"), BAD},
        {FIELD("A: b\v"), BAD},
        {TEXT("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), BAD},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\n x\r\n\r\n"), BAD},
        {TEXT("GET / HTTP/1.1\nHost: a\r\n\r\n"), BAD},
        {TEXT("GET / HTTP/1.1\r\nHost: a\n\r\n"), BAD},
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\n\n"), BAD},
        {TEXT("GET / HTTP/1.1\nHost: a\n\n"), BAD},
        {TEXT("GET / HTTP/1.1\rHost: a\r\r"), BAD},
    };
    ASSERT_REQUESTS(cases);
}

static void refuses_bytes_no_header_has(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char in_name[] = "GET / HTTP/1.1\r\nHost: a\r\nX?Y: z\r\n\r\n";
        char in_value[] = "GET / HTTP/1.1\r\nHost: a\r\nXY: z?z\r\n\r\n";
        *strchr(in_name, '?') = (char)byte;
        *strchr(in_value, '?') = (char)byte;
        bool is_name = byte == '-' || byte == ':' || (byte >= '0' && byte <= '9') ||
                       (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        bool is_text = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        struct reading reading;
        read_request(&reading, slice_of(in_name, sizeof in_name - 1));
        assert_int_equal(reading.outcome, is_name ? H1_COMPLETE : H1_REFUSED);
        arrival_done(&reading.arrival);
        read_request(&reading, slice_of(in_value, sizeof in_value - 1));
        assert_int_equal(reading.outcome, is_text ? H1_COMPLETE : H1_REFUSED);
        arrival_done(&reading.arrival);
    }
}

static void requires_one_valid_host(void **state) {
    (void)state;
    static const struct request_case cases[] = {
        {HOST(" a"), OK},
        {HOST("a.example:65535"), OK},
        {HOST(" [::1]:8443 "), OK},
        {TEXT("GET / HTTP/1.0\r\nHOST: a\r\n\r\n"), OK},

        {TEXT("GET / HTTP/1.1\r\n\r\n"), BAD},
        {TEXT("GET / HTTP/1.0\r\n\r\n"), BAD},
        {TEXT("GET http://a/ HTTP/1.1\r\n\r\n"), BAD},
        {HOST(" a\r\nHost: a"), BAD},
        {HOST(" a\r\nhost: b"), BAD},
        {HOST(""), BAD},
        {HOST(" "), BAD},
        {HOST(" a b"), BAD},
        {HOST(" a/b"), BAD},
        {HOST(" u@a"), BAD},
        {HOST(" a:99999"), BAD},
        {HOST(" a:1:2"), BAD},
        {HOST(" a,b"), BAD},
        {HOST(" [::1"), BAD},
        {HOST(" a\0"), BAD},
    };
    ASSERT_REQUESTS(cases);
}

static void refuses_content_lengths_others_might_misread(void **state) {
    (void)state;
    static const struct request_case cases[] = {
        {FIELD("Content-Length: 3"), OK},
        {FIELD("Content-Length: 3 \t"), OK},
        {FIELD("Content-Length: 9223372036854775807"), OK},

        {FIELD("Content-Length: 3\r\nContent-Length: 3"), BAD},
        {FIELD("Content-Length: 3\r\ncontent-length: 4"), BAD},
        {FIELD("Content-Length: 3,3"), BAD},
        {FIELD("Content-Length: 3, 3"), BAD},
        {FIELD("Content-Length: +3"), BAD},
        {FIELD("Content-Length: -1"), BAD},
        {FIELD("Content-Length: -0"), BAD},
        {FIELD("Content-Length: 0x3"), BAD},
        {FIELD("Content-Length: 1e1"), BAD},
        {FIELD("Content-Length: 3_0"), BAD},
        {FIELD("Content-Length: 3.0"), BAD},
        {FIELD("Content-Length: 3 3"), BAD},
        {FIELD("Content-Length:"), BAD},
        {FIELD("Content-Length: \xef\xbc\x93"), BAD},
        {FIELD("Content-Length: 003"), BAD},
        {FIELD("Content-Length: 010"), BAD},
        {FIELD("Content-Length: 00"), BAD},
        {FIELD("Content-Length: 3;"), BAD},
        {FIELD("Content-Length: 9223372036854775808"), 413, REASON_BODY_TOO_LARGE},
        {FIELD("Content-Length: 18446744073709551615"), 413, REASON_BODY_TOO_LARGE},
        {FIELD("Content-Length: 18446744073709551616"), 413, REASON_BODY_TOO_LARGE},
        {FIELD("Content-Length: 10000000000000000000000000000000000000000"), 413,
         REASON_BODY_TOO_LARGE},
    };
    ASSERT_REQUESTS(cases);
}

static void accepts_one_transfer_coding(void **state) {
    (void)state;
    static const struct request_case cases[] = {
        {FIELD("Transfer-Encoding: chunked"), OK},
        {FIELD("Transfer-Encoding: Chunked"), OK},
        {FIELD("Transfer-Encoding:\tchunked"), OK},

        {FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), BAD},
        {FIELD("Transfer-Encoding: chunked, chunked"), BAD},
        {FIELD("Transfer-Encoding: chunked\r\nContent-Length: 3"), BAD},
        {FIELD("Content-Length: 3\r\nTransfer-Encoding: chunked"), BAD},
        {FIELD("Transfer-Encoding: ,chunked"), BAD},
        {FIELD("Transfer-Encoding: chunked,"), BAD},
        {FIELD("Transfer-Encoding: chunked ;q=1"), BAD},
        {FIELD("Transfer-Encoding: chunked;q=1"), BAD},
        {FIELD("Transfer-Encoding: \"chunked\""), BAD},
        {FIELD("Transfer-Encoding: chunked "), BAD},
        {FIELD("Transfer-Encoding: chunked\t"), BAD},
        {FIELD("Transfer-Encoding: chunked\v"), BAD},
        {FIELD("Transfer-Encoding: chunked\f"), BAD},
        {FIELD("Transfer-Encoding: chunked\0"), BAD},
        {FIELD("Transfer-Encoding: chunked\xa0"), BAD},
        {FIELD("Transfer-Encoding: chunked\r"), BAD},
        {FIELD("Transfer-Encoding: chunked x"), BAD},
        {FIELD("Transfer-Encoding:"), BAD},
        {FIELD("Transfer-Encoding: ,"), BAD},
        {FIELD("Transfer-Encoding : chunked"), BAD},
        {FIELD("Transfer_Encoding: chunked"), BAD},
        {TEXT("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), BAD},
        {TEXT("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"), BAD},
        {FIELD("Transfer-Encoding: xchunked"), 501, REASON_BAD_REQUEST},
        {FIELD("Transfer-Encoding: identity"), 501, REASON_BAD_REQUEST},
        {FIELD("Transfer-Encoding: gzip"), 501, REASON_BAD_REQUEST},
        {FIELD("Transfer-Encoding: gzip, chunked"), 501, REASON_BAD_REQUEST},
        {FIELD("Transfer-Encoding: x"), 501, REASON_BAD_REQUEST},
        {FIELD("Transfer-Encoding: chunked, identity"), 501, REASON_BAD_REQUEST},
    };
    ASSERT_REQUESTS(cases);
}

static void accepts_one_expectation(void **state) {
    (void)state;
    static const struct request_case cases[] = {
        {FIELD("Expect: 100-continue"), OK},
        {FIELD("Expect: 200-ok"), 417, REASON_BAD_REQUEST},
        {FIELD("Expect:"), 417, REASON_BAD_REQUEST},
        {FIELD("Expect: 100-continue, x"), 417, REASON_BAD_REQUEST},
        {FIELD("Expect: 100-continue\r\nExpect: 100-continue"), 417, REASON_BAD_REQUEST},
        {FIELD("Expect: 100-continue\r\n x"), BAD},
        {TEXT("POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), 417,
         REASON_BAD_REQUEST},
    };
    ASSERT_REQUESTS(cases);
}

static void knows_who_wants_to_close(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        bool wants_close;
    } cases[] = {
        {FIELD("Accept: x"), false},
        {FIELD("Connection: keep-alive"), false},
        {FIELD("Connection: close"), true},
        {FIELD("Connection: CLOSE"), true},
        {FIELD("Connection: x, ,close,"), true},
        {FIELD("Connection: x\r\nConnection: close"), true},
        {FIELD("Connection: closed"), false},
        {FIELD("Connection:"), false},
        {TEXT("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), true},
        {TEXT("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"), true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;
        read_request(&reading, cases[i].text);
        assert_int_equal(reading.outcome, H1_COMPLETE);
        assert_int_equal(reading.request.wants_close, cases[i].wants_close);
        arrival_done(&reading.arrival);
    }
}

static void connection_removes_what_it_may(void **state) {
    (void)state;
    struct reading reading;
    read_request(&reading,
                 SLICE("GET / HTTP/1.1\r\n"
                       "Connection: close, X-Foo, host,content-length\r\n"
                       "Host: a\r\nContent-Length: 0\r\nx-foo: 1\r\nX-Foo-Bar: 2\r\nX-Bar: 3\r\n"
                       "Authorization: 4\r\nCookie: 5\r\nX-Forwarded-For: 6\r\nX-Request-Id: 7\r\n"
                       "X-Real-IP: 8\r\nX-MS-Client-Principal-Id: 9\r\nClose: 10\r\n"
                       "connection: x-bar, authorization, COOKIE, x-forwarded-for, X-Request-Id, "
                       "X-Real-Ip, X-Ms-Client-Principal-ID, Connection\r\n\r\n"));
    assert_int_equal(reading.outcome, H1_COMPLETE);
    for (size_t i = 0; i < reading.request.header_count; i++) {
        const struct header *header = &reading.request.headers[i];
        bool expected = slice_eq_str(header->name, "x-foo") || slice_eq_str(header->name, "X-Bar");
        if (header->is_nominated != expected)
            fail_msg("%.*s: is_nominated is %d", SLICE_ARGS(header->name), header->is_nominated);
    }
    arrival_done(&reading.arrival);
}

static void bounds_and_checks_connection_tokens(void **state) {
    (void)state;
    static const struct request_case cases[] = {
        {FIELD("Connection: close, close"), OK}, {FIELD("Connection : close"), BAD},
        {FIELD("Connection: a b"), BAD},         {FIELD("Connection: \"close\""), BAD},
        {FIELD("Connection: x=y"), BAD},         {FIELD("Connection: caf\xc3\xa9"), BAD},
    };
    ASSERT_REQUESTS(cases);
    for (int tokens = 99; tokens <= 102; tokens++) {
        struct buf text;
        struct reading reading;
        buf_init(&text, 1024);
        buf_append_str(&text, "GET / HTTP/1.1\r\nHost: a\r\nConnection: t\r\nConnection: t");
        for (int i = 2; i < tokens; i++)
            buf_append_str(&text, ", t");
        buf_append_str(&text, "\r\n\r\n");
        assert_true(buf_ok(&text));
        read_request(&reading, buf_slice(&text));
        buf_done(&text);
        assert_int_equal(reading.outcome, tokens <= 100 ? H1_COMPLETE : H1_REFUSED);
        arrival_done(&reading.arrival);
    }
}

static void reports_upgrades(void **state) {
    (void)state;
    static const struct slice cases[] = {
        FIELD("Upgrade: websocket\r\nConnection: Upgrade"),
        FIELD("HTTP2-Settings: AAMAAABk"),
        FIELD("upgrade: h2c"),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;
        read_request(&reading, cases[i]);
        assert_int_equal(reading.outcome, H1_COMPLETE);
        assert_true(reading.request.has_upgrade);
        arrival_done(&reading.arrival);
    }
}

static void gives_the_authorization_only_when_there_is_one(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        size_t count;
        const char *value;
    } cases[] = {
        {FIELD("Accept: x"), 0, ""},
        {FIELD("authorization: Bearer a"), 1, "Bearer a"},
        {FIELD("Authorization: a\r\nAuthorization: b"), 2, ""},
        {FIELD("Authorization: a\r\nAuthorization: a\r\nAuthorization: a"), 3, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;
        read_request(&reading, cases[i].text);
        assert_int_equal(reading.outcome, H1_COMPLETE);
        assert_int_equal(reading.request.authorization_count, cases[i].count);
        assert_int_equal(reading.request.authorization.len, strlen(cases[i].value));
        if (cases[i].count == 1)
            assert_slice(reading.request.authorization, cases[i].value);
        arrival_done(&reading.arrival);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_lines_that_are_no_header),
        cmocka_unit_test(refuses_bytes_no_header_has),
        cmocka_unit_test(requires_one_valid_host),
        cmocka_unit_test(refuses_content_lengths_others_might_misread),
        cmocka_unit_test(accepts_one_transfer_coding),
        cmocka_unit_test(accepts_one_expectation),
        cmocka_unit_test(knows_who_wants_to_close),
        cmocka_unit_test(connection_removes_what_it_may),
        cmocka_unit_test(bounds_and_checks_connection_tokens),
        cmocka_unit_test(reports_upgrades),
        cmocka_unit_test(gives_the_authorization_only_when_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
