/* Look-ups in the tenant's directory. */
#include "directory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "must.h"

static const char *const azure_resources[] = {
    RESOURCE_VAULT,
    RESOURCE_GRAPH,
    "https://management.azure.com",
};

static void app_done(struct app *app) {
    json_decref(app->secrets);
    json_decref(app->federated);
    for (size_t i = 0; i < app->certificate_count; i++)
        app_certificate_free(app->certificates[i]);
    free(app->certificates);
    sign_in_rule_done(&app->rule);
}

void directory_done(struct directory *directory) {
    for (size_t i = 0; i < directory->app_count; i++)
        app_done(&directory->apps[i]);
    for (size_t i = 0; i < directory->user_count; i++)
        sign_in_rule_done(&directory->users[i].rule);
    free(directory->tenants);
    free(directory->apps);
    free(directory->users);
    free(directory->identities);
    *directory = (struct directory){0};
}

static bool is_same(const char *a, const char *b) {
    return a && b && strcasecmp(a, b) == 0;
}

static bool list_holds(const json_t *list, const char *text) {
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item) if (is_same(json_string_value(item), text)) return true;
    return false;
}

const struct tenant *directory_tenant(const struct directory *directory, const char *name) {
    for (size_t i = 0; i < directory->tenant_count; i++) {
        const struct tenant *tenant = &directory->tenants[i];
        if (is_same(tenant->id, name) || list_holds(tenant->domains, name))
            return tenant;
    }
    return NULL;
}

struct app *directory_app_to_change(struct directory *directory, const char *client_id) {
    for (size_t i = 0; i < directory->app_count; i++)
        if (is_same(directory->apps[i].client_id, client_id))
            return &directory->apps[i];
    return NULL;
}

const struct app *directory_app(const struct directory *directory, const char *client_id) {
    return directory_app_to_change((struct directory *)directory, client_id);
}

enum status app_add_certificate(struct app *app, const char *pem, struct error *err) {
    struct app_certificate *certificate = app_certificate_parse(pem, err);
    if (!certificate)
        return STATUS_INVALID;
    struct app_certificate **place =
        must_grow(&app->certificates, &app->certificate_count, sizeof(certificate));
    *place = certificate;
    return STATUS_OK;
}

void app_add_federated(struct app *app, const char *issuer, const char *subject,
                       const char *audience) {
    json_array_append_new(app->federated,
                          must(json_pack("{s:s, s:s, s:s}", "issuer", issuer, "subject", subject,
                                         "audience", audience ? audience : FEDERATED_AUDIENCE)));
}

static const struct app *first_app(const struct directory *directory, bool is_api) {
    for (size_t i = 0; i < directory->app_count; i++)
        if ((json_array_size(directory->apps[i].uris) > 0) == is_api)
            return &directory->apps[i];
    return NULL;
}

const struct app *directory_default_api(const struct directory *directory) {
    return first_app(directory, true);
}

const struct app *directory_default_client(const struct directory *directory) {
    return first_app(directory, false);
}

struct user *directory_user_to_change(struct directory *directory, const char *oid) {
    for (size_t i = 0; i < directory->user_count; i++)
        if (is_same(directory->users[i].oid, oid))
            return &directory->users[i];
    return NULL;
}

const struct user *directory_user(const struct directory *directory, const char *oid) {
    return directory_user_to_change((struct directory *)directory, oid);
}

struct managed_identity *directory_identity_to_change(struct directory *directory,
                                                      const char *client_id) {
    for (size_t i = 0; i < directory->identity_count; i++)
        if (is_same(directory->identities[i].client_id, client_id))
            return &directory->identities[i];
    return NULL;
}

const struct managed_identity *directory_identity(const struct directory *directory,
                                                  const char *client_id, const char *oid,
                                                  const char *resource_id) {
    for (size_t i = 0; i < directory->identity_count; i++) {
        const struct managed_identity *identity = &directory->identities[i];
        if (!identity->is_gone && (!client_id || is_same(identity->client_id, client_id)) &&
            (!oid || is_same(identity->oid, oid)) &&
            (!resource_id || is_same(identity->resource_id, resource_id)))
            return identity;
    }
    return NULL;
}

