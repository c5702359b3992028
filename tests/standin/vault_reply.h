/* What Key Vault's answers look like. azure.md D.2, D.3, D.5. */
#ifndef BARKEEP_STANDIN_VAULT_REPLY_H
#define BARKEEP_STANDIN_VAULT_REPLY_H

#include "reply.h"
#include "request.h"
#include "vault.h"

/* The headers every answer of the vault has. */
void vault_reply_headers(struct reply *reply, const struct request *request);

/* `code` and message as D.5 lists them; `inner` may be NULL. */
void vault_reply_error(struct reply *reply, unsigned status, const char *code, const char *inner,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));
/* 401 with the challenge of D.3. */
void vault_reply_challenge(struct reply *reply, const char *origin, const struct vault *vault,
                           const char *message);

struct denial {
    const struct vault *vault;
    const char *action;
    const char *secret; /* NULL: the whole vault */
    const char *app_id;
    const char *oid;
    const char *issuer;
    const struct rbac_verdict *verdict;
};
/* 403 ForbiddenByRbac with its many lines. */
void vault_reply_denied(struct reply *reply, const struct denial *denial);

/* Bundle of one version: `base` is the vault's URL. The caller owns the object. */
json_t *vault_bundle(const char *base, const struct vault_secret *secret,
                     const struct secret_version *version, bool has_value, bool has_version_in_id);

#endif
