/* The handshake, both heads: one spelling passes, everything beside it is refused. */
#include "h1_cases.h"

#include "proxy/websocket.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define LINE "GET /chat HTTP/1.1\r\nHost: h.example\r\n"
#define SWITCH "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY_LINE "Sec-WebSocket-Key: " KEY "\r\n"
#define GOOD LINE SWITCH VERSION KEY_LINE
#define ANSWER "HTTP/1.1 101 Switching Protocols\r\n" SWITCH "Sec-WebSocket-Accept: " ACCEPT "\r\n"

static void accepts_the_key_of_the_rfc(void **state) {
    (void)state;
    char accept[WEBSOCKET_ACCEPT_SIZE];
    assert_true(websocket_accept(SLICE(KEY), accept));
    assert_string_equal(accept, ACCEPT);
    assert_false(websocket_accept(SLICE("short"), accept));
}

static enum websocket_wish wish_of(const char *lines, const char **out_problem) {
    char text[2048];
    struct reading reading = {0};
    snprintf(text, sizeof text, "%s\r\n", lines);
    read_request(&reading, slice_of_str(text));
    if (reading.outcome != H1_COMPLETE)
        fail_msg("%s: %s", lines, reading.refusal.detail);
    enum websocket_wish wish = websocket_read_wish(&reading.request, out_problem);
    arrival_done(&reading.arrival);
    return wish;
}

static void takes_every_spelling_of_a_good_wish(void **state) {
    (void)state;
    static const char *const cases[] = {
        GOOD,
        LINE "connection: keep-alive,  UPGRADE\r\nupgrade: WebSocket\r\n" VERSION KEY_LINE,
        LINE
        "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" VERSION KEY_LINE,
        GOOD "Content-Length: 0\r\n",
        GOOD "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n",
        LINE SWITCH VERSION "Sec-WebSocket-Key:\t" KEY " \r\n",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *problem = "none";
        if (wish_of(cases[i], &problem) != WEBSOCKET_WISHED)
            fail_msg("%s: %s", cases[i], problem);
    }
}

static void leaves_other_requests_alone(void **state) {
    (void)state;
    static const char *const cases[] = {
        LINE,
        LINE "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        LINE "Connection: Upgrade\r\n",
        LINE "Upgrade: websockets\r\n",
        LINE VERSION "Sec-WebSocket-Protocol: websocket\r\n",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *problem = "none";
        if (wish_of(cases[i], &problem) != WEBSOCKET_NOT_WISHED)
            fail_msg("%s: %s", cases[i], problem);
    }
}

#define WITH_KEY(key) LINE SWITCH VERSION "Sec-WebSocket-Key: " key "\r\n"
#define WITH_UPGRADE(value) LINE "Connection: Upgrade\r\nUpgrade: " value "\r\n" VERSION KEY_LINE

