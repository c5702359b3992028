/* Discovery documents and key sets. azure.md A.1, A.2, E.3: the issuer is one and the same on every
 * port and host name, what a client is to call next is where it asked. */
#include <stdlib.h>
#include <string.h>

#include "claims.h"
#include "entra_error.h"
#include "must.h"
#include "standin.h"

static const char tenant_template[] = "{tenantid}";

/* What stands for the tenant in URLs and in the issuer. */
struct tenant_names {
    const char *in_url;
    const char *in_issuer;
};

static bool find_tenant(const struct standin *standin, const struct request *request,
                        struct reply *reply, struct tenant_names *out_names) {
    const char *asked = request->segments[0];
    if (strcmp(asked, "common") == 0 || strcmp(asked, "organizations") == 0) {
        *out_names = (struct tenant_names){asked, tenant_template};
        return true;
    }
    const struct tenant *tenant = directory_tenant(&standin->world.seed.directory, asked);
    if (!tenant) {
        entra_error(reply, request, ENTRA_UNKNOWN_TENANT_METADATA, asked);
        return false;
    }
    *out_names = (struct tenant_names){tenant->id, tenant->id};
    return true;
}

static bool is_version_2(const struct request *request) {
    return request->segment_count > 1 && strcmp(request->segments[1], "v2.0") == 0;
}

static void put_url(json_t *document, const char *name, const struct request *request,
                    const struct tenant_names *tenant, const char *path) {
    char *url = must_printf("%s/%s/%s", request->origin, tenant->in_url, path);
    json_object_set_new(document, name, must(json_string(url)));
    free(url);
}

/* With ?appid= the keys are those of one application (azure.md A.1). */
static void put_keys_url(json_t *document, const struct request *request,
                         const struct tenant_names *tenant, const char *path) {
    const char *app = form_get(&request->query, "appid");
    char *full = guid_is_valid(app) ? must_printf("%s?appid=%s", path, app) : must_strdup(path);
    put_url(document, "jwks_uri", request, tenant, full);
    free(full);
}

static json_t *constant_members(void) {
    return must(json_pack(
        "{s:[sss], s:[sss], s:[s], s:[s], s:[ssss], s:[ssss], s:b, s:b, s:b, s:[sssssssssssss],"
        " s:s, s:s, s:s, s:s}",
        "token_endpoint_auth_methods_supported", "client_secret_post", "private_key_jwt",
        "client_secret_basic", "response_modes_supported", "query", "fragment", "form_post",
        "subject_types_supported", "pairwise", "id_token_signing_alg_values_supported", "RS256",
        "response_types_supported", "code", "id_token", "code id_token", "id_token token",
        "scopes_supported", "openid", "profile", "email", "offline_access",
        "request_uri_parameter_supported", 0, "http_logout_supported", 1,
        "frontchannel_logout_supported", 1, "claims_supported", "sub", "iss", "cloud_instance_name",
        "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host", "aud", "exp", "iat",
        "auth_time", "acr", "nonce", "preferred_username", "tenant_region_scope", "EU",
        "cloud_instance_name", "microsoftonline.com", "cloud_graph_host_name", "graph.windows.net",
        "rbac_url", "https://pas.windows.net"));
}

/* Graph is here too, under the name that was asked. */
static void put_graph_host(json_t *document, const struct request *request) {
    const char *host = strstr(request->origin, "://");
    json_object_set_new(document, "msgraph_host", must(json_string(host ? host + 3 : "")));
}

void entra_metadata(struct standin *standin, const struct request *request, struct reply *reply) {
    struct tenant_names tenant;
    if (!find_tenant(standin, request, reply, &tenant))
        return;
    bool is_v2 = is_version_2(request);
    json_t *document = constant_members();
    char *issuer = is_v2 ? issuer_v2(standin->world.origin, tenant.in_issuer)
                         : issuer_v1(standin->world.origin, tenant.in_issuer);
    json_object_set_new(document, "issuer", must(json_string(issuer)));
    free(issuer);
    if (tenant.in_issuer == tenant_template)
        json_object_set_new(document, "tenant_region_scope", json_null());
    put_graph_host(document, request);
    put_url(document, "token_endpoint", request, &tenant,
            is_v2 ? "oauth2/v2.0/token" : "oauth2/token");
    put_keys_url(document, request, &tenant, is_v2 ? "discovery/v2.0/keys" : "discovery/keys");
    put_url(document, "authorization_endpoint", request, &tenant,
            is_v2 ? "oauth2/v2.0/authorize" : "oauth2/authorize");
    put_url(document, "device_authorization_endpoint", request, &tenant,
            is_v2 ? "oauth2/v2.0/devicecode" : "oauth2/devicecode");
    put_url(document, "end_session_endpoint", request, &tenant,
            is_v2 ? "oauth2/v2.0/logout" : "oauth2/logout");
    put_url(document, "userinfo_endpoint", request, &tenant, "openid/userinfo");
    put_url(document, "kerberos_endpoint", request, &tenant, "kerberos");
    reply_header(reply, "Cache-Control", "max-age=86400, private");
    reply_json(reply, 200, document);
}

/* The key that no tenant's document holds: what applications and policies sign with when they have
 * keys of their own (azure.md A.1, A.13). */
static json_t *own_key(const struct standin *standin, const char *issuer) {
    return signing_key_jwk(key_ring_unpublished(standin->world.keys), issuer);
}

/* Takes over `keys`. */
static void reply_keys(struct reply *reply, json_t *keys) {
    reply_header(reply, "Cache-Control", "max-age=86400, private");
    reply_json(reply, 200, json_pack("{s:o}", "keys", keys));
}

void entra_keys(struct standin *standin, const struct request *request, struct reply *reply) {
    struct tenant_names tenant;
    if (!find_tenant(standin, request, reply, &tenant))
        return;
    bool is_v2 = request->segment_count > 2 && strcmp(request->segments[2], "v2.0") == 0;
    char *issuer = is_v2 ? issuer_v2(standin->world.origin, tenant_template) : NULL;
    json_t *keys = must(json_array());
    for (size_t i = 0; i < key_ring_count(standin->world.keys); i++)
        json_array_append_new(keys, signing_key_jwk(key_ring_at(standin->world.keys, i), issuer));
    if (guid_is_valid(form_get(&request->query, "appid")))
        json_array_append_new(keys, own_key(standin, issuer));
    free(issuer);
    reply_keys(reply, keys);
}

void entra_policy_metadata(struct standin *standin, const struct request *request,
                           struct reply *reply) {
    struct tenant_names tenant;
    if (!find_tenant(standin, request, reply, &tenant))
        return;
    char *issuer = must_printf("%s/%s/v2.0/", standin->world.origin, tenant.in_issuer);
    char *path = must_printf("%s/discovery/v2.0/keys", request->segments[1]);
    json_t *document = must(json_object());
    json_object_set_new(document, "issuer", must(json_string(issuer)));
    put_url(document, "jwks_uri", request, &tenant, path);
    free(path);
    free(issuer);
    reply_header(reply, "Cache-Control", "max-age=86400, private");
    reply_json(reply, 200, document);
}

void entra_policy_keys(struct standin *standin, const struct request *request,
                       struct reply *reply) {
    struct tenant_names tenant;
    if (!find_tenant(standin, request, reply, &tenant))
        return;
    json_t *keys = must(json_array());
    json_array_append_new(keys, own_key(standin, NULL));
    reply_keys(reply, keys);
}
