/* What no single part can judge: things that collide, things nobody uses, and secrets that would
 * travel where they should not. */
#include "config/config_parts.h"

static const struct node *find(const struct loader *loader, const char *key) {
    return node_find(loader->root, slice_of_str(key));
}

static void check_address(struct loader *loader, const struct node *node,
                          const struct config_address *address, struct name_index *places) {
    if (!address->host && !address->unix_path)
        return;
    const char *place = address->is_unix
                            ? LOADER_FORMAT(loader, "unix:%s", address->unix_path)
                            : LOADER_FORMAT(loader, "%s %u", address->host, address->port);
    if (name_index_find(places, slice_of_str(place)) != NAME_INDEX_ABSENT)
        loader_error(loader, node, "the address is taken already by another listener of this file");
    else
        loader_index(loader, places, slice_of_str(place), 0);
}

static void check_addresses(struct loader *loader) {
    const struct config *config = loader->config;
    const struct node *listen = find(loader, "listen");
    const struct node *admin = find(loader, "admin");
    struct name_index places = {0};
    const struct node *item = listen ? node_item_first(listen) : NULL;
    for (size_t i = 0; item && i < config->listen_count; i++) {
        check_address(loader, item, &config->listen[i], &places);
        item = node_item_next(listen, item);
    }
    if (config->admin_is_on)
        check_address(loader,
                      admin    ? admin
                      : listen ? listen
                               : loader->root,
                      &config->admin, &places);
    name_index_done(&places);
}

static size_t first_credential(const struct config_entries *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        if (entries->items[i].credential != CONFIG_NONE)
            return entries->items[i].credential;
    }
    return CONFIG_NONE;
}

/* Any one credential that can go to the route's upstreams. */
static size_t route_credential(const struct config *config, const struct config_route *route) {
    if (route->credential != CONFIG_NONE)
        return route->credential;
    size_t credential = first_credential(&route->access);
    return credential != CONFIG_NONE ? credential : first_credential(&config->access);
}

static void check_plaintext(struct loader *loader, const struct node *node,
                            const struct config_route *route) {
    size_t credential = route_credential(loader->config, route);
    const struct node *upstream = node_find(node, SLICE("upstream"));
    if (credential == CONFIG_NONE || route->allow_plaintext_credential || !upstream)
        return;
    const struct node *item = node_item_first(upstream);
    for (size_t i = 0; item && i < route->upstream_count; i++) {
        const struct config_upstream *to = &route->upstreams[i];
        if (to->host && !to->is_tls && !to->is_loopback)
            loader_error(loader, item,
                         "the credential %s would cross the network unencrypted; use a loopback "
                         "address or a unix socket, or write allow_plaintext_credential: true",
                         QUOTE(slice_of_str(loader->config->credentials[credential].name)));
        item = node_item_next(upstream, item);
    }
}

static void check_reach(struct loader *loader, const struct node *node,
                        const struct config_route *route) {
    if (route->access.count == 0 && loader->config->access.count == 0)
        loader_warning(loader, node,
                       "nobody can reach this route: it has no `access` entry, and "
                       "neither has the top level");
}

static void check_routes(struct loader *loader) {
    const struct config *config = loader->config;
    const struct node *routes = find(loader, "routes");
    const struct node *node = routes ? routes->first : NULL;
    for (size_t i = 0; node && i < config->route_count; i++, node = node->next) {
        if (node->kind != NODE_MAPPING)
            continue;
        check_plaintext(loader, node, &config->routes[i]);
        check_reach(loader, node, &config->routes[i]);
    }
}

/* The first route that each credential was seen on. */
struct sharing {
    struct loader *loader;
    size_t *first_route; /* by credential */
};

static bool goes_elsewhere(const struct config_route *a, const struct config_route *b) {
    if (a->upstream_count == 0 || b->upstream_count == 0)
        return false;
    const struct config_upstream *one = &a->upstreams[0];
    const struct config_upstream *other = &b->upstreams[0];
    if (one->is_unix || other->is_unix)
        return one->is_unix != other->is_unix || strcmp(one->unix_path, other->unix_path) != 0;
    if (!one->host || !other->host)
        return false;
    return one->port != other->port || strcmp(one->host, other->host) != 0;
}

