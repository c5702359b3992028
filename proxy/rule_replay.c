/* Each request is asked twice: for a caller with none of what is not recorded, and for one with all
 * of it that any rule names. Entries only ever ask for more, so where both answers agree, so would
 * the true caller's. */
#include "proxy/rule_replay.h"

#include <stdlib.h>

#include "auth/policy.h"
#include "config/network.h"
#include "core/arena.h"
#include "proxy/judgement.h"
#include "proxy/rule_words.h"

enum { ARENA_BYTES_MAX = 256 << 20, NAMES_MAX = 100000 };

/* Whom an entry is for, by entry. */
struct entry_words {
    const struct config_entry *entry;
    const char *principals;
};

struct name_list {
    struct slice *items;
    size_t count;
};

struct rule_replay {
    const struct config *config;
    struct arena arena;
    struct router *router;
    struct policy *policy;
    struct entry_words *words; /* sorted by entry */
    size_t word_count;
    struct name_list roles, scopes, groups, acrs; /* all that any rule names */
    struct identity *least, *most;                /* with none of them, with all of them */
    struct replay_step *steps;
    size_t step_cap;
    size_t step_count;
    bool is_second;
};

static void add_names(struct name_list *list, const struct config_strings *names) {
    for (size_t i = 0; i < names->count && list->count < NAMES_MAX; i++) {
        list->items[list->count++] = slice_of_str(names->items[i]);
    }
}

static size_t count_entries(const struct config *config) {
    size_t count = config->access.count + config->deny.count;
    for (size_t i = 0; i < config->route_count; i++) {
        count += config->routes[i].access.count + config->routes[i].deny.count;
    }
    return count;
}

static bool read_entries(struct rule_replay *replay, const struct config_entries *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        const struct config_entry *entry = &entries->items[i];
        const char *who = rule_words_principals(&replay->arena, entry);
        const char *when = rule_words_conditions(&replay->arena, entry);
        const char *text =
            who && when ? arena_printf(&replay->arena, "%s when %s", who, when) : NULL;
        if (!text) {
            return false;
        }
        replay->words[replay->word_count++] = (struct entry_words){entry, text};
        for (size_t j = 0; j < entry->to_count; j++) {
            add_names(&replay->roles, &entry->to[j].app_roles);
            add_names(&replay->scopes, &entry->to[j].scopes);
            add_names(&replay->groups, &entry->to[j].groups);
        }
        add_names(&replay->acrs, &entry->when.acrs);
    }
    return true;
}

static int compare_words(const void *left, const void *right) {
    uintptr_t a = (uintptr_t)((const struct entry_words *)left)->entry;
    uintptr_t b = (uintptr_t)((const struct entry_words *)right)->entry;
    return (a > b) - (a < b);
}

static bool make_room(struct rule_replay *replay) {
    struct name_list *lists[] = {&replay->roles, &replay->scopes, &replay->groups, &replay->acrs};
    size_t entries = count_entries(replay->config);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        lists[i]->items = calloc(NAMES_MAX, sizeof(struct slice));
        if (!lists[i]->items) {
            return false;
        }
    }
    replay->words = calloc(entries + 1, sizeof *replay->words);
    replay->steps = calloc(entries + 1, sizeof *replay->steps);
    replay->step_cap = entries;
    return replay->words && replay->steps;
}

/* The two callers, made once: who they are is filled in for each request. */
static bool make_callers(struct rule_replay *replay) {
    const struct identity least = {.tenant_index = CONFIG_NONE, .slot = CONFIG_NONE};
    struct identity most = least;
    most.roles = replay->roles.items;
    most.role_count = replay->roles.count;
    most.scopes = replay->scopes.items;
    most.scope_count = replay->scopes.count;
    most.groups = replay->groups.items;
    most.group_count = replay->groups.count;
    most.acrs = replay->acrs.items;
    most.acrs_count = replay->acrs.count;
    most.has_mfa = true;
    replay->least = identity_new(&least, true);
    replay->most = identity_new(&most, replay->config->entra.groups_by_name);
    return replay->least && replay->most;
}

