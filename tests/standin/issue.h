/* Tokens as Entra issues them: for applications, managed identities, and users on whose behalf an
 * application asks. */
#ifndef BARKEEP_STANDIN_ISSUE_H
#define BARKEEP_STANDIN_ISSUE_H

#include "world.h"

/* As directory_resource(), counting in what vaults name in their challenges (azure.md E.5). */
bool issue_find_resource(const struct world *world, const char *name,
                         struct resource *out_resource);

/* Whether `name` (NULL: did not come) is a name of `resource`, as the parameter `resource` of a
 * sign-in has to be. */
bool issue_resource_is(const struct world *world, const char *name,
                       const struct resource *resource);

struct issue_order {
    const char *tenant;
    const char *client_id;
    const char *oid;
    const char *name;        /* users only; NULL: app-only */
    const char *upn;         /* users only */
    const char *scopes;      /* users only */
    const char *client_auth; /* "1" secret, "2" certificate or managed identity */
    const char *resource_id; /* managed identities; may be NULL */
    const char *nonce;       /* of ID tokens; NULL: any */
    const json_t *roles;     /* {client id of the API: [app role, ...]}; may be NULL */
    bool is_cae_capable;
    int64_t lifetime_sec; /* unless a knob wants another */
};

struct issued_token {
    char *text;
    int64_t not_before;
    int64_t expires;
    int64_t lifetime_sec; /* from now */
};

/* The caller frees `text`. Signed with the newest published key. */
struct issued_token issue_token(const struct world *world, const struct resource *resource,
                                const struct issue_order *order);
/* The user's ID token for the client. */
struct issued_token issue_id_token(const struct world *world, const struct issue_order *order);

#endif
