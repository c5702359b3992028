/* On-behalf-of: a user's access token for the calling application becomes one for another resource.
 * azure.md C.9. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "claims.h"
#include "core/clock.h"
#include "encoding.h"
#include "must.h"
#include "token_call.h"
#include "token_check.h"

#define LIFETIME_SEC 4799
#define LONG_LIFETIME_SEC (24 * 60 * 60 - 1)

static bool refuse(const struct token_call *call, enum entra_error error, const char *about) {
    token_refuse(call, error, about);
    return false;
}

/* What scopes ask for that are about sign-in and not about a resource. */
struct sign_in_scopes {
    bool wants_id_token;
    bool wants_refresh_token;
};

/* What is asked of the resource. */
struct wish {
    char *resource_name;
    json_t *scopes; /* names without the resource; [".default"] for all there are */
    struct sign_in_scopes sign_in;
};

static void wish_done(struct wish *wish) {
    free(wish->resource_name);
    json_decref(wish->scopes);
}

static bool take_sign_in_scope(struct sign_in_scopes *sign_in, const char *scope) {
    bool is_openid = strcmp(scope, "openid") == 0;
    bool is_offline = strcmp(scope, "offline_access") == 0;
    sign_in->wants_id_token |= is_openid;
    sign_in->wants_refresh_token |= is_offline;
    return is_openid || is_offline || strcmp(scope, "profile") == 0 || strcmp(scope, "email") == 0;
}

/* "{resource}/{scope}"; a bare scope is Microsoft Graph's. */
static bool take_scope(const struct token_call *call, struct wish *wish, char *scope) {
    if (take_sign_in_scope(&wish->sign_in, scope))
        return true;
    char *slash = strrchr(scope, '/');
    if (slash)
        *slash = 0;
    const char *resource = slash ? scope : RESOURCE_GRAPH;
    if (wish->resource_name && strcmp(wish->resource_name, resource) != 0)
        return refuse(call, ENTRA_SEVERAL_RESOURCES, NULL);
    if (!wish->resource_name)
        wish->resource_name = must_strdup(resource);
    json_array_append_new(wish->scopes, json_lossy(slash ? slash + 1 : scope));
    return true;
}

static bool read_scope(const struct token_call *call, struct wish *wish) {
    const char *scope = token_field(call, "scope");
    if (token_field(call, "resource"))
        return refuse(call, ENTRA_RESOURCE_ON_V2, NULL);
    if (!scope)
        return refuse(call, ENTRA_PARAMETER_MISSING, "'scope'");
    char *text = must_strdup(scope);
    char *place = NULL;
    bool is_read = true;
    for (char *word = strtok_r(text, " ", &place); word && is_read;
         word = strtok_r(NULL, " ", &place))
        is_read = take_scope(call, wish, word);
    free(text);
    if (is_read && !wish->resource_name)
        return refuse(call, ENTRA_BAD_SCOPE, scope);
    return is_read;
}

static bool read_wish(const struct token_call *call, struct wish *wish) {
    *wish = (struct wish){.scopes = must(json_array())};
    if (call->is_v2)
        return read_scope(call, wish);
    const char *resource = token_field(call, "resource");
    if (!resource)
        return refuse(call, ENTRA_PARAMETER_MISSING, "'resource'");
    wish->resource_name = must_strdup(resource);
    json_array_append_new(wish->scopes, must(json_string(".default")));
    return true;
}

static bool has_scope(const json_t *scopes, const char *name) {
    for (size_t i = 0; i < json_array_size(scopes); i++)
        if (strcmp(json_string_value(json_array_get(scopes, i)), name) == 0)
            return true;
    return false;
}

/* The names that go into `scp`. Azure's own resources take any; an API has those of its seed. The
 * caller owns the list; NULL when refused. */
