/* Finds out for callers whose tokens leave their groups out which of the groups that the rules name
 * they are in: asks Microsoft Graph once for all who wait, remembers the answer for five minutes,
 * keeps quiet while Graph asks for it. Lives on the keeper's loop. azure.md A.10, B. */
#ifndef BARKEEP_AUTH_GROUP_SOURCE_H
#define BARKEEP_AUTH_GROUP_SOURCE_H

#include "auth/group_lookup.h"
#include "auth/identity.h"
#include "auth/policy.h"

struct group_source;

/* Someone who waits for a caller's groups. Embed; zero-initialise. */
struct group_want {
    struct group_want *next; /* owned by the source while waiting */
    char tenant[37];
    char oid[37];
    bool is_app;
    int64_t expires_sec; /* of the caller's token: the answer is not remembered beyond */
    void (*on_done)(struct group_want *want); /* once */
    /* the answer, with on_done */
    enum group_result result;  /* GROUPS_OK and GROUPS_CACHED: groups are there */
    struct group_list *groups; /* one reference for the receiver, or NULL: never "no groups" */
    uint64_t until_ms;         /* monotonic: how long they may be used */
};

/* Who `identity` is, into the want. False when that cannot be asked about. */
bool group_want_init(struct group_want *want, const struct identity *identity);

/* `identity` may be NULL: then every want is answered GROUPS_NO_TOKEN. Everything handed in must
 * outlive the source. NULL without memory. */
struct group_source *group_source_new(struct http_client *client, struct azure_identity *identity,
                                      const struct config *config, const struct policy *policy,
                                      struct error *err);
void group_source_free(struct group_source *source); /* pending wants are answered first */
/* Counts on from where `former` is and keeps the pauses that Graph asks for. Remembers what it
 * remembers, failures aside, as long as the rules name the same groups: an answer is about those
 * alone. `former` is read only; before anyone asks `source`. */
void group_source_adopt(struct group_source *source, const struct group_source *former);
/* `on_done` may be called before this returns. */
void group_source_want(struct group_source *source, struct group_want *want);

/* How often that result has come up: answers of Graph, and wants that were answered without it. */
uint64_t group_source_count(const struct group_source *source, enum group_result result);
const char *group_result_label(enum group_result result);

#endif
