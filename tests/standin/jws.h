/* A compact JWS taken apart, and nothing yet believed. RFC 7515 3.1. */
#ifndef BARKEEP_STANDIN_JWS_H
#define BARKEEP_STANDIN_JWS_H

#include <jansson.h>
#include <stdbool.h>

#include "core/slice.h"

struct jws {
    json_t *header;
    json_t *claims;
    struct slice signed_text; /* of the token it was read from */
    unsigned char *signature; /* NULL: not base64url */
    size_t signature_len;
};

/* Strict: no padding, no duplicate members, header and claims are objects. False when malformed;
 * jws_done() is due either way. `token` must outlive `jws`. */
bool jws_parse(struct jws *jws, struct slice token);
void jws_done(struct jws *jws);

/* A string member; "" when it is absent or something else. */
const char *jws_text(const json_t *object, const char *member);

#endif
