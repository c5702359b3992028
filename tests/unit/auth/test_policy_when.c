/* `when`: entries that look at the sign-in, alone and among entries that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/policy.h"

#define MIRA "e0d1c2b3-a495-4867-9588-776655443322"
#define OPERATORS "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"
#define MAX_ENTRIES 4

#define STRINGS(...)                                                                               \
    { (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *) }

static struct config_action read_action[] = {{.methods = STRINGS("GET"), .pattern = "/**"}};
static struct config_role roles[] = {{"Reader", read_action, 1, NULL, 0}};
static struct config_principal everyone[] = {{.everyone = true}};
static struct config_principal operators[] = {{.groups = STRINGS(OPERATORS)}};
static struct config_principal nobody[] = {{.users = STRINGS(OPERATORS)}};

enum who { EVERYONE, NOBODY, OPERATOR };
static struct config_principal *const principals[] = {
    [EVERYONE] = everyone, [NOBODY] = nobody, [OPERATOR] = operators};

/* An entry in short. */
struct rule {
    const char *label; /* NULL ends a list */
    enum who who;
    const char *acrs;  /* NULL: not asked for */
    const char *other; /* a second value of the list */
    bool mfa;
};

struct sign_in {
    const char *acrs; /* NULL: none */
    bool mfa;
    bool cp1;
    bool groups_unknown;
};

struct row {
    const char *name;
    struct rule access[MAX_ENTRIES];
    struct rule deny[MAX_ENTRIES];
    struct sign_in sign_in;
    enum reason reason;
    const char *rule;
    const char *needed_acrs;
    bool needs_mfa;
};

static struct identity identity_of(const struct sign_in *sign_in, struct slice *acrs) {
    *acrs = slice_of_str(sign_in->acrs);
    return (struct identity){
        .type = PRINCIPAL_USER,
        .oid = {MIRA, 36},
        .acrs = acrs,
        .acrs_count = sign_in->acrs ? 1 : 0,
        .has_mfa = sign_in->mfa,
        .accepts_claims_challenge = sign_in->cp1,
        .groups_unknown = sign_in->groups_unknown,
    };
}

/* The entries of one row, with room for their values. */
struct entries {
    struct config_entry items[MAX_ENTRIES];
    const char *acrs[MAX_ENTRIES][2];
    size_t count;
};

static struct config_entries fill(struct entries *entries, const struct rule *rules, size_t role) {
    *entries = (struct entries){0};
    for (size_t i = 0; i < MAX_ENTRIES && rules[i].label; i++) {
        entries->acrs[i][0] = rules[i].acrs;
        entries->acrs[i][1] = rules[i].other;
        entries->items[i] = (struct config_entry){
            .label = rules[i].label,
            .role = role,
            .to = principals[rules[i].who],
            .to_count = 1,
            .credential = CONFIG_NONE,
            .when = {.acrs = {entries->acrs[i], rules[i].other  ? 2
                                                : rules[i].acrs ? 1
                                                                : 0},
                     .mfa = rules[i].mfa},
        };
        entries->count++;
    }
    return (struct config_entries){entries->items, entries->count};
}

static struct decision decide(const struct row *row) {
    struct entries access, deny;
    struct slice acrs;
    struct identity identity = identity_of(&row->sign_in, &acrs);
    struct config_route route = {.access = fill(&access, row->access, 0),
                                 .deny = fill(&deny, row->deny, CONFIG_NONE),
                                 .credential = CONFIG_NONE};
    const struct config config = {
        .roles = roles, .role_count = 1, .routes = &route, .route_count = 1};
    struct policy *policy = policy_new(&config);
    assert_non_null(policy);
    struct decision decision;
    policy_decide(
        policy,
        &(struct policy_question){
            .route = 0, .identity = &identity, .method = SLICE("GET"), .path_below = SLICE("/x")},
        NULL, &decision);
    /* the decision's texts live in the policy: make them outlive it */
    static char needed[8];
    snprintf(needed, sizeof needed, "%.*s", SLICE_ARGS(decision.needed_acrs));
    decision.needed_acrs = slice_of_str(needed);
    policy_free(policy);
    return decision;
}

