#include "vault/token_request.h"

#define MAX_URL_BYTES 4096
/* A client secret of 25 KiB, each byte percent-encoded, and the fields around it. */
#define MAX_BODY_BYTES (80 * 1024)
#define MAX_ANSWER_BYTES (64 * 1024)

void token_request_init(struct token_request *request) {
    *request = (struct token_request){.method = "GET"};
    buf_init(&request->url, MAX_URL_BYTES);
    buf_init(&request->body, MAX_BODY_BYTES);
}

void token_request_done(struct token_request *request) {
    buf_done(&request->url);
    buf_wipe(&request->body);
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
    };
    return http_client_send(client, &sent, on_done, owner, err);
}
