/* The rules of contract section 3, laid out for deciding: patterns split into segments, methods
 * into bits, principals into slices, all in one arena. The decision itself only reads. */
#include "auth/policy.h"

#include <stdlib.h>

#include "auth/path_pattern.h"
#include "auth/path_reading.h"
#include "core/arena.h"

#define POLICY_MEMORY_LIMIT ((size_t)256 * 1024 * 1024)

/* A method's place here is its bit; the others are compared as text. */
static const char *const known_methods[] = {
    "GET",   "HEAD",     "OPTIONS",   "POST",  "PUT",  "DELETE", "PATCH", "TRACE",  "CONNECT",
    "QUERY", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE",   "LOCK",  "UNLOCK", "REPORT",
};

struct slice_list {
    struct slice *items;
    size_t count;
};

struct action {
    bool any_method;
    uint32_t method_bits;
    struct slice_list other_methods;
    struct path_pattern pattern;
    struct path_pattern folded; /* for subtracting: against every reading of the path */
};

struct action_list {
    struct action *items;
    size_t count;
};

/* "and" over the lists that are not empty, "or" within each. */
struct principal {
    struct slice_list users, groups, apps, app_roles, scopes, tenants;
};

struct entry {
    const char *label;
    bool is_deny;
    bool covers_everything; /* a deny without actions */
    struct action_list actions;
    struct action_list not_actions;
    struct principal *principals;
    size_t principal_count;
    struct slice_list contexts; /* `when`: any of these */
    bool needs_mfa;
    size_t credential;
};

struct entry_list {
    struct entry *items;
    size_t count;
};

struct route_rules {
    struct entry_list access;
    struct entry_list deny;
    size_t credential;
};

struct policy {
    struct arena arena;
    struct action_list *roles_actions; /* by role, shared by the entries that grant it */
    struct action_list *roles_not_actions;
    struct route_rules *routes;
    size_t route_count;
    struct route_rules everywhere;
    struct slice_list groups; /* all that any rule names */
};

/* One request, as the rules see it. */
struct attempt {
    const struct identity *identity;
    struct slice method;
    uint32_t method_bit;                  /* 0 when it is not among the known ones */
    const struct path_readings *readings; /* the first is the path itself */
};

/* How an action is held against a path: a grant exactly, a refusal in every reading. */
enum strictness { MATCHES_EXACTLY, MATCHES_ANY_READING };

enum match { MATCH_NO, MATCH_UNKNOWN, MATCH_YES };

/* What a walk through entries came by: the first of each kind, or NULL. */
struct findings {
    const struct entry *matching;
    const struct entry *unknown;    /* would match if the caller's groups were known so */
    const struct entry *unmet_acrs; /* would match if the sign-in had another context */
    const struct entry *unmet;      /* would match if the sign-in had mfa, and perhaps more */
};

static uint32_t method_bit(struct slice method) {
    for (size_t i = 0; i < sizeof known_methods / sizeof *known_methods; i++)
        if (slice_eq_str(method, known_methods[i]))
            return UINT32_C(1) << i;
    return 0;
}

static bool compile_strings(struct arena *arena, const struct config_strings *from,
                            struct slice_list *out_list) {
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

static bool compile_actions(struct arena *arena, const struct config_action *from, size_t count,
                            struct action_list *out_list) {
    struct action *items = arena_array(arena, count, sizeof *items);
    if (!items)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!compile_action(arena, &from[i], &items[i]))
            return false;
    *out_list = (struct action_list){items, count};
    return true;
}

