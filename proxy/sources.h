/* Everything that one configuration's snapshots are made of: its rules, and what keeps keys,
 * secrets, addresses, groups, revocations and the assertion key fresh. Lives on the keeper's loop;
 * the keeper has one that serves and, while a changed configuration takes over, a second. */
#ifndef BARKEEP_PROXY_SOURCES_H
#define BARKEEP_PROXY_SOURCES_H

#include "auth/assertion_source.h"
#include "auth/group_source.h"
#include "auth/key_source.h"
#include "auth/revocation_source.h"
#include "core/http_client.h"
#include "core/mailbox.h"
#include "proxy/snapshot.h"
#include "proxy/want.h"
#include "vault/on_behalf_of.h"
#include "vault/secret_store.h"

/* What all sources share; outlives them. */
struct sources;
struct sources_ground {
    struct loop *loop;
    struct http_client *client;
    struct mailbox *mailbox; /* the keeper's */
    /* A part has changed: a new snapshot is worth publishing. Not called before sources_start()
     * has returned. */
    void (*on_change)(void *owner, struct sources *sources);
    void *owner;
    const struct mcp_seal *seal; /* of sessions and the like: outlives reloads */
    resolver_on_book *on_book;   /* on the mailbox's receiver, with the id of the sources */
};

/* Members are for reading outside of sources.c. */
struct sources {
    struct sources_ground ground;
    uint64_t id; /* no two in a process have the same */
    struct config *config;
    bool is_started;

    struct key_source *keys;
    struct azure_identity *identity; /* NULL: barkeep has none */
    struct group_source *groups;
    struct secret_store *secrets;
    struct on_behalf_source *on_behalf; /* NULL when no credential asks for it */
    struct token_relay *relay;          /* NULL when no client signs in through a facade */
    struct resolver *resolver;
    struct revocation_source *revocation_source; /* NULL when nothing is ever revoked */
    struct assertion_source *assertion_source;   /* NULL when no assertions are signed */

    struct ruleset *rules;
    struct key_ring *ring;
    struct cabinet *cabinet;
    struct address_book *addresses;
    struct revocation_list *revocations; /* NULL when empty */
    struct assertion_signer *assertions;
};

/* Takes its own reference to `config`. Names that `former` (NULL: there is none) has looked up are
 * not looked up again. NULL with err. */
struct sources *sources_new(const struct sources_ground *ground, struct config *config,
                            const struct sources *former, struct error *err);
void sources_free(struct sources *sources); /* NULL is fine; pending wants are answered first */
/* Takes over from `former` what both configurations agree on, so that nothing is fetched anew that
 * is there and counters go on. What is under way in `former` is begun again: sources_free() ends
 * it. Exchanges of callers' tokens that failed are forgotten. Before sources_start(). */
void sources_adopt(struct sources *sources, const struct sources *former);
/* Fetches what is missing and keeps everything fresh. */
void sources_start(struct sources *sources);
/* NULL without memory. */
struct snapshot *sources_snapshot(const struct sources *sources);
/* Takes over a reference to the newest addresses. */
void sources_take_addresses(struct sources *sources, struct address_book *addresses);
/* A worker's want that was made under these rules. */
void sources_take_want(struct sources *sources, struct want *want);

#endif
