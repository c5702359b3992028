/* Rules that say something which no request can ever satisfy, or which another rule has said
 * already. Whoever wrote them relies on something that is not so. */
#include "config/config_parts.h"

#include "config/rule_cover.h"

/* Well below a tenth of a second. Only a file of thousands of entries in one list needs more. */
#define COMPARISONS_MAX 2000000

struct rule_check {
    struct loader *loader;
    struct cover_budget budget;
    const struct config_route *route; /* NULL: the top level */
    size_t *told_on;                  /* by role: 1 + the route it was judged on last */
};

static const struct node *child_of(const struct node *node, const char *key) {
    return node ? node_find(node, slice_of_str(key)) : NULL;
}

static bool same_or_more(struct rule_check *check, const struct config_entry *wider,
                         const struct config_entry *narrower) {
    const struct config *config = check->loader->config;
    struct rule_actions ours = rule_actions_of(config, wider);
    struct rule_actions theirs = rule_actions_of(config, narrower);
    return !wider->is_shadow && entry_callers_cover(&check->budget, wider, narrower) &&
           rule_actions_cover(&check->budget, &ours, &theirs);
}

/* The first of `count` entries that takes in all of `entry`, or NULL. */
static const struct config_entry *covering(struct rule_check *check,
                                           const struct config_entry *entries, size_t count,
                                           const struct config_entry *entry) {
    for (size_t i = 0; i < count && check->budget.left > 0; i++) {
        if (same_or_more(check, &entries[i], entry))
            return &entries[i];
    }
    return NULL;
}

static void check_access_entry(struct rule_check *check, const struct config_entries *access,
                               size_t index, const struct config_entries *deny,
                               const struct node *node) {
    const struct config *config = check->loader->config;
    const struct config_entry *entry = &access->items[index];
    const struct config_entry *other = covering(check, access->items, index, entry);
    if (other) {
        loader_warning(check->loader, node,
                       "can never match: %s before it grants the same or more to the same callers; "
                       "put it before that one, or leave it out",
                       QUOTE(slice_of_str(other->label)));
        return;
    }
    other = covering(check, deny->items, deny->count, entry);
    if (!other && deny != &config->deny)
        other = covering(check, config->deny.items, config->deny.count, entry);
    if (other)
        loader_warning(check->loader, node,
                       "never grants: %s refuses all of it; take one of the two out, or narrow the "
                       "refusal",
                       QUOTE(slice_of_str(other->label)));
}

static void check_deny_entry(struct rule_check *check, const struct config_entries *deny,
                             size_t index, const struct node *node) {
    const struct config *config = check->loader->config;
    const struct config_entry *entry = &deny->items[index];
    const struct config_entry *other = covering(check, deny->items, index, entry);
    if (!other && deny != &config->deny)
        other = covering(check, config->deny.items, config->deny.count, entry);
    if (other)
        loader_warning(check->loader, node,
                       "changes nothing: %s refuses the same or more; leave one of the two out",
                       QUOTE(slice_of_str(other->label)));
}

static void check_principal(struct rule_check *check, const struct config_principal *principal,
                            const struct node *node) {
    const struct config_entra *entra = &check->loader->config->entra;
    if (node->kind != NODE_MAPPING)
        return;
    if (principal->apps.count > 0 && principal->scopes.count > 0)
        loader_key_warning(check->loader, child_of(node, "scope"),
                           "can never match: `app` is about tokens that applications get for "
                           "themselves, and those have no scopes; write app_role here, or leave "
                           "`app` out for users who come through any application");
    else if (principal->apps.count > 0 && principal->users.count > 0)
        loader_key_warning(check->loader, child_of(node, "app"),
                           "matches only tokens that the application gets for itself, never a "
                           "user who comes through it; leave `app` out to mean the user, or "
                           "`user` to mean the application");
    bool is_local_id = principal->users.count > 0 || principal->groups.count > 0;
    bool is_everywhere = principal->tenants.count == 0;
    size_t tenants = entra->tenants.count + entra->issuer_count;
    if (is_local_id && is_everywhere && tenants > 1)
        loader_warning(check->loader, node,
                       "does not say whose: tokens of %zu tenants are accepted, and an id or a "
                       "name means something in its own tenant only; add tenant: GUID",
                       tenants);
}

