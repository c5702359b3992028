/* Near misses: what the caller nearly had, said in words. Judges nothing; where it needs to know
 * what another request would get, it asks the same router and the same rules. */
#include "auth/path_pattern.h"
#include "proxy/explanation.h"
#include "proxy/rule_words.h"

enum { CLOSE_ROUTES_MAX = 5, OTHER_ROUTES_MAX = 3, NEAR_MISSES_MAX = 20 };

static void note_near(struct explanation *explanation, const char *kind, const char *text) {
    if (explanation->near_misses.count < NEAR_MISSES_MAX) {
        explain_note(explanation, &explanation->near_misses, kind, text);
    }
}

/* A router for one route alone answers for its host, and for its path. */
static bool route_takes(const struct config_route *route, struct slice host, struct slice path) {
    struct config view = {.routes = (struct config_route *)(uintptr_t)route, .route_count = 1};
    struct slice below;
    struct router *router = router_new(&view);
    bool takes = router && router_find(router, host, path, &below) != CONFIG_NONE;
    router_free(router);
    return takes;
}

/* "/rabbit" and "/rabbitmq", "/Rabbit": what people take for the same. */
static bool looks_below(struct slice path, const char *prefix) {
    size_t len = strlen(prefix);
    return path.len >= len && slice_eq_nocase(slice_of(path.ptr, len), slice_of(prefix, len));
}

static const char *why_not_this_route(struct explanation *explanation,
                                      const struct config_route *route, struct slice path) {
    struct arena *arena = &explanation->arena;
    bool takes_host = route_takes(route, explanation->host, slice_of_str(route->path));
    struct slice below;
    bool takes_path = request_path_below(path, slice_of_str(route->path), &below);
    if (takes_host && takes_path) {
        return arena_printf(arena, "would take it too, after the one chosen: host %s, path %s",
                            route->host ? route->host : "any", route->path);
    }
    if (takes_path) {
        return arena_printf(arena, "takes the path, but host %s only: the request's is %.*s",
                            route->host, SLICE_ARGS(explanation->host));
    }
    if (takes_host && looks_below(path, route->path)) {
        return arena_printf(arena, "path %s is compared exactly and by whole segments",
                            route->path);
    }
    return NULL;
}

void explain_close_routes(struct explanation *explanation) {
    const struct config *config = explanation->ground->config;
    if (!explanation->path || explanation->is_own_page) {
        return;
    }
    struct slice path = slice_of_str(explanation->path);
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        const char *why =
            i == explanation->route ? NULL : why_not_this_route(explanation, route, path);
        if (why && explanation->close_routes.count < CLOSE_ROUTES_MAX) {
            explain_note(explanation, &explanation->close_routes, route->name, why);
        }
    }
}

static bool strings_hold(const struct config_strings *list, struct slice wanted) {
    for (size_t i = 0; i < list->count; i++) {
        if (slice_eq_nocase(slice_of_str(list->items[i]), wanted)) {
            return true;
        }
    }
    return false;
}

static bool strings_hold_exactly(const struct config_strings *list, struct slice wanted) {
    for (size_t i = 0; i < list->count; i++) {
        if (slice_eq_str(wanted, list->items[i])) {
            return true;
        }
    }
    return false;
}

/* One of `items` that is in `list`, case aside. */
static struct slice common_text(const struct config_strings *list, const struct slice *items,
                                size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strings_hold(list, items[i])) {
            return items[i];
        }
    }
    return (struct slice){NULL, 0};
}

static struct slice odd_group(const struct identity *identity) {
    for (size_t i = 0; i < identity->group_count; i++) {
        if (!config_is_guid(identity->groups[i])) {
            return identity->groups[i];
        }
    }
    return (struct slice){NULL, 0};
}

static void near_app(struct explanation *explanation, const char *label,
                     const struct config_principal *principal) {
    const struct identity *identity = explanation->identity;
    if (identity->type == PRINCIPAL_USER && strings_hold(&principal->apps, identity->app)) {
        note_near(explanation, "app_rule_user_token",
                  arena_printf(&explanation->arena,
                               "%s names application %.*s, and this token came through it, but it "
                               "is a user's: app matches app-only tokens",
                               label, SLICE_ARGS(identity->app)));
    } else if (strings_hold(&principal->apps, identity->oid)) {
        note_near(explanation, "object_id_for_client_id",
                  arena_printf(&explanation->arena,
                               "%s has the caller's object id %.*s under app, which wants the "
                               "client id %.*s",
                               label, SLICE_ARGS(identity->oid), SLICE_ARGS(identity->app)));
    }
}

