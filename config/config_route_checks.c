/* What a route's upstreams, its `tls` and the credentials that reach it must be to each other: no
 * secret goes to whom it is not meant for, and nothing is asked of a connection that it cannot do.
 */
#include "config/config_parts.h"

typedef bool judge_credential(const struct config_credential *credential);

static bool is_client_certificate(const struct config_credential *credential) {
    return credential->kind == CREDENTIAL_CLIENT_CERTIFICATE;
}

/* A client certificate's key stays here; of everything else, who reads it can use it. */
static bool is_sent(const struct config_credential *credential) {
    return !is_client_certificate(credential);
}

static size_t first_credential(const struct config *config, const struct config_entries *entries,
                               judge_credential *is_wanted) {
    for (size_t i = 0; i < entries->count; i++) {
        size_t credential = entries->items[i].credential;
        if (credential != CONFIG_NONE && is_wanted(&config->credentials[credential]))
            return credential;
    }
    return CONFIG_NONE;
}

/* Any one such credential that can go to the route's upstreams. */
static size_t route_credential(const struct config *config, const struct config_route *route,
                               judge_credential *is_wanted) {
    size_t own = route->credential;
    if (own != CONFIG_NONE && is_wanted(&config->credentials[own]))
        return own;
    size_t credential = first_credential(config, &route->access, is_wanted);
    return credential != CONFIG_NONE ? credential
                                     : first_credential(config, &config->access, is_wanted);
}

static const char *quote_credential(const struct loader *loader, size_t credential,
                                    struct quote *out_quote) {
    return quote_of(slice_of_str(loader->config->credentials[credential].name), out_quote);
}

/* Of an upstream that could not be read nothing is known. */
static bool is_read(const struct config_upstream *upstream) {
    return upstream->host || upstream->is_unix;
}

static void check_plaintext(struct loader *loader, const struct node *upstreams,
                            const struct config_route *route) {
    struct quote quote;
    size_t credential = route_credential(loader->config, route, is_sent);
    if (credential == CONFIG_NONE || route->allow_plaintext_credential)
        return;
    const struct node *item = node_item_first(upstreams);
    for (size_t i = 0; item && i < route->upstream_count; i++) {
        const struct config_upstream *to = &route->upstreams[i];
        if (is_read(to) && !to->is_tls && !to->is_loopback)
            loader_error(loader, item,
                         "the credential %s would cross the network unencrypted; use https, a "
                         "loopback address or a unix socket, or write "
                         "allow_plaintext_credential: true",
                         quote_credential(loader, credential, &quote));
        item = node_item_next(upstreams, item);
    }
}

/* Many a server picks the site, and with it who reads the secret, by Host. */
static void check_host(struct loader *loader, const struct node *node,
                       const struct config_route *route) {
    struct quote quote;
    size_t credential = route_credential(loader->config, route, is_sent);
    if (credential != CONFIG_NONE && route->preserve_host && !route->host)
        loader_warning(loader, node_find(node, SLICE("preserve_host")),
                       "callers choose the Host with which the credential %s goes out; give the "
                       "route a `host`",
                       quote_credential(loader, credential, &quote));
}

/* The first upstream that is https, or the first that is not; NULL when there is none. */
static const struct node *first_upstream(const struct node *upstreams,
                                         const struct config_route *route, bool is_tls) {
    const struct node *item = node_item_first(upstreams);
    for (size_t i = 0; item && i < route->upstream_count; i++) {
        if (is_read(&route->upstreams[i]) && route->upstreams[i].is_tls == is_tls)
            return item;
        item = node_item_next(upstreams, item);
    }
    return NULL;
}

static void check_client_certificate(struct loader *loader, const struct node *plain,
                                     const struct config_route *route) {
    struct quote quote;
    size_t credential = route_credential(loader->config, route, is_client_certificate);
    if (credential != CONFIG_NONE)
        loader_error(loader, plain,
                     "the credential %s is a client certificate, which only an https upstream can "
                     "be shown; write https://HOST",
                     quote_credential(loader, credential, &quote));
}

static void check_verification(struct loader *loader, const struct node *tls,
                               const struct config_route *route) {
    struct quote quote;
    const struct node *verify = node_find(tls, SLICE("verify"));
    const struct node *ca = node_find(tls, SLICE("ca"));
    if (!verify || route->tls.verify || verify->kind != NODE_BOOL)
        return;
    size_t credential = route_credential(loader->config, route, is_sent);
    if (credential != CONFIG_NONE)
        loader_warning(loader, verify,
                       "whoever answers in the upstream's place is given the credential %s; name "
                       "the authority of its certificate with `ca` instead",
                       quote_credential(loader, credential, &quote));
    else
        loader_warning(loader, verify,
                       "whoever answers in the upstream's place is believed; name the authority of "
                       "its certificate with `ca` instead");
    if (ca)
        loader_key_warning(loader, ca, "has no effect with verify: false");
}

