/* Key Vault's data plane, the part that reads one secret: the URL, the answer, the refusals.
 * azure.md D.1, D.2, D.5. */
#ifndef BARKEEP_VAULT_KEY_VAULT_H
#define BARKEEP_VAULT_KEY_VAULT_H

#include "core/buf.h"
#include "core/secret.h"

#define KEY_VAULT_VERSION_SIZE 33 /* 32 hexadecimal digits and NUL */

struct key_vault_secret {
    struct secret *value; /* the caller unrefs */
    char version[KEY_VAULT_VERSION_SIZE];
    int64_t expires_sec; /* wall clock; 0 when it does not expire */
};

/* Appends the URL and a NUL. `version` NULL means the latest. */
void key_vault_append_url(struct buf *url, const char *vault_url, const char *name,
                          const char *version);

/* Reads a 200 that should be secret `name`, in `version` unless that is NULL; `wall_sec` is now.
 * STATUS_DENIED: an answer in good order about a version that may not be used (disabled, not yet
 * valid, expired): only out_secret->version is set then. STATUS_INVALID, _LIMIT: not an answer we
 * take. err never quotes the value. */
enum status key_vault_parse_secret(struct slice body, const char *name, const char *version,
                                   int64_t wall_sec, struct key_vault_secret *out_secret,
                                   struct error *err);

/* Puts any other answer into words, telling the inner codes of a 403 apart. Peer text is repeated
 * only where it is one of the codes known here. */
void key_vault_refusal(struct slice body, int http_status, struct error *out_text);

#endif
