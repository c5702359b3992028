/* One HTTP request for one token, before it is sent. */
#ifndef BARKEEP_VAULT_TOKEN_REQUEST_H
#define BARKEEP_VAULT_TOKEN_REQUEST_H

#include "core/buf.h"
#include "core/http_client.h"
#include "core/secret.h"

struct token_request {
    const char *method;
    const char *headers[4]; /* NULL-terminated; literals, or in `secret_header` */
    struct secret *secret_header;
    struct buf url;  /* NUL-terminated when built */
    struct buf body; /* may hold what proves us: wiped by token_request_done() */
    uint32_t timeout_ms;
    bool allow_link_local;
    bool allow_any_link_local;
};

void token_request_init(struct token_request *request);
void token_request_done(struct token_request *request);
/* Adds the header `prefix` + `value` behind those that are there; `prefix` is a literal such as
 * "X-IDENTITY-HEADER: ". At most one, and room for it must be left. STATUS_INVALID for anything but
 * visible ASCII. */
enum status token_request_set_secret_header(struct token_request *request, const char *prefix,
                                            struct slice value, struct error *err);
/* Ends the URL of a metadata service: the managed identity that is meant (NULL: the machine's own)
 * and the NUL. STATUS_LIMIT when it is too long; `what` is its name in err. */
enum status token_request_end_url(struct token_request *request, const char *client_id,
                                  const char *what, struct error *err);
/* Sends it; everything is copied. NULL: err says why and no callback follows. */
struct http_call *token_request_send(const struct token_request *request,
                                     struct http_client *client, http_client_on_done *on_done,
                                     void *owner, struct error *err);

#endif
