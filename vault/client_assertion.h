/* A JWT that an application signs with its certificate's key in place of a client secret. azure.md
 * C.3. */
#ifndef BARKEEP_VAULT_CLIENT_ASSERTION_H
#define BARKEEP_VAULT_CLIENT_ASSERTION_H

#include "core/secret.h"

/* PS256, x5t#S256, valid for ten minutes from `now_sec`. `pem` holds one RSA private key of 2048
 * bits or more, not encrypted, and its certificate (others may stand beside it, in any order).
 * `audience` is the token endpoint's URL. The caller unrefs. err never quotes. */
enum status client_assertion_sign(struct slice pem, const char *client_id, const char *audience,
                                  int64_t now_sec, struct secret **out_jwt, struct error *err);

#endif