static void check_tls(struct loader *loader, const struct node *node,
                      const struct config_route *route, const struct node *upstreams) {
    const struct node *tls = node_find(node, SLICE("tls"));
    const struct node *encrypted = first_upstream(upstreams, route, true);
    const struct node *plain = first_upstream(upstreams, route, false);
    if (encrypted && plain)
        loader_error(loader, plain,
                     "other upstreams of this route are https; write https:// here too, or make a "
                     "route of its own");
    else if (plain)
        check_client_certificate(loader, plain, route);
    if (!tls || tls->kind != NODE_MAPPING)
        return;
    if (plain && !encrypted)
        loader_key_error(loader, tls,
                         "is for https upstreams and this route has none; write upstream: "
                         "https://HOST, or leave it out");
    if (encrypted)
        check_verification(loader, tls, route);
}

static bool any_grants(const struct config_entries *access) {
    for (size_t i = 0; i < access->count; i++) {
        if (!access->items[i].is_shadow)
            return true;
    }
    return false;
}

static void check_reach(struct loader *loader, const struct node *node,
                        const struct config_route *route) {
    const struct config_entries *everywhere = &loader->config->access;
    if (route->is_shadow || any_grants(&route->access) || any_grants(everywhere))
        return;
    if (route->access.count + everywhere->count > 0)
        loader_warning(loader, node,
                       "nobody can reach this route: every `access` entry is under `shadow`; take "
                       "the shadow from one of them");
    else
        loader_warning(loader, node,
                       "nobody can reach this route: it has no `access` entry, and "
                       "neither has the top level; write access: [{role: Reader, to: {group: "
                       "OBJECT_ID}}]");
}

/* Whoever tries rules out on a whole route should know that meanwhile it has none. */
static void check_shadow(struct loader *loader, const struct node *node,
                         const struct config_route *route) {
    const struct node *shadow = node_find(node, SLICE("shadow"));
    if (route->is_shadow && shadow)
        loader_warning(loader, shadow,
                       "whoever has a valid token passes: no rule of this route's own decides; put "
                       "shadow: true on single entries to keep the others in force");
}

static bool any_has_credential(const struct config_entries *access) {
    for (size_t i = 0; i < access->count; i++) {
        if (access->items[i].credential != CONFIG_NONE)
            return true;
    }
    return false;
}

/* Which entry matches first then decides whether the upstream sees a credential at all. */
static void check_gaps(struct loader *loader, const struct node *route_node,
                       const struct config_route *route) {
    const struct node *access = node_find(route_node, SLICE("access"));
    const struct node *node = access ? access->first : NULL;
    if (route->credential != CONFIG_NONE || !any_has_credential(&route->access))
        return;
    for (size_t i = 0; node && i < route->access.count; i++, node = node->next) {
        const struct config_entry *entry = &route->access.items[i];
        if (entry->credential != CONFIG_NONE || entry->is_shadow ||
            node_find(node, SLICE("credential")))
            continue;
        loader_warning(loader, node,
                       "goes to the upstream without a credential, which other entries of this "
                       "route have; give this entry one, or the route a `credential` for those "
                       "that name none");
        return;
    }
}

static bool is_for_applications_only(const struct config_entry *entry) {
    for (size_t i = 0; i < entry->to_count; i++) {
        if (entry->to[i].apps.count == 0)
            return false;
    }
    return entry->to_count > 0;
}

/* `otherwise` is the credential of entries that name none. */
static void check_exchanges(struct loader *loader, const struct node *access,
                            const struct config_entries *entries, size_t otherwise) {
    const struct node *node = access ? access->first : NULL;
    for (size_t i = 0; node && i < entries->count; i++, node = node->next) {
        const struct config_entry *entry = &entries->items[i];
        size_t credential = entry->credential != CONFIG_NONE ? entry->credential : otherwise;
        if (credential == CONFIG_NONE || !is_for_applications_only(entry) ||
            loader->config->credentials[credential].kind != CREDENTIAL_ON_BEHALF_OF)
            continue;
        struct quote quote;
        loader_warning(loader, node_find(node, SLICE("to")),
                       "only applications match, and %s exchanges the tokens of users: every such "
                       "call will fail; use an entra_token",
                       quote_credential(loader, credential, &quote));
    }
}

void config_check_routes(struct loader *loader) {
    const struct config *config = loader->config;
    bool has_exchanges = config_uses_on_behalf_of(config);
    const struct node *routes = node_find(loader->root, SLICE("routes"));
    const struct node *node = routes ? routes->first : NULL;
    for (size_t i = 0; node && i < config->route_count; i++, node = node->next) {
        const struct config_route *route = &config->routes[i];
        if (node->kind != NODE_MAPPING)
            continue;
        const struct node *upstreams = node_find(node, SLICE("upstream"));
        if (upstreams) {
            check_plaintext(loader, upstreams, route);
            check_tls(loader, node, route, upstreams);
        }
        config_check_mcp(loader, node, route);
        check_host(loader, node, route);
        check_reach(loader, node, route);
        check_shadow(loader, node, route);
        check_gaps(loader, node, route);
        if (has_exchanges)
            check_exchanges(loader, node_find(node, SLICE("access")), &route->access,
                            route->credential);
    }
    if (has_exchanges)
        check_exchanges(loader, node_find(loader->root, SLICE("access")), &config->access,
                        CONFIG_NONE);
}
