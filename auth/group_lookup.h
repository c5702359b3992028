/* One question to Microsoft Graph: which of the groups that the rules name is this principal in? A
 * token, one request for every 20 groups (or one for all beyond 100), one answer. azure.md B. */
#ifndef BARKEEP_AUTH_GROUP_LOOKUP_H
#define BARKEEP_AUTH_GROUP_LOOKUP_H

#include "auth/graph_answer.h"
#include "auth/group_list.h"
#include "core/http_client.h"
#include "vault/azure_identity.h"

/* X(enumerator, label): what came of asking, or why nobody was asked. */
#define GROUP_RESULT_TABLE(X)                                                                      \
    X(GROUPS_OK, "ok")                                                                             \
    X(GROUPS_CACHED, "cached")                                                                     \
    X(GROUPS_NOT_FOUND, "not_found")   /* the directory does not know the principal */             \
    X(GROUPS_FORBIDDEN, "forbidden")   /* barkeep's identity lacks a permission */                 \
    X(GROUPS_THROTTLED, "throttled")   /* 429 */                                                   \
    X(GROUPS_FAILED, "failed")         /* no answer, or none that counts */                        \
    X(GROUPS_NO_TOKEN, "no_token")     /* barkeep's identity got none */                           \
    X(GROUPS_PAUSED, "paused")         /* not asked: failures so far ask for a pause */            \
    X(GROUPS_OVERLOADED, "overloaded") /* not asked: too many are waiting */

enum group_result {
#define X(enumerator, label) enumerator,
    GROUP_RESULT_TABLE(X)
#undef X
        GROUP_RESULT_COUNT
};

/* What all look-ups share; outlives them. */
struct graph {
    struct http_client *client;
    struct azure_identity *identity; /* NULL: none is configured */
    const struct config_entra *entra;
    const struct slice *groups; /* object ids, lower case, sorted */
    size_t group_count;
};

/* One tenant's way to Graph; outlives its look-ups. */
struct graph_tenant {
    char id[37];
    char url[GRAPH_URL_SIZE]; /* as the authority's metadata says; "" while it is to be asked for */
};

struct group_answer {
    enum group_result result;  /* GROUPS_OK: groups is there */
    struct group_list *groups; /* one reference for the receiver */
    struct error error;        /* else: why not, for the operator */
    int64_t retry_after_sec;   /* -1 when Graph did not say */
};

/* Embed; zero-initialise. */
struct group_lookup {
    const struct graph *graph;
    struct graph_tenant *tenant;
    const char *oid;
    bool is_app;
    void (*on_done)(struct group_lookup *lookup, struct group_answer *answer);
    /* the look-up's own */
    struct http_call *call;
    struct secret *token;
    bool waits_for_token;
    bool has_new_token;
    bool *is_member; /* by group */
    size_t answered; /* groups that Graph has spoken about */
};

/* The first five members are set, and stay so. `on_done` follows exactly once unless cancelled,
 * perhaps before this returns. */
void group_lookup_start(struct group_lookup *lookup);
void group_lookup_cancel(struct group_lookup *lookup); /* idempotent */

#endif