static bool compile_roles(struct policy *policy, const struct config *config) {
    struct arena *arena = &policy->arena;
    policy->roles_actions = arena_array(arena, config->role_count, sizeof(struct action_list));
    policy->roles_not_actions = arena_array(arena, config->role_count, sizeof(struct action_list));
    if (!policy->roles_actions || !policy->roles_not_actions)
        return false;
    for (size_t i = 0; i < config->role_count; i++) {
        const struct config_role *role = &config->roles[i];
        if (!compile_actions(arena, role->actions, role->action_count, &policy->roles_actions[i]) ||
            !compile_actions(arena, role->not_actions, role->not_action_count,
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
    out->label = from->label;
    out->credential = from->credential;
    out->is_deny = is_deny;
    out->needs_mfa = from->when.mfa;
    out->covers_everything = is_deny && from->role == CONFIG_NONE && from->action_count == 0;
    if (from->role != CONFIG_NONE) {
        out->actions = policy->roles_actions[from->role];
        out->not_actions = policy->roles_not_actions[from->role];
    } else if (!compile_actions(arena, from->actions, from->action_count, &out->actions)) {
        return false;
    }
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
    struct entry *items = arena_array(&policy->arena, from->count, sizeof *items);
    if (!items)
        return false;
    for (size_t i = 0; i < from->count; i++)
        if (!compile_entry(policy, &from->items[i], is_deny, &items[i]))
            return false;
    *out_list = (struct entry_list){items, from->count};
    return true;
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

void policy_free(struct policy *policy) {
    if (!policy)
        return;
    arena_done(&policy->arena);
    free(policy);
}

const struct slice *policy_groups(const struct policy *policy, size_t *out_count) {
    *out_count = policy->groups.count;
    return policy->groups.items;
}

static bool list_holds(const struct slice_list *list, struct slice wanted) {
    for (size_t i = 0; i < list->count; i++)
        if (slice_eq(list->items[i], wanted))
            return true;
    return false;
}

/* True when the list does not constrain or the caller has one of its values. */
static bool satisfies(const struct slice_list *list, const struct identity *identity,
                      bool (*has)(const struct identity *, struct slice)) {
    for (size_t i = 0; i < list->count; i++)
        if (has(identity, list->items[i]))
            return true;
    return list->count == 0;
}

static bool is_user(const struct slice_list *users, const struct identity *identity) {
    return users->count == 0 || list_holds(users, identity->oid);
}

/* In a user's token the application only names the software in between (azure.md A.8). */
static bool is_app(const struct slice_list *apps, const struct identity *identity) {
    return apps->count == 0 || (identity->type == PRINCIPAL_APP && list_holds(apps, identity->app));
}

static bool is_of_tenant(const struct slice_list *tenants, const struct identity *identity) {
    return tenants->count == 0 || list_holds(tenants, identity->tenant);
}

static enum match match_principal(const struct principal *principal,
                                  const struct identity *identity) {
    if (!is_of_tenant(&principal->tenants, identity) || !is_user(&principal->users, identity) ||
        !is_app(&principal->apps, identity) ||
        !satisfies(&principal->app_roles, identity, identity_has_role) ||
        !satisfies(&principal->scopes, identity, identity_has_scope))
        return MATCH_NO;
    if (satisfies(&principal->groups, identity, identity_has_group))
        return MATCH_YES;
    return identity->groups_unknown ? MATCH_UNKNOWN : MATCH_NO;
}

static enum match match_principals(const struct entry *entry, const struct identity *identity) {
    enum match best = MATCH_NO;
    for (size_t i = 0; i < entry->principal_count && best != MATCH_YES; i++) {
        enum match match = match_principal(&entry->principals[i], identity);
        best = match > best ? match : best;
    }
    return best;
}

static bool path_matches(const struct action *action, const struct path_readings *readings,
                         enum strictness strictness) {
    if (path_pattern_match(action->pattern, readings->items[0]))
        return true;
    if (strictness == MATCHES_EXACTLY)
        return false;
    for (size_t i = 0; i < readings->count; i++)
        if (path_pattern_match(action->folded, readings->items[i]))
            return true;
    return false;
}

static bool action_matches(const struct action *action, const struct attempt *attempt,
                           enum strictness strictness) {
    bool method_matches =
        action->any_method || (action->method_bits & attempt->method_bit) != 0 ||
        (attempt->method_bit == 0 && list_holds(&action->other_methods, attempt->method));
    return method_matches && path_matches(action, attempt->readings, strictness);
}

static bool any_action_matches(const struct action_list *actions, const struct attempt *attempt,
                               enum strictness strictness) {
    for (size_t i = 0; i < actions->count; i++)
        if (action_matches(&actions->items[i], attempt, strictness))
            return true;
    return false;
}

/* What a deny takes away and what it leaves swap sides: its not_actions are the exact ones. */
static enum match match_entry(const struct entry *entry, const struct attempt *attempt) {
    enum match match = match_principals(entry, attempt->identity);
    if (match == MATCH_NO || entry->covers_everything)
        return match;
    enum strictness given = entry->is_deny ? MATCHES_ANY_READING : MATCHES_EXACTLY;
    enum strictness taken = entry->is_deny ? MATCHES_EXACTLY : MATCHES_ANY_READING;
    return any_action_matches(&entry->actions, attempt, given) &&
                   !any_action_matches(&entry->not_actions, attempt, taken)
               ? match
               : MATCH_NO;
}

static bool lacks_context(const struct entry *entry, const struct identity *identity) {
    return !satisfies(&entry->contexts, identity, identity_has_acrs);
}

static bool lacks_mfa(const struct entry *entry, const struct identity *identity) {
    return entry->needs_mfa && !identity->has_mfa;
}

static void keep_first(const struct entry **place, const struct entry *entry) {
    if (!*place)
        *place = entry;
}

static void note(struct findings *findings, const struct entry *entry,
                 const struct attempt *attempt) {
    enum match match = match_entry(entry, attempt);
    if (match == MATCH_NO)
        return;
    bool wants_context = lacks_context(entry, attempt->identity);
    bool wants_mfa = lacks_mfa(entry, attempt->identity);
    bool holds = !wants_context && !wants_mfa;
    if (match == MATCH_YES && holds)
        findings->matching = entry;
    else if (match == MATCH_YES)
        keep_first(wants_mfa ? &findings->unmet : &findings->unmet_acrs, entry);
    else if (holds || !entry->is_deny)
        keep_first(&findings->unknown, entry);
}

/* Ends at the first entry that matches. */
static struct findings find_entries(const struct entry_list *lists[2],
                                    const struct attempt *attempt) {
    struct findings findings = {0};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count && !findings.matching; i++)
            note(&findings, &lists[l]->items[i], attempt);
    return findings;
}

static struct decision refuse(enum reason reason, const struct entry *entry) {
    return (struct decision){
        .reason = reason, .credential = CONFIG_NONE, .rule = entry ? entry->label : NULL};
}

static struct decision allow(const struct entry *entry, size_t route_credential) {
    bool has_own = entry->credential != CONFIG_NONE;
    return (struct decision){
        .is_allowed = true,
        .reason = REASON_NONE,
        .credential = has_own ? entry->credential : route_credential,
        .rule = entry->label,
    };
}

/* Nothing denies and nothing grants. */
static struct decision refuse_ungranted(const struct findings *findings,
                                        const struct identity *identity) {
    if (findings->unknown)
        return refuse(REASON_GROUPS_UNKNOWN, findings->unknown);
    const struct entry *unmet = findings->unmet_acrs ? findings->unmet_acrs : findings->unmet;
    if (!unmet)
        return refuse(REASON_NO_ROLE, NULL);
    bool can_step_up = findings->unmet_acrs && identity->accepts_claims_challenge;
    struct decision decision = refuse(can_step_up ? REASON_CLAIMS_REQUIRED : REASON_NO_ROLE, unmet);
    if (lacks_context(unmet, identity))
        decision.needed_acrs = unmet->contexts.items[0];
    decision.needs_mfa = lacks_mfa(unmet, identity);
    return decision;
}

void policy_decide(const struct policy *policy, const struct policy_question *question,
                   struct policy_trace *trace, struct decision *out_decision) {
    (void)trace;
    const struct identity *identity = question->identity;
    const struct route_rules *rules = &policy->routes[question->route];
    const struct entry_list *deny[] = {&rules->deny, &policy->everywhere.deny};
    const struct entry_list *access[] = {&rules->access, &policy->everywhere.access};
    char bytes[PATH_READING_BYTES];
    struct path_readings readings;
    path_readings_of(question->path_below, bytes, &readings);
    const struct attempt attempt = {identity, question->method, method_bit(question->method),
                                    &readings};
    struct findings denied = find_entries(deny, &attempt);
    if (denied.matching || denied.unknown) {
        *out_decision = denied.matching ? refuse(REASON_DENIED, denied.matching)
                                        : refuse(REASON_GROUPS_UNKNOWN, denied.unknown);
        out_decision->depends_on_groups = !denied.matching;
        return;
    }
    struct findings granted = find_entries(access, &attempt);
    *out_decision = granted.matching ? allow(granted.matching, rules->credential)
                                     : refuse_ungranted(&granted, identity);
    out_decision->depends_on_groups = granted.unknown != NULL;
}

/* For callers with one pattern at hand: policy_new() splits the configuration's once and for all.
 */
bool path_pattern_matches(struct slice pattern, struct slice path) {
    size_t count = path_segment_count(pattern);
    struct path_segment *segments = calloc(count + 1, sizeof *segments);
    if (!segments)
        return false;
    path_pattern_split(pattern, segments);
    bool is_match = path_pattern_match((struct path_pattern){segments, count}, path);
    free(segments);
    return is_match;
}
