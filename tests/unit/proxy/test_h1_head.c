/* Requests: what is read out of good ones, and every way of being malformed that two readers could
 * take differently: lines and targets here, fields in test_h1_fields.c. */
#include "h1_request_case.h"

static void reads_everything_a_request_says(void **state) {
    (void)state;
    struct reading reading;
    read_request(&reading, SLICE("POST /a/b?c=d HTTP/1.1\r\n"
                                 "Host: Queues.example:8080\r\n"
                                 "Content-Length: 12\r\n"
                                 "Authorization: Bearer x.y.z\r\n"
                                 "X-Note: \t one  two \t \r\n"
                                 "X-Empty:\r\n"
                                 "EXPECT: 100-Continue\r\n"
                                 "\r\nbody is not looked at"));
    assert_int_equal(reading.outcome, H1_COMPLETE);
    const struct h1_request *request = &reading.request;
    assert_slice(request->method, "POST");
    assert_slice(request->target, "/a/b?c=d");
    assert_slice(request->host, "Queues.example:8080");
    assert_int_equal(request->minor_version, 1);
    assert_int_equal(request->header_count, 6);
    assert_int_equal(request->body, BODY_LENGTH);
    assert_int_equal(request->content_length, 12);
    assert_slice(request->authorization, "Bearer x.y.z");
    assert_int_equal(request->authorization_count, 1);
    assert_true(request->expects_continue);
    assert_false(request->wants_close);
    assert_false(request->has_upgrade);
    const struct header *headers = request->headers;
    assert_slice(headers[0].name, "Host");
    assert_int_equal(headers[0].id, HEADER_HOST);
    assert_slice(headers[3].value, "one  two");
    assert_int_equal(headers[3].id, HEADER_OTHER);
    assert_slice(headers[4].value, "");
    assert_int_equal(headers[5].id, HEADER_EXPECT);
    arrival_done(&reading.arrival);
}