static void judge(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct decision decision = decide(&rows[i]);
        const char *rule = decision.rule ? decision.rule : "none";
        const char *expected = rows[i].rule ? rows[i].rule : "none";
        bool is_right = decision.reason == rows[i].reason && strcmp(rule, expected) == 0 &&
                        slice_eq(decision.needed_acrs, slice_of_str(rows[i].needed_acrs)) &&
                        decision.needs_mfa == rows[i].needs_mfa &&
                        decision.is_allowed == (rows[i].reason == REASON_NONE);
        if (!is_right)
            fail_msg("%s: %s by %s, needs \"%.*s\" mfa %d", rows[i].name,
                     reason_code(decision.reason), rule, SLICE_ARGS(decision.needed_acrs),
                     decision.needs_mfa);
    }
}

#define JUDGE(rows) judge((rows), sizeof(rows) / sizeof *(rows))

static void grants_when_the_condition_holds(void **state) {
    (void)state;
    static const struct row rows[] = {
        {.name = "no condition", .access = {{.label = "a", .who = EVERYONE}}, .rule = "a"},
        {.name = "the context",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1"}},
         .sign_in = {.acrs = "c1"},
         .rule = "a"},
        {.name = "first of two",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1", .other = "c2"}},
         .sign_in = {.acrs = "c1"},
         .rule = "a"},
        {.name = "second of two",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1", .other = "c2"}},
         .sign_in = {.acrs = "c2"},
         .rule = "a"},
        {.name = "mfa",
         .access = {{.label = "a", .who = EVERYONE, .mfa = true}},
         .sign_in = {.mfa = true},
         .rule = "a"},
        {.name = "both",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1", .mfa = true}},
         .sign_in = {.acrs = "c1", .mfa = true},
         .rule = "a"},
        {.name = "a later entry",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1"}, {.label = "b", .who = EVERYONE}},
         .sign_in = {.cp1 = true},
         .rule = "b"},
        {.name = "the earlier one when it holds",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1"}, {.label = "b", .who = EVERYONE}},
         .sign_in = {.acrs = "c1"},
         .rule = "a"},
    };
    JUDGE(rows);
}

static void asks_for_claims_only_clients_that_take_a_challenge(void **state) {
    (void)state;
    static const struct row rows[] = {
        {.name = "cp1",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1"}},
         .sign_in = {.cp1 = true},
         .reason = REASON_CLAIMS_REQUIRED,
         .rule = "a",
         .needed_acrs = "c1"},
        {.name = "no cp1",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1"}},
         .reason = REASON_NO_ROLE,
         .rule = "a",
         .needed_acrs = "c1"},
        {.name = "another context",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1"}},
         .sign_in = {.acrs = "c11", .cp1 = true},
         .reason = REASON_CLAIMS_REQUIRED,
         .rule = "a",
         .needed_acrs = "c1"},
        {.name = "the first of a list",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c3", .other = "c2"}},
         .sign_in = {.cp1 = true},
         .reason = REASON_CLAIMS_REQUIRED,
         .rule = "a",
         .needed_acrs = "c3"},
        {.name = "the first entry in order",
         .access = {{.label = "a", .who = NOBODY, .acrs = "c9"},
                    {.label = "b", .who = EVERYONE, .acrs = "c2"},
                    {.label = "c", .who = EVERYONE, .acrs = "c1"}},
         .sign_in = {.cp1 = true},
         .reason = REASON_CLAIMS_REQUIRED,
         .rule = "b",
         .needed_acrs = "c2"},
        {.name = "mfa is there",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1", .mfa = true}},
         .sign_in = {.mfa = true, .cp1 = true},
         .reason = REASON_CLAIMS_REQUIRED,
         .rule = "a",
         .needed_acrs = "c1"},
    };
    JUDGE(rows);
}