/* A path in a role of one route is judged below that route's prefix. */
static bool is_below_prefix(const struct config_route *route, const struct config_action *action) {
    struct slice prefix = slice_of_str(route->path);
    struct slice pattern = slice_of_str(action->pattern);
    if (prefix.len <= 1 || !slice_starts_with(pattern, prefix))
        return false;
    return pattern.len == prefix.len || pattern.ptr[prefix.len] == '/';
}

static const char *below(const struct config_route *route, const struct config_action *action) {
    const char *rest = action->pattern + strlen(route->path);
    return *rest ? rest : "/";
}

static void check_action(struct rule_check *check, const struct config_action *action,
                         const struct node *node) {
    const struct config_route *route = check->route;
    if (action->mcp)
        return;
    struct slice pattern = slice_of_str(action->pattern);
    bool has_slash = strstr(action->pattern, "%2F") || strstr(action->pattern, "%2f");
    if (is_below_prefix(route, action))
        loader_warning(check->loader, node,
                       "the path %s is judged below the route's own, %s: it means %s%s; write %s",
                       QUOTE(pattern), route->path, route->path, action->pattern,
                       below(route, action));
    else if (has_slash && !route->pass_encoded_slashes)
        loader_warning(
            check->loader, node,
            "can never match the path %s: the route refuses %%2F; write encoded_slashes: "
            "pass on the route, or a plain slash",
            QUOTE(pattern));
}

/* Each role is judged once per route, at the entry that names it first. */
static void check_role(struct rule_check *check, const struct config_entry *entry,
                       const struct node *node) {
    const struct config_role *role = &check->loader->config->roles[entry->role];
    size_t route = (size_t)(check->route - check->loader->config->routes);
    if (!check->told_on || check->told_on[entry->role] == route + 1)
        return;
    check->told_on[entry->role] = route + 1;
    for (size_t i = 0; i < role->action_count; i++)
        check_action(check, &role->actions[i], node);
    for (size_t i = 0; i < role->not_action_count; i++)
        check_action(check, &role->not_actions[i], node);
}

static void check_entry_actions(struct rule_check *check, const struct config_entry *entry,
                                const struct node *node) {
    const struct node *actions = child_of(node, "actions");
    const struct node *item = actions ? actions->first : NULL;
    if (!check->route)
        return;
    for (size_t i = 0; item && i < entry->action_count; i++, item = item->next)
        check_action(check, &entry->actions[i], item);
    if (entry->role != CONFIG_NONE)
        check_role(check, entry, child_of(node, "role"));
}

/* Grants cover the very path they name: /x/ is neither /x nor what is below it. */
static void check_slashes(struct rule_check *check, const struct config_action *actions,
                          size_t count, const struct node *list) {
    const struct node *item = list ? list->first : NULL;
    for (size_t i = 0; item && i < count; i++, item = item->next) {
        size_t len = actions[i].mcp ? 0 : strlen(actions[i].pattern);
        if (len < 2 || actions[i].pattern[len - 1] != '/' || actions[i].pattern[len - 2] == '*')
            continue;
        struct config_action bare = actions[i];
        bare.pattern = loader_copy(check->loader, slice_of(actions[i].pattern, len - 1));
        bool is_covered = false;
        for (size_t j = 0; j < count && !is_covered; j++)
            is_covered = action_covers(&check->budget, &actions[j], &bare);
        if (!is_covered)
            loader_warning(check->loader, item,
                           "allows %s alone, neither %s nor what is below; write %s/** for all of "
                           "it, or both paths",
                           QUOTE(slice_of_str(actions[i].pattern)),
                           QUOTE(slice_of_str(bare.pattern)), bare.pattern);
    }
}

static bool is_unconditional(const struct config_condition *when) {
    return !when->mfa && when->acrs.count == 0 && when->clients.count == 0;
}

static bool names_everyone(const struct config_entry *entry) {
    static const struct config_principal EVERYONE = {.everyone = true};
    const struct config_entry everyone = {.to = (struct config_principal *)&EVERYONE,
                                          .to_count = 1};
    struct cover_budget budget = {1000};
    return is_unconditional(&entry->when) && entry_callers_cover(&budget, entry, &everyone);
}

