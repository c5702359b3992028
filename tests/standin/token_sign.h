/* A claims set becomes a JWT. */
#ifndef BARKEEP_STANDIN_TOKEN_SIGN_H
#define BARKEEP_STANDIN_TOKEN_SIGN_H

#include "claims.h"
#include "signing_key.h"

enum token_algorithm {
    TOKEN_RS256,
    TOKEN_HS256_PUBLIC_KEY, /* the classic forgery: HMAC keyed with the public key's PEM */
    TOKEN_NONE,             /* unsigned */
};

/* Header kid (and x5t in version 1) from the key; `headers` (may be NULL) are added or replace
 * them. The caller frees the token; NULL when libjwt refuses. */
char *token_sign(const struct signing_key *key, enum token_algorithm algorithm, int version,
                 json_t *claims, json_t *headers);

#endif
