/* Callers' tokens exchanged for tokens of a downstream resource in the caller's name. Lives on the
 * keeper's loop; one exchange in flight per caller and credential, however many ask. azure.md C.9.
 */
#ifndef BARKEEP_VAULT_ON_BEHALF_OF_H
#define BARKEEP_VAULT_ON_BEHALF_OF_H

#include "config/config.h"
#include "core/http_client.h"
#include "core/loop.h"
#include "core/secret.h"
#include "vault/credential.h"

enum on_behalf_verdict {
    ON_BEHALF_GOOD,
    ON_BEHALF_CLAIMS,      /* interaction needed: `claims` goes back to the caller */
    ON_BEHALF_EXPIRED,     /* the caller's token is no longer taken: a new one may be */
    ON_BEHALF_REFUSED,     /* this caller may not have that token: no consent, no such right */
    ON_BEHALF_UNAVAILABLE, /* Entra cannot be reached, throttles, or refuses barkeep itself */
};

/* Someone who waits for an exchange. Embed; zero-initialise. */
struct on_behalf_want {
    struct on_behalf_want *next;                  /* owned by the source while waiting */
    size_t credential;                            /* index into config->credentials */
    const char *tenant;                           /* the caller's: a GUID that outlives the want */
    struct secret *assertion;                     /* the caller's token; let go while it waits */
    void (*on_done)(struct on_behalf_want *want); /* once */

    /* The answer. */
    enum on_behalf_verdict verdict;
    struct rendering *rendering; /* good only; the receiver's reference */
    uint64_t until_ms;           /* monotonic: the rendering must not be used beyond it */
    char *claims;                /* JSON as Entra sent it; the receiver frees */
    struct error error;          /* when not good; never holds a token */
};

struct on_behalf_source;

/* `config` must outlive it. A managed identity cannot exchange anything: it answers every want with
 * ON_BEHALF_UNAVAILABLE and says so. */
struct on_behalf_source *on_behalf_source_new(struct loop *loop, struct http_client *client,
                                              const struct config *config, struct error *err);
void on_behalf_source_free(struct on_behalf_source *source); /* pending wants are answered first */
/* on_done may be called before this returns. Answers are kept for a while, refusals too: the same
 * token for the same credential is exchanged at most every 50 seconds, and while a tenant's token
 * endpoint is away, throttles or refuses barkeep itself nobody's is. */
void on_behalf_source_want(struct on_behalf_source *source, struct on_behalf_want *want);

#endif