static void near_user(struct explanation *explanation, const char *label,
                      const struct config_principal *principal) {
    const struct identity *identity = explanation->identity;
    if (strings_hold(&principal->users, identity->app)) {
        note_near(explanation, "client_id_for_object_id",
                  arena_printf(&explanation->arena,
                               "%s has the client id %.*s under user, which wants an object id",
                               label, SLICE_ARGS(identity->app)));
    }
}

static void near_group(struct explanation *explanation, const char *label) {
    const struct identity *identity = explanation->identity;
    struct slice name = odd_group(identity);
    if (name.len && !explanation->ground->config->entra.groups_by_name) {
        note_near(explanation, "group_names",
                  arena_printf(&explanation->arena,
                               "the token holds group names (%.*s), %s wants object ids: let the "
                               "app registration emit Group ID, or say groups: {form: name}",
                               SLICE_ARGS(name), label));
    } else if (identity->group_count && !name.len &&
               explanation->ground->config->entra.groups_by_name) {
        note_near(explanation, "group_names",
                  arena_printf(&explanation->arena,
                               "the token holds group ids, and groups: {form: name} makes %s want "
                               "names",
                               label));
    }
}

static void near_spelling(struct explanation *explanation, const char *label,
                          const struct config_strings *wanted, const struct slice *had,
                          size_t count) {
    struct slice close = common_text(wanted, had, count);
    if (close.len && !strings_hold_exactly(wanted, close)) {
        note_near(explanation, "spelling",
                  arena_printf(&explanation->arena,
                               "the token's %.*s differs from what %s wants in its letters' case "
                               "alone: they are compared exactly",
                               SLICE_ARGS(close), label));
    }
}

static void near_role(struct explanation *explanation, const char *label,
                      const struct config_principal *principal) {
    const struct identity *identity = explanation->identity;
    const struct config_strings *wanted = &principal->app_roles;
    struct slice scope = common_text(wanted, identity->scopes, identity->scope_count);
    near_spelling(explanation, label, wanted, identity->roles, identity->role_count);
    if (scope.len) {
        note_near(explanation, "scope_for_role",
                  arena_printf(&explanation->arena,
                               "%s wants app_role %.*s, and the token has a scope of that name",
                               label, SLICE_ARGS(scope)));
    }
}

static void near_scope(struct explanation *explanation, const char *label,
                       const struct config_principal *principal) {
    const struct identity *identity = explanation->identity;
    const struct config_strings *wanted = &principal->scopes;
    struct slice role = common_text(wanted, identity->roles, identity->role_count);
    near_spelling(explanation, label, wanted, identity->scopes, identity->scope_count);
    if (role.len) {
        note_near(explanation, "role_for_scope",
                  arena_printf(&explanation->arena,
                               "%s wants scope %.*s, and the token has an app role of that name",
                               label, SLICE_ARGS(role)));
    }
}

/* Every principal of the entry: the one that came closest is not always the one that was meant. */
static void near_principals(struct explanation *explanation, const struct config_entry *entry) {
    for (size_t i = 0; i < entry->to_count; i++) {
        const struct config_principal *principal = &entry->to[i];
        near_app(explanation, entry->label, principal);
        near_user(explanation, entry->label, principal);
        near_role(explanation, entry->label, principal);
        near_scope(explanation, entry->label, principal);
        if (principal->groups.count) {
            near_group(explanation, entry->label);
        }
    }
}

static bool action_takes_method(const struct config_action *action, struct slice method) {
    for (size_t i = 0; i < action->methods.count; i++) {
        if (slice_eq_str(method, action->methods.items[i])) {
            return true;
        }
    }
    return action->methods.count == 0;
}

static void near_action(struct explanation *explanation, const struct policy_step *step) {
    const struct config *config = explanation->ground->config;
    const struct config_entry *entry = step->entry;
    bool has_role = entry->role != CONFIG_NONE;
    const struct config_action *actions =
        has_role ? config->roles[entry->role].actions : entry->actions;
    size_t count = has_role ? config->roles[entry->role].action_count : entry->action_count;
    struct slice method = slice_of_str(explanation->question->method);
    for (size_t i = 0; i < count; i++) {
        if (actions[i].mcp) {
            continue;
        }
        bool takes_method = action_takes_method(&actions[i], method);
        bool takes_path =
            path_pattern_matches(slice_of_str(actions[i].pattern), explanation->below);
        if (takes_method && !takes_path) {
            note_near(explanation, "other_path",
                      arena_printf(&explanation->arena,
                                   "%s grants the caller %s: the method would do, the path %.*s "
                                   "does not",
                                   entry->label, actions[i].text, SLICE_ARGS(explanation->below)));
        } else if (takes_path && !takes_method) {
            note_near(explanation, "other_method",
                      arena_printf(&explanation->arena,
                                   "%s grants the caller %s: the path would do, the method %s does "
                                   "not",
                                   entry->label, actions[i].text, explanation->question->method));
        }
    }
}