static json_t *granted_scopes(const struct token_call *call, const struct wish *wish,
                              const struct resource *resource) {
    json_t *all =
        resource->api && resource->api->scopes
            ? must(json_deep_copy(resource->api->scopes))
            : must(json_pack("[s]", resource->api ? "access_as_user" : "user_impersonation"));
    if (has_scope(wish->scopes, ".default"))
        return all;
    for (size_t i = 0; resource->api && i < json_array_size(wish->scopes); i++) {
        const char *name = json_string_value(json_array_get(wish->scopes, i));
        if (has_scope(all, name))
            continue;
        token_refuse(call, ENTRA_UNKNOWN_SCOPE, name);
        json_decref(all);
        return NULL;
    }
    json_decref(all);
    return must(json_deep_copy(wish->scopes));
}

/* Names with `prefix` before each, one space between. The caller frees. */
static char *join(const json_t *names, const char *prefix) {
    char *joined = must_strdup("");
    for (size_t i = 0; i < json_array_size(names); i++) {
        char *longer = must_printf("%s%s%s%s", joined, i ? " " : "", prefix,
                                   json_string_value(json_array_get(names, i)));
        free(joined);
        joined = longer;
    }
    return joined;
}

static bool is_issued_by(const struct token_call *call, const char *issuer) {
    char *v1 = issuer_v1(call->world->origin, call->tenant->id);
    char *v2 = issuer_v2(call->world->origin, call->tenant->id);
    bool is_ours = strcmp(issuer, v1) == 0 || strcmp(issuer, v2) == 0;
    free(v1);
    free(v2);
    return is_ours;
}

/* The client id, or one of the App ID URIs with or without a slash behind it. */
static bool is_audience(const struct app *app, const char *audience) {
    if (strcasecmp(audience, app->client_id) == 0)
        return true;
    for (size_t i = 0; i < json_array_size(app->uris); i++) {
        const char *uri = json_string_value(json_array_get(app->uris, i));
        size_t len = strlen(uri);
        if (strncmp(audience, uri, len) == 0 &&
            (!audience[len] || strcmp(audience + len, "/") == 0))
            return true;
    }
    return false;
}

static bool is_current(const json_t *claims) {
    int64_t now = clock_wall_sec();
    const json_t *not_before = json_object_get(claims, "nbf");
    return json_integer_value(json_object_get(claims, "exp")) > now &&
           (!not_before || json_integer_value(not_before) <= now);
}

static bool check_assertion(const struct token_call *call, const struct app *app,
                            const struct jws *jws) {
    const json_t *claims = jws->claims;
    bool is_access_token = *jws_text(claims, "azp") || *jws_text(claims, "appid");
    if (!token_signature_is_good(call->world->keys, jws))
        return refuse(call, ENTRA_USER_ASSERTION, "the signature is not good");
    if (!is_issued_by(call, jws_text(claims, "iss")))
        return refuse(call, ENTRA_USER_ASSERTION, "the issuer is another");
    if (!is_audience(app, jws_text(claims, "aud")))
        return refuse(call, ENTRA_USER_ASSERTION,
                      "the audience of the assertion is not the application");
    if (!is_access_token)
        return refuse(call, ENTRA_USER_ASSERTION_IS_ID, NULL);
    if (strcmp(jws_text(claims, "idtyp"), "app") == 0 || !*jws_text(claims, "scp"))
        return refuse(call, ENTRA_USER_ASSERTION_IS_APP, NULL);
    if (!is_current(claims))
        return refuse(call, ENTRA_USER_ASSERTION_TIME, NULL);
    return true;
}

/* A test's rule for the application or for the user. */
static bool is_ruled_out(const struct token_call *call, const struct app *app,
                         const json_t *claims) {
    const struct user *user = directory_user(&call->world->seed.directory, jws_text(claims, "oid"));
    return sign_in_rule_refuses(&app->rule, claims, call->request, call->reply) ||
           (user && sign_in_rule_refuses(&user->rule, claims, call->request, call->reply));
}

