/* Access tokens for applications and managed identities, as Entra issues them. */
#ifndef BARKEEP_STANDIN_ISSUE_H
#define BARKEEP_STANDIN_ISSUE_H

#include "world.h"

/* As directory_resource(), counting in what vaults name in their challenges (azure.md E.5). */
bool issue_find_resource(const struct world *world, const char *name,
                         struct resource *out_resource);

struct issue_order {
    const char *tenant;
    const char *client_id;
    const char *oid;
    const char *client_auth; /* "1" secret, "2" managed identity */
    const char *resource_id; /* managed identities; may be NULL */
    const json_t *roles;     /* {client id of the API: [app role, ...]}; may be NULL */
    bool is_cae_capable;
    int64_t lifetime_sec;
};

struct issued_token {
    char *text;
    int64_t not_before;
    int64_t expires;
};

/* The caller frees `text`. Signed with the newest published key. */
struct issued_token issue_token(const struct world *world, const struct resource *resource,
                                const struct issue_order *order);

#endif