static void tells_bodies_apart(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        enum body_kind body;
        uint64_t content_length;
    } cases[] = {
        {TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), BODY_NONE, 0},
        {TEXT("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), BODY_LENGTH, 0},
        {TEXT("PUT / HTTP/1.1\r\nHost: a\r\ncontent-length:9223372036854775807\r\n\r\n"),
         BODY_LENGTH, INT64_MAX},
        {TEXT("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), BODY_CHUNKED, 0},
        {TEXT("PUT / HTTP/1.1\r\nHost: a\r\ntRANSFER-eNCODING:CHUNKED\r\n\r\n"), BODY_CHUNKED, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;
        read_request(&reading, cases[i].text);
        assert_int_equal(reading.outcome, H1_COMPLETE);
        assert_int_equal(reading.request.body, cases[i].body);
        assert_int_equal(reading.request.content_length, cases[i].content_length);
        arrival_done(&reading.arrival);
    }
}

static void accepts_one_spelling_of_the_request_line(void **state) {
    (void)state;
    static const struct request_case cases[] = {
        {LINE("GET / HTTP/1.1"), OK},
        {LINE("GET / HTTP/1.0"), OK},
        {LINE("M-SEARCH / HTTP/1.1"), OK},
        {LINE("PROPFIND / HTTP/1.1"), OK},
        {LINE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1"), OK},
        {LINE("GET /\\..\\x HTTP/1.1"), OK}, /* the path canonicaliser's to judge */
        {TEXT("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), OK},

        {LINE("GET /"), BAD},
        {LINE("GET / "), BAD},
        {LINE("GET  / HTTP/1.1"), BAD},
        {LINE("GET /  HTTP/1.1"), BAD},
        {LINE("GET\t/ HTTP/1.1"), BAD},
        {LINE("GET /\tHTTP/1.1"), BAD},
        {LINE(" GET / HTTP/1.1"), BAD},
        {LINE("GET / HTTP/1.1 "), BAD},
        {LINE("GET / HTTP/1.1 x"), BAD},
        {LINE("GET / x HTTP/1.1"), BAD},
        {LINE("GET  HTTP/1.1"), BAD},
        {LINE("get / HTTP/1.1"), BAD},
        {LINE("Get / HTTP/1.1"), BAD},
        {LINE("-GET / HTTP/1.1"), BAD},
        {LINE("G_T / HTTP/1.1"), BAD},
        {LINE("G\x01T / HTTP/1.1"), BAD},
        {LINE("GET\0POST / HTTP/1.1"), BAD},
        {LINE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1"), BAD},
        {LINE("GET / http/1.1"), BAD},
        {LINE("GET / HTTP/01.1"), BAD},
        {LINE("GET / HTTP/1.10"), BAD},
        {LINE("GET / HTTP/1,1"), BAD},
        {LINE("GET / HTTP/1."), BAD},
        {LINE("GET / HTTP/11"), BAD},
        {LINE("GET / HTTPS/1.1"), BAD},
        {LINE("GET / HTTP/1.2"), 505, REASON_BAD_REQUEST},
        {LINE("GET / HTTP/1.9"), 505, REASON_BAD_REQUEST},
        {LINE("GET / HTTP/2.0"), 505, REASON_BAD_REQUEST},
        {LINE("GET / HTTP/0.9"), 505, REASON_BAD_REQUEST},
        {TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, REASON_BAD_REQUEST},
        {TEXT("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), BAD},
        {TEXT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), BAD},
        {TEXT("\r\n\r\n\x00\r\nQUIT\n"), BAD}, /* the binary PROXY preface */
        {TEXT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), BAD},
    };
    ASSERT_REQUESTS(cases);
}

static void refuses_bytes_no_target_has(void **state) {
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[] = "GET /?x HTTP/1.1\r\nHost: a\r\n\r\n";
        text[6] = (char)byte;
        struct reading reading;
        read_request(&reading, slice_of(text, sizeof text - 1));
        bool is_target = byte > 0x20 && byte < 0x7f && strchr("#\"<>", byte) == NULL;
        assert_int_equal(reading.outcome, is_target ? H1_COMPLETE : H1_REFUSED);
        assert_int_equal(reading.refusal.http_status, is_target ? 0 : 400);
        arrival_done(&reading.arrival);
    }
}

static void knows_every_form_of_target(void **state) {
    (void)state;
    static const struct {
        struct slice text;
        const char *target; /* NULL when refused */
    } cases[] = {
        {LINE("GET /x?y HTTP/1.1"), "/x?y"},
        {LINE("GET //x/y HTTP/1.1"), "//x/y"},
        {LINE("OPTIONS * HTTP/1.1"), "*"},
        {LINE("GET http://a/x?y HTTP/1.1"), "/x?y"},
        {LINE("GET HTTP://A/ HTTP/1.1"), "/"},
        {LINE("GET http://a HTTP/1.1"), "/"},
        {LINE("GET http://a:80/x HTTP/1.1"), "/x"},
        {LINE("GET http://a//b HTTP/1.1"), "//b"},
        {TEXT("GET http://a/x HTTP/1.1\r\nHost: A:80\r\n\r\n"), "/x"},
        {TEXT("GET http://a:81/x HTTP/1.1\r\nHost: a:81\r\n\r\n"), "/x"},
        {TEXT("GET http://[::1]/x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), "/x"},
        {LINE("GET https://a/x?y HTTP/1.1"), "/x?y"},
        {LINE("GET HTTPS://a:443 HTTP/1.1"), "/"},
        {TEXT("GET https://a/x HTTP/1.1\r\nHost: a:443\r\n\r\n"), "/x"},

        {LINE("GET http://b/x HTTP/1.1"), NULL},
        {LINE("GET http://a:81/x HTTP/1.1"), NULL},
        {LINE("GET http://a:080/x HTTP/1.1"), NULL},
        {LINE("GET http://a:/x HTTP/1.1"), NULL},
        {LINE("GET http://a./x HTTP/1.1"), NULL},
        {LINE("GET http://u@a/x HTTP/1.1"), NULL},
        {LINE("GET http://a@a/x HTTP/1.1"), NULL},
        {LINE("GET http:///x HTTP/1.1"), NULL},
        {LINE("GET http:// HTTP/1.1"), NULL},
        {LINE("GET http:/x HTTP/1.1"), NULL},
        {LINE("GET http://a?y HTTP/1.1"), NULL},
        {LINE("GET http://a\\x HTTP/1.1"), NULL},
        {LINE("GET https://b/x HTTP/1.1"), NULL},
        {LINE("GET https://a:80/x HTTP/1.1"), NULL},
        {LINE("GET https://u@a/x HTTP/1.1"), NULL},
        {LINE("GET https:///x HTTP/1.1"), NULL},
        {LINE("GET https:/x HTTP/1.1"), NULL},
        {TEXT("GET http://a/x HTTP/1.1\r\nHost: a:443\r\n\r\n"), NULL},
        {LINE("GET ftp://a/x HTTP/1.1"), NULL},
        {LINE("GET * HTTP/1.1"), NULL},
        {LINE("OPTIONS ** HTTP/1.1"), NULL},
        {LINE("OPTIONS *?x HTTP/1.1"), NULL},
        {LINE("GET a:80 HTTP/1.1"), NULL},
        {LINE("GET x HTTP/1.1"), NULL},
        {LINE("GET ?x HTTP/1.1"), NULL},
        {LINE("GET /x#y HTTP/1.1"), NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reading reading;
        read_request(&reading, cases[i].text);
        if ((reading.outcome == H1_COMPLETE) != (cases[i].target != NULL))
            fail_msg("\"%.*s\": outcome %d", SLICE_ARGS(cases[i].text), reading.outcome);
        if (cases[i].target)
            assert_slice(reading.request.target, cases[i].target);
        else
            assert_int_equal(reading.refusal.http_status, 400);
        arrival_done(&reading.arrival);
    }
}

static void never_accepts_connect_and_trace(void **state) {
    (void)state;
    static const struct request_case cases[] = {
        {LINE("CONNECT a:443 HTTP/1.1"), 405, REASON_METHOD_REFUSED},
        {LINE("CONNECT /x HTTP/1.1"), 405, REASON_METHOD_REFUSED},
        {LINE("TRACE / HTTP/1.1"), 405, REASON_METHOD_REFUSED},
        {LINE("TRACK / HTTP/1.1"), 405, REASON_METHOD_REFUSED},
        {LINE("TRACER / HTTP/1.1"), OK},
    };
    ASSERT_REQUESTS(cases);
}

/* "GET /" with a target of `target_bytes`, `headers` headers, one of which has a name of
 * `name_bytes` and a value of `value_bytes`. The caller frees it. */
static struct slice request_sized(size_t target_bytes, size_t headers, size_t name_bytes,
                                  size_t value_bytes) {
    char *text = malloc(target_bytes + headers * 8 + name_bytes + value_bytes + 64);
    assert_non_null(text);
    char *at = text + sprintf(text, "GET /");
    memset(at, 't', target_bytes - 1);
    at += target_bytes - 1;
    at += sprintf(at, " HTTP/1.1\r\nHost: a\r\n");
    memset(at, 'n', name_bytes);
    at += name_bytes;
    *at++ = ':';
    memset(at, 'v', value_bytes);
    at += value_bytes;
    at += sprintf(at, "\r\n");
    for (size_t i = 2; i < headers; i++)
        at += sprintf(at, "A: b\r\n");
    at += sprintf(at, "\r\n");
    return slice_of(text, (size_t)(at - text));
}

static void keeps_to_its_limits(void **state) {
    (void)state;
    static const struct {
        size_t target_bytes, headers, name_bytes, value_bytes;
        int http_status;
    } cases[] = {
        {8192, 100, 255, 10, 0}, {8193, 2, 1, 1, 414},  {8193 + 64, 2, 1, 1, 414},
        {50000, 2, 1, 1, 414},   {1, 101, 1, 1, 431},   {1, 2, 256, 1, 400},
        {1, 2, 300, 1, 400},     {1, 2, 1, 32700, 0},   {1, 2, 1, 32768, 431},
        {1, 2, 1, 65536, 431},   {1, 2, 65536, 1, 431},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice text = request_sized(cases[i].target_bytes, cases[i].headers,
                                          cases[i].name_bytes, cases[i].value_bytes);
        struct reading reading;
        read_request(&reading, text);
        assert_int_equal(reading.refusal.http_status, cases[i].http_status);
        assert_int_equal(reading.outcome, cases[i].http_status ? H1_REFUSED : H1_COMPLETE);
        if (cases[i].http_status == 414 || cases[i].http_status == 431)
            assert_int_equal(reading.refusal.reason, REASON_HEAD_TOO_LARGE);
        arrival_done(&reading.arrival);
        free((void *)text.ptr);
    }
}

static void never_reads_past_a_head_that_was_not_scanned(void **state) {
    (void)state;
    static const struct slice cases[] = {
        TEXT(""),
        TEXT("\r\n"),
        TEXT("\r\n\r\n"),
        TEXT("GET / HTTP/1.1\r\nHost: a\r\n"),
        TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r\nX: y\r\n\r\n"),
        TEXT("GET / HTTP/1.\r\n\r\n"),
        TEXT("GET / HTTP/1.1\r\nHost:\r\n\n\r\n\r\n"),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *exact = malloc(cases[i].len ? cases[i].len : 1);
        assert_non_null(exact);
        memcpy(exact, cases[i].ptr, cases[i].len);
        struct header headers[CASE_HEADERS];
        struct h1_request request;
        struct h1_refusal refusal = {0};
        assert_int_equal(h1_request_parse(slice_of(exact, cases[i].len), &case_limits, headers,
                                          &request, &refusal),
                         H1_REFUSED);
        assert_int_equal(refusal.http_status, 400);
        free(exact);
    }
}

static void finds_headers_by_name(void **state) {
    (void)state;
    static const struct slice head =
        TEXT("GET / HTTP/1.1\r\nHost: a\r\norigin: 1\r\nEmpty:\r\nOrigins: 2\r\nORIGIN: 3\r\n\r\n");
    struct header headers[CASE_HEADERS];
    struct h1_request request;
    struct h1_refusal refusal;
    struct slice value;
    assert_int_equal(h1_request_parse(head, &case_limits, headers, &request, &refusal),
                     H1_COMPLETE);
    assert_int_equal(h1_request_find_header(&request, SLICE("Origin"), &value), 2);
    assert_true(slice_eq(value, SLICE("1")));
    assert_int_equal(h1_request_find_header(&request, SLICE("empty"), &value), 1);
    assert_true(slice_is_empty(value));
    value = SLICE("x");
    assert_int_equal(h1_request_find_header(&request, SLICE("Origi"), &value), 0);
    assert_true(slice_is_empty(value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything_a_request_says),
        cmocka_unit_test(tells_bodies_apart),
        cmocka_unit_test(accepts_one_spelling_of_the_request_line),
        cmocka_unit_test(refuses_bytes_no_target_has),
        cmocka_unit_test(knows_every_form_of_target),
        cmocka_unit_test(never_accepts_connect_and_trace),
        cmocka_unit_test(keeps_to_its_limits),
        cmocka_unit_test(never_reads_past_a_head_that_was_not_scanned),
        cmocka_unit_test(finds_headers_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