static void near_rules(struct explanation *explanation) {
    struct arena *arena = &explanation->arena;
    for (const struct explained_rule *rule = explanation->first_rule; rule; rule = rule->next) {
        const struct policy_step *step = &rule->step;
        const char *label = step->entry->label;
        if (step->is_deny) {
            continue;
        }
        if (step->answer == POLICY_OTHER_PRINCIPAL) {
            near_principals(explanation, step->entry);
        } else if (step->answer == POLICY_OTHER_ACTION) {
            near_action(explanation, step);
        } else if (step->answer == POLICY_EXCEPTED || step->answer == POLICY_OTHER_CLIENT ||
                   step->answer == POLICY_OTHER_ARGUMENTS) {
            note_near(explanation, rule->answer, arena_printf(arena, "%s: %s", label, rule->why));
        } else if (step->answer == POLICY_LACKS_CONTEXT || step->answer == POLICY_LACKS_MFA) {
            note_near(explanation, "step_up",
                      arena_printf(arena, "%s would grant after a stronger sign-in: it %s", label,
                                   rule->why));
        } else if (step->answer == POLICY_MATCHES && step->entry->is_shadow) {
            note_near(explanation, "shadow",
                      arena_printf(arena, "%s would grant, but is under shadow", label));
        }
    }
}

static struct decision ask(const struct explanation *explanation, size_t route,
                           struct slice below) {
    const struct explain_question *asked = explanation->question;
    struct decision decision;
    const struct policy_question question = {
        .route = route,
        .identity = explanation->identity,
        .method = slice_of_str(asked->method),
        .path_below = below,
        .mcp = explanation->mcp,
        .client = asked->client ? asked->client_address : NULL,
    };
    policy_decide(explanation->ground->policy, &question, NULL, &decision);
    return decision;
}

static void near_trailing_slash(struct explanation *explanation) {
    struct slice below = explanation->below;
    bool has_slash = below.len > 1 && below.ptr[below.len - 1] == '/';
    const char *other =
        has_slash ? arena_strdup_slice(&explanation->arena, slice_of(below.ptr, below.len - 1))
                  : arena_printf(&explanation->arena, "%.*s/", SLICE_ARGS(below));
    if (!other || below.len < 2) {
        return;
    }
    struct decision decision = ask(explanation, explanation->route, slice_of_str(other));
    if (decision.is_allowed && decision.rule) {
        note_near(explanation, "trailing_slash",
                  arena_printf(&explanation->arena,
                               "%s would grant %s: %s slash at the end makes another path",
                               decision.rule, other, has_slash ? "the" : "a"));
    }
}

static bool is_for_everyone(const struct config_entry *entry) {
    for (size_t i = 0; i < entry->to_count; i++) {
        if (entry->to[i].everyone) {
            return true;
        }
    }
    return false;
}

/* A role that the caller has, but somewhere else; what everyone may do there tells nothing. */
static void near_other_routes(struct explanation *explanation) {
    const struct config *config = explanation->ground->config;
    size_t found = 0;
    for (size_t i = 0; i < config->route_count && found < OTHER_ROUTES_MAX; i++) {
        const struct config_route *route = &config->routes[i];
        if (i == explanation->route || route->is_shadow) {
            continue;
        }
        struct decision decision = ask(explanation, i, explanation->below);
        if (decision.is_allowed && decision.entry && !is_for_everyone(decision.entry)) {
            note_near(explanation, "other_route",
                      arena_printf(&explanation->arena,
                                   "%s would grant the caller this below %s%s on route %s",
                                   decision.rule, route->host ? route->host : "", route->path,
                                   route->name));
            found++;
        }
    }
}

void explain_near_misses(struct explanation *explanation) {
    if (!explanation->has_decision || explanation->reason == REASON_NONE) {
        return;
    }
    if (explanation->identity->groups_unknown) {
        note_near(explanation, "overage",
                  "the token says that it does not hold all of the caller's groups (overage): "
                  "they are unknown, which is never \"none\"");
    }
    if (explanation->reason == REASON_DENIED) {
        return;
    }
    near_rules(explanation);
    near_trailing_slash(explanation);
    near_other_routes(explanation);
}