/* At the top level: of every route there is and will be. */
static void check_width(struct rule_check *check, const struct config_entry *entry,
                        const struct node *node) {
    static const struct config_action ALL = {.pattern = "/**"};
    const struct rule_actions everything = {.items = &ALL, .count = 1};
    struct rule_actions actions = rule_actions_of(check->loader->config, entry);
    if (check->route || entry->is_shadow || !names_everyone(entry) ||
        !rule_actions_cover(&check->budget, &actions, &everything))
        return;
    loader_warning(check->loader, node,
                   "whoever has a valid token may do everything on every route; name a group, an "
                   "app_role or a scope, or put the entry on the route that it is meant for");
}

static void check_common(struct rule_check *check, const struct config_entry *entry,
                         const struct node *node) {
    const struct node *to = child_of(node, "to");
    const struct node *item = to ? node_item_first(to) : NULL;
    for (size_t i = 0; item && i < entry->to_count; i++, item = node_item_next(to, item))
        check_principal(check, &entry->to[i], item);
    check_entry_actions(check, entry, node);
    if (entry->is_shadow && entry->rate.is_present)
        loader_key_warning(check->loader, child_of(node, "rate"),
                           "has no effect while `shadow` is true; put it on the route, or take "
                           "the shadow away");
}

static void check_lists(struct rule_check *check, const struct node *parent,
                        const struct config_entries *access, const struct config_entries *deny) {
    const struct node *list = child_of(parent, "access");
    const struct node *node = list ? list->first : NULL;
    for (size_t i = 0; node && i < access->count; i++, node = node->next) {
        const struct config_entry *entry = &access->items[i];
        check_access_entry(check, access, i, deny, node);
        check_common(check, entry, node);
        check_slashes(check, entry->actions, entry->action_count, child_of(node, "actions"));
        check_width(check, entry, node);
    }
    list = child_of(parent, "deny");
    node = list ? list->first : NULL;
    for (size_t i = 0; node && i < deny->count; i++, node = node->next) {
        check_deny_entry(check, deny, i, node);
        check_common(check, &deny->items[i], node);
    }
}

static bool is_taken_away(struct rule_check *check, const struct config_role *role,
                          const struct config_action *action, size_t *out_by) {
    for (size_t i = 0; i < role->not_action_count; i++) {
        if (action_covers(&check->budget, &role->not_actions[i], action)) {
            *out_by = i;
            return true;
        }
    }
    return false;
}

static void check_role_itself(struct rule_check *check, const struct config_role *role,
                              const struct node *node) {
    const struct node *actions = child_of(node, "actions");
    const struct node *item = actions ? actions->first : NULL;
    check_slashes(check, role->actions, role->action_count, actions);
    for (size_t i = 0, by; item && i < role->action_count; i++, item = item->next) {
        if (is_taken_away(check, role, &role->actions[i], &by))
            loader_warning(check->loader, item,
                           "allows nothing: not_actions takes all of it away with %s; leave one "
                           "of the two out",
                           QUOTE(slice_of_str(role->not_actions[by].text)));
    }
}

static void check_roles(struct rule_check *check) {
    const struct config *config = check->loader->config;
    const struct node *roles = child_of(check->loader->root, "roles");
    size_t built_in = config->role_count - (roles ? roles->count : 0);
    const struct node *node = roles ? roles->first : NULL;
    for (size_t i = built_in; node && i < config->role_count; i++, node = node->next)
        check_role_itself(check, &config->roles[i], node);
}

void config_check_rules(struct loader *loader) {
    const struct config *config = loader->config;
    struct rule_check check = {.loader = loader,
                               .budget = {COMPARISONS_MAX},
                               .told_on =
                                   loader_array(loader, config->role_count, sizeof *check.told_on)};
    check_roles(&check);
    const struct node *routes = child_of(loader->root, "routes");
    const struct node *node = routes ? routes->first : NULL;
    for (size_t i = 0; node && i < config->route_count; i++, node = node->next) {
        check.route = &config->routes[i];
        check_lists(&check, node, &check.route->access, &check.route->deny);
    }
    check.route = NULL;
    check_lists(&check, loader->root, &config->access, &config->deny);
}
