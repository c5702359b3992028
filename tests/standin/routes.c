/* Who answers what: the one table of everything the stand-in serves. */
#include "standin.h"

#include <string.h>

enum route_listener {
    ON_BOTH,
    ON_PLAIN, /* a machine's own endpoints are without TLS */
};

struct route {
    enum endpoint endpoint;
    enum route_listener listener;
    const char *path[6];
    void (*serve)(struct standin *standin, const struct request *request, struct reply *reply);
};

/* The first match counts, so the fixed names come before the tenant's "*". */
static const struct route routes[] = {
    {ENDPOINT_IMDS, ON_PLAIN, {"metadata", "identity", "oauth2", "token"}, imds},
    {ENDPOINT_ARC, ON_PLAIN, {"arc", "metadata", "identity", "oauth2", "token"}, arc},
    {ENDPOINT_APP_SERVICE, ON_PLAIN, {"msi", "token"}, app_service},
    {ENDPOINT_GRAPH, ON_BOTH, {"v1.0", "*", "*", "*"}, graph},
    {ENDPOINT_METADATA,
     ON_BOTH,
     {"*", "v2.0", ".well-known", "openid-configuration"},
     entra_metadata},
    {ENDPOINT_METADATA, ON_BOTH, {"*", ".well-known", "openid-configuration"}, entra_metadata},
    {ENDPOINT_KEYS, ON_BOTH, {"*", "discovery", "v2.0", "keys"}, entra_keys},
    {ENDPOINT_KEYS, ON_BOTH, {"*", "discovery", "keys"}, entra_keys},
    {ENDPOINT_METADATA,
     ON_BOTH,
     {"*", "*", "v2.0", ".well-known", "openid-configuration"},
     entra_policy_metadata},
    {ENDPOINT_KEYS, ON_BOTH, {"*", "*", "discovery", "v2.0", "keys"}, entra_policy_keys},
    {ENDPOINT_TOKEN, ON_BOTH, {"*", "oauth2", "v2.0", "token"}, entra_token},
    {ENDPOINT_AUTHORIZE, ON_BOTH, {"*", "oauth2", "v2.0", "authorize"}, entra_authorize},
    {ENDPOINT_TOKEN, ON_BOTH, {"*", "oauth2", "token"}, entra_token},
};

static const struct route *find_route(const struct request *request) {
    static const struct route vault = {ENDPOINT_VAULT, ON_BOTH, {NULL}, key_vault};
    if (key_vault_owns(request))
        return &vault;
    for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
        if (request_path_is(request, 0, routes[i].path) &&
            (routes[i].listener == ON_BOTH || !request->is_tls))
            return &routes[i];
    return NULL;
}

static void dispatch(struct standin *standin, const struct request *request, struct reply *reply) {
    if (request->segment_count > 0 && strcmp(request->segments[0], "standin") == 0) {
        admin(standin, request, reply);
        return;
    }
    const struct route *route = find_route(request);
    if (faults_apply(&standin->faults, route ? route->endpoint : ENDPOINT_OTHER, request, reply))
        return;
    if (route)
        route->serve(standin, request, reply);
    else
        reply_error(reply, 404, "not_found", "the stand-in serves nothing here");
}

void routes_dispatch(void *owner, const struct request *request, struct reply *reply) {
    struct standin *standin = owner;
    pthread_mutex_lock(&standin->lock);
    dispatch(standin, request, reply);
    pthread_mutex_unlock(&standin->lock);
}
