/* Whether an entry matches: its principals, then its actions, then its conditions. */
#include "auth/policy_match.h"

/* A method's place here is its bit; the others are compared as text. */
static const char *const known_methods[] = {
    "GET",   "HEAD",     "OPTIONS",   "POST",  "PUT",  "DELETE", "PATCH", "TRACE",  "CONNECT",
    "QUERY", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE",   "LOCK",  "UNLOCK", "REPORT",
};

/* How an action is held against a path: a grant exactly, a refusal in every reading. */
enum strictness { MATCHES_EXACTLY, MATCHES_ANY_READING };

enum match { MATCH_NO, MATCH_UNKNOWN, MATCH_YES };

uint32_t method_bit(struct slice method) {
    for (size_t i = 0; i < sizeof known_methods / sizeof *known_methods; i++)
        if (slice_eq_str(method, known_methods[i]))
            return UINT32_C(1) << i;
    return 0;
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

/* In the order of enum policy_demand: unknown groups matter only to who meets all the rest. */
static enum policy_demand first_unmet(const struct principal *principal,
                                      const struct identity *identity) {
    if (!is_of_tenant(&principal->tenants, identity))
        return DEMAND_TENANT;
    if (!is_user(&principal->users, identity))
        return DEMAND_USER;
    if (!is_app(&principal->apps, identity))
        return DEMAND_APP;
    if (!satisfies(&principal->app_roles, identity, identity_has_role))
        return DEMAND_APP_ROLE;
    if (!satisfies(&principal->scopes, identity, identity_has_scope))
        return DEMAND_SCOPE;
    return satisfies(&principal->groups, identity, identity_has_group) ? DEMAND_NONE : DEMAND_GROUP;
}

static enum match match_principal(const struct principal *principal,
                                  const struct identity *identity) {
    enum policy_demand unmet = first_unmet(principal, identity);
    if (unmet == DEMAND_NONE)
        return MATCH_YES;
    return unmet == DEMAND_GROUP && identity->groups_unknown ? MATCH_UNKNOWN : MATCH_NO;
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

/* What takes away on an MCP server's route: its own actions, or those of plain HTTP. */
static enum mcp_match any_action_takes(const struct action_list *actions,
                                       const struct attempt *attempt,
                                       const struct config_argument_test **out_test) {
    if (any_action_matches(actions, attempt, MATCHES_ANY_READING))
        return MCP_MATCH_YES;
    return mcp_actions_take(&actions->mcp, attempt->mcp, attempt->view, out_test);
}

static enum mcp_match mcp_action_grants(const struct entry *entry, const struct attempt *attempt,
                                        const struct config_argument_test **out_test) {
    if (attempt->mcp->gate == POLICY_MCP_SOME)
        return entry->leaves_mcp ? MCP_MATCH_YES : MCP_MATCH_NO;
    return mcp_actions_grant(&entry->actions.mcp, &entry->not_actions.mcp, attempt->mcp,
                             attempt->view, out_test);
}

/* A deny has no not_actions. */
static enum policy_answer match_mcp_actions(const struct entry *entry,
                                            const struct attempt *attempt,
                                            const struct config_argument_test **out_test) {
    enum mcp_match given = entry->is_deny ? any_action_takes(&entry->actions, attempt, out_test)
                                          : mcp_action_grants(entry, attempt, out_test);
    const struct config_argument_test *unused = NULL;
    if (given != MCP_MATCH_YES)
        return given == MCP_MATCH_NO ? POLICY_OTHER_ACTION : POLICY_OTHER_ARGUMENTS;
    return any_action_takes(&entry->not_actions, attempt, &unused) == MCP_MATCH_YES
               ? POLICY_EXCEPTED
               : POLICY_MATCHES;
}

/* What a deny takes away and what it leaves swap sides: its not_actions are the exact ones. */
static enum policy_answer match_actions(const struct entry *entry, const struct attempt *attempt,
                                        const struct config_argument_test **out_test) {
    if (entry->covers_everything)
        return POLICY_MATCHES;
    if (attempt->mcp)
        return match_mcp_actions(entry, attempt, out_test);
    enum strictness given = entry->is_deny ? MATCHES_ANY_READING : MATCHES_EXACTLY;
    enum strictness taken = entry->is_deny ? MATCHES_EXACTLY : MATCHES_ANY_READING;
    if (!any_action_matches(&entry->actions, attempt, given))
        return POLICY_OTHER_ACTION;
    return any_action_matches(&entry->not_actions, attempt, taken) ? POLICY_EXCEPTED
                                                                   : POLICY_MATCHES;
}

bool entry_lacks_context(const struct entry *entry, const struct identity *identity) {
    return !satisfies(&entry->contexts, identity, identity_has_acrs);
}

bool entry_lacks_mfa(const struct entry *entry, const struct identity *identity) {
    return entry->config->when.mfa && !identity->has_mfa;
}

static bool is_client(const struct entry *entry, const unsigned char *client) {
    const struct config_networks *clients = &entry->config->when.clients;
    return clients->count == 0 || (client && config_networks_hold(clients, client));
}

static enum policy_answer match_sign_in(const struct entry *entry,
                                        const struct identity *identity) {
    if (entry_lacks_mfa(entry, identity))
        return POLICY_LACKS_MFA;
    return entry_lacks_context(entry, identity) ? POLICY_LACKS_CONTEXT : POLICY_MATCHES;
}

enum policy_answer entry_match(const struct entry *entry, const struct attempt *attempt,
                               const struct config_argument_test **out_test) {
    const struct config_argument_test *unused = NULL;
    enum match match = match_principals(entry, attempt->identity);
    if (match == MATCH_NO)
        return POLICY_OTHER_PRINCIPAL;
    enum policy_answer answer = match_actions(entry, attempt, out_test ? out_test : &unused);
    if (answer != POLICY_MATCHES)
        return answer;
    if (!is_client(entry, attempt->client))
        return POLICY_OTHER_CLIENT;
    answer = match_sign_in(entry, attempt->identity);
    bool may_match = match == MATCH_UNKNOWN && (answer == POLICY_MATCHES || !entry->is_deny);
    return may_match ? POLICY_GROUPS_UNKNOWN : answer;
}

size_t entry_closest_principal(const struct entry *entry, const struct identity *identity,
                               enum policy_demand *out_unmet) {
    size_t closest = CONFIG_NONE;
    *out_unmet = DEMAND_NONE;
    for (size_t i = 0; i < entry->principal_count; i++) {
        enum policy_demand unmet = first_unmet(&entry->principals[i], identity);
        if (closest == CONFIG_NONE || unmet > *out_unmet) {
            closest = i;
            *out_unmet = unmet;
        }
    }
    return closest;
}
