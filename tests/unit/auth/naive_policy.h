/* The rules as the contract says them, entry by entry and without any preparation. */
#ifndef BARKEEP_TESTS_NAIVE_POLICY_H
#define BARKEEP_TESTS_NAIVE_POLICY_H

#include "naive_mcp.h"
#include "random_rules.h"

static inline bool holds(const struct config_strings *strings, struct slice value) {
    for (size_t i = 0; i < strings->count; i++)
        if (slice_eq_str(value, strings->items[i]))
            return true;
    return false;
}

static inline bool share(const struct config_strings *strings, const struct slice *values,
                         size_t count) {
    for (size_t i = 0; i < count; i++)
        if (holds(strings, values[i]))
            return true;
    return false;
}

enum naive_answer { NO, PERHAPS, YES };

static inline enum naive_answer principal_fits(const struct config_principal *to,
                                               const struct identity *who) {
    bool is_app = who->type == PRINCIPAL_APP;
    if ((to->tenants.count && !holds(&to->tenants, who->tenant)) ||
        (to->users.count && !holds(&to->users, who->oid)) ||
        (to->apps.count && !(is_app && holds(&to->apps, who->app))) ||
        (to->app_roles.count && !share(&to->app_roles, who->roles, who->role_count)) ||
        (to->scopes.count && !share(&to->scopes, who->scopes, who->scope_count)))
        return NO;
    if (to->groups.count == 0 || share(&to->groups, who->groups, who->group_count))
        return YES;
    return who->groups_unknown ? PERHAPS : NO;
}

/* '*' any run of bytes; the end of an encoded slash in either case. */
static inline bool segment_fits(const char *pattern, size_t p_len, const char *text, size_t t_len,
                                bool after_percent_two) {
    if (p_len == 0)
        return t_len == 0;
    if (*pattern == '*') {
        for (size_t taken = 0; taken <= t_len; taken++)
            if (segment_fits(pattern + 1, p_len - 1, text + taken, t_len - taken, false))
                return true;
        return false;
    }
    if (t_len == 0)
        return false;
    bool is_same = *pattern == *text;
    if (after_percent_two && (*pattern == 'f' || *pattern == 'F'))
        is_same = *text == 'f' || *text == 'F';
    if (!is_same)
        return false;
    if (p_len >= 3 && t_len >= 3 && memcmp(pattern, "%2", 2) == 0 && memcmp(text, "%2", 2) == 0)
        return segment_fits(pattern + 2, p_len - 2, text + 2, t_len - 2, true);
    return segment_fits(pattern + 1, p_len - 1, text + 1, t_len - 1, false);
}

static inline size_t segment_end(const char *text) {
    return 1 + strcspn(text + 1, "/");
}

/* Both begin with '/', or are at their end. */
static inline bool path_fits(const char *pattern, const char *path) {
    if (*pattern == '\0')
        return *path == '\0';
    size_t p = segment_end(pattern), t = *path ? segment_end(path) : 0;
    if (p == 3 && memcmp(pattern, "/**", 3) == 0)
        return path_fits(pattern + 3, path) || (*path && path_fits(pattern, path + t));
    return *path && segment_fits(pattern + 1, p - 1, path + 1, t - 1, false) &&
           path_fits(pattern + p, path + t);
}

