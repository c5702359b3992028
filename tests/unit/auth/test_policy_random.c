/* The compiled rules against a matcher that reads the configuration as the contract says it, over
 * random rules, callers and requests, with and without a trace. POLICY_SEED and POLICY_PAIRS set
 * what is tried; the seed is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/policy.h"
#include "core/arena.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define DEFAULT_SEED UINT64_C(20260714)
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEFAULT_PAIRS 150000
#else
#define DEFAULT_PAIRS 1000000
#endif
#define PAIRS_OF_A_CONFIG 50
#define PATH_MAX_BYTES 256

enum { FEW = 6, MANY = 400 };

static char ids[MANY][37]; /* of users, groups, applications and tenants alike */
static char words[MANY][16];

static const char *const methods[] = {"GET", "POST", "DELETE", "PURGE", "get", "LIST"};
static const char *const patterns[] = {
    "/**",    "/",       "/a/**",    "/a/*",       "/*/b", "/a",     "/a*/**",
    "/**/b",  "/a/**/b", "/q/%2F/*", "/a%3Ab",     "/a:b", "/**/**", "/*",
    "/a%2Fb", "/a/b/",   "/a%2fb/*", "/a*b*/**/c", "/%2A", "/b/%2F", "/**/a/**"};
static const char *const pieces[] = {"a",   "b",   "c",    "ab",    "a:b", "a%3Ab", "%2F",
                                     "%2f", "a*b", "%3Bx", "a%2Fb", "%2a", "q",     "a%2f%2Fb"};
static const char *const contexts[] = {"c1", "c2", "c3"};

static void make_values(void) {
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "%08x-2c3d-4e5f-8091-%012x", i * 2654435761u, i);
        (void)snprintf(words[i], sizeof words[i], "Thing.%u", i);
    }
}

static uint64_t random_state;