struct rule_replay *rule_replay_new(const struct config *config) {
    struct rule_replay *replay = calloc(1, sizeof *replay);
    if (!replay) {
        return NULL;
    }
    replay->config = config;
    arena_init(&replay->arena, ARENA_BYTES_MAX);
    replay->router = router_new(config);
    replay->policy = policy_new(config);
    bool is_good = replay->router && replay->policy && make_room(replay) &&
                   read_entries(replay, &config->access) && read_entries(replay, &config->deny);
    for (size_t i = 0; i < config->route_count && is_good; i++) {
        is_good = read_entries(replay, &config->routes[i].access) &&
                  read_entries(replay, &config->routes[i].deny);
    }
    if (!is_good || !make_callers(replay)) {
        rule_replay_free(replay);
        return NULL;
    }
    if (replay->word_count > 1) {
        qsort(replay->words, replay->word_count, sizeof *replay->words, compare_words);
    }
    return replay;
}

void rule_replay_free(struct rule_replay *replay) {
    if (!replay) {
        return;
    }
    router_free(replay->router);
    policy_free(replay->policy);
    identity_unref(replay->least);
    identity_unref(replay->most);
    free(replay->roles.items);
    free(replay->scopes.items);
    free(replay->groups.items);
    free(replay->acrs.items);
    free(replay->words);
    free(replay->steps);
    arena_done(&replay->arena);
    free(replay);
}

static const char *principals_of(const struct rule_replay *replay,
                                 const struct config_entry *entry) {
    const struct entry_words wanted = {entry, NULL};
    const struct entry_words *words =
        bsearch(&wanted, replay->words, replay->word_count, sizeof *replay->words, compare_words);
    return words ? words->principals : "";
}

struct replay_collector {
    struct policy_trace trace;
    struct rule_replay *replay;
};

static void on_step(struct policy_trace *trace, const struct policy_step *step) {
    struct rule_replay *replay = ((struct replay_collector *)trace)->replay;
    bool matches = step->answer == POLICY_MATCHES;
    if (replay->step_count >= replay->step_cap) {
        return;
    }
    struct replay_step *row = &replay->steps[replay->step_count++];
    if (!replay->is_second) {
        *row = (struct replay_step){step->entry, principals_of(replay, step->entry), step->is_deny,
                                    matches ? REPLAY_YES : REPLAY_NO};
    } else if (matches && row->match == REPLAY_NO) {
        row->match = REPLAY_DEPENDS;
    }
}

static bool read_client(struct slice text, unsigned char out_address[16]) {
    struct config_network network;
    if (!network_parse(text, &network)) {
        return false;
    }
    memcpy(out_address, network.address, 16);
    return true;
}

static void ask_once(struct rule_replay *replay, const struct audit_request *request,
                     struct policy_question *question, struct identity *caller) {
    struct replay_collector collector = {{on_step}, replay};
    struct decision decision;
    caller->type = slice_eq(request->principal_type, SLICE("app")) ? PRINCIPAL_APP : PRINCIPAL_USER;
    caller->tenant = request->tenant;
    caller->oid = request->oid;
    caller->app = request->app;
    replay->step_count = 0;
    replay->is_second = caller == replay->most;
    question->identity = caller;
    policy_decide(replay->policy, question, &collector.trace, &decision);
}

bool rule_replay_ask(struct rule_replay *replay, const struct audit_request *request,
                     struct replay_reading *out_reading) {
    unsigned char client[16];
    struct slice below;
    if (!request->path.len || !request->method.len || !request->oid.len) {
        return false;
    }
    size_t route =
        router_find(replay->router, judgement_host(request->host), request->path, &below);
    *out_reading = (struct replay_reading){.route = route};
    if (route == CONFIG_NONE) {
        return true;
    }
    /* Of a message's arguments the audit keeps a digest alone. */
    if (replay->config->routes[route].mcp) {
        return false;
    }
    struct policy_question question = {
        .route = route,
        .method = request->method,
        .path_below = below,
        .client = read_client(request->client, client) ? client : NULL,
    };
    ask_once(replay, request, &question, replay->least);
    ask_once(replay, request, &question, replay->most);
    out_reading->steps = replay->steps;
    out_reading->count = replay->step_count;
    return true;
}

static size_t find_rule(const struct replay_reading *reading, struct slice rule) {
    for (size_t i = 0; i < reading->count; i++) {
        if (slice_eq_str(rule, reading->steps[i].entry->label)) {
            return i;
        }
    }
    return CONFIG_NONE;
}

/* What one entry's fate says about all entries for the same principals under the same conditions.
 */