static void never_asks_for_claims_that_would_not_help(void **state) {
    (void)state;
    static const struct row rows[] = {
        {.name = "another caller",
         .access = {{.label = "a", .who = NOBODY, .acrs = "c1"}},
         .sign_in = {.cp1 = true},
         .reason = REASON_NO_ROLE},
        {.name = "mfa",
         .access = {{.label = "a", .who = EVERYONE, .mfa = true}},
         .sign_in = {.cp1 = true},
         .reason = REASON_NO_ROLE,
         .rule = "a",
         .needs_mfa = true},
        {.name = "mfa beside the context",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1", .mfa = true}},
         .sign_in = {.cp1 = true},
         .reason = REASON_NO_ROLE,
         .rule = "a",
         .needed_acrs = "c1",
         .needs_mfa = true},
        {.name = "only mfa of both",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1", .mfa = true}},
         .sign_in = {.acrs = "c1", .cp1 = true},
         .reason = REASON_NO_ROLE,
         .rule = "a",
         .needs_mfa = true},
        {.name = "a context that helps comes before mfa",
         .access = {{.label = "a", .who = EVERYONE, .mfa = true},
                    {.label = "b", .who = EVERYONE, .acrs = "c1"}},
         .sign_in = {.cp1 = true},
         .reason = REASON_CLAIMS_REQUIRED,
         .rule = "b",
         .needed_acrs = "c1"},
        {.name = "denied anyway",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1"}},
         .deny = {{.label = "d", .who = EVERYONE}},
         .sign_in = {.cp1 = true},
         .reason = REASON_DENIED,
         .rule = "d"},
        {.name = "groups first",
         .access = {{.label = "a", .who = EVERYONE, .acrs = "c1"}, {.label = "b", .who = OPERATOR}},
         .sign_in = {.cp1 = true, .groups_unknown = true},
         .reason = REASON_GROUPS_UNKNOWN,
         .rule = "b"},
        {.name = "groups of the entry itself first",
         .access = {{.label = "a", .who = OPERATOR, .acrs = "c1"}},
         .sign_in = {.cp1 = true, .groups_unknown = true},
         .reason = REASON_GROUPS_UNKNOWN,
         .rule = "a"},
        {.name = "not of the group",
         .access = {{.label = "a", .who = OPERATOR, .acrs = "c1"}},
         .sign_in = {.cp1 = true},
         .reason = REASON_NO_ROLE},
    };
    JUDGE(rows);
}

static void denies_only_when_the_condition_holds(void **state) {
    (void)state;
    static const struct row rows[] = {
        {.name = "holds",
         .access = {{.label = "a", .who = EVERYONE}},
         .deny = {{.label = "d", .who = EVERYONE, .acrs = "c1"}},
         .sign_in = {.acrs = "c1"},
         .reason = REASON_DENIED,
         .rule = "d"},
        {.name = "does not hold",
         .access = {{.label = "a", .who = EVERYONE}},
         .deny = {{.label = "d", .who = EVERYONE, .acrs = "c1"}},
         .sign_in = {.acrs = "c2"},
         .rule = "a"},
        {.name = "no context",
         .access = {{.label = "a", .who = EVERYONE}},
         .deny = {{.label = "d", .who = EVERYONE, .acrs = "c1"}},
         .sign_in = {.cp1 = true},
         .rule = "a"},
        {.name = "mfa holds",
         .access = {{.label = "a", .who = EVERYONE}},
         .deny = {{.label = "d", .who = EVERYONE, .mfa = true}},
         .sign_in = {.mfa = true},
         .reason = REASON_DENIED,
         .rule = "d"},
        {.name = "one of both",
         .access = {{.label = "a", .who = EVERYONE}},
         .deny = {{.label = "d", .who = EVERYONE, .acrs = "c1", .mfa = true}},
         .sign_in = {.acrs = "c1"},
         .rule = "a"},
        {.name = "nothing grants either",
         .deny = {{.label = "d", .who = EVERYONE, .acrs = "c1"}},
         .sign_in = {.cp1 = true},
         .reason = REASON_NO_ROLE},
        {.name = "unknown groups, holds",
         .access = {{.label = "a", .who = EVERYONE}},
         .deny = {{.label = "d", .who = OPERATOR, .acrs = "c1"}},
         .sign_in = {.acrs = "c1", .groups_unknown = true},
         .reason = REASON_GROUPS_UNKNOWN,
         .rule = "d"},
        {.name = "unknown groups, does not hold",
         .access = {{.label = "a", .who = EVERYONE}},
         .deny = {{.label = "d", .who = OPERATOR, .acrs = "c1"}},
         .sign_in = {.groups_unknown = true},
         .rule = "a"},
    };
    JUDGE(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_when_the_condition_holds),
        cmocka_unit_test(asks_for_claims_only_clients_that_take_a_challenge),
        cmocka_unit_test(never_asks_for_claims_that_would_not_help),
        cmocka_unit_test(denies_only_when_the_condition_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
