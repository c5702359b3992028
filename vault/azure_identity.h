/* barkeep's own identity towards Azure: tokens of a managed identity (IMDS, App Service and
 * Container Apps, Azure Arc) or of an application that proves itself by a secret, a certificate or
 * a federated token; cached, refreshed in the background at min(half life, exp - 5 min), one
 * request in flight per tenant and resource. A token is used until it expires, whatever becomes of
 * the service that gave it. Lives on the keeper's loop. azure.md B.1, C.1 to C.10. */
#ifndef BARKEEP_VAULT_AZURE_IDENTITY_H
#define BARKEEP_VAULT_AZURE_IDENTITY_H

#include "config/config.h"
#include "core/http_client.h"
#include "core/loop.h"
#include "core/secret.h"

struct azure_identity;

struct azure_identity *azure_identity_new(struct loop *loop, struct http_client *client,
                                          const struct config *config, struct error *err);
void azure_identity_free(struct azure_identity *identity);
/* Holds the tokens that `former` does and asks for the next ones when that one would have, if both
 * configurations identify barkeep in the same way; else nothing happens. A token that nobody asks
 * for any more is not renewed. `former` is read only; before anyone asks `identity`. */
void azure_identity_adopt(struct azure_identity *identity, const struct azure_identity *former);

/* `token` is NULL when none can be had; err says why. The callee takes its own reference. */
typedef void azure_identity_on_token(void *owner, struct secret *token, const struct error *err);

/* A token of `tenant` (a GUID; NULL: identity's own) for `resource` ("https://vault.azure.net", no
 * "/.default"). A managed identity has tokens of its own tenant only. The callback may come before
 * this returns (cached token) or later, always exactly once unless cancelled by
 * azure_identity_forget(owner). */
void azure_identity_get(struct azure_identity *identity, const char *tenant, const char *resource,
                        azure_identity_on_token *on_token, void *owner);
/* No callback for `owner` follows. */
void azure_identity_forget(struct azure_identity *identity, void *owner);
/* Someone who wants a token and every one that follows it. Embed; zero-initialise; set the first
 * four members once. */
struct azure_identity_watch {
    const char *tenant;   /* NULL: identity's own; must outlive the watch */
    const char *resource; /* must outlive the watch */
    azure_identity_on_token *on_token;
    void *owner;

    struct azure_identity_watch *next; /* the identity's */
};

/* Calls back with each token as it comes, and with NULL when one ran out before the next could be
 * had; the first time perhaps before this returns. */
void azure_identity_watch(struct azure_identity *identity, struct azure_identity_watch *watch);
void azure_identity_unwatch(struct azure_identity *identity, struct azure_identity_watch *watch);

/* The service said 401: the next get asks for another token of `tenant` for `resource` (at most
 * once a minute). When none can be had, the one that was refused is handed out again until it
 * expires: other services may still take it. */
void azure_identity_invalidate(struct azure_identity *identity, const char *tenant,
                               const char *resource);
/* The service said 401 with error="insufficient_claims": as azure_identity_invalidate(), and the
 * next token is asked for with those claims. `claims` is the value as it stands in the challenge:
 * base64 of a JSON object; it is judged here and may come from anyone. Within a minute of an
 * invalidation the first challenge still counts, a second one does not. False when the claims
 * cannot be sent, because they are unusable or the identity is a managed one: then it was but an
 * invalidation. */
bool azure_identity_challenge(struct azure_identity *identity, const char *tenant,
                              const char *resource, struct slice claims);

#endif
