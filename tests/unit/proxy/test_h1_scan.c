/* The end of a head is found at the same byte, and garbage refused with the same answer, however
 * the bytes arrive. */
#include "h1_cases.h"

static const struct h1_limits small_limits = {
    .head_bytes = 400, .headers = CASE_HEADERS, .target_bytes = 64};

struct scan_case {
    struct slice text;
    enum h1_outcome outcome;
    size_t head_len;
    int http_status;
};

static const struct scan_case request_cases[] = {
    {TEXT("GET / HTTP/1.1\r\n\r\n"), H1_COMPLETE, 18, 0},
    {TEXT("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"), H1_COMPLETE, 18, 0},
    {TEXT("GET / HTTP/1.1\r\n\r\n\0\n"), H1_COMPLETE, 18, 0},
    {TEXT("\r\nGET / HTTP/1.1\r\n\r\n"), H1_COMPLETE, 20, 0},
    {TEXT("GET / HTTP/1.1\r\nHost: example.example\r\nA: \xff\t\r\n\r\n"), H1_COMPLETE, 48, 0},
    {TEXT(""), H1_INCOMPLETE, 0, 0},
    {TEXT("\r"), H1_INCOMPLETE, 0, 0},
    {TEXT("\r\n"), H1_INCOMPLETE, 0, 0},
    {TEXT("G"), H1_INCOMPLETE, 0, 0},
    {TEXT("GET / HTTP/1.1\r\nHost: a\r\n\r"), H1_INCOMPLETE, 0, 0},
    {TEXT("GET / HTTP/1.1\r\nHost: a"), H1_INCOMPLETE, 0, 0},

    {TEXT("\n"), H1_REFUSED, 0, 400},
    {TEXT("\rG"), H1_REFUSED, 0, 400},
    {TEXT("\r\n\r"), H1_REFUSED, 0, 400},
    {TEXT("\r\n\n"), H1_REFUSED, 0, 400},
    {TEXT(" GET"), H1_REFUSED, 0, 400},
    {TEXT("get"), H1_REFUSED, 0, 400},
    {TEXT("\x16\x03\x01"), H1_REFUSED, 0, 400},
    {TEXT("\0GET"), H1_REFUSED, 0, 400},
    {TEXT("GET / HTTP/1.1\n"), H1_REFUSED, 0, 400},
    {TEXT("GET / HTTP/1.1\rX"), H1_REFUSED, 0, 400},
    {TEXT("GET / HTTP/1.1\r\r"), H1_REFUSED, 0, 400},
    {TEXT("GET / HTTP/1.1\r\n\n"), H1_REFUSED, 0, 400},
    {TEXT("GET / HTTP/1.1\r\n\rX"), H1_REFUSED, 0, 400},
    {TEXT("GET / HTTP/1.1\r\nHost: a\r\n\0"), H1_REFUSED, 0, 400},
    {TEXT("GET\0"), H1_REFUSED, 0, 400},
    {TEXT("GET / HTTP/1.1\r\nHost: a long enough value to fill more than one step\0"), H1_REFUSED,
     0, 400},
};

static const struct scan_case response_cases[] = {
    {TEXT("HTTP/1.1 200 OK\r\n\r\n"), H1_COMPLETE, 19, 0},
    {TEXT("HTTP/1.1 200\r\n\r\nbody\0\n"), H1_COMPLETE, 16, 0},
    {TEXT("HTTP/1.0 200 OK\r\nA: b\r\n\r\n"), H1_COMPLETE, 25, 0},
    {TEXT(""), H1_INCOMPLETE, 0, 0},
    {TEXT("H"), H1_INCOMPLETE, 0, 0},
    {TEXT("HTTP/1.1 200 OK\r\n"), H1_INCOMPLETE, 0, 0},

    {TEXT("\r\nHTTP/1.1 200 OK\r\n\r\n"), H1_REFUSED, 0, 502},
    {TEXT("<html>"), H1_REFUSED, 0, 502},
    {TEXT("HTTP/2"), H1_REFUSED, 0, 502},
    {TEXT("HTTP/1\r"), H1_REFUSED, 0, 502},
    {TEXT("ICY 200 OK\r\n"), H1_REFUSED, 0, 502},
    {TEXT("HTTP/1.1 200 OK\n"), H1_REFUSED, 0, 502},
    {TEXT("HTTP/1.1 200 OK\r\nA: b\0"), H1_REFUSED, 0, 502},
    {TEXT("HTTP/1.1 200 OK\r\nA: b\rc"), H1_REFUSED, 0, 502},
};