static void refuses_a_wish_that_is_not_exact(void **state) {
    (void)state;
    static const struct {
        const char *lines;
        const char *problem;
    } cases[] = {
        {"POST /chat HTTP/1.1\r\nHost: h.example\r\n" SWITCH VERSION KEY_LINE, "GET"},
        {"GET /chat HTTP/1.0\r\nHost: h.example\r\n" SWITCH VERSION KEY_LINE, "HTTP/1.1"},
        {LINE "Connection: Upgrade\r\n" VERSION KEY_LINE, "one Upgrade"},
        {WITH_UPGRADE("websocket, h2c"), "one Upgrade"},
        {WITH_UPGRADE("h2c, WebSocket"), "one Upgrade"},
        {WITH_UPGRADE("websocket/13"), "one Upgrade"},
        {WITH_UPGRADE("websocket, websocket"), "one Upgrade"},
        {GOOD "Upgrade: websocket\r\n", "one Upgrade"},
        {GOOD "Upgrade: h2c\r\n", "one Upgrade"},
        {LINE "Upgrade: websocket\r\n" VERSION KEY_LINE, "Connection"},
        {LINE "Connection: close\r\nUpgrade: websocket\r\n" VERSION KEY_LINE, "Connection"},
        {LINE SWITCH KEY_LINE, "13"},
        {LINE SWITCH KEY_LINE "Sec-WebSocket-Version: 8\r\n", "13"},
        {LINE SWITCH KEY_LINE "Sec-WebSocket-Version: 13, 8\r\n", "13"},
        {GOOD VERSION, "13"},
        {LINE SWITCH VERSION, "one Sec-WebSocket-Key"},
        {GOOD KEY_LINE, "one Sec-WebSocket-Key"},
        {WITH_KEY(""), "one Sec-WebSocket-Key"},
        {WITH_KEY("c2hvcnQ="), "one Sec-WebSocket-Key"},
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZQ"), "one Sec-WebSocket-Key"},
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZWQ="), "one Sec-WebSocket-Key"},
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZWVl"), "one Sec-WebSocket-Key"},
        {WITH_KEY("dGhlIHNhbXBsZSBub25jZR=="), "one Sec-WebSocket-Key"},
        {WITH_KEY("dGhlIHNhbXBsZSBub25j===="), "one Sec-WebSocket-Key"},
        {WITH_KEY("-_hlIHNhbXBsZSBub25jZQ=="), "one Sec-WebSocket-Key"},
        {WITH_KEY("dGhl HNhbXBsZSBub25jZQ=="), "one Sec-WebSocket-Key"},
        {LINE "Connection: Upgrade, Sec-WebSocket-Key\r\nUpgrade: websocket\r\n" VERSION KEY_LINE,
         "one Sec-WebSocket-Key"},
        {LINE
         "Connection: Upgrade, Sec-WebSocket-Version\r\nUpgrade: websocket\r\n" VERSION KEY_LINE,
         "13"},
        {GOOD "Content-Length: 1\r\n", "body"},
        {GOOD "Transfer-Encoding: chunked\r\n", "body"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *problem = "none";
        if (wish_of(cases[i].lines, &problem) != WEBSOCKET_MALFORMED ||
            !strstr(problem, cases[i].problem))
            fail_msg("%s: %s", cases[i].lines, problem);
    }
}

#define OFFERS                                                                                     \
    "Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Protocol: last\r\n"                  \
    "Sec-WebSocket-Extensions: x-a; y=1, x-b\r\nSec-WebSocket-Extensions: x-c\r\n"

static const char *problem_of(const char *answer, bool offered_extensions) {
    char text[2048];
    struct reading asked = {0}, answered = {0};
    read_request(&asked, SLICE(GOOD OFFERS "\r\n"));
    assert_int_equal(asked.outcome, H1_COMPLETE);
    snprintf(text, sizeof text, "%s\r\n", answer);
    read_response(&answered, slice_of_str(text), false);
    if (answered.outcome != H1_COMPLETE)
        fail_msg("%s: %s", answer, answered.refusal.detail);
    const char *problem =
        websocket_answer_problem(&asked.request, &answered.response, offered_extensions);
    arrival_done(&asked.arrival);
    arrival_done(&answered.arrival);
    return problem;
}

static void takes_an_answer_within_what_was_offered(void **state) {
    (void)state;
    static const char *const cases[] = {
        ANSWER,
        ANSWER "Set-Cookie: a=b\r\n",
        ANSWER "Sec-WebSocket-Protocol: superchat\r\n",
        ANSWER "Sec-WebSocket-Protocol: last\r\n",
        ANSWER "Sec-WebSocket-Extensions: x-b; z, X-C\r\n",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *problem = problem_of(cases[i], true);
        if (problem)
            fail_msg("%s: %s", cases[i], problem);
    }
    assert_null(problem_of(ANSWER "Sec-WebSocket-Protocol: chat\r\n", false));
}

#define WITH_ACCEPT(accept)                                                                        \
    "HTTP/1.1 101 Switching Protocols\r\n" SWITCH "Sec-WebSocket-Accept: " accept "\r\n"
#define ACCEPT_LINE "Sec-WebSocket-Accept: " ACCEPT "\r\n"

static void refuses_an_answer_to_something_else(void **state) {
    (void)state;
    static const struct {
        const char *answer;
        const char *problem;
    } cases[] = {
        {"HTTP/1.0 101 x\r\n" SWITCH ACCEPT_LINE, "HTTP/1.0"},
        {ANSWER "Content-Length: 0\r\n", "body"},
        {ANSWER "Transfer-Encoding: chunked\r\n", "body"},
        {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" ACCEPT_LINE, "switch"},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" ACCEPT_LINE, "switch"},
        {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" ACCEPT_LINE, "switch"},
        {ANSWER "Upgrade: websocket\r\n", "switch"},
        {"HTTP/1.1 101 x\r\n" SWITCH, "Accept"},
        {ANSWER ACCEPT_LINE, "Accept"},
        {WITH_ACCEPT("s3pPLMBiTxaQ9kYGzzhZRbK+xoo="), "Accept"},
        {WITH_ACCEPT("s3pPLMBiTxaQ9kYGzzhZRbK+xOo"), "Accept"},
        {"HTTP/1.1 101 x\r\nConnection: Upgrade, Sec-WebSocket-Accept\r\n"
         "Upgrade: websocket\r\n" ACCEPT_LINE,
         "Accept"},
        {ANSWER "Sec-WebSocket-Protocol: other\r\n", "subprotocol"},
        {ANSWER "Sec-WebSocket-Protocol: Chat\r\n", "subprotocol"},
        {ANSWER "Sec-WebSocket-Protocol:\r\n", "subprotocol"},
        {ANSWER "Sec-WebSocket-Protocol: chat, superchat\r\n", "subprotocol"},
        {ANSWER "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n", "subprotocol"},
        {ANSWER "Sec-WebSocket-Extensions: permessage-deflate\r\n", "extension"},
        {ANSWER "Sec-WebSocket-Extensions: x-a\r\nSec-WebSocket-Extensions: x-d\r\n", "extension"},
        {ANSWER "Sec-WebSocket-Extensions:\r\n", "extension"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *problem = problem_of(cases[i].answer, true);
        if (!problem || !strstr(problem, cases[i].problem))
            fail_msg("%s: %s", cases[i].answer, problem ? problem : "no problem");
    }
    assert_non_null(problem_of(ANSWER "Sec-WebSocket-Extensions: x-a\r\n", false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_key_of_the_rfc),
        cmocka_unit_test(takes_every_spelling_of_a_good_wish),
        cmocka_unit_test(leaves_other_requests_alone),
        cmocka_unit_test(refuses_a_wish_that_is_not_exact),
        cmocka_unit_test(takes_an_answer_within_what_was_offered),
        cmocka_unit_test(refuses_an_answer_to_something_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
