/* One configured vault as something to read from: at most eight requests in flight, the rest in
 * order behind them; the identity's token goes to the configured URL and nowhere else. Knows
 * nothing of caching. */
#ifndef BARKEEP_VAULT_VAULT_CLIENT_H
#define BARKEEP_VAULT_VAULT_CLIENT_H

#include "config/config.h"
#include "core/http_client.h"
#include "vault/azure_identity.h"
#include "vault/key_vault.h"

enum fetch_verdict {
    FETCH_GOOD,
    FETCH_UNUSABLE, /* an answer, but none we take */
    FETCH_BARRED,   /* a version that may not be used: disabled, not yet valid, expired */
    FETCH_DENIED,   /* 403 */
    FETCH_MISSING,  /* 404, no such file */
    FETCH_FAILED,   /* 429, 5xx, 401, no token, no connection, too late */
};

struct fetch_outcome {
    enum fetch_verdict verdict;
    struct secret *value;    /* good only, not of a list; the receiver refs it */
    const char *version;     /* as far as the answer named one, else "" */
    const char *hosts;       /* the tag barkeep-hosts; NULL: there is none */
    int64_t expires_sec;     /* wall clock; 0 for never */
    int64_t valid_from_sec;  /* barred: when that ends by itself; 0: not at all */
    int64_t retry_after_sec; /* -1 when the vault did not say */
    const char *code;        /* the inner code of a 403, else "" */
    const char *error;       /* "" when good */
    const char *next_page;   /* of a list; NULL after the last */
};

struct vault_client;
struct vault_fetch;

typedef void vault_fetch_on_done(struct vault_fetch *fetch, const struct fetch_outcome *outcome);

enum fetch_phase { FETCH_IDLE, FETCH_QUEUED, FETCH_TOKEN, FETCH_CALL };

/* One read. Embed; zero-initialise. What it asks is set before each start. */
struct vault_fetch {
    const char *name;
    const char *version;                 /* NULL: latest */
    struct key_vault_versions *versions; /* not NULL: a page of the list goes in here instead */
    const char *page;                    /* of the list; NULL: the first */
    vault_fetch_on_done *on_done;
    void *owner;

    /* The client's. */
    struct vault_client *client;
    struct vault_fetch *next;
    enum fetch_phase phase;
    struct http_call *call;
    struct secret *token;
    bool has_new_token;   /* the one try after a 401 */
    bool was_challenged;  /* the one try after a 401 that demands claims */
    struct error refusal; /* what that 401 said */
};

/* `identity` may be NULL for file: vaults. */
struct vault_client *vault_client_new(struct http_client *http, struct azure_identity *identity,
                                      const struct config_vault *config);
/* After every fetch has been cancelled. */
void vault_client_free(struct vault_client *client);
const char *vault_client_name(const struct vault_client *client);
/* False for folders: what lies there has one version only. */
bool vault_client_has_versions(const struct vault_client *client);

/* Starts an idle fetch. on_done comes once, perhaps before this returns; the fetch is idle again
 * when it does. */
void vault_client_fetch(struct vault_client *client, struct vault_fetch *fetch);
/* No on_done follows. Fine for an idle fetch. */
void vault_client_cancel(struct vault_client *client, struct vault_fetch *fetch);

/* Until then (monotonic) nothing is sent: fetches fail at once. A vault's Retry-After speaks for
 * all of its secrets. Only ever moved later. */
void vault_client_hold(struct vault_client *client, uint64_t until_ms);
/* What is left of it; 0 when nothing is held. */
uint64_t vault_client_held_ms(const struct vault_client *client);
/* The same hold as on `former`, which reads from the same vault. */
void vault_client_carry_hold(struct vault_client *client, const struct vault_client *former);

/* Requests sent so far by HTTP status; 0 counts those without an answer. */
#define VAULT_CLIENT_STATUS_LIMIT 600
uint64_t vault_client_count(const struct vault_client *client, int http_status);
/* Counts on from where `former`, which reads on nobody's behalf any more, has got to. */
void vault_client_carry_counts(struct vault_client *client, const struct vault_client *former);

#endif
