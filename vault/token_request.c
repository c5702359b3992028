#include "vault/token_request.h"

#include <assert.h>

#define MAX_URL_BYTES 4096
/* A client secret or assertion of 25 KiB, each byte percent-encoded, a caller's token of as much,
 * and the fields around them. */
#define MAX_BODY_BYTES (160 * 1024)
#define MAX_ANSWER_BYTES (64 * 1024)

void token_request_init(struct token_request *request) {
    *request = (struct token_request){.method = "GET"};
    buf_init(&request->url, MAX_URL_BYTES);
    buf_init(&request->body, MAX_BODY_BYTES);
}

void token_request_done(struct token_request *request) {
    buf_done(&request->url);
    buf_wipe(&request->body);
    secret_unref(request->secret_header);
    request->secret_header = NULL;
}

static bool is_visible_ascii(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x21 || text.ptr[i] > 0x7e)
            return false;
    return text.len > 0;
}

enum status token_request_set_secret_header(struct token_request *request, const char *prefix,
                                            struct slice value, struct error *err) {
    const size_t prefix_len = strlen(prefix);
    size_t at = 0;
    if (!is_visible_ascii(value))
        return error_set(err, STATUS_INVALID, "holds bytes that cannot go into a header");
    while (request->headers[at])
        at++;
    assert(!request->secret_header && at + 1 < sizeof request->headers / sizeof *request->headers);
    request->secret_header = secret_new_blank(prefix_len + value.len);
    if (!request->secret_header)
        return error_set(err, STATUS_NO_MEMORY, "no secret memory left");
    char *header = secret_writable(request->secret_header);
    memcpy(header, prefix, prefix_len);
    memcpy(header + prefix_len, value.ptr, value.len);
    request->headers[at] = header;
    return STATUS_OK;
}

enum status token_request_end_url(struct token_request *request, const char *client_id,
                                  const char *what, struct error *err) {
    struct buf *url = &request->url;
    if (client_id) {
        buf_append_str(url, "&client_id=");
        http_form_encode(url, slice_of_str(client_id));
    }
    buf_append_char(url, '\0');
    return buf_ok(url) ? STATUS_OK : error_set(err, STATUS_LIMIT, "%s is too long", what);
}

struct http_call *token_request_send(const struct token_request *request,
                                     struct http_client *client, http_client_on_done *on_done,
                                     void *owner, struct error *err) {
    const struct http_client_request sent = {
        .method = request->method,
        .url = request->url.ptr,
        .headers = request->headers,
        .body = buf_slice(&request->body),
        .timeout_ms = request->timeout_ms,
        .max_body_bytes = MAX_ANSWER_BYTES,
        .allow_link_local = request->allow_link_local,
        .allow_any_link_local = request->allow_any_link_local,
    };
    return http_client_send(client, &sent, on_done, owner, err);
}
