/* The tenant's directory: tenants, applications, users, managed identities. Read from a seed,
 * immutable afterwards. Strings belong to the directory. Ids compare without regard to case. */
#ifndef BARKEEP_STANDIN_DIRECTORY_H
#define BARKEEP_STANDIN_DIRECTORY_H

#include <jansson.h>
#include <stdbool.h>

#include "core/status.h"

#define RESOURCE_VAULT "https://vault.azure.net"
#define RESOURCE_GRAPH "https://graph.microsoft.com"
/* Microsoft Graph's own application: app roles of it are permissions. */
#define GRAPH_CLIENT_ID "00000003-0000-0000-c000-000000000000"

struct tenant {
    const char *id;
    const json_t *domains; /* names that work in the URL in place of the id */
};

struct app {
    const char *name;
    const char *client_id;
    const char *oid; /* its service principal */
    const char *tenant;
    const json_t *secrets;
    const json_t *uris;  /* App ID URIs; an app with one is an API */
    const json_t *roles; /* what it was granted: {client id of the API: [app role, ...]} */
    const json_t *groups;
    int token_version; /* of tokens issued for this app as a resource */
    bool is_disabled;
};

struct user {
    const char *oid;
    const char *name;
    const char *upn;
    const char *tenant;
    const json_t *groups;
};

struct managed_identity {
    const char *client_id;
    const char *oid;
    const char *resource_id;
    const char *tenant;
    const json_t *roles;
    const json_t *groups;
};

struct directory {
    struct tenant *tenants;
    size_t tenant_count;
    struct app *apps;
    size_t app_count;
    struct user *users;
    size_t user_count;
    struct managed_identity *identities;
    size_t identity_count;
    const json_t *group_parents; /* {group: [groups that it is in]}; NULL: none is in another */
};

void directory_done(struct directory *directory);

/* By GUID or domain name; NULL if unknown. */
const struct tenant *directory_tenant(const struct directory *directory, const char *name);
const struct app *directory_app(const struct directory *directory, const char *client_id);
/* The first app with an App ID URI: what tokens are minted for unless told otherwise. NULL if the
 * seed has none. */
const struct app *directory_default_api(const struct directory *directory);
/* The first app without one: the client of minted tokens. */
const struct app *directory_default_client(const struct directory *directory);
const struct user *directory_user(const struct directory *directory, const char *oid);
/* NULL selector: the first. */
const struct managed_identity *directory_identity(const struct directory *directory,
                                                  const char *client_id, const char *oid,
                                                  const char *resource_id);
/* The groups that a principal, whatever it is, is in directly; NULL if there are none. */
const json_t *directory_groups(const struct directory *directory, const char *oid);

/* A resource a token may be asked for. */
struct resource {
    const struct app *api; /* NULL for Azure's own */
    const char *client_id; /* whose app roles its tokens carry; NULL: none */
    int token_version;
    const char *audience; /* what goes into `aud`: lives as long as the directory and `name` */
};

/* `name` as asked: a client id, an App ID URI with or without a slash behind it, or one of Azure's
 * own resources; `extra` (may be NULL) is a further vault resource. azure.md A.4. */
bool directory_resource(const struct directory *directory, const char *name, const char *extra,
                        struct resource *out_resource);

#endif
