/* What a credential writes into one field: literal text and secrets in turn. */
#ifndef BARKEEP_VAULT_CREDENTIAL_TEXT_H
#define BARKEEP_VAULT_CREDENTIAL_TEXT_H

#include "vault/credential.h"

struct credential_text {
    const struct config_template *parts;
    const struct secret_view *views; /* as config->secrets */
};

struct slice credential_text_part(const struct credential_text *text, size_t part);
size_t credential_text_len(const struct credential_text *text);
/* Writes all of it; returns where it ended. */
char *credential_text_put(char *at, const struct credential_text *text);

/* STATUS_INVALID when a part holds CR, LF, NUL or another control byte; err names the secret, or
 * `field` when it is the literal text, and quotes neither. */
enum status credential_text_check(const struct credential_text *text, const char *field,
                                  struct error *err);

/* Writes `bytes`, none of which is fine too; returns where they ended. */
char *credential_put(char *at, struct slice bytes);

#endif
