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
/* 401 with the challenge of D.3. `claims` (JSON) makes it one of continuous access evaluation; may
 * be NULL. */
void vault_reply_challenge(struct reply *reply, const char *origin, const struct vault *vault,
                           const char *claims, const char *message);
/* 404 about an object; `version` NULL: any. */
void vault_reply_missing(struct reply *reply, enum collection collection, const char *name,
                         const char *version);

/* Who was denied what. */
struct denial {
    const struct vault *vault;
    const char *action;
    const char *object; /* "secrets/NAME" and the like; NULL: the whole vault */
    const char *app_id;
    const char *oid;
    const char *issuer;
};
/* 403 ForbiddenByRbac with its many lines. */
void vault_reply_denied(struct reply *reply, const struct denial *denial,
                        const struct rbac_verdict *verdict);
/* 403 AccessDenied. */
void vault_reply_no_access(struct reply *reply, const struct denial *denial,
                           const struct access_verdict *verdict);
/* 403 ForbiddenByFirewall or ForbiddenByConnection. */
void vault_reply_unreachable(struct reply *reply, const struct denial *denial);
/* 429; with Retry-After if the vault's knob says so. */
void vault_reply_throttled(struct reply *reply, const struct vault_gate *gate);

/* Documents about one version. `base` is the vault's URL. The caller owns the object. */
json_t *vault_secret_bundle(const char *base, const struct vault_object *secret,
                            const struct vault_version *version, bool has_value);
json_t *vault_key_bundle(const char *base, const struct vault_object *key,
                         const struct vault_version *version);
json_t *vault_certificate_bundle(const char *base, const struct vault_object *certificate,
                                 const struct vault_version *version);
/* The same in a list: without value; the id has the version only if asked. */
json_t *vault_list_item(const char *base, enum collection collection,
                        const struct vault_object *object, const struct vault_version *version,
                        bool has_version_in_id);
/* Adds what the documents of deleted objects say more. */
void vault_mark_deleted(json_t *document, const char *base, enum collection collection,
                        const struct vault_object *object);

#endif
