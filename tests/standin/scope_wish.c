/* The scopes of one request are one resource's: "{resource}/{scope}"; those about the sign-in
 * itself belong to none. azure.md C.2. */
#include "scope_wish.h"

#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "reply.h"

static bool refuse(struct entra_refusal *out_refusal, enum entra_error error, const char *about) {
    *out_refusal = (struct entra_refusal){error, about};
    return false;
}

void scope_wish_done(struct scope_wish *wish) {
    free(wish->resource_name);
    json_decref(wish->scopes);
}

static bool take_sign_in_scope(struct scope_wish *wish, const char *scope) {
    bool is_openid = strcmp(scope, "openid") == 0;
    bool is_offline = strcmp(scope, "offline_access") == 0;
    wish->wants_id_token |= is_openid;
    wish->wants_refresh_token |= is_offline;
    return is_openid || is_offline || strcmp(scope, "profile") == 0 || strcmp(scope, "email") == 0;
}

/* A bare scope is Microsoft Graph's. */
static bool take_scope(struct scope_wish *wish, char *scope, struct entra_refusal *out_refusal) {
    if (take_sign_in_scope(wish, scope))
        return true;
    char *slash = strrchr(scope, '/');
    if (slash)
        *slash = 0;
    const char *resource = slash ? scope : RESOURCE_GRAPH;
    if (wish->resource_name && strcmp(wish->resource_name, resource) != 0)
        return refuse(out_refusal, ENTRA_SEVERAL_RESOURCES, NULL);
    if (!wish->resource_name)
        wish->resource_name = must_strdup(resource);
    json_array_append_new(wish->scopes, json_lossy(slash ? slash + 1 : scope));
    return true;
}

bool scope_wish_read(struct scope_wish *wish, const char *scope,
                     struct entra_refusal *out_refusal) {
    *wish = (struct scope_wish){.scopes = must(json_array())};
    if (!scope)
        return refuse(out_refusal, ENTRA_PARAMETER_MISSING, "'scope'");
    char *text = must_strdup(scope);
    char *place = NULL;
    bool is_read = true;
    for (char *word = strtok_r(text, " ", &place); word && is_read;
         word = strtok_r(NULL, " ", &place))
        is_read = take_scope(wish, word, out_refusal);
    free(text);
    if (is_read && !wish->resource_name)
        return refuse(out_refusal, ENTRA_BAD_SCOPE, scope);
    return is_read;
}

void scope_wish_for_all(struct scope_wish *wish, const char *resource_name) {
    *wish = (struct scope_wish){.resource_name = must_strdup(resource_name),
                                .scopes = must(json_pack("[s]", ".default"))};
}

static bool has_scope(const json_t *scopes, const char *name) {
    for (size_t i = 0; i < json_array_size(scopes); i++)
        if (strcmp(json_string_value(json_array_get(scopes, i)), name) == 0)
            return true;
    return false;
}

json_t *scope_wish_grant(const struct scope_wish *wish, const struct resource *resource,
                         struct entra_refusal *out_refusal) {
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
        refuse(out_refusal, ENTRA_UNKNOWN_SCOPE, name);
        json_decref(all);
        return NULL;
    }
    json_decref(all);
    return must(json_deep_copy(wish->scopes));
}

char *scope_names_join(const json_t *names, const char *prefix) {
    char *joined = must_strdup("");
    for (size_t i = 0; i < json_array_size(names); i++) {
        char *longer = must_printf("%s%s%s%s", joined, i ? " " : "", prefix,
                                   json_string_value(json_array_get(names, i)));
        free(joined);
        joined = longer;
    }
    return joined;
}
