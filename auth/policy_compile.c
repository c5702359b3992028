/* Lays the rules of contract section 3 out for deciding: patterns split into segments, methods into
 * bits, principals into slices, entries found by what they ask for, all in one arena. */
#include <stdlib.h>

#include "auth/policy_match.h"
#include "auth/policy_rules.h"

/* Enough for several hundred thousand entries. */
#define POLICY_MEMORY_LIMIT ((size_t)256 * 1024 * 1024)

static bool compile_strings(struct arena *arena, const struct config_strings *from,
                            struct slice_list *out_list) {
    *out_list = (struct slice_list){0};
    if (from->count == 0)
        return true;
    struct slice *items = arena_array(arena, from->count, sizeof *items);
    if (!items)
        return false;
    for (size_t i = 0; i < from->count; i++)
        items[i] = slice_of_str(from->items[i]);
    *out_list = (struct slice_list){items, from->count};
    return true;
}

static bool compile_pattern(struct arena *arena, struct slice pattern, struct path_pattern *out) {
    size_t count = path_segment_count(pattern);
    struct path_segment *segments = arena_array(arena, count, sizeof *segments);
    if (!segments)
        return false;
    path_pattern_split(pattern, segments);
    *out = (struct path_pattern){segments, count};
    return true;
}

static bool compile_patterns(struct arena *arena, const char *text, struct action *action) {
    struct slice pattern = slice_of_str(text);
    char *bytes = arena_alloc(arena, pattern.len);
    return bytes && compile_pattern(arena, pattern, &action->pattern) &&
           compile_pattern(arena, path_pattern_fold(pattern, bytes), &action->folded);
}

static bool compile_action(struct arena *arena, const struct config_action *from,
                           struct action *out_action) {
    struct action action = {.any_method = from->methods.count == 0};
    if (!compile_strings(arena, &from->methods, &action.other_methods) ||
        !compile_patterns(arena, from->pattern, &action))
        return false;
    size_t others = 0;
    for (size_t i = 0; i < from->methods.count; i++) {
        struct slice method = action.other_methods.items[i];
        uint32_t bit = method_bit(method);
        action.method_bits |= bit;
        if (bit == 0)
            action.other_methods.items[others++] = method;
    }
    action.other_methods.count = others;
    *out_action = action;
    return true;
}

static bool compile_actions(struct policy *policy, const struct config_action *from, size_t count,
                            struct action_list *out_list) {
    struct arena *arena = &policy->arena;
    out_list->items = arena_array(arena, count, sizeof *out_list->items);
    out_list->count = 0;
    if (!out_list->items)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!from[i].mcp && !compile_action(arena, &from[i], &out_list->items[out_list->count++]))
            return false;
    return mcp_actions_compile(arena, &policy->places, from, count, &out_list->mcp);
}

static bool compile_roles(struct policy *policy, const struct config *config) {
    struct arena *arena = &policy->arena;
    policy->roles_actions = arena_array(arena, config->role_count, sizeof(struct action_list));
    policy->roles_not_actions = arena_array(arena, config->role_count, sizeof(struct action_list));
    if (!policy->roles_actions || !policy->roles_not_actions)
        return false;
    policy->role_count = config->role_count;
    for (size_t i = 0; i < config->role_count; i++) {
        const struct config_role *role = &config->roles[i];
        if (!compile_actions(policy, role->actions, role->action_count,
                             &policy->roles_actions[i]) ||
            !compile_actions(policy, role->not_actions, role->not_action_count,
                             &policy->roles_not_actions[i]))
            return false;
    }
    return true;
}

static bool compile_principal(struct arena *arena, const struct config_principal *from,
                              struct principal *out) {
    return compile_strings(arena, &from->users, &out->users) &&
           compile_strings(arena, &from->groups, &out->groups) &&
           compile_strings(arena, &from->apps, &out->apps) &&
           compile_strings(arena, &from->app_roles, &out->app_roles) &&
           compile_strings(arena, &from->scopes, &out->scopes) &&
           compile_strings(arena, &from->tenants, &out->tenants);
}

static bool compile_entry(struct policy *policy, const struct config_entry *from, bool is_deny,
                          struct entry *out) {
    struct arena *arena = &policy->arena;
    out->config = from;
    out->is_deny = is_deny;
    out->covers_everything = is_deny && from->role == CONFIG_NONE && from->action_count == 0;
    if (from->role != CONFIG_NONE) {
        out->actions = policy->roles_actions[from->role];
        out->not_actions = policy->roles_not_actions[from->role];
    } else if (!compile_actions(policy, from->actions, from->action_count, &out->actions)) {
        return false;
    }
    out->leaves_mcp = mcp_actions_leave_some(&out->actions.mcp, &out->not_actions.mcp);
    if (!compile_strings(arena, &from->when.acrs, &out->contexts))
        return false;
    out->principal_count = from->to_count;
    out->principals = arena_array(arena, from->to_count, sizeof *out->principals);
    if (!out->principals)
        return false;
    for (size_t i = 0; i < from->to_count; i++)
        if (!compile_principal(arena, &from->to[i], &out->principals[i]))
            return false;
    return true;
}

