/* The tenant's directory: tenants, applications, users, managed identities. Read from a seed; knobs
 * change how principals may sign in, nothing else. Strings belong to the seed. Ids compare without
 * regard to case. */
#ifndef BARKEEP_STANDIN_DIRECTORY_H
#define BARKEEP_STANDIN_DIRECTORY_H

#include <jansson.h>
#include <stdbool.h>

#include "app_certificate.h"
#include "core/status.h"
#include "sign_in_rule.h"

#define FEDERATED_AUDIENCE "api://AzureADTokenExchange"
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
    json_t *secrets;      /* own reference; NULL: none */
    json_t *federated;    /* own reference: [{issuer, subject, audience}], never NULL */
    const json_t *uris;   /* App ID URIs; an app with one is an API */
    const json_t *scopes; /* that it has as an API; NULL: access_as_user */
    const json_t *roles;  /* what it was granted: {client id of the API: [app role, ...]} */
    const json_t *groups;
    const json_t
        *native_redirects;       /* where sign-ins of a public client lead back to; may be NULL */
    const json_t *web_redirects; /* the same of a client that has a secret */
    int token_version;           /* of tokens issued for this app as a resource */
    struct app_certificate **certificates;
    size_t certificate_count;
    struct sign_in_rule rule;
    bool is_disabled;
    bool has_expired_secrets;
};

struct user {
    const char *oid;
    const char *name;
    const char *upn;
    const char *tenant;
    const json_t *groups;
    struct sign_in_rule rule;
};

struct managed_identity {
    const char *client_id;
    const char *oid;
    const char *resource_id;
    const char *tenant;
    const json_t *roles;
    const json_t *groups;
    bool is_gone; /* unassigned from the machine: no endpoint knows it */
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
/* For knobs. */
struct app *directory_app_to_change(struct directory *directory, const char *client_id);
struct user *directory_user_to_change(struct directory *directory, const char *oid);
struct managed_identity *directory_identity_to_change(struct directory *directory,
                                                      const char *client_id);
/* Registers what app_certificate_parse() takes; azure.md C.3. */
enum status app_add_certificate(struct app *app, const char *pem, struct error *err);
/* Trusts a foreign issuer's tokens for `subject`; `audience` NULL is api://AzureADTokenExchange.
 * azure.md C.4. */
void app_add_federated(struct app *app, const char *issuer, const char *subject,
                       const char *audience);
/* The first app with an App ID URI: what tokens are minted for unless told otherwise. NULL if the
 * seed has none. */
const struct app *directory_default_api(const struct directory *directory);
/* The first app without one: the client of minted tokens. */
const struct app *directory_default_client(const struct directory *directory);
const struct user *directory_user(const struct directory *directory, const char *oid);
/* NULL selector: the first that is not gone. */
const struct managed_identity *directory_identity(const struct directory *directory,
                                                  const char *client_id, const char *oid,
                                                  const char *resource_id);
/* The groups that a principal, whatever it is, is in directly; NULL if there are none. */
const json_t *directory_groups(const struct directory *directory, const char *oid);

/* What a redirect URI is registered for. */
enum redirect_platform { REDIRECT_UNKNOWN, REDIRECT_NATIVE, REDIRECT_WEB };
/* Letter for letter; of native URIs on http://localhost and http://127.0.0.1 the port does not
 * count (RFC 8252 7.3). */
enum redirect_platform app_redirect_platform(const struct app *app, const char *uri);

/* The first user of a tenant; NULL if it has none. */
const struct user *directory_first_user(const struct directory *directory, const char *tenant);

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