static const char *first_text(const json_t *claims, const char *name, const char *other_name,
                              const char *fallback) {
    const char *text = jws_text(claims, name);
    if (!*text)
        text = jws_text(claims, other_name);
    return *text ? text : fallback;
}

/* MSAL's account: {"uid": OID, "utid": TENANT} in base64url. */
static void put_client_info(json_t *more, const struct token_call *call, const char *oid) {
    const char *asked = token_field(call, "client_info");
    if (!asked || strcmp(asked, "1") != 0)
        return;
    json_t *account = must(json_pack("{s:s, s:s}", "uid", oid, "utid", call->tenant->id));
    char *text = must(json_dumps(account, JSON_COMPACT));
    char *encoded = base64url_encode(text, strlen(text));
    json_object_set_new(more, "client_info", must(json_string(encoded)));
    free(encoded);
    free(text);
    json_decref(account);
}

static json_t *make_extras(const struct token_call *call, const struct wish *wish,
                           const json_t *scopes, const struct issue_order *order) {
    char *prefix = must_printf("%s/", wish->resource_name);
    char *scope = join(scopes, prefix);
    json_t *more = must(json_pack("{s:s}", "scope", scope));
    free(scope);
    free(prefix);
    put_client_info(more, call, order->oid);
    if (wish->sign_in.wants_refresh_token) {
        char *opaque = opaque_random(240);
        json_object_set_new(more, "refresh_token", must(json_string(opaque)));
        free(opaque);
    }
    if (wish->sign_in.wants_id_token) {
        struct issued_token token = issue_id_token(call->world, order);
        json_object_set_new(more, "id_token", must(json_string(token.text)));
        free(token.text);
    }
    return more;
}

static void exchange(const struct token_call *call, const struct proven_client *client,
                     const struct wish *wish, const json_t *claims) {
    struct resource resource;
    if (!issue_find_resource(call->world, wish->resource_name, &resource)) {
        refuse(call, ENTRA_UNKNOWN_RESOURCE, wish->resource_name);
        return;
    }
    json_t *scopes = granted_scopes(call, wish, &resource);
    if (!scopes)
        return;
    bool is_capable = token_wants_cae(call);
    char *scp = join(scopes, "");
    struct issue_order order = {
        .tenant = call->tenant->id,
        .client_id = client->app->client_id,
        .oid = jws_text(claims, "oid"),
        .name = first_text(claims, "name", "oid", "nobody"),
        .upn = first_text(claims, "preferred_username", "upn", "nobody@fabrikam.example"),
        .scopes = scp,
        .client_auth = client->strength,
        .is_cae_capable = is_capable,
        .lifetime_sec = is_capable ? LONG_LIFETIME_SEC : LIFETIME_SEC,
    };
    struct issued_token token = issue_token(call->world, &resource, &order);
    token_answer(call, &token, &resource, make_extras(call, wish, scopes, &order));
    free(token.text);
    free(scp);
    json_decref(scopes);
}

void on_behalf_of(struct token_call *call) {
    struct proven_client client;
    const char *use = token_field(call, "requested_token_use");
    const char *assertion = token_field(call, "assertion");
    if (!client_prove(call, &client))
        return;
    if (!use || strcmp(use, "on_behalf_of") != 0) {
        refuse(call, ENTRA_PARAMETER_MISSING, "'requested_token_use' of on_behalf_of");
        return;
    }
    if (!assertion) {
        refuse(call, ENTRA_PARAMETER_MISSING, "'assertion'");
        return;
    }
    struct jws jws;
    struct wish wish = {0};
    if (!jws_parse(&jws, slice_of_str(assertion)))
        refuse(call, ENTRA_ASSERTION_MALFORMED, NULL);
    else if (check_assertion(call, client.app, &jws) && read_wish(call, &wish) &&
             !is_ruled_out(call, client.app, jws.claims))
        exchange(call, &client, &wish, jws.claims);
    wish_done(&wish);
    jws_done(&jws);
}
