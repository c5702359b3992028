/* What no single part can judge: things that collide, things nobody uses, and what follows from two
 * parts together. */
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
    config_check_routes(loader);
    settle_overage(loader);
    /* What is unused or shared is known only once every name was understood. */
    bool is_good = loader->problems->error_count == 0 && !loader->is_out_of_memory;
    if (!is_good || !loader->wants_warnings)
        return;
    config_check_sharing(loader);
    config_check_rules(loader);
    config_check_mcp_use(loader);
    config_check_reach(loader);
    config_check_literals(loader);
    config_check_files(loader);
    check_assertion(loader);
    warn_of_unused(loader, "vaults", loader->vault_is_used, 0, "no credential uses this vault");
    warn_of_unused(loader, "credentials", loader->credential_is_used, 0,
                   "no access entry and no route gives this credential");
    warn_of_unused(loader, "roles", loader->role_is_used, built_in_roles(loader),
                   "no access entry gives this role");
}