static inline const char *decoded_delimiter(const char *escape) {
    static const char *const rows[][2] = {
        {"%21", "!"}, {"%24", "$"}, {"%26", "&"}, {"%27", "'"}, {"%28", "("}, {"%29", ")"},
        {"%2B", "+"}, {"%2C", ","}, {"%3A", ":"}, {"%3D", "="}, {"%40", "@"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (strncmp(escape, rows[i][0], 3) == 0)
            return rows[i][1];
    return NULL;
}

/* What an upstream may take a path for: delimiters decoded, parameters cut off, encoded slashes as
 * separators if `splits`, no empty segments, no slash at the end. */
static inline void read_otherwise(const char *path, bool is_pattern, bool splits, char *out) {
    char text[4 * PATH_MAX_BYTES] = "";
    while (*path) {
        size_t end = segment_end(path);
        bool is_name_of_slash = end == 4 && path[1] == '%';
        strcat(text, "/");
        for (size_t i = 1; i < end; i++) {
            char plain[4] = {path[i], '\0', '\0', '\0'};
            const char *put = plain;
            if (path[i] == '%') {
                memcpy(plain, path + i, 3);
                i += 2;
                if (strcmp(plain, "%3B") == 0)
                    break;
                const char *delimiter = decoded_delimiter(plain);
                bool is_slash = strcmp(plain, "%2F") == 0 || strcmp(plain, "%2f") == 0;
                if (delimiter)
                    put = delimiter;
                else if (is_slash)
                    put = splits && !is_name_of_slash ? "/" : "%2F";
            } else if (path[i] == '*' && !is_pattern) {
                put = "%2A";
            }
            strcat(text, put);
        }
        path += end;
    }
    size_t len = 0;
    for (size_t i = 0; text[i]; i++)
        if (text[i] != '/' || len == 0 || out[len - 1] != '/')
            out[len++] = text[i];
    if (len > 1 && out[len - 1] == '/')
        len--;
    out[len] = '\0';
}

/* One request in all its readings. */
struct naive_path {
    char text[PATH_MAX_BYTES];
    char folded[4 * PATH_MAX_BYTES];
    char split[4 * PATH_MAX_BYTES];
};

static inline bool path_fits_any_reading(const char *pattern, const struct naive_path *path) {
    char folded[4 * PATH_MAX_BYTES];
    read_otherwise(pattern, true, false, folded);
    return path_fits(pattern, path->text) || path_fits(folded, path->text) ||
           path_fits(folded, path->folded) || path_fits(folded, path->split);
}

static inline bool actions_fit(const struct config_action *actions, size_t count,
                               struct slice method, const struct naive_path *path,
                               bool in_any_reading) {
    for (size_t i = 0; i < count; i++) {
        if (actions[i].mcp)
            continue;
        bool is_method = actions[i].methods.count == 0 || holds(&actions[i].methods, method);
        if (is_method && (in_any_reading ? path_fits_any_reading(actions[i].pattern, path)
                                         : path_fits(actions[i].pattern, path->text)))
            return true;
    }
    return false;
}

/* One request: its path in all readings, and what it asks of an MCP server, if the route is one. */
struct naive_request {
    struct naive_path path;
    const struct naive_asked *asked;
};

static inline bool takes_away(const struct config_action *actions, size_t count,
                              struct slice method, const struct naive_request *request) {
    return actions_fit(actions, count, method, &request->path, true) ||
           mcp_takes(actions, count, request->asked);
}

static inline bool does_mcp(const struct config *config, const struct config_entry *entry,
                            bool is_deny, struct slice method,
                            const struct naive_request *request) {
    if (is_deny)
        return takes_away(entry->actions, entry->action_count, method, request);
    if (entry->role == CONFIG_NONE)
        return mcp_grants(entry->actions, entry->action_count, NULL, 0, request->asked);
    const struct config_role *role = &config->roles[entry->role];
    return mcp_grants(role->actions, role->action_count, role->not_actions, role->not_action_count,
                      request->asked) &&
           !takes_away(role->not_actions, role->not_action_count, method, request);
}

static inline bool does(const struct config *config, const struct config_entry *entry, bool is_deny,
                        struct slice method, const struct naive_request *request) {
    const struct naive_path *path = &request->path;
    if (is_deny && entry->role == CONFIG_NONE && entry->action_count == 0)
        return true;
    if (request->asked)
        return does_mcp(config, entry, is_deny, method, request);
    if (entry->role == CONFIG_NONE)
        return actions_fit(entry->actions, entry->action_count, method, path, is_deny);
    const struct config_role *role = &config->roles[entry->role];
    return actions_fit(role->actions, role->action_count, method, path, is_deny) &&
           !actions_fit(role->not_actions, role->not_action_count, method, path, !is_deny);
}

static inline bool comes_from(const struct config_networks *networks, const unsigned char *client) {
    if (networks->count == 0)
        return true;
    for (size_t i = 0; i < networks->count && client; i++)
        if (memcmp(networks->items[i].address, client, networks->items[i].prefix_bits / 8) == 0)
            return true;
    return false;
}

/* What an entry comes to for a request. */
struct naive_entry {
    enum naive_answer fits; /* principal, action and client */
    bool lacks_context, lacks_mfa;
};

static inline struct naive_entry weigh(const struct config *config,
                                       const struct config_entry *entry, bool is_deny,
                                       const struct policy_question *question,
                                       const struct naive_request *request) {
    struct naive_entry weighed = {.fits = NO};
    for (size_t i = 0; i < entry->to_count; i++) {
        enum naive_answer fits = principal_fits(&entry->to[i], question->identity);
        weighed.fits = fits > weighed.fits ? fits : weighed.fits;
    }
    if (!does(config, entry, is_deny, question->method, request) ||
        !comes_from(&entry->when.clients, question->client))
        weighed.fits = NO;
    const struct config_strings *acrs = &entry->when.acrs;
    weighed.lacks_context =
        acrs->count && !share(acrs, question->identity->acrs, question->identity->acrs_count);
    weighed.lacks_mfa = entry->when.mfa && !question->identity->has_mfa;
    return weighed;
}

static inline bool holds_fully(struct naive_entry weighed) {
    return weighed.fits == YES && !weighed.lacks_context && !weighed.lacks_mfa;
}

static inline void name_shadow(struct decision *decision, const char *label) {
    if (decision->shadow_count < POLICY_SHADOWS_MAX)
        decision->shadows[decision->shadow_count++] = label;
}

static inline void name_shadow_first(struct decision *decision, const char *label) {
    const char *others[POLICY_SHADOWS_MAX];
    size_t count = decision->shadow_count;
    memcpy(others, decision->shadows, sizeof others);
    decision->shadow_count = 0;
    name_shadow(decision, label);
    for (size_t i = 0; i < count; i++)
        name_shadow(decision, others[i]);
}

static inline void blame(struct decision *decision, const struct config_entry *entry) {
    decision->entry = entry;
    decision->rule = entry ? entry->label : NULL;
}

/* Goes through the denies of the lists; true when they refuse. */
static inline bool naive_denies(const struct config *config,
                                const struct config_entries *const *lists, size_t list_count,
                                const struct policy_question *question,
                                const struct naive_request *request, struct decision *decision) {
    const struct config_entry *unknown = NULL;
    for (size_t l = 0; l < list_count; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            const struct config_entry *entry = &lists[l]->items[i];
            struct naive_entry weighed = weigh(config, entry, true, question, request);
            if (holds_fully(weighed) && entry->is_shadow) {
                name_shadow(decision, entry->label);
            } else if (holds_fully(weighed)) {
                decision->reason = REASON_DENIED;
                blame(decision, entry);
                return true;
            } else if (weighed.fits == PERHAPS && !weighed.lacks_context && !weighed.lacks_mfa &&
                       !entry->is_shadow && !unknown) {
                unknown = entry;
            }
        }
    if (unknown) {
        decision->reason = REASON_GROUPS_UNKNOWN;
        decision->depends_on_groups = true;
        blame(decision, unknown);
    }
    return unknown != NULL;
}

static inline void naive_ask_for_more(const struct config_entry *entry, struct naive_entry weighed,
                                      bool can_step_up, struct decision *decision) {
    blame(decision, entry);
    decision->reason = can_step_up ? REASON_CLAIMS_REQUIRED : REASON_NO_ROLE;
    if (weighed.lacks_context)
        decision->needed_acrs = slice_of_str(entry->when.acrs.items[0]);
    decision->needs_mfa = weighed.lacks_mfa;
}

static inline void naive_access(const struct config *config, const struct config_route *route,
                                const struct policy_question *question,
                                const struct naive_request *request, struct decision *decision) {
    const struct config_entries *const lists[] = {&route->access, &config->access};
    const struct config_entry *unknown = NULL, *stepping = NULL, *lacking = NULL;
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            const struct config_entry *entry = &lists[l]->items[i];
            struct naive_entry weighed = weigh(config, entry, false, question, request);
            if (entry->is_shadow) {
                if (holds_fully(weighed))
                    name_shadow(decision, entry->label);
                continue;
            }
            if (holds_fully(weighed)) {
                decision->is_allowed = true;
                decision->reason = REASON_NONE;
                decision->credential =
                    entry->credential != CONFIG_NONE ? entry->credential : route->credential;
                decision->depends_on_groups = unknown != NULL;
                blame(decision, entry);
                return;
            }
            if (weighed.fits == PERHAPS && !unknown)
                unknown = entry;
            if (weighed.fits == YES && weighed.lacks_mfa && !lacking)
                lacking = entry;
            if (weighed.fits == YES && !weighed.lacks_mfa && !stepping)
                stepping = entry;
        }
    decision->reason = REASON_NO_ROLE;
    if (unknown) {
        decision->reason = REASON_GROUPS_UNKNOWN;
        decision->depends_on_groups = true;
        blame(decision, unknown);
    } else if (stepping || lacking) {
        const struct config_entry *entry = stepping ? stepping : lacking;
        naive_ask_for_more(entry, weigh(config, entry, false, question, request),
                           stepping && question->identity->accepts_claims_challenge, decision);
    }
}

/* `arguments` are those of question->mcp. */
static inline struct decision naive_decide(const struct config *config,
                                           const struct policy_question *question,
                                           const struct value *arguments) {
    static const struct policy_mcp nothing = {.gate = POLICY_MCP_NAME};
    const struct config_route *route = &config->routes[question->route];
    const struct config_entries *const denies[] = {&route->deny, &config->deny};
    struct decision decision = {.credential = CONFIG_NONE};
    const struct naive_asked asked = {question->mcp ? question->mcp : &nothing,
                                      question->mcp ? arguments : NULL};
    struct naive_request request = {.asked = route->mcp ? &asked : NULL};
    struct naive_path *path = &request.path;
    (void)snprintf(path->text, sizeof path->text, "%.*s", SLICE_ARGS(question->path_below));
    read_otherwise(path->text, false, false, path->folded);
    read_otherwise(path->text, false, true, path->split);
    if (!route->is_shadow) {
        if (!naive_denies(config, denies, 2, question, &request, &decision))
            naive_access(config, route, question, &request, &decision);
        return decision;
    }
    bool would_deny = naive_denies(config, denies, 1, question, &request, &decision);
    struct decision top = decision;
    top.reason = REASON_NONE;
    top.depends_on_groups = false;
    blame(&top, NULL);
    bool denies_anyway = naive_denies(config, denies + 1, 1, question, &request, &top);
    if (would_deny && decision.reason == REASON_DENIED && denies_anyway)
        name_shadow_first(&top, decision.rule);
    if (denies_anyway)
        return top;
    decision.shadow_count = top.shadow_count;
    memcpy(decision.shadows, top.shadows, sizeof top.shadows);
    if (!would_deny)
        naive_access(config, route, question, &request, &decision);
    if (decision.is_allowed)
        return decision;
    name_shadow_first(&decision, decision.reason == REASON_DENIED ? decision.rule
                                                                  : reason_code(decision.reason));
    decision.is_allowed = true;
    decision.reason = REASON_NONE;
    decision.needed_acrs = (struct slice){0};
    decision.needs_mfa = false;
    blame(&decision, NULL);
    return decision;
}

#endif