static uint64_t next_random(void) {
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(size_t limit) {
    return (size_t)(next_random() % limit);
}

static bool one_in(size_t n) {
    return below(n) == 0;
}

/* How many different values the configuration at hand uses. */
static size_t variety;

static const char *any_id(void) {
    return ids[below(variety)];
}

static const char *any_word(void) {
    return words[below(variety)];
}

static const char *any_context(void) {
    return contexts[below(COUNT(contexts))];
}

static const char *any_method(void) {
    return methods[below(COUNT(methods))];
}

static struct arena arena;

static void *make(size_t count, size_t size) {
    void *made = arena_array(&arena, count, size);
    assert_non_null(made);
    return made;
}

static struct config_strings some(const char *(*any)(void), size_t most) {
    struct config_strings strings = {.count = below(most) + 1};
    strings.items = make(strings.count, sizeof *strings.items);
    for (size_t i = 0; i < strings.count; i++)
        strings.items[i] = any();
    return strings;
}

static struct config_strings none(void) {
    return (struct config_strings){0};
}

static struct config_action *make_actions(size_t count) {
    struct config_action *actions = make(count, sizeof *actions);
    for (size_t i = 0; i < count; i++) {
        actions[i].methods = one_in(2) ? none() : some(any_method, 3);
        actions[i].pattern = patterns[one_in(2) ? 0 : below(COUNT(patterns))];
    }
    return actions;
}

static struct config_principal make_principal(void) {
    if (one_in(8))
        return (struct config_principal){.everyone = true};
    struct config_principal to = {0};
    size_t keys = one_in(3) ? 2 : 1;
    for (size_t i = 0; i < keys; i++) {
        switch (below(8)) {
        case 0:
            to.users = some(any_id, 3);
            break;
        case 1:
            to.apps = some(any_id, 3);
            break;
        case 2:
            to.app_roles = some(any_word, 3);
            break;
        case 3:
            to.scopes = some(any_word, 2);
            break;
        case 4:
            to.tenants = some(any_id, 3);
            break;
        default:
            to.groups = some(any_id, 3);
        }
    }
    return to;
}

static struct config_networks make_networks(void) {
    struct config_networks networks = {.count = below(2) + 1};
    networks.items = make(networks.count, sizeof *networks.items);
    for (size_t i = 0; i < networks.count; i++) {
        struct config_network *network = &networks.items[i];
        network->address[10] = network->address[11] = 0xff;
        network->address[12] = 10;
        network->address[13] = (unsigned char)below(2);
        network->prefix_bits = (uint8_t)(one_in(3) ? 104 : 112);
        if (network->prefix_bits == 104)
            network->address[13] = 0;
    }
    return networks;
}

static struct config_condition make_condition(void) {
    struct config_condition when = {0};
    if (!one_in(4))
        return when;
    if (one_in(2))
        when.clients = make_networks();
    if (one_in(2))
        when.acrs = some(any_context, 2);
    when.mfa = one_in(4);
    return when;
}

static struct config_entry make_entry(const struct config *config, bool is_deny) {
    static unsigned number;
    struct config_entry entry = {.role = CONFIG_NONE, .credential = CONFIG_NONE};
    entry.label = arena_printf(&arena, "%s-%u", is_deny ? "deny" : "access", number++);
    if (one_in(2)) {
        entry.role = below(config->role_count);
    } else if (!is_deny || !one_in(3)) {
        entry.action_count = below(3);
        entry.actions = make_actions(entry.action_count);
    }
    entry.to_count = one_in(10) ? 0 : below(2) + 1;
    entry.to = make(entry.to_count, sizeof *entry.to);
    for (size_t i = 0; i < entry.to_count; i++)
        entry.to[i] = make_principal();
    entry.when = make_condition();
    if (!is_deny && one_in(2))
        entry.credential = below(3);
    entry.is_shadow = one_in(6);
    return entry;
}

static struct config_entries make_entries(const struct config *config, bool is_deny, size_t count) {
    struct config_entries entries = {.count = count};
    entries.items = make(count, sizeof *entries.items);
    for (size_t i = 0; i < count; i++)
        entries.items[i] = make_entry(config, is_deny);
    return entries;
}

/* Mostly a few entries; now and then enough for every way of finding them. */
static size_t any_length(bool is_deny) {
    if (one_in(12))
        return below(variety == FEW ? 30 : MANY);
    return below(is_deny ? 3 : 7);
}

static void make_config(struct config *config) {
    variety = one_in(8) ? MANY : FEW;
    *config = (struct config){.role_count = 3, .route_count = 2};
    config->roles = make(config->role_count, sizeof *config->roles);
    for (size_t i = 0; i < config->role_count; i++) {
        struct config_role *role = &config->roles[i];
        role->action_count = below(2) + 1;
        role->actions = make_actions(role->action_count);
        role->not_action_count = below(2);
        role->not_actions = make_actions(role->not_action_count);
    }
    config->access = make_entries(config, false, any_length(false));
    config->deny = make_entries(config, true, any_length(true));
    config->routes = make(config->route_count, sizeof *config->routes);
    for (size_t i = 0; i < config->route_count; i++) {
        struct config_route *route = &config->routes[i];
        route->access = make_entries(config, false, any_length(false));
        route->deny = make_entries(config, true, any_length(true));
        route->credential = one_in(2) ? CONFIG_NONE : below(3);
        route->is_shadow = one_in(5);
    }
}

static struct slice *some_slices(const char *(*any)(void), size_t count) {
    struct slice *slices = make(count, sizeof *slices);
    for (size_t i = 0; i < count; i++)
        slices[i] = slice_of_str(any());
    return slices;
}

static struct identity *make_identity(void) {
    struct identity model = {.type = one_in(3) ? PRINCIPAL_APP : PRINCIPAL_USER};
    model.tenant = slice_of_str(any_id());
    model.oid = slice_of_str(any_id());
    model.app = slice_of_str(any_id());
    model.role_count = below(3);
    model.roles = some_slices(any_word, model.role_count);
    model.scope_count = below(3);
    model.scopes = some_slices(any_word, model.scope_count);
    model.group_count = variety == MANY && one_in(3) ? below(300) : below(3);
    if (one_in(500))
        model.group_count = 1200; /* more keys than a caller's list of them holds */
    model.groups = some_slices(any_id, model.group_count);
    model.groups_unknown = one_in(5);
    model.acrs_count = below(2);
    model.acrs = some_slices(any_context, model.acrs_count);
    model.has_mfa = one_in(2);
    model.accepts_claims_challenge = one_in(2);
    struct identity *identity = identity_new(&model, false);
    assert_non_null(identity);
    return identity;
}

static struct slice make_path(void) {
    char *path = make(PATH_MAX_BYTES, 1);
    size_t segments = below(5), len = 0;
    for (size_t i = 0; i < segments; i++) {
        const char *piece = pieces[one_in(2) ? below(3) : below(COUNT(pieces))];
        len += (size_t)snprintf(path + len, PATH_MAX_BYTES - len, "/%s", piece);
    }
    if (segments == 0 || one_in(6))
        path[len++] = '/';
    return slice_of(path, len);
}

static void make_client(unsigned char client[16]) {
    static const unsigned char first[] = {10, 10, 10, 11};
    memset(client, 0, 16);
    client[10] = client[11] = 0xff;
    client[12] = first[below(COUNT(first))];
    client[13] = (unsigned char)below(3);
    client[15] = 7;
}

static bool holds(const struct config_strings *strings, struct slice value) {
    for (size_t i = 0; i < strings->count; i++)
        if (slice_eq_str(value, strings->items[i]))
            return true;
    return false;
}

static bool share(const struct config_strings *strings, const struct slice *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (holds(strings, values[i]))
            return true;
    return false;
}

enum naive_answer { NO, PERHAPS, YES };

static enum naive_answer principal_fits(const struct config_principal *to,
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
static bool segment_fits(const char *pattern, size_t p_len, const char *text, size_t t_len,
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

static size_t segment_end(const char *text) {
    return 1 + strcspn(text + 1, "/");
}

/* Both begin with '/', or are at their end. */
static bool path_fits(const char *pattern, const char *path) {
    if (*pattern == '\0')
        return *path == '\0';
    size_t p = segment_end(pattern), t = *path ? segment_end(path) : 0;
    if (p == 3 && memcmp(pattern, "/**", 3) == 0)
        return path_fits(pattern + 3, path) || (*path && path_fits(pattern, path + t));
    return *path && segment_fits(pattern + 1, p - 1, path + 1, t - 1, false) &&
           path_fits(pattern + p, path + t);
}

static const char *decoded_delimiter(const char *escape) {
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
static void read_otherwise(const char *path, bool is_pattern, bool splits, char *out) {
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

static bool path_fits_any_reading(const char *pattern, const struct naive_path *path) {
    char folded[4 * PATH_MAX_BYTES];
    read_otherwise(pattern, true, false, folded);
    return path_fits(pattern, path->text) || path_fits(folded, path->text) ||
           path_fits(folded, path->folded) || path_fits(folded, path->split);
}

static bool actions_fit(const struct config_action *actions, size_t count, struct slice method,
                        const struct naive_path *path, bool in_any_reading) {
    for (size_t i = 0; i < count; i++) {
        bool is_method = actions[i].methods.count == 0 || holds(&actions[i].methods, method);
        if (is_method && (in_any_reading ? path_fits_any_reading(actions[i].pattern, path)
                                         : path_fits(actions[i].pattern, path->text)))
            return true;
    }
    return false;
}

static bool does(const struct config *config, const struct config_entry *entry, bool is_deny,
                 struct slice method, const struct naive_path *path) {
    if (entry->role == CONFIG_NONE)
        return (is_deny && entry->action_count == 0) ||
               actions_fit(entry->actions, entry->action_count, method, path, is_deny);
    const struct config_role *role = &config->roles[entry->role];
    return actions_fit(role->actions, role->action_count, method, path, is_deny) &&
           !actions_fit(role->not_actions, role->not_action_count, method, path, !is_deny);
}

static bool comes_from(const struct config_networks *networks, const unsigned char *client) {
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

static struct naive_entry weigh(const struct config *config, const struct config_entry *entry,
                                bool is_deny, const struct policy_question *question,
                                const struct naive_path *path) {
    struct naive_entry weighed = {.fits = NO};
    for (size_t i = 0; i < entry->to_count; i++) {
        enum naive_answer fits = principal_fits(&entry->to[i], question->identity);
        weighed.fits = fits > weighed.fits ? fits : weighed.fits;
    }
    if (!does(config, entry, is_deny, question->method, path) ||
        !comes_from(&entry->when.clients, question->client))
        weighed.fits = NO;
    const struct config_strings *acrs = &entry->when.acrs;
    weighed.lacks_context =
        acrs->count && !share(acrs, question->identity->acrs, question->identity->acrs_count);
    weighed.lacks_mfa = entry->when.mfa && !question->identity->has_mfa;
    return weighed;
}

static bool holds_fully(struct naive_entry weighed) {
    return weighed.fits == YES && !weighed.lacks_context && !weighed.lacks_mfa;
}

static void name_shadow(struct decision *decision, const char *label) {
    if (decision->shadow_count < POLICY_SHADOWS_MAX)
        decision->shadows[decision->shadow_count++] = label;
}

static void name_shadow_first(struct decision *decision, const char *label) {
    const char *others[POLICY_SHADOWS_MAX];
    size_t count = decision->shadow_count;
    memcpy(others, decision->shadows, sizeof others);
    decision->shadow_count = 0;
    name_shadow(decision, label);
    for (size_t i = 0; i < count; i++)
        name_shadow(decision, others[i]);
}

static void blame(struct decision *decision, const struct config_entry *entry) {
    decision->entry = entry;
    decision->rule = entry ? entry->label : NULL;
}

/* Goes through the denies of the lists; true when they refuse. */
static bool naive_denies(const struct config *config, const struct config_entries *const *lists,
                         size_t list_count, const struct policy_question *question,
                         const struct naive_path *path, struct decision *decision) {
    const struct config_entry *unknown = NULL;
    for (size_t l = 0; l < list_count; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            const struct config_entry *entry = &lists[l]->items[i];
            struct naive_entry weighed = weigh(config, entry, true, question, path);
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

static void naive_ask_for_more(const struct config_entry *entry, struct naive_entry weighed,
                               bool can_step_up, struct decision *decision) {
    blame(decision, entry);
    decision->reason = can_step_up ? REASON_CLAIMS_REQUIRED : REASON_NO_ROLE;
    if (weighed.lacks_context)
        decision->needed_acrs = slice_of_str(entry->when.acrs.items[0]);
    decision->needs_mfa = weighed.lacks_mfa;
}

static void naive_access(const struct config *config, const struct config_route *route,
                         const struct policy_question *question, const struct naive_path *path,
                         struct decision *decision) {
    const struct config_entries *const lists[] = {&route->access, &config->access};
    const struct config_entry *unknown = NULL, *stepping = NULL, *lacking = NULL;
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            const struct config_entry *entry = &lists[l]->items[i];
            struct naive_entry weighed = weigh(config, entry, false, question, path);
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
        naive_ask_for_more(entry, weigh(config, entry, false, question, path),
                           stepping && question->identity->accepts_claims_challenge, decision);
    }
}

static struct decision naive_decide(const struct config *config,
                                    const struct policy_question *question) {
    const struct config_route *route = &config->routes[question->route];
    const struct config_entries *const denies[] = {&route->deny, &config->deny};
    struct decision decision = {.credential = CONFIG_NONE};
    struct naive_path path;
    (void)snprintf(path.text, sizeof path.text, "%.*s", SLICE_ARGS(question->path_below));
    read_otherwise(path.text, false, false, path.folded);
    read_otherwise(path.text, false, true, path.split);
    if (!route->is_shadow) {
        if (!naive_denies(config, denies, 2, question, &path, &decision))
            naive_access(config, route, question, &path, &decision);
        return decision;
    }
    bool would_deny = naive_denies(config, denies, 1, question, &path, &decision);
    struct decision top = decision;
    top.reason = REASON_NONE;
    top.depends_on_groups = false;
    blame(&top, NULL);
    bool denies_anyway = naive_denies(config, denies + 1, 1, question, &path, &top);
    if (would_deny && decision.reason == REASON_DENIED && denies_anyway)
        name_shadow_first(&top, decision.rule);
    if (denies_anyway)
        return top;
    decision.shadow_count = top.shadow_count;
    memcpy(decision.shadows, top.shadows, sizeof top.shadows);
    if (!would_deny)
        naive_access(config, route, question, &path, &decision);
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

struct counting_trace {
    struct policy_trace trace;
    const struct config_entry *decisive;
    size_t steps, decisive_steps, wrong_steps;
};

static void count_step(struct policy_trace *trace, const struct policy_step *step) {
    struct counting_trace *counting = (struct counting_trace *)trace;
    counting->steps++;
    if (step->is_decisive) {
        counting->decisive = step->entry;
        counting->decisive_steps++;
        counting->wrong_steps += step->entry->is_shadow;
    }
    bool is_stranger = step->answer == POLICY_OTHER_PRINCIPAL;
    counting->wrong_steps += is_stranger != (step->unmet != DEMAND_NONE || !step->entry->to_count);
    counting->wrong_steps += (step->closest != NULL) != (is_stranger && step->entry->to_count);
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const struct decision *a, const struct decision *b) {
    bool same = a->is_allowed == b->is_allowed && a->reason == b->reason &&
                a->credential == b->credential && same_text(a->rule, b->rule) &&
                a->entry == b->entry && a->depends_on_groups == b->depends_on_groups &&
                slice_eq(a->needed_acrs, b->needed_acrs) && a->needs_mfa == b->needs_mfa &&
                a->shadow_count == b->shadow_count;
    for (size_t i = 0; same && i < a->shadow_count; i++)
        same = same_text(a->shadows[i], b->shadows[i]);
    return same;
}

static void print_decision(const char *whose, const struct decision *decision) {
    print_error("%s: %s %s, credential %zd, rule %s, depends %d, acrs %.*s, mfa %d, shadows", whose,
                decision->is_allowed ? "allowed" : "refused", reason_code(decision->reason),
                (ssize_t)decision->credential, decision->rule ? decision->rule : "-",
                decision->depends_on_groups, SLICE_ARGS(decision->needed_acrs),
                decision->needs_mfa);
    for (size_t i = 0; i < decision->shadow_count; i++)
        print_error(" %s", decision->shadows[i]);
    print_error("\n");
}

static size_t entries_of(const struct config *config, const struct config_route *route) {
    return config->access.count + config->deny.count + route->access.count + route->deny.count;
}

/* How often each outcome was met: a comparison of refusals alone proves little. */
struct tally {
    size_t reasons[REASON_COUNT];
    size_t with_shadows;
    size_t let_through;
};

static void count_outcome(struct tally *tally, const struct decision *decision) {
    tally->reasons[decision->reason]++;
    tally->with_shadows += decision->shadow_count > 0;
    tally->let_through += decision->is_allowed && !decision->entry;
}

static void compare(const struct config *config, const struct policy *policy,
                    const struct policy_question *question, uint64_t pair, struct tally *tally) {
    struct counting_trace counting = {.trace = {count_step}};
    struct decision decision, traced, naive = naive_decide(config, question);
    policy_decide(policy, question, NULL, &decision);
    policy_decide(policy, question, &counting.trace, &traced);
    bool is_told = counting.steps == entries_of(config, &config->routes[question->route]) &&
                   counting.decisive == decision.entry &&
                   counting.decisive_steps == (decision.entry != NULL) && !counting.wrong_steps;
    if (!is_same(&decision, &naive) || !is_same(&decision, &traced) || !is_told) {
        print_decision("compiled", &decision);
        print_decision("traced", &traced);
        print_decision("naive", &naive);
        fail_msg("pair %llu: %.*s %.*s, told %s", (unsigned long long)pair,
                 SLICE_ARGS(question->method), SLICE_ARGS(question->path_below),
                 is_told ? "rightly" : "wrongly");
    }
    count_outcome(tally, &decision);
}

/* One random configuration and the pairs tried with it. */
static void try_config(uint64_t first_pair, struct tally *tally) {
    struct config config;
    arena_init(&arena, (size_t)64 * 1024 * 1024);
    make_config(&config);
    struct policy *policy = policy_new(&config);
    assert_non_null(policy);
    for (unsigned i = 0; i < PAIRS_OF_A_CONFIG; i++) {
        unsigned char client[16];
        make_client(client);
        struct identity *identity = make_identity();
        const struct policy_question question = {
            .route = below(config.route_count),
            .identity = identity,
            .method = slice_of_str(any_method()),
            .path_below = make_path(),
            .client = one_in(8) ? NULL : client,
        };
        compare(&config, policy, &question, first_pair + i, tally);
        identity_unref(identity);
    }
    policy_free(policy);
    arena_done(&arena);
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void decides_as_a_naive_reading_of_the_rules(void **state) {
    (void)state;
    uint64_t seed = number_of("POLICY_SEED", DEFAULT_SEED);
    uint64_t pairs = number_of("POLICY_PAIRS", DEFAULT_PAIRS);
    struct tally tally = {0};
    print_message("POLICY_SEED=%llu POLICY_PAIRS=%llu\n", (unsigned long long)seed,
                  (unsigned long long)pairs);
    make_values();
    random_state = seed;
    for (uint64_t pair = 0; pair < pairs; pair += PAIRS_OF_A_CONFIG)
        try_config(pair, &tally);
    print_message("allowed %zu, no_role %zu, denied %zu, groups_unknown %zu, claims_required %zu; "
                  "%zu with shadows, %zu let through\n",
                  tally.reasons[REASON_NONE], tally.reasons[REASON_NO_ROLE],
                  tally.reasons[REASON_DENIED], tally.reasons[REASON_GROUPS_UNKNOWN],
                  tally.reasons[REASON_CLAIMS_REQUIRED], tally.with_shadows, tally.let_through);
    assert_true(tally.reasons[REASON_NONE] > pairs / 20);
    assert_true(tally.reasons[REASON_NO_ROLE] > pairs / 20);
    assert_true(tally.reasons[REASON_DENIED] > pairs / 20);
    assert_true(tally.reasons[REASON_GROUPS_UNKNOWN] > pairs / 100);
    assert_true(tally.reasons[REASON_CLAIMS_REQUIRED] > pairs / 1000);
    assert_true(tally.with_shadows > pairs / 50 && tally.let_through > pairs / 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_as_a_naive_reading_of_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