static void assert_every_cut(const struct scan_case *cases, size_t count, scan_fn scan) {
    for (size_t i = 0; i < count; i++) {
        size_t whole = cases[i].text.len ? cases[i].text.len : 1;
        for (size_t piece = 1; piece <= whole; piece++) {
            struct arrival arrival = {0};
            enum h1_outcome outcome =
                arrival_feed(&arrival, cases[i].text, piece, scan, &case_limits);
            if (outcome != cases[i].outcome || arrival.head_len != cases[i].head_len ||
                arrival.refusal.http_status != cases[i].http_status)
                fail_msg("\"%.*s\" in pieces of %zu: outcome %d, %zu bytes, status %d",
                         SLICE_ARGS(cases[i].text), piece, outcome, arrival.head_len,
                         arrival.refusal.http_status);
            arrival_done(&arrival);
        }
    }
}

static void judges_requests_the_same_for_every_cut(void **state) {
    (void)state;
    assert_every_cut(request_cases, COUNT(request_cases), h1_head_scan);
}

static void judges_responses_the_same_for_every_cut(void **state) {
    (void)state;
    assert_every_cut(response_cases, COUNT(response_cases), h1_response_scan);
}

/* A head of `line_bytes` for the request line without CRLF and `head_bytes` in all. */
static struct slice head_sized(char *memory, size_t line_bytes, size_t head_bytes) {
    memset(memory, 'A', head_bytes);
    if (line_bytes + 2 <= head_bytes)
        memcpy(memory + line_bytes, "\r\n", 2);
    if (line_bytes + 4 <= head_bytes)
        memcpy(memory + head_bytes - 4, "\r\n\r\n", 4);
    return slice_of(memory, head_bytes);
}

static void limits_hold_for_every_cut(void **state) {
    (void)state;
    static const struct {
        size_t line_bytes, head_bytes;
        enum h1_outcome outcome;
        int http_status;
    } cases[] = {
        {40, 400, H1_COMPLETE, 0},    {40, 401, H1_REFUSED, 431},    {40, 402, H1_REFUSED, 431},
        {40, 405, H1_REFUSED, 431},   {40, 800, H1_REFUSED, 431},    {126, 300, H1_COMPLETE, 0},
        {127, 300, H1_REFUSED, 414},  {128, 300, H1_REFUSED, 414},   {399, 403, H1_REFUSED, 414},
        {1000, 128, H1_REFUSED, 414}, {1000, 127, H1_INCOMPLETE, 0}, {1000, 700, H1_REFUSED, 414},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char memory[1024];
        struct slice text = head_sized(memory, cases[i].line_bytes, cases[i].head_bytes);
        for (size_t piece = 1; piece <= text.len; piece++) {
            struct arrival arrival = {0};
            enum h1_outcome outcome =
                arrival_feed(&arrival, text, piece, h1_head_scan, &small_limits);
            if (outcome != cases[i].outcome || arrival.refusal.http_status != cases[i].http_status)
                fail_msg("line of %zu in a head of %zu in pieces of %zu: outcome %d, status %d",
                         cases[i].line_bytes, cases[i].head_bytes, piece, outcome,
                         arrival.refusal.http_status);
            arrival_done(&arrival);
        }
    }
}

static void response_heads_have_a_limit(void **state) {
    (void)state;
    char memory[512] = "HTTP/1.1 200 ";
    memset(memory + 13, 'p', sizeof memory - 13);
    for (size_t len = 380; len <= 410; len++) {
        struct arrival arrival = {0};
        memcpy(memory + len - 4, "\r\n\r\n", 4);
        enum h1_outcome outcome =
            arrival_feed(&arrival, slice_of(memory, len), len, h1_response_scan, &small_limits);
        assert_int_equal(outcome, len <= 400 ? H1_COMPLETE : H1_REFUSED);
        assert_true(outcome == H1_COMPLETE || arrival.refusal.reason == REASON_UPSTREAM_PROTOCOL);
        arrival_done(&arrival);
        memset(memory + len - 4, 'p', 4);
    }
}

/* Looks for the control bytes of a line at every distance from the steps the search takes. */
static void finds_control_bytes_at_every_offset(void **state) {
    (void)state;
    for (size_t offset = 1; offset < 70; offset++) {
        for (int byte = 0; byte < 256; byte++) {
            char memory[80];
            memset(memory, 'A', sizeof memory);
            memory[offset] = (char)byte;
            struct arrival arrival = {0};
            enum h1_outcome outcome =
                arrival_feed(&arrival, slice_of(memory, 70), 70, h1_head_scan, &case_limits);
            bool is_text = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
            bool waits = byte == '\r' && offset == 69;
            assert_int_equal(outcome, is_text || waits ? H1_INCOMPLETE : H1_REFUSED);
            arrival_done(&arrival);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_requests_the_same_for_every_cut),
        cmocka_unit_test(judges_responses_the_same_for_every_cut),
        cmocka_unit_test(limits_hold_for_every_cut),
        cmocka_unit_test(response_heads_have_a_limit),
        cmocka_unit_test(finds_control_bytes_at_every_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
