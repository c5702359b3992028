/* A pattern covers another when it matches that one's text, with a star of the narrower one taken
 * as a letter that only a star of the wider one may stand for. */
#include "config/rule_cover.h"

#include "config/network.h"
#include "core/glob.h"

static bool spend(struct cover_budget *budget, size_t cost) {
    if (budget->left < cost) {
        budget->left = 0;
        return false;
    }
    budget->left -= cost;
    return true;
}

static bool segment_covers(struct slice wider, struct slice narrower) {
    size_t w = 0, n = 0, star = wider.len, resume = 0;
    if (slice_eq_str(narrower, "**"))
        return false;
    while (n < narrower.len) {
        bool is_star = w < wider.len && wider.ptr[w] == '*';
        if (is_star) {
            star = w++;
            resume = n;
        } else if (w < wider.len && wider.ptr[w] == narrower.ptr[n]) {
            w++;
            n++;
        } else if (star < wider.len) {
            w = star + 1;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (w < wider.len && wider.ptr[w] == '*')
        w++;
    return w == wider.len;
}

/* The first segment of what begins with '/'; `out_rest` begins with the next '/'. */
static struct slice take_segment(struct slice path, struct slice *out_rest) {
    struct slice text = slice_skip(path, 1);
    struct slice segment = slice_of(text.ptr, slice_index(text, '/'));
    *out_rest = slice_skip(text, segment.len);
    return segment;
}

static bool is_all_deep(struct slice pattern) {
    while (pattern.len > 0) {
        if (!slice_eq_str(take_segment(pattern, &pattern), "**"))
            return false;
    }
    return true;
}

bool pattern_covers(struct cover_budget *budget, struct slice wider, struct slice narrower) {
    struct slice after_deep = {0}, resume = {0};
    bool has_deep = false;
    while (narrower.len > 0) {
        struct slice wider_rest, narrower_rest;
        struct slice segment = take_segment(narrower, &narrower_rest);
        if (!spend(budget, 1 + segment.len / 16))
            return false;
        struct slice ours = wider.len > 0 ? take_segment(wider, &wider_rest) : SLICE("");
        if (wider.len > 0 && slice_eq_str(ours, "**")) {
            has_deep = true;
            wider = after_deep = wider_rest;
            resume = narrower;
        } else if (wider.len > 0 && segment_covers(ours, segment)) {
            wider = wider_rest;
            narrower = narrower_rest;
        } else if (has_deep) {
            take_segment(resume, &resume);
            wider = after_deep;
            narrower = resume;
        } else {
            return false;
        }
    }
    return is_all_deep(wider);
}

static bool has_string(struct cover_budget *budget, const struct config_strings *strings,
                       const char *text) {
    for (size_t i = 0; i < strings->count; i++) {
        if (!spend(budget, 1))
            return false;
        if (strcmp(strings->items[i], text) == 0)
            return true;
    }
    return false;
}

/* An empty list does not constrain. */
static bool strings_cover(struct cover_budget *budget, const struct config_strings *wider,
                          const struct config_strings *narrower) {
    if (wider->count == 0)
        return true;
    for (size_t i = 0; i < narrower->count; i++) {
        if (!has_string(budget, wider, narrower->items[i]))
            return false;
    }
    return narrower->count > 0;
}

static bool mcp_action_covers(struct cover_budget *budget, const struct config_mcp_action *wider,
                              const struct config_mcp_action *narrower) {
    if (!spend(budget, 2) || wider->test_count > 0)
        return false;
    return glob_match(slice_of_str(wider->method), slice_of_str(narrower->method)) &&
           (!wider->name || (narrower->name &&
                             glob_match(slice_of_str(wider->name), slice_of_str(narrower->name))));
}

bool action_covers(struct cover_budget *budget, const struct config_action *wider,
                   const struct config_action *narrower) {
    if (wider->mcp || narrower->mcp)
        return wider->mcp && narrower->mcp && mcp_action_covers(budget, wider->mcp, narrower->mcp);
    return strings_cover(budget, &wider->methods, &narrower->methods) &&
           pattern_covers(budget, slice_of_str(wider->pattern), slice_of_str(narrower->pattern));
}

struct rule_actions rule_actions_of(const struct config *config, const struct config_entry *entry) {
    if (entry->role == CONFIG_NONE)
        return (struct rule_actions){.items = entry->actions,
                                     .count = entry->action_count,
                                     .is_everything = entry->action_count == 0};
    const struct config_role *role = &config->roles[entry->role];
    return (struct rule_actions){role->actions, role->action_count, role->not_actions,
                                 role->not_action_count, false};
}

static bool any_covers(struct cover_budget *budget, const struct config_action *actions,
                       size_t count, const struct config_action *narrower) {
    for (size_t i = 0; i < count; i++) {
        if (action_covers(budget, &actions[i], narrower))
            return true;
    }
    return false;
}

/* They differ before the first star of either. */
static bool globs_are_apart(const char *a, const char *b) {
    while (*a && *a == *b && *a != '*') {
        a++;
        b++;
    }
    return *a != *b && *a != '*' && *b != '*';
}

/* What is left out by name takes nothing of other names; lists and methods without effect have
 * none. */
static bool is_apart_from_all(struct cover_budget *budget, const struct config_action *left_out,
                              const struct rule_actions *actions) {
    const struct config_mcp_action *out = left_out->mcp;
    if (!out || !out->name)
        return false;
    for (size_t i = 0; i < actions->count; i++) {
        const struct config_mcp_action *mcp = actions->items[i].mcp;
        if (!mcp || !spend(budget, 2) ||
            !(globs_are_apart(out->method, mcp->method) ||
              (mcp->name && globs_are_apart(out->name, mcp->name))))
            return false;
    }
    return true;
}

bool rule_actions_cover(struct cover_budget *budget, const struct rule_actions *wider,
                        const struct rule_actions *narrower) {
    if (wider->is_everything)
        return true;
    for (size_t i = 0; i < narrower->count; i++) {
        if (!any_covers(budget, wider->items, wider->count, &narrower->items[i]))
            return false;
    }
    /* What the wider one leaves out must be left out of the narrower one too, or none of it. */
    for (size_t i = 0; i < wider->not_count; i++) {
        if (!any_covers(budget, narrower->not_items, narrower->not_count, &wider->not_items[i]) &&
            !is_apart_from_all(budget, &wider->not_items[i], narrower))
            return false;
    }
    return narrower->count > 0 && !narrower->is_everything;
}

static bool principal_covers(struct cover_budget *budget, const struct config_principal *wider,
                             const struct config_principal *narrower) {
    return strings_cover(budget, &wider->users, &narrower->users) &&
           strings_cover(budget, &wider->groups, &narrower->groups) &&
           strings_cover(budget, &wider->apps, &narrower->apps) &&
           strings_cover(budget, &wider->app_roles, &narrower->app_roles) &&
           strings_cover(budget, &wider->scopes, &narrower->scopes) &&
           strings_cover(budget, &wider->tenants, &narrower->tenants);
}

static bool networks_cover(struct cover_budget *budget, const struct config_networks *wider,
                           const struct config_networks *narrower) {
    if (wider->count == 0)
        return true;
    for (size_t i = 0; i < narrower->count; i++) {
        bool is_within = false;
        for (size_t j = 0; j < wider->count && !is_within; j++) {
            if (!spend(budget, 1))
                return false;
            is_within = network_is_within(&narrower->items[i], &wider->items[j]);
        }
        if (!is_within)
            return false;
    }
    return narrower->count > 0;
}

static bool condition_covers(struct cover_budget *budget, const struct config_condition *wider,
                             const struct config_condition *narrower) {
    return (!wider->mfa || narrower->mfa) && strings_cover(budget, &wider->acrs, &narrower->acrs) &&
           networks_cover(budget, &wider->clients, &narrower->clients);
}

bool entry_callers_cover(struct cover_budget *budget, const struct config_entry *wider,
                         const struct config_entry *narrower) {
    if (!condition_covers(budget, &wider->when, &narrower->when))
        return false;
    for (size_t i = 0; i < narrower->to_count; i++) {
        bool is_covered = false;
        for (size_t j = 0; j < wider->to_count && !is_covered; j++) {
            if (!spend(budget, 1))
                return false;
            is_covered = principal_covers(budget, &wider->to[j], &narrower->to[i]);
        }
        if (!is_covered)
            return false;
    }
    return narrower->to_count > 0;
}
