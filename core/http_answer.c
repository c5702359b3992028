/* An answer may hold a token or a vault's secret, so its body grows by moving to a larger block and
 * wiping the smaller one, never by realloc(). */
#define _XOPEN_SOURCE 700 /* strptime */
#define _DEFAULT_SOURCE   /* timegm */
#include "core/http_answer.h"

#include <time.h>

#include "core/clock.h"

#define MAX_HEADER_BYTES (64 * 1024)
#define FIRST_BODY_BYTES (16 * 1024)

static bool refuse(struct http_answer *answer, enum status status) {
    answer->status = status;
    return false;
}

static bool grow_wiping(struct buf *buf, size_t extra) {
    size_t wanted = buf->cap ? 2 * buf->cap : FIRST_BODY_BYTES;
    if (wanted < buf->len + extra)
        wanted = buf->len + extra;
    if (wanted > buf->limit)
        wanted = buf->limit;
    struct buf larger;
    buf_init(&larger, buf->limit);
    if (!buf_reserve(&larger, wanted))
        return false;
    buf_append_slice(&larger, buf_slice(buf));
    buf_wipe(buf);
    *buf = larger;
    return true;
}

/* IMF-fixdate, the only form that may be generated since RFC 7231. strptime() reads names in the
 * locale, which barkeep never sets. */
static bool parse_http_date(struct slice value, int64_t *out_sec) {
    char text[32];
    if (value.len >= sizeof text)
        return false;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    struct tm utc = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    if (!end || end != text + value.len)
        return false;
    *out_sec = timegm(&utc);
    return true;
}

static void forget_interim_response(struct http_answer *answer) {
    buf_clear(&answer->content_type);
    buf_clear(&answer->www_authenticate);
    answer->retry_after_sec = -1;
}

static void note_header(struct http_answer *answer, struct slice name, struct slice value) {
    if (slice_eq_nocase(name, SLICE("retry-after"))) {
        answer->retry_after_sec = http_answer_parse_retry_after(value, clock_wall_sec());
    } else if (slice_eq_nocase(name, SLICE("content-type"))) {
        buf_clear(&answer->content_type);
        buf_append_slice(&answer->content_type, value);
    } else if (slice_eq_nocase(name, SLICE("www-authenticate"))) {
        if (answer->www_authenticate.len)
            buf_append_str(&answer->www_authenticate, ", ");
        buf_append_slice(&answer->www_authenticate, value);
    }
}

void http_answer_init(struct http_answer *answer, size_t max_body_bytes) {
    *answer = (struct http_answer){.retry_after_sec = -1};
    buf_init(&answer->body, max_body_bytes);
    buf_init(&answer->content_type, MAX_HEADER_BYTES);
    buf_init(&answer->www_authenticate, 2 * MAX_HEADER_BYTES);
}

void http_answer_wipe(struct http_answer *answer) {
    buf_wipe(&answer->body);
    buf_wipe(&answer->content_type);
    buf_wipe(&answer->www_authenticate);
}

bool http_answer_add_body(struct http_answer *answer, struct slice piece) {
    struct buf *body = &answer->body;
    if (piece.len > body->limit - body->len)
        return refuse(answer, STATUS_LIMIT);
    if (piece.len > body->cap - body->len && !grow_wiping(body, piece.len))
        return refuse(answer, STATUS_NO_MEMORY);
    buf_append_slice(body, piece);
    return true;
}

bool http_answer_add_header(struct http_answer *answer, struct slice line) {
    if (line.len > MAX_HEADER_BYTES - answer->header_bytes)
        return refuse(answer, STATUS_LIMIT);
    answer->header_bytes += line.len;
    while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    if (slice_starts_with(line, SLICE("HTTP/")))
        forget_interim_response(answer);
    size_t colon = slice_index(line, ':');
    if (colon < line.len)
        note_header(answer, slice_of(line.ptr, colon), slice_trim(slice_skip(line, colon + 1)));
    if (!buf_ok(&answer->content_type) || !buf_ok(&answer->www_authenticate))
        return refuse(answer, STATUS_NO_MEMORY);
    return true;
}

int64_t http_answer_parse_retry_after(struct slice value, int64_t now_sec) {
    int64_t date_sec;
    if (parse_http_date(value, &date_sec))
        return date_sec > now_sec ? date_sec - now_sec : 0;
    struct slice digits = value;
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = slice_skip(digits, 1);
    uint64_t sec;
    return slice_parse_u64(digits, INT32_MAX, &sec) ? (int64_t)sec : -1;
}