const json_t *directory_groups(const struct directory *directory, const char *oid) {
    const struct user *user = directory_user(directory, oid);
    if (user)
        return user->groups;
    for (size_t i = 0; i < directory->app_count; i++)
        if (is_same(directory->apps[i].oid, oid))
            return directory->apps[i].groups;
    const struct managed_identity *identity = directory_identity(directory, NULL, oid, NULL);
    return identity ? identity->groups : NULL;
}

const struct user *directory_first_user(const struct directory *directory, const char *tenant) {
    for (size_t i = 0; i < directory->user_count; i++)
        if (is_same(directory->users[i].tenant, tenant))
            return &directory->users[i];
    return NULL;
}

/* What follows the port of a loopback URI, or the host when it has none; NULL for other URIs. */
static const char *after_loopback(const char *uri, const char **out_host) {
    static const char *const hosts[] = {"http://localhost", "http://127.0.0.1"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
        size_t len = strlen(hosts[i]);
        if (strncmp(uri, hosts[i], len) != 0)
            continue;
        const char *rest = uri + len;
        if (*rest == ':')
            rest += 1 + strspn(rest + 1, "0123456789");
        *out_host = hosts[i];
        return *rest && !strchr("/?", *rest) ? NULL : rest;
    }
    return NULL;
}

static bool is_same_but_for_port(const char *a, const char *b) {
    const char *host_of_a = NULL;
    const char *host_of_b = NULL;
    const char *rest_of_a = after_loopback(a, &host_of_a);
    const char *rest_of_b = after_loopback(b, &host_of_b);
    return rest_of_a && rest_of_b && host_of_a == host_of_b && strcmp(rest_of_a, rest_of_b) == 0;
}

enum redirect_platform app_redirect_platform(const struct app *app, const char *uri) {
    size_t index;
    json_t *item;
    json_array_foreach(app->native_redirects, index, item) {
        const char *listed = json_string_value(item);
        if (strcmp(listed, uri) == 0 || is_same_but_for_port(listed, uri))
            return REDIRECT_NATIVE;
    }
    json_array_foreach(app->web_redirects, index, item) {
        if (strcmp(json_string_value(item), uri) == 0)
            return REDIRECT_WEB;
    }
    return REDIRECT_UNKNOWN;
}

/* Exactly, or with one slash behind it. */
static bool names_uri(const char *name, const char *uri) {
    size_t len = strlen(uri);
    return strncmp(name, uri, len) == 0 && (name[len] == 0 || strcmp(name + len, "/") == 0);
}

static bool app_has_uri(const struct app *app, const char *name) {
    size_t index;
    json_t *uri;
    json_array_foreach(app->uris, index,
                       uri) if (names_uri(name, json_string_value(uri))) return true;
    return false;
}

bool directory_resource(const struct directory *directory, const char *name, const char *extra,
                        struct resource *out_resource) {
    for (size_t i = 0; i < sizeof(azure_resources) / sizeof(*azure_resources); i++)
        if (names_uri(name, azure_resources[i])) {
            bool is_graph = strcmp(azure_resources[i], RESOURCE_GRAPH) == 0;
            *out_resource = (struct resource){.client_id = is_graph ? GRAPH_CLIENT_ID : NULL,
                                              .token_version = 1,
                                              .audience = name};
            return true;
        }
    if (extra && names_uri(name, extra)) {
        *out_resource = (struct resource){.token_version = 1, .audience = name};
        return true;
    }
    for (size_t i = 0; i < directory->app_count; i++) {
        const struct app *app = &directory->apps[i];
        bool is_id = is_same(app->client_id, name);
        if (!is_id && !app_has_uri(app, name))
            continue;
        *out_resource = (struct resource){
            .api = app,
            .client_id = app->client_id,
            .token_version = app->token_version,
            .audience = app->token_version == 2 || is_id ? app->client_id : name,
        };
        return true;
    }
    return false;
}
