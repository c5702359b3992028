/* Requests in tables: accepted, or refused with a status and a reason. */
#ifndef BARKEEP_TESTS_UNIT_PROXY_H1_REQUEST_CASE_H
#define BARKEEP_TESTS_UNIT_PROXY_H1_REQUEST_CASE_H

#include "h1_cases.h"

struct request_case {
    struct slice text;
    int http_status; /* 0: accepted */
    enum reason reason;
};

static inline void assert_requests(const struct request_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct reading reading;
        read_request(&reading, cases[i].text);
        enum h1_outcome expected = cases[i].http_status == 0 ? H1_COMPLETE : H1_REFUSED;
        if (reading.outcome != expected || reading.refusal.http_status != cases[i].http_status ||
            reading.refusal.reason != cases[i].reason)
            fail_msg("\"%.*s\": outcome %d, status %d (%s), expected %d", SLICE_ARGS(cases[i].text),
                     reading.outcome, reading.refusal.http_status,
                     reading.refusal.detail ? reading.refusal.detail : "", cases[i].http_status);
        assert_true(expected == H1_COMPLETE || reading.refusal.detail != NULL);
        arrival_done(&reading.arrival);
    }
}

#define ASSERT_REQUESTS(cases) assert_requests((cases), COUNT(cases))

/* A request line alone, a header alone: the rest is as in the request that passes. */
#define LINE(line) TEXT(line "\r\nHost: a\r\n\r\n")
#define FIELD(field) TEXT("POST /x HTTP/1.1\r\nHost: a\r\n" field "\r\nLast: 1\r\n\r\n")
#define HOST(value) TEXT("GET / HTTP/1.1\r\nHost:" value "\r\n\r\n")

#define OK 0, REASON_NONE
#define BAD 400, REASON_BAD_REQUEST

#endif
