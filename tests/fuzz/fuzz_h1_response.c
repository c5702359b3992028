/* Responses as a broken or hostile upstream sends them: the same requirements as for requests, with
 * the body's kind as RFC 9112 6.3 orders it. */
#include "fuzz_target.h"
#include "proxy/h1_head.h"

enum { HEADERS = 50 };

static const struct h1_limits limits = {
    .head_bytes = 4096, .headers = HEADERS, .target_bytes = 512};

static enum h1_outcome scan_in_pieces(struct slice bytes, size_t piece_bytes,
                                      size_t *out_head_len) {
    enum h1_outcome outcome = H1_INCOMPLETE;
    struct h1_refusal refusal = {0};
    size_t scanned = 0;
    size_t len = 0;
    while (outcome == H1_INCOMPLETE && len < bytes.len) {
        len = bytes.len - len > piece_bytes ? len + piece_bytes : bytes.len;
        outcome =
            h1_response_scan(slice_of(bytes.ptr, len), &limits, &scanned, out_head_len, &refusal);
        REQUIRE(scanned <= len);
    }
    REQUIRE(outcome != H1_REFUSED ||
            (refusal.reason == REASON_UPSTREAM_PROTOCOL && refusal.http_status == 502));
    return outcome;
}

static void require_framing(const struct h1_response *response, bool request_is_head) {
    bool has_no_body = request_is_head || response->status < 200 || response->status == 204 ||
                       response->status == 304;
    size_t codings = 0;
    for (size_t i = 0; i < response->header_count; i++) {
        codings += response->headers[i].id == HEADER_TRANSFER_ENCODING;
    }
    REQUIRE(codings + response->has_content_length <= 1);
    enum body_kind expected = response->has_content_length ? BODY_LENGTH : BODY_UNTIL_CLOSE;
    expected = codings == 1 ? BODY_CHUNKED : expected;
    REQUIRE(response->body == (has_no_body ? BODY_NONE : expected));
}

static struct slice append(char *memory, struct slice text, struct slice more) {
    memcpy(memory + text.len, more.ptr, more.len);
    return slice_of(memory, text.len + more.len);
}

static struct slice written_again(const struct h1_response *response, char *memory) {
    int len = sprintf(memory, "HTTP/1.%d %d ", response->minor_version, response->status);
    struct slice text = append(memory, slice_of(memory, (size_t)len), response->phrase);
    text = append(memory, text, SLICE("\r\n"));
    for (size_t i = 0; i < response->header_count; i++) {
        text = append(memory, text, response->headers[i].name);
        text = append(memory, text, SLICE(":"));
        text = append(memory, text, response->headers[i].value);
        text = append(memory, text, SLICE("\r\n"));
    }
    return append(memory, text, SLICE("\r\n"));
}

static void require_one_reading(const struct h1_response *response, bool request_is_head) {
    static char memory[2 * 4096];
    struct slice text = written_again(response, memory);
    struct h1_limits wide = limits;
    wide.head_bytes = sizeof memory;
    struct header headers[HEADERS];
    struct h1_response again;
    struct h1_refusal refusal;
    REQUIRE(h1_response_parse(text, &wide, headers, request_is_head, &again, &refusal) ==
            H1_COMPLETE);
    REQUIRE(again.status == response->status);
    REQUIRE(slice_eq(again.phrase, response->phrase));
    REQUIRE(again.body == response->body);
    REQUIRE(again.content_length == response->content_length);
    REQUIRE(again.wants_close == response->wants_close);
    REQUIRE(again.header_count == response->header_count);
    for (size_t i = 0; i < again.header_count; i++) {
        REQUIRE(slice_eq(again.headers[i].name, response->headers[i].name));
        REQUIRE(slice_eq(again.headers[i].value, response->headers[i].value));
        REQUIRE(again.headers[i].is_nominated == response->headers[i].is_nominated);
    }
}

static void parse(struct slice head, bool request_is_head) {
    struct header headers[HEADERS];
    struct h1_response response;
    struct h1_refusal refusal = {0};
    if (h1_response_parse(head, &limits, headers, request_is_head, &response, &refusal) !=
        H1_COMPLETE) {
        REQUIRE(refusal.reason == REASON_UPSTREAM_PROTOCOL && refusal.http_status == 502);
        REQUIRE(refusal.detail != NULL);
        return;
    }
    REQUIRE(response.status >= 100 && response.status <= 599);
    require_framing(&response, request_is_head);
    require_one_reading(&response, request_is_head);
    size_t head_len;
    REQUIRE(scan_in_pieces(head, head.len, &head_len) == H1_COMPLETE && head_len == head.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct slice bytes = slice_of((const char *)input, size);
    const size_t pieces[] = {1, 2, size % 61 + 3};
    size_t head_len = 0;
    enum h1_outcome outcome = scan_in_pieces(bytes, size ? size : 1, &head_len);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t other_len = 0;
        REQUIRE(scan_in_pieces(bytes, pieces[i], &other_len) == outcome);
        REQUIRE(other_len == head_len);
    }
    if (outcome == H1_COMPLETE) {
        parse(slice_of(bytes.ptr, head_len), size % 2 == 0);
    }
    parse(bytes, false);
    return 0;
}