static bool compile_entries(struct policy *policy, const struct config_entries *from, bool is_deny,
                            struct entry_list *out_list) {
    out_list->items = arena_array(&policy->arena, from->count, sizeof *out_list->items);
    if (!out_list->items)
        return false;
    for (size_t i = 0; i < from->count; i++) {
        out_list->count++;
        if (!compile_entry(policy, &from->items[i], is_deny, &out_list->items[i]))
            return false;
    }
    return policy_index_build(&policy->arena, out_list, &out_list->index);
}

static bool compile_rules(struct policy *policy, const struct config_entries *access,
                          const struct config_entries *deny, size_t credential,
                          struct route_rules *out_rules) {
    out_rules->credential = credential;
    return compile_entries(policy, access, false, &out_rules->access) &&
           compile_entries(policy, deny, true, &out_rules->deny);
}

static bool compile(struct policy *policy, const struct config *config) {
    policy->route_count = config->route_count;
    policy->routes = arena_array(&policy->arena, config->route_count, sizeof *policy->routes);
    if (!policy->routes || !compile_roles(policy, config) ||
        !compile_rules(policy, &config->access, &config->deny, CONFIG_NONE, &policy->everywhere))
        return false;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        if (!compile_rules(policy, &route->access, &route->deny, route->credential,
                           &policy->routes[i]))
            return false;
        policy->routes[i].is_shadow = route->is_shadow;
        policy->routes[i].is_mcp = route->mcp != NULL;
    }
    return true;
}

static size_t count_groups(const struct entry_list *entries) {
    size_t count = 0;
    for (size_t i = 0; i < entries->count; i++)
        for (size_t j = 0; j < entries->items[i].principal_count; j++)
            count += entries->items[i].principals[j].groups.count;
    return count;
}

static void gather_groups(const struct entry_list *entries, struct slice_list *groups) {
    for (size_t i = 0; i < entries->count; i++)
        for (size_t j = 0; j < entries->items[i].principal_count; j++) {
            const struct slice_list *named = &entries->items[i].principals[j].groups;
            for (size_t k = 0; k < named->count; k++)
                groups->items[groups->count++] = named->items[k];
        }
}

static int compare_slices(const void *left, const void *right) {
    const struct slice *a = left, *b = right;
    size_t common = a->len < b->len ? a->len : b->len;
    int order = common ? memcmp(a->ptr, b->ptr, common) : 0;
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static bool compile_groups(struct policy *policy) {
    struct slice_list groups = {0};
    size_t total =
        count_groups(&policy->everywhere.access) + count_groups(&policy->everywhere.deny);
    for (size_t i = 0; i < policy->route_count; i++)
        total += count_groups(&policy->routes[i].access) + count_groups(&policy->routes[i].deny);
    groups.items = arena_array(&policy->arena, total, sizeof *groups.items);
    if (!groups.items)
        return false;
    gather_groups(&policy->everywhere.access, &groups);
    gather_groups(&policy->everywhere.deny, &groups);
    for (size_t i = 0; i < policy->route_count; i++) {
        gather_groups(&policy->routes[i].access, &groups);
        gather_groups(&policy->routes[i].deny, &groups);
    }
    if (groups.count > 1)
        qsort(groups.items, groups.count, sizeof *groups.items, compare_slices);
    size_t distinct = 0;
    for (size_t i = 0; i < groups.count; i++)
        if (i == 0 || !slice_eq(groups.items[i], groups.items[distinct - 1]))
            groups.items[distinct++] = groups.items[i];
    groups.count = distinct;
    policy->groups = groups;
    return true;
}

struct policy *policy_new(const struct config *config) {
    struct policy *policy = calloc(1, sizeof *policy);
    if (!policy)
        return NULL;
    arena_init(&policy->arena, POLICY_MEMORY_LIMIT);
    if (!compile(policy, config) || !compile_groups(policy)) {
        policy_free(policy);
        return NULL;
    }
    return policy;
}

/* Roles' actions are shared by their entries and are none of the entries' own. */
static void free_entries(struct entry_list *list) {
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].config && list->items[i].config->role == CONFIG_NONE)
            mcp_actions_done(&list->items[i].actions.mcp);
}

static void free_rules(struct route_rules *rules) {
    free_entries(&rules->access);
    free_entries(&rules->deny);
}

void policy_free(struct policy *policy) {
    if (!policy)
        return;
    for (size_t i = 0; i < policy->role_count; i++) {
        mcp_actions_done(&policy->roles_actions[i].mcp);
        mcp_actions_done(&policy->roles_not_actions[i].mcp);
    }
    for (size_t i = 0; policy->routes && i < policy->route_count; i++)
        free_rules(&policy->routes[i]);
    free_rules(&policy->everywhere);
    arena_done(&policy->arena);
    free(policy);
}

const struct slice *policy_groups(const struct policy *policy, size_t *out_count) {
    *out_count = policy->groups.count;
    return policy->groups.items;
}
