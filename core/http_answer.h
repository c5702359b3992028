/* What has come of one HTTP answer so far, within its limits. Private to the HTTP client. */
#ifndef BARKEEP_CORE_HTTP_ANSWER_H
#define BARKEEP_CORE_HTTP_ANSWER_H

#include "core/buf.h"
#include "core/status.h"

struct http_answer {
    enum status status; /* STATUS_LIMIT or _NO_MEMORY once something did not fit */
    struct buf body;
    struct buf content_type;
    struct buf www_authenticate; /* several fields are joined by ", " (RFC 9110 5.3) */
    int64_t retry_after_sec;     /* -1 when absent */
    size_t header_bytes;         /* of all header lines, interim responses and trailers included */
};

void http_answer_init(struct http_answer *answer, size_t max_body_bytes);
/* Overwrites and frees what was collected. */
void http_answer_wipe(struct http_answer *answer);

/* Both return false when the piece does not fit; `status` says why. */
bool http_answer_add_body(struct http_answer *answer, struct slice piece);
/* One line of the header section, line end included. A status line discards what an interim
 * response said. */
bool http_answer_add_header(struct http_answer *answer, struct slice line);

/* Retry-After (RFC 9110 10.2.3): seconds, or a date in IMF-fixdate. -1 when it is neither. */
int64_t http_answer_parse_retry_after(struct slice value, int64_t now_sec);

#endif
