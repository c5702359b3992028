/* Requests as they come from the network. What must hold for any bytes: the verdict does not depend
 * on how they were cut, everything read lies inside of them, and an accepted head written out again
 * reads the same: no second reading is left in it. */
#include "fuzz_target.h"
#include "proxy/h1_head.h"

enum { HEADERS = 50 };

static const struct h1_limits limits = {
    .head_bytes = 4096, .headers = HEADERS, .target_bytes = 512};

struct scan {
    enum h1_outcome outcome;
    size_t head_len;
    struct h1_refusal refusal;
};

static struct scan scan_in_pieces(struct slice bytes, size_t piece_bytes) {
    struct scan scan = {.outcome = H1_INCOMPLETE};
    size_t scanned = 0;
    size_t len = 0;
    while (scan.outcome == H1_INCOMPLETE && len < bytes.len) {
        len = bytes.len - len > piece_bytes ? len + piece_bytes : bytes.len;
        scan.outcome = h1_head_scan(slice_of(bytes.ptr, len), &limits, &scanned, &scan.head_len,
                                    &scan.refusal);
        REQUIRE(scanned <= len);
    }
    return scan;
}

static void require_same_scan(struct slice bytes, struct scan whole, size_t piece_bytes) {
    struct scan scan = scan_in_pieces(bytes, piece_bytes);
    REQUIRE(scan.outcome == whole.outcome);
    REQUIRE(scan.head_len == whole.head_len);
    REQUIRE(scan.refusal.reason == whole.refusal.reason);
    REQUIRE(scan.refusal.http_status == whole.refusal.http_status);
}

static bool is_inside(struct slice part, struct slice whole) {
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static void require_sound(const struct h1_request *request, struct slice head) {
    REQUIRE(request->method.len > 0 && is_inside(request->method, head));
    REQUIRE(is_inside(request->target, head) || slice_eq(request->target, SLICE("/")));
    REQUIRE(request->target.ptr[0] == '/' || slice_eq(request->target, SLICE("*")));
    struct slice name;
    REQUIRE(h1_host_is_valid(request->host, &name));
    REQUIRE(request->header_count <= HEADERS);
    size_t framing = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct header *header = &request->headers[i];
        REQUIRE(header->name.len > 0 && is_inside(header->name, head));
        REQUIRE(is_inside(header->value, head));
        REQUIRE(memchr(header->value.ptr, '\n', header->value.len) == NULL);
        REQUIRE(!header->is_nominated || !(header->flags & (HEADER_PROTECTED | HEADER_FROM_US)));
        framing += header->id == HEADER_CONTENT_LENGTH || header->id == HEADER_TRANSFER_ENCODING;
    }
    REQUIRE(framing == (request->body == BODY_NONE ? 0 : 1));
}

static struct slice written_again(const struct h1_request *request, char *memory, size_t size) {
    int at = snprintf(memory, size, "%.*s %.*s HTTP/1.%d\r\n", SLICE_ARGS(request->method),
                      SLICE_ARGS(request->target), request->minor_version);
    for (size_t i = 0; i < request->header_count; i++) {
        at += snprintf(memory + at, size - (size_t)at,
                       "%.*s: ", SLICE_ARGS(request->headers[i].name));
        struct slice value = request->headers[i].value;
        memcpy(memory + at, value.ptr, value.len);
        at += (int)value.len;
        at += snprintf(memory + at, size - (size_t)at, "\r\n");
    }
    at += snprintf(memory + at, size - (size_t)at, "\r\n");
    return slice_of(memory, (size_t)at);
}

static void require_same_request(const struct h1_request *a, const struct h1_request *b) {
    REQUIRE(slice_eq(a->method, b->method));
    REQUIRE(slice_eq(a->target, b->target));
    REQUIRE(slice_eq(a->host, b->host));
    REQUIRE(a->minor_version == b->minor_version);
    REQUIRE(a->header_count == b->header_count);
    REQUIRE(a->body == b->body);
    REQUIRE(a->content_length == b->content_length);
    REQUIRE(a->expects_continue == b->expects_continue);
    REQUIRE(a->wants_close == b->wants_close);
    REQUIRE(a->has_upgrade == b->has_upgrade);
    REQUIRE(slice_eq(a->authorization, b->authorization));
    REQUIRE(a->authorization_count == b->authorization_count);
    for (size_t i = 0; i < a->header_count; i++) {
        REQUIRE(slice_eq(a->headers[i].name, b->headers[i].name));
        REQUIRE(slice_eq(a->headers[i].value, b->headers[i].value));
        REQUIRE(a->headers[i].id == b->headers[i].id);
        REQUIRE(a->headers[i].flags == b->headers[i].flags);
        REQUIRE(a->headers[i].is_nominated == b->headers[i].is_nominated);
    }
}

static void require_one_reading(const struct h1_request *request) {
    static char memory[3 * 4096];
    struct slice text = written_again(request, memory, sizeof memory);
    /* a space for each header that had none may take it over the limit */
    struct h1_limits wide = limits;
    wide.head_bytes = sizeof memory;
    size_t scanned = 0;
    size_t head_len = 0;
    struct h1_refusal refusal;
    struct header headers[HEADERS];
    struct h1_request again;
    REQUIRE(h1_head_scan(text, &wide, &scanned, &head_len, &refusal) == H1_COMPLETE);
    REQUIRE(head_len == text.len);
    REQUIRE(h1_request_parse(text, &wide, headers, &again, &refusal) == H1_COMPLETE);
    require_same_request(request, &again);
}

static void parse(struct slice head, bool was_scanned) {
    struct header headers[HEADERS];
    struct h1_request request;
    struct h1_refusal refusal = {0};
    enum h1_outcome outcome = h1_request_parse(head, &limits, headers, &request, &refusal);
    REQUIRE(outcome != H1_INCOMPLETE);
    if (outcome == H1_REFUSED) {
        REQUIRE(refusal.reason != REASON_NONE && refusal.detail != NULL);
        REQUIRE(refusal.http_status >= 400 && refusal.http_status <= 505);
        return;
    }
    require_sound(&request, head);
    require_one_reading(&request);
    if (!was_scanned) {
        struct scan scan = scan_in_pieces(head, head.len);
        REQUIRE(scan.outcome == H1_COMPLETE && scan.head_len == head.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct slice bytes = slice_of((const char *)input, size);
    struct scan scan = scan_in_pieces(bytes, size ? size : 1);
    require_same_scan(bytes, scan, 1);
    require_same_scan(bytes, scan, 2);
    require_same_scan(bytes, scan, size % 61 + 3);
    if (scan.outcome == H1_COMPLETE) {
        parse(slice_of(bytes.ptr, scan.head_len), true);
    }
    parse(bytes, false);
    return 0;
}
