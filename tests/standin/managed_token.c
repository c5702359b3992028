/* Tokens of managed identities. */
#include "managed_token.h"

#define LIFETIME_SEC (24 * 60 * 60 - 1)

static const struct managed_identity *select_identity(const struct directory *directory,
                                                      const struct selector_names *names,
                                                      const struct form *query) {
    const char *client_id = form_get(query, names->client_id);
    const char *oid = form_get(query, names->oids[0]);
    const char *other_oid = names->oids[1] ? form_get(query, names->oids[1]) : NULL;
    const char *resource_id = form_get(query, names->resource_id);
    if ((client_id != NULL) + (oid != NULL) + (other_oid != NULL) + (resource_id != NULL) > 1)
        return NULL;
    return directory_identity(directory, client_id, oid ? oid : other_oid, resource_id);
}

enum managed_token_result managed_token_issue(const struct world *world,
                                              const struct selector_names *names,
                                              const struct form *query,
                                              struct managed_token *out_token) {
    const struct managed_identity *identity = select_identity(&world->seed.directory, names, query);
    struct resource resource;
    if (!identity)
        return MANAGED_TOKEN_NO_IDENTITY;
    if (!issue_find_resource(world, form_get(query, "resource"), &resource))
        return MANAGED_TOKEN_NO_RESOURCE;
    out_token->identity = identity;
    out_token->issued = issue_token(world, &resource,
                                    &(struct issue_order){
                                        .tenant = identity->tenant,
                                        .client_id = identity->client_id,
                                        .oid = identity->oid,
                                        .client_auth = "2",
                                        .resource_id = identity->resource_id,
                                        .roles = identity->roles,
                                        .lifetime_sec = LIFETIME_SEC,
                                    });
    return MANAGED_TOKEN_GOOD;
}
