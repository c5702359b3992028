/* The cabinet: every secret the configuration names, fetched at start, refreshed in the background,
 * served stale within bounds, dropped at once on 403 and 404; and the credentials rendered from
 * them. Lives on the keeper's loop and publishes immutable snapshots. contract section 4, azure.md
 * D. */
#ifndef BARKEEP_VAULT_SECRET_STORE_H
#define BARKEEP_VAULT_SECRET_STORE_H

#include "config/config.h"
#include "core/http_client.h"
#include "core/loop.h"
#include "core/secret.h"
#include "vault/azure_identity.h"

/* Which version of which secret a rendered credential was made of: goes to the audit line. */
struct secret_used {
    const char *vault;
    const char *name;
    char version[33]; /* "" for file: vaults */
};

struct rendered_header {
    const char *name;
    struct secret *line; /* "Name: value\r\n", complete, in secret memory */
};

/* A query parameter or a cookie. */
struct rendered_pair {
    const char *name;    /* of a query parameter: decoded */
    struct secret *text; /* "name=value", percent-encoded in a query, as it is in a cookie */
};

/* Where secrets with the tag barkeep-hosts may go. */
struct rendered_hosts {
    const struct slice *items; /* "host" or "host:port", lower case, IPv6 in brackets */
    size_t count;
};

struct client_certificate;
struct leak_set;

/* What one credential puts into a request. */
struct rendered_credential {
    bool is_available; /* every secret it needs is there and usable */
    /* Never 0. No two renderings of this process have the same, but those that differ in `previous`
     * alone. */
    uint64_t generation;
    struct rendered_header *headers;
    size_t header_count;
    struct rendered_pair *query;
    size_t query_count;
    struct rendered_pair *cookies;
    size_t cookie_count;
    const struct client_certificate *certificate; /* NULL: none */
    struct secret_used *used;
    size_t used_count;
    const struct rendered_hosts *bounds; /* one for each secret that has the tag: all must hold */
    size_t bound_count;
    /* Of a token, what answers must not repeat; else NULL, and cabinet_leaks() has it. */
    const struct leak_set *leaks;
    /* The same made of the versions before, while they may still be used; NULL: there is none. */
    const struct rendered_credential *previous;
};

/* True when every secret in it may be sent to `host` (no brackets) and `port`; with a unix socket
 * (`host` NULL) only when none has the tag. */
bool rendered_credential_may_go_to(const struct rendered_credential *credential, const char *host,
                                   uint16_t port);

/* An immutable snapshot. */
struct cabinet;
struct cabinet *cabinet_ref(struct cabinet *cabinet); /* thread-safe */
void cabinet_unref(
    struct cabinet *cabinet); /* thread-safe; NULL is fine; wipes with the last one */
/* By index into config->credentials. Lives as long as the cabinet. */
const struct rendered_credential *cabinet_credential(const struct cabinet *cabinet,
                                                     size_t credential);
/* What the answers of a route (by index into config->routes) must not repeat, whatever went into
 * the request: each credential that it may inject, with the version before, but for those of
 * callers' tokens. *out_leaks is NULL when there is nothing to look for, as where `scrub` is false.
 * False when there was no memory for it: nothing may be sent then. */
bool cabinet_leaks(const struct cabinet *cabinet, size_t route, const struct leak_set **out_leaks);

struct secret_store;

/* How many credentials are looked for in answers, each as often as routes differ in what they
 * inject: what secret memory it takes depends on it. False without memory. */
bool secret_store_count_searched(const struct config *config, size_t *out_count);

/* In place of a credential's index: the key that signs assertions. */
static inline size_t secret_store_assertion_key(const struct config *config) {
    return config->credential_count;
}

/* Someone who waits for a credential. Embed; zero-initialise. */
struct credential_want {
    struct credential_want *next; /* owned by the store while waiting */
    size_t credential;
    /* The rendering (its `generation`) that an upstream answered 401 to: its secrets are read anew,
     * and the version before is looked for, unless that was done a moment ago or a newer rendering
     * is there. 0: none was refused. */
    uint64_t refused_generation;
    void (*on_done)(struct credential_want
                        *want); /* once; the cabinet published last holds what could be had */
};

/* `on_cabinet` gets a reference to each new cabinet; it is called before the wants it answers.
 * `identity` may be NULL when no Key Vault is configured. */
struct secret_store *secret_store_new(struct loop *loop, struct http_client *client,
                                      struct azure_identity *identity, const struct config *config,
                                      void (*on_cabinet)(void *owner, struct cabinet *cabinet),
                                      void *owner, struct error *err);
void secret_store_free(struct secret_store *store); /* pending wants are answered first */
/* Takes over what `former` holds of each secret that both configurations have, and when it is to be
 * read next: nothing is asked of a vault before that. Folders are read at start all the same, and
 * so is everything when another identity asks. Request counts go on under each vault's name.
 * `former` is read only; before secret_store_start(). */
void secret_store_adopt(struct secret_store *store, const struct secret_store *former);
/* Publishes a first cabinet (file: vaults are read at once), fetches what is due, keeps refreshing.
 */
void secret_store_start(struct secret_store *store);
/* Asks for the secrets of one credential that are missing: one fetch however many ask, back-off
 * between failed tries. `on_done` may be called before this returns. */
void secret_store_want(struct secret_store *store, struct credential_want *want);

/* What is held of a secret now, by index into config->secrets; NULL for nothing. Borrowed until the
 * loop's next turn. Every change of it is followed by a new cabinet. */
struct secret *secret_store_value(const struct secret_store *store, size_t secret);

struct secret_state {
    const char *vault;
    const char *name;
    bool is_ready;
    int64_t age_sec;        /* since last good read; -1 before it */
    const char *last_error; /* "" when the last read was good */
};
size_t secret_store_state_count(const struct secret_store *store);
void secret_store_state(const struct secret_store *store, size_t index,
                        struct secret_state *out_state);

/* barkeep_vault_requests_total{vault,status}: calls back once per pair seen. status 0 is a
 * transport failure. */
void secret_store_each_request_count(const struct secret_store *store,
                                     void (*on_count)(void *owner, const char *vault, int status,
                                                      uint64_t count),
                                     void *owner);

#endif