static void spread(struct replay_reading *reading, const char *principals,
                   enum replay_match match) {
    for (size_t i = 0; i < reading->count; i++) {
        if (reading->steps[i].match == REPLAY_DEPENDS &&
            strcmp(reading->steps[i].principals, principals) == 0) {
            reading->steps[i].match = match;
        }
    }
}

void rule_replay_learn(const struct replay_reading *before, const struct audit_request *request,
                       struct replay_reading *reading) {
    size_t decider = request->rule.len ? find_rule(before, request->rule) : CONFIG_NONE;
    bool is_ungranted = slice_eq(request->reason, SLICE("no_role")) && !request->rule.len;
    if (!is_ungranted && (decider == CONFIG_NONE || before->steps[decider].match == REPLAY_NO ||
                          slice_eq(request->reason, SLICE("no_role")) ||
                          slice_eq(request->reason, SLICE("claims_required")) ||
                          slice_eq(request->reason, SLICE("groups_unknown")))) {
        return;
    }
    if (!is_ungranted) {
        spread(reading, before->steps[decider].principals, REPLAY_YES);
    }
    for (size_t i = 0; i < before->count && (is_ungranted || i < decider); i++) {
        const struct replay_step *step = &before->steps[i];
        if (step->match == REPLAY_DEPENDS && !step->entry->is_shadow) {
            spread(reading, step->principals, REPLAY_NO);
        }
    }
}

static const char *credential_name(const struct rule_replay *replay,
                                   const struct replay_reading *reading,
                                   const struct config_entry *entry) {
    const struct config *config = replay->config;
    size_t index = entry->credential != CONFIG_NONE ? entry->credential
                                                    : config->routes[reading->route].credential;
    return index == CONFIG_NONE ? NULL : config->credentials[index].name;
}

static bool is_same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The denies alone: refused, undecided, or (allowed) none of them matches. */
static struct replay_outcome decide_deny(const struct rule_replay *replay,
                                         const struct replay_reading *reading) {
    const struct config_route *route = &replay->config->routes[reading->route];
    struct replay_outcome outcome = {.verdict = REPLAY_ALLOWED};
    for (size_t i = 0; i < reading->count; i++) {
        const struct replay_step *step = &reading->steps[i];
        bool is_own =
            step->entry >= route->deny.items && step->entry < route->deny.items + route->deny.count;
        if (!step->is_deny || step->entry->is_shadow || (is_own && route->is_shadow)) {
            continue;
        }
        if (step->match == REPLAY_YES) {
            return (struct replay_outcome){REPLAY_REFUSED, step->entry->label, NULL};
        }
        if (step->match == REPLAY_DEPENDS) {
            outcome.verdict = REPLAY_UNDECIDED;
        }
    }
    return outcome;
}

struct replay_outcome rule_replay_decide(const struct rule_replay *replay,
                                         const struct replay_reading *reading) {
    if (reading->route == CONFIG_NONE) {
        return (struct replay_outcome){.verdict = REPLAY_REFUSED};
    }
    struct replay_outcome denied = decide_deny(replay, reading);
    bool may_be_denied = denied.verdict == REPLAY_UNDECIDED;
    if (denied.verdict == REPLAY_REFUSED) {
        return denied;
    }
    const struct replay_outcome undecided = {.verdict = REPLAY_UNDECIDED};
    const struct replay_step *possible = NULL; /* the first that may grant */
    for (size_t i = 0; i < reading->count; i++) {
        const struct replay_step *step = &reading->steps[i];
        if (step->is_deny || step->entry->is_shadow || step->match == REPLAY_NO) {
            continue;
        }
        const char *credential = credential_name(replay, reading, step->entry);
        if (possible &&
            !is_same_text(credential, credential_name(replay, reading, possible->entry))) {
            return undecided;
        }
        if (step->match == REPLAY_YES) {
            return may_be_denied
                       ? undecided
                       : (struct replay_outcome){REPLAY_ALLOWED, step->entry->label, credential};
        }
        possible = possible ? possible : step;
    }
    if (replay->config->routes[reading->route].is_shadow && !possible) {
        return may_be_denied ? undecided : (struct replay_outcome){.verdict = REPLAY_ALLOWED};
    }
    return possible ? undecided : (struct replay_outcome){.verdict = REPLAY_REFUSED};
}
