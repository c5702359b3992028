/* One HTTP request for one token, before it is sent. Built by imds.c and client_secret.c. */
#ifndef BARKEEP_VAULT_TOKEN_REQUEST_H
#define BARKEEP_VAULT_TOKEN_REQUEST_H

#include "core/buf.h"
#include "core/http_client.h"

struct token_request {
    const char *method;
    const char *const *headers; /* static */
    struct buf url;             /* NUL-terminated when built */
    struct buf body;            /* may hold a client secret: wiped by token_request_done() */
    uint32_t timeout_ms;
    bool allow_link_local;
};

void token_request_init(struct token_request *request);
void token_request_done(struct token_request *request);
/* Sends it; everything is copied. NULL: err says why and no callback follows. */
struct http_call *token_request_send(const struct token_request *request,
                                     struct http_client *client, http_client_on_done *on_done,
                                     void *owner, struct error *err);

#endif
