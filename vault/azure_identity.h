/* barkeep's own identity towards Azure: tokens by IMDS or by client secret, cached, refreshed in
 * the background at min(half life, exp - 5 min), one request in flight per tenant and resource.
 * Lives on the keeper's loop. azure.md B.1, C.1, C.5, C.10. */
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

/* The service said 401: drop the cached token of `tenant` for `resource`, so that the next get asks
 * again (at most once a minute). */
void azure_identity_invalidate(struct azure_identity *identity, const char *tenant,
                               const char *resource);

#endif