static void note_credential(struct sharing *sharing, size_t route, size_t credential,
                            const struct node *node) {
    if (credential == CONFIG_NONE || !node)
        return;
    const struct config *config = sharing->loader->config;
    size_t first = sharing->first_route[credential];
    if (first == CONFIG_NONE) {
        sharing->first_route[credential] = route;
        return;
    }
    if (first != route && goes_elsewhere(&config->routes[first], &config->routes[route]))
        loader_warning(sharing->loader, node,
                       "the credential goes to another upstream on route %s too; two backends "
                       "that share a secret can each act as the other's caller",
                       QUOTE(slice_of_str(config->routes[first].name)));
}

static void check_sharing_of(struct sharing *sharing, size_t index, const struct node *node) {
    const struct config_route *route = &sharing->loader->config->routes[index];
    note_credential(sharing, index, route->credential, node_find(node, SLICE("credential")));
    const struct node *access = node_find(node, SLICE("access"));
    const struct node *entry = access ? access->first : NULL;
    for (size_t i = 0; entry && i < route->access.count; i++, entry = entry->next)
        note_credential(sharing, index, route->access.items[i].credential,
                        node_find(entry, SLICE("credential")));
}

static void check_sharing(struct loader *loader) {
    const struct config *config = loader->config;
    struct sharing sharing = {.loader = loader};
    sharing.first_route =
        loader_array(loader, config->credential_count, sizeof *sharing.first_route);
    if (!sharing.first_route)
        return;
    for (size_t i = 0; i < config->credential_count; i++)
        sharing.first_route[i] = CONFIG_NONE;
    const struct node *node = find(loader, "routes")->first;
    for (size_t i = 0; i < config->route_count; i++, node = node->next)
        check_sharing_of(&sharing, i, node);
}

static void warn_of_unused(struct loader *loader, const char *section, const bool *is_used,
                           size_t skipped, const char *text) {
    const struct node *mapping = find(loader, section);
    const struct node *node = mapping ? mapping->first : NULL;
    for (size_t i = skipped; is_used && node; i++, node = node->next) {
        if (!is_used[i])
            loader_key_warning(loader, node, "%s", text);
    }
}

static bool names_groups(const struct config_entries *entries) {
    for (size_t i = 0; i < entries->count; i++)
        for (size_t j = 0; j < entries->items[i].to_count; j++)
            if (entries->items[i].to[j].groups.count > 0)
                return true;
    return false;
}

static bool any_rule_names_groups(const struct config *config) {
    bool is_found = names_groups(&config->access) || names_groups(&config->deny);
    for (size_t i = 0; i < config->route_count && !is_found; i++)
        is_found = names_groups(&config->routes[i].access) || names_groups(&config->routes[i].deny);
    return is_found;
}

/* Microsoft Graph answers only those who can prove who they are. */
static void settle_overage(struct loader *loader) {
    struct config *config = loader->config;
    const struct node *entra = find(loader, "entra");
    if (!config->entra.is_present || config->entra.overage_refused || find(loader, "identity"))
        return;
    config->entra.overage_refused = true;
    const struct node *groups = node_find(entra, SLICE("groups"));
    if (any_rule_names_groups(config))
        loader_key_warning(loader, groups ? groups : entra,
                           "callers with more groups than fit into a token are refused as "
                           "groups_unknown: looking their groups up needs `identity`; add it, or "
                           "write groups: {overage: refuse}");
}

static size_t built_in_roles(const struct loader *loader) {
    const struct node *roles = find(loader, "roles");
    return loader->config->role_count - (roles ? roles->count : 0);
}

static void check_assertion(struct loader *loader) {
    const struct node *assertion = find(loader, "assertion");
    bool is_used = false;
    for (size_t i = 0; i < loader->config->route_count; i++)
        is_used = is_used || config_sends_assertion(&loader->config->routes[i]);
    if (assertion && !is_used)
        loader_key_warning(loader, assertion,
                           "no route sends assertions; write identity_headers: assertion on one");
}

void config_check(struct loader *loader) {
    check_addresses(loader);
    check_routes(loader);
    settle_overage(loader);
    /* What is unused or shared is known only once every name was understood. */
    if (loader->problems->error_count > 0 || loader->is_out_of_memory)
        return;
    check_sharing(loader);
    check_assertion(loader);
    warn_of_unused(loader, "vaults", loader->vault_is_used, 0, "no credential uses this vault");
    warn_of_unused(loader, "credentials", loader->credential_is_used, 0,
                   "no access entry and no route gives this credential");
    warn_of_unused(loader, "roles", loader->role_is_used, built_in_roles(loader),
                   "no access entry gives this role");
}
