#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/policy.h"

#define TENANT_A "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define TENANT_B "11111111-2222-4333-8444-555555555555"
#define MIRA "e0d1c2b3-a495-4867-9588-776655443322"
#define ROBOT "17b9e4f2-0c3d-4e5a-b6c7-d8e9f0a1b2c3"
#define CLIENT "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
#define OPERATORS "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"
#define READERS "b7c8d9e0-f1a2-4b3c-9d4e-5f60718293a4"

#define STRINGS(...)                                                                               \
    { (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *) }
enum { READER, CONTRIBUTOR, QUEUE_OPERATOR, QUEUE_PURGER, ROLE_COUNT };

static struct config_action reader_actions[] = {
    {.methods = STRINGS("GET", "HEAD", "OPTIONS"), .pattern = "/**"}};
static struct config_action any_action[] = {{.pattern = "/**"}};
static struct config_action no_users[] = {{.methods = STRINGS("DELETE"), .pattern = "/users/**"}};
static struct config_action purge[] = {{.methods = STRINGS("PURGE", "DELETE"), .pattern = "/q/*"}};

static struct config_role roles[ROLE_COUNT] = {
    [READER] = {"Reader", reader_actions, 1, NULL, 0},
    [CONTRIBUTOR] = {"Contributor", any_action, 1, NULL, 0},
    [QUEUE_OPERATOR] = {"Queue Operator", any_action, 1, no_users, 1},
    [QUEUE_PURGER] = {"Queue Purger", purge, 1, NULL, 0},
};

static struct slice mira_roles[] = {{"Orders.Approver", 15}};
static struct slice mira_scopes[] = {{"Orders.Read", 11}, {"Orders.Write", 12}};
static struct slice mira_groups[] = {{OPERATORS, 36}};
static struct slice robot_roles[] = {{"Monitoring.Read", 15}};

static const struct identity mira = {
    .type = PRINCIPAL_USER,
    .tenant = {TENANT_A, 36},
    .oid = {MIRA, 36},
    .app = {CLIENT, 36},
    .roles = mira_roles,
    .role_count = 1,
    .scopes = mira_scopes,
    .scope_count = 2,
    .groups = mira_groups,
    .group_count = 1,
};

static const struct identity robot = {
    .type = PRINCIPAL_APP,
    .tenant = {TENANT_A, 36},
    .oid = {ROBOT, 36},
    .app = {CLIENT, 36},
    .roles = robot_roles,
    .role_count = 1,
};

/* mira with overage: none of her groups are in the token. */
static struct identity mira_of_many_groups(void) {
    struct identity identity = mira;
    identity.group_count = 0;
    identity.groups_unknown = true;
    return identity;
}

static struct config_entry entry_of(size_t role, struct config_principal *to, size_t count) {
    return (struct config_entry){
        .label = "entry", .role = role, .to = to, .to_count = count, .credential = CONFIG_NONE};
}

static struct decision decide(const struct config_route *route, const struct config *base,
                              const struct identity *identity, const char *method,
                              const char *path) {
    struct config config = base ? *base : (struct config){0};
    struct config_route copy = *route;
    config.roles = roles;
    config.role_count = ROLE_COUNT;
    config.routes = &copy;
    config.route_count = 1;
    struct policy *policy = policy_new(&config);
    assert_non_null(policy);
    struct decision decision;
    policy_decide(policy,
                  &(struct policy_question){.route = 0,
                                            .identity = identity,
                                            .method = slice_of_str(method),
                                            .path_below = slice_of_str(path)},
                  NULL, &decision);
    policy_free(policy);
    assert_int_equal(decision.is_allowed, decision.reason == REASON_NONE);
    return decision;
}

/* One access entry for `to`, role Reader; is GET / allowed? */
static enum reason reason_for(struct config_principal to, const struct identity *identity) {
    struct config_entry entry = entry_of(READER, &to, 1);
    const struct config_route route = {.access = {&entry, 1}, .credential = CONFIG_NONE};
    return decide(&route, NULL, identity, "GET", "/").reason;
}

#define TO(...) ((struct config_principal){__VA_ARGS__})

static void refuses_without_rules(void **state) {
    (void)state;
    const struct config_route route = {.credential = 3};
    struct decision decision = decide(&route, NULL, &mira, "GET", "/");
    assert_int_equal(decision.reason, REASON_NO_ROLE);
    assert_int_equal(decision.credential, CONFIG_NONE);
    assert_null(decision.rule);
}

static void matches_principals_by_their_keys(void **state) {
    (void)state;
    const struct {
        struct config_principal to;
        enum reason for_mira;
        enum reason for_robot;
    } rows[] = {
        {TO(.everyone = true), REASON_NONE, REASON_NONE},
        {TO(.users = STRINGS(MIRA)), REASON_NONE, REASON_NO_ROLE},
        {TO(.users = STRINGS(CLIENT, MIRA)), REASON_NONE, REASON_NO_ROLE},
        {TO(.users = STRINGS(CLIENT)), REASON_NO_ROLE, REASON_NO_ROLE},
        {TO(.groups = STRINGS(OPERATORS)), REASON_NONE, REASON_NO_ROLE},
        {TO(.groups = STRINGS(READERS)), REASON_NO_ROLE, REASON_NO_ROLE},
        {TO(.groups = STRINGS(READERS, OPERATORS)), REASON_NONE, REASON_NO_ROLE},
        {TO(.apps = STRINGS(CLIENT)), REASON_NO_ROLE, REASON_NONE},
        {TO(.apps = STRINGS(ROBOT)), REASON_NO_ROLE, REASON_NO_ROLE},
        {TO(.app_roles = STRINGS("Orders.Approver")), REASON_NONE, REASON_NO_ROLE},
        {TO(.app_roles = STRINGS("Monitoring.Read")), REASON_NO_ROLE, REASON_NONE},
        {TO(.app_roles = STRINGS("orders.approver")), REASON_NO_ROLE, REASON_NO_ROLE},
        {TO(.app_roles = STRINGS("Orders")), REASON_NO_ROLE, REASON_NO_ROLE},
        {TO(.scopes = STRINGS("Orders.Write")), REASON_NONE, REASON_NO_ROLE},
        {TO(.scopes = STRINGS("Orders.write")), REASON_NO_ROLE, REASON_NO_ROLE},
        {TO(.tenants = STRINGS(TENANT_A)), REASON_NONE, REASON_NONE},
        {TO(.tenants = STRINGS(TENANT_B)), REASON_NO_ROLE, REASON_NO_ROLE},
        {TO(.tenants = STRINGS(TENANT_B), .everyone = true), REASON_NO_ROLE, REASON_NO_ROLE},
        {TO(.groups = STRINGS(OPERATORS), .app_roles = STRINGS("Orders.Approver")), REASON_NONE,
         REASON_NO_ROLE},
        {TO(.groups = STRINGS(OPERATORS), .app_roles = STRINGS("Admin")), REASON_NO_ROLE,
         REASON_NO_ROLE},
        {TO(.groups = STRINGS(READERS), .app_roles = STRINGS("Orders.Approver")), REASON_NO_ROLE,
         REASON_NO_ROLE},
        {TO(.apps = STRINGS(CLIENT), .app_roles = STRINGS("Monitoring.Read")), REASON_NO_ROLE,
         REASON_NONE},
        {TO(.users = STRINGS(MIRA), .tenants = STRINGS(TENANT_B)), REASON_NO_ROLE, REASON_NO_ROLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(reason_for(rows[i].to, &mira), rows[i].for_mira);
        assert_int_equal(reason_for(rows[i].to, &robot), rows[i].for_robot);
    }
}

static void matches_any_of_several_principals(void **state) {
    (void)state;
    struct config_principal to[] = {{.groups = STRINGS(READERS)}, {.apps = STRINGS(CLIENT)}};
    struct config_entry entry = entry_of(READER, to, 2);
    const struct config_route route = {.access = {&entry, 1}, .credential = CONFIG_NONE};
    assert_true(decide(&route, NULL, &robot, "GET", "/").is_allowed);
    assert_false(decide(&route, NULL, &mira, "GET", "/").is_allowed);
}

static void never_matches_an_entry_without_principals_or_actions(void **state) {
    (void)state;
    struct config_principal everyone = {.everyone = true};
    struct config_entry nobody = entry_of(CONTRIBUTOR, NULL, 0);
    struct config_entry nothing = entry_of(CONFIG_NONE, &everyone, 1);
    const struct config_route for_nobody = {.access = {&nobody, 1}, .credential = CONFIG_NONE};
    const struct config_route for_nothing = {.access = {&nothing, 1}, .credential = CONFIG_NONE};
    assert_int_equal(decide(&for_nobody, NULL, &mira, "GET", "/").reason, REASON_NO_ROLE);
    assert_int_equal(decide(&for_nothing, NULL, &mira, "GET", "/").reason, REASON_NO_ROLE);
}

static void judges_methods_and_paths(void **state) {
    (void)state;
    static const struct {
        size_t role;
        const char *method;
        const char *path;
        bool is_allowed;
    } rows[] = {
        {READER, "GET", "/", true},
        {READER, "HEAD", "/a/b", true},
        {READER, "OPTIONS", "/a", true},
        {READER, "POST", "/a", false},
        {READER, "get", "/a", false},
        {READER, "GE", "/a", false},
        {READER, "GETS", "/a", false},
        {READER, "PURGE", "/a", false},
        {READER, "", "/a", false},
        {CONTRIBUTOR, "DELETE", "/a", true},
        {CONTRIBUTOR, "PURGE", "/a", true},
        {CONTRIBUTOR, "X-ANY", "/a", true},
        {QUEUE_OPERATOR, "DELETE", "/q", true},
        {QUEUE_OPERATOR, "GET", "/users/mira", true},
        {QUEUE_OPERATOR, "DELETE", "/users/mira", false},
        {QUEUE_OPERATOR, "DELETE", "/users", false},
        {QUEUE_OPERATOR, "DELETE", "/users/", false},
        {QUEUE_OPERATOR, "DELETE", "/usersx", true},
        {QUEUE_PURGER, "PURGE", "/q/a", true},
        {QUEUE_PURGER, "DELETE", "/q/a", true},
        {QUEUE_PURGER, "PURGES", "/q/a", false},
        {QUEUE_PURGER, "PUT", "/q/a", false},
        {QUEUE_PURGER, "PURGE", "/q/a/b", false},
    };
    struct config_principal everyone = {.everyone = true};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config_entry entry = entry_of(rows[i].role, &everyone, 1);
        const struct config_route route = {.access = {&entry, 1}, .credential = CONFIG_NONE};
        if (decide(&route, NULL, &mira, rows[i].method, rows[i].path).is_allowed !=
            rows[i].is_allowed)
            fail_msg("%s: %s %s", roles[rows[i].role].name, rows[i].method, rows[i].path);
    }
}

/* not_actions subtract within their role: another entry may still grant. */
static void subtracts_within_the_role_only(void **state) {
    (void)state;
    struct config_principal everyone = {.everyone = true};
    struct config_entry entries[] = {entry_of(QUEUE_OPERATOR, &everyone, 1),
                                     entry_of(CONTRIBUTOR, &everyone, 1)};
    entries[0].label = "operator";
    entries[1].label = "contributor";
    const struct config_route route = {.access = {entries, 2}, .credential = CONFIG_NONE};
    assert_string_equal(decide(&route, NULL, &mira, "DELETE", "/users/x").rule, "contributor");
    assert_string_equal(decide(&route, NULL, &mira, "GET", "/users/x").rule, "operator");
}

/* A refusal holds for every spelling that an upstream reads alike; a grant for the one it names. */
static void refuses_in_every_reading_of_a_path(void **state) {
    (void)state;
    static const struct {
        const char *pattern;
        const char *path;
        bool is_covered;
    } rows[] = {
        {"/api/definitions", "/api/definitions", true},
        {"/api/definitions", "/api/definitions/", true},
        {"/api/definitions", "/api%2Fdefinitions", true},
        {"/api/definitions", "/api/%2Fdefinitions", true},
        {"/api/definitions", "/api/definitions%3Bx", true},
        {"/q/*/orders:eu", "/q/%2F/orders%3Aeu", true},
        {"/q/*/orders%3Aeu", "/q/%2F/orders:eu", true},
        {"/a%2Ab", "/a*b", true},
        {"/admin/**", "/admin%3Bx=1/y", true},
        {"/api/definitions", "/api/definitions2", false},
        {"/api/definitions", "/api/definitions/x", false},
        {"/q/*", "/q/%2F/name", false},
        {"/a%2Ab", "/axb", false},
    };
    struct config_principal everyone = {.everyone = true};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config_action named = {.pattern = rows[i].pattern};
        struct config_entry grant = entry_of(CONTRIBUTOR, &everyone, 1);
        struct config_entry deny = entry_of(CONFIG_NONE, &everyone, 1);
        deny.actions = &named;
        deny.action_count = 1;
        const struct config_route denied = {
            .access = {&grant, 1}, .deny = {&deny, 1}, .credential = CONFIG_NONE};
        if (decide(&denied, NULL, &mira, "GET", rows[i].path).is_allowed == rows[i].is_covered)
            fail_msg("deny %s: %s", rows[i].pattern, rows[i].path);
        const struct config_role most = {"Most", any_action, 1, &named, 1};
        roles[QUEUE_PURGER] = most;
        struct config_entry subtracting = entry_of(QUEUE_PURGER, &everyone, 1);
        const struct config_route reduced = {.access = {&subtracting, 1},
                                             .credential = CONFIG_NONE};
        bool is_left = decide(&reduced, NULL, &mira, "GET", rows[i].path).is_allowed;
        roles[QUEUE_PURGER] = (struct config_role){"Queue Purger", purge, 1, NULL, 0};
        if (is_left == rows[i].is_covered)
            fail_msg("not_actions %s: %s", rows[i].pattern, rows[i].path);
    }
}

static void grants_only_the_path_as_it_is_named(void **state) {
    (void)state;
    struct config_principal everyone = {.everyone = true};
    struct config_action named = {.pattern = "/q/orders:eu"};
    struct config_entry grant = entry_of(CONFIG_NONE, &everyone, 1);
    grant.actions = &named;
    grant.action_count = 1;
    const struct config_route route = {.access = {&grant, 1}, .credential = CONFIG_NONE};
    assert_true(decide(&route, NULL, &mira, "GET", "/q/orders:eu").is_allowed);
    assert_false(decide(&route, NULL, &mira, "GET", "/q/orders%3Aeu").is_allowed);
    assert_false(decide(&route, NULL, &mira, "GET", "/q/orders:eu/").is_allowed);
    assert_false(decide(&route, NULL, &mira, "GET", "/q%2Forders:eu").is_allowed);
}

static void gives_the_credential_of_the_first_grant(void **state) {
    (void)state;
    struct config_principal operators = {.groups = STRINGS(OPERATORS)};
    struct config_principal everyone = {.everyone = true};
    struct config_entry entries[] = {entry_of(QUEUE_OPERATOR, &operators, 1),
                                     entry_of(READER, &everyone, 1),
                                     entry_of(READER, &everyone, 1)};
    entries[0].credential = 1;
    entries[0].label = "admin";
    entries[1].credential = 2;
    entries[1].label = "viewer";
    const struct config_route route = {.access = {entries, 3}, .credential = 7};
    struct decision decision = decide(&route, NULL, &mira, "GET", "/");
    assert_int_equal(decision.credential, 1);
    assert_string_equal(decision.rule, "admin");
    decision = decide(&route, NULL, &robot, "GET", "/");
    assert_int_equal(decision.credential, 2);
    assert_string_equal(decision.rule, "viewer");
    const struct config_route by_default = {.access = {entries + 2, 1}, .credential = 7};
    assert_int_equal(decide(&by_default, NULL, &robot, "GET", "/").credential, 7);
    const struct config_route without = {.access = {entries + 2, 1}, .credential = CONFIG_NONE};
    assert_int_equal(decide(&without, NULL, &robot, "GET", "/").credential, CONFIG_NONE);
}

static void puts_the_routes_rules_before_the_general_ones(void **state) {
    (void)state;
    struct config_principal everyone = {.everyone = true};
    struct config_entry own = entry_of(READER, &everyone, 1);
    struct config_entry general = entry_of(CONTRIBUTOR, &everyone, 1);
    own.label = "own";
    general.label = "general";
    const struct config base = {.access = {&general, 1}};
    const struct config_route route = {.access = {&own, 1}, .credential = 7};
    assert_string_equal(decide(&route, &base, &mira, "GET", "/").rule, "own");
    struct decision decision = decide(&route, &base, &mira, "POST", "/");
    assert_string_equal(decision.rule, "general");
    assert_int_equal(decision.credential, 7);
}

static void denies_before_anything_is_granted(void **state) {
    (void)state;
    struct config_principal everyone = {.everyone = true}, just_mira = {.users = STRINGS(MIRA)};
    struct config_action definitions[] = {{.pattern = "/definitions"}};
    struct config_entry grant = entry_of(CONTRIBUTOR, &everyone, 1);
    struct config_entry deny = entry_of(CONFIG_NONE, &just_mira, 1);
    deny.label = "deny";
    deny.actions = definitions;
    deny.action_count = 1;
    const struct config_route route = {
        .access = {&grant, 1}, .deny = {&deny, 1}, .credential = CONFIG_NONE};
    struct decision decision = decide(&route, NULL, &mira, "GET", "/definitions");
    assert_int_equal(decision.reason, REASON_DENIED);
    assert_string_equal(decision.rule, "deny");
    assert_true(decide(&route, NULL, &mira, "GET", "/definition").is_allowed);
    assert_true(decide(&route, NULL, &robot, "GET", "/definitions").is_allowed);

    deny.action_count = 0; /* a deny without actions is a deny of everything */
    assert_int_equal(decide(&route, NULL, &mira, "GET", "/x").reason, REASON_DENIED);
    assert_true(decide(&route, NULL, &robot, "GET", "/x").is_allowed);

    deny.role = READER;
    assert_int_equal(decide(&route, NULL, &mira, "GET", "/x").reason, REASON_DENIED);
    assert_true(decide(&route, NULL, &mira, "POST", "/x").is_allowed);

    deny.role = CONFIG_NONE;
    const struct config base = {.deny = {&deny, 1}};
    const struct config_route open = {.access = {&grant, 1}, .credential = CONFIG_NONE};
    assert_int_equal(decide(&open, &base, &mira, "GET", "/x").reason, REASON_DENIED);
    assert_true(decide(&open, &base, &robot, "GET", "/x").is_allowed);
}

static void says_when_unknown_groups_stand_in_the_way(void **state) {
    (void)state;
    const struct identity unknown = mira_of_many_groups();
    struct config_principal operators = {.groups = STRINGS(OPERATORS)};
    struct config_principal approvers = {.app_roles = STRINGS("Orders.Approver")};
    struct config_principal others = {.groups = STRINGS(OPERATORS), .app_roles = STRINGS("Admin")};
    struct config_entry entries[] = {entry_of(CONTRIBUTOR, &operators, 1),
                                     entry_of(READER, &approvers, 1)};
    entries[0].label = "operators";
    entries[1].label = "approvers";
    const struct config_route by_group = {.access = {entries, 1}, .credential = CONFIG_NONE};
    struct decision decision = decide(&by_group, NULL, &unknown, "POST", "/");
    assert_int_equal(decision.reason, REASON_GROUPS_UNKNOWN);
    assert_string_equal(decision.rule, "operators");

    /* Another entry grants: the unknown one does not matter. */
    const struct config_route by_both = {.access = {entries, 2}, .credential = CONFIG_NONE};
    decision = decide(&by_both, NULL, &unknown, "GET", "/");
    assert_true(decision.is_allowed);
    assert_string_equal(decision.rule, "approvers");
    assert_int_equal(decide(&by_both, NULL, &unknown, "POST", "/").reason, REASON_GROUPS_UNKNOWN);

    /* Known groups would not help: another key fails, or the action is another. */
    assert_int_equal(reason_for(others, &unknown), REASON_NO_ROLE);
    struct config_entry reading = entry_of(READER, &operators, 1);
    const struct config_route read_only = {.access = {&reading, 1}, .credential = CONFIG_NONE};
    assert_int_equal(decide(&read_only, NULL, &unknown, "POST", "/").reason, REASON_NO_ROLE);

    /* A group the token does hold counts although others are missing. */
    struct identity partly = mira;
    partly.groups_unknown = true;
    assert_int_equal(reason_for(operators, &partly), REASON_NONE);
}

static void tells_whether_unknown_groups_could_change_the_decision(void **state) {
    (void)state;
    const struct identity unknown = mira_of_many_groups();
    struct config_principal operators = {.groups = STRINGS(OPERATORS)};
    struct config_principal everyone = {.everyone = true};
    struct config_principal just_mira = {.users = STRINGS(MIRA)};
    struct config_entry group_first[] = {entry_of(CONTRIBUTOR, &operators, 1),
                                         entry_of(READER, &everyone, 1)};
    struct config_entry group_last[] = {group_first[1], group_first[0]};
    const struct config_route first = {.access = {group_first, 2}, .credential = CONFIG_NONE};
    const struct config_route last = {.access = {group_last, 2}, .credential = CONFIG_NONE};
    assert_true(decide(&first, NULL, &unknown, "POST", "/").depends_on_groups);
    /* Another entry might have come first, and its credential with it. */
    struct decision decision = decide(&first, NULL, &unknown, "GET", "/");
    assert_true(decision.is_allowed);
    assert_true(decision.depends_on_groups);
    assert_false(decide(&first, NULL, &mira, "GET", "/").depends_on_groups);
    assert_true(decide(&last, NULL, &unknown, "GET", "/").is_allowed);
    assert_false(decide(&last, NULL, &unknown, "GET", "/").depends_on_groups);
    assert_true(decide(&last, NULL, &unknown, "POST", "/").depends_on_groups);
    struct config_entry denies[] = {entry_of(CONFIG_NONE, &operators, 1),
                                    entry_of(CONFIG_NONE, &just_mira, 1)};
    const struct config_route denied = {
        .access = {group_last, 2}, .deny = {denies, 1}, .credential = CONFIG_NONE};
    const struct config_route denied_anyway = {
        .access = {group_last, 2}, .deny = {denies, 2}, .credential = CONFIG_NONE};
    assert_true(decide(&denied, NULL, &unknown, "GET", "/").depends_on_groups);
    assert_false(decide(&denied_anyway, NULL, &unknown, "GET", "/").depends_on_groups);
}

static void lists_every_group_that_a_rule_names_once(void **state) {
    (void)state;
    struct config_principal both = {.groups = STRINGS(READERS, OPERATORS)};
    struct config_principal operators = {.groups = STRINGS(OPERATORS), .app_roles = STRINGS("X")};
    struct config_principal tenant = {.groups = STRINGS(TENANT_B)};
    struct config_principal everyone = {.everyone = true};
    struct config_principal mixed[] = {everyone, tenant};
    struct config_entry access = entry_of(READER, &operators, 1);
    struct config_entry deny = entry_of(CONFIG_NONE, mixed, 2);
    struct config_entry general = entry_of(READER, &both, 1);
    struct config_route routes[] = {
        {.access = {&access, 1}, .deny = {&deny, 1}, .credential = CONFIG_NONE},
        {.access = {&access, 1}, .credential = CONFIG_NONE}};
    const struct config config = {.roles = roles,
                                  .role_count = ROLE_COUNT,
                                  .routes = routes,
                                  .route_count = 2,
                                  .access = {&general, 1},
                                  .deny = {&general, 1}};
    struct policy *policy = policy_new(&config);
    size_t count = 0;
    const struct slice *groups = policy_groups(policy, &count);
    assert_int_equal(count, 3);
    assert_true(slice_eq_str(groups[0], TENANT_B));
    assert_true(slice_eq_str(groups[1], OPERATORS));
    assert_true(slice_eq_str(groups[2], READERS));
    policy_free(policy);
    const struct config silent = {.roles = roles, .role_count = ROLE_COUNT};
    policy = policy_new(&silent);
    policy_groups(policy, &count);
    assert_int_equal(count, 0);
    policy_free(policy);
}

static void never_lets_a_deny_pass_on_unknown_groups(void **state) {
    (void)state;
    const struct identity unknown = mira_of_many_groups();
    struct config_principal everyone = {.everyone = true};
    struct config_principal readers = {.groups = STRINGS(READERS)};
    struct config_principal just_mira = {.users = STRINGS(MIRA)};
    struct config_entry grant = entry_of(CONTRIBUTOR, &everyone, 1);
    struct config_entry denies[] = {entry_of(CONFIG_NONE, &readers, 1),
                                    entry_of(CONFIG_NONE, &just_mira, 1)};
    denies[0].label = "readers";
    denies[1].label = "mira";
    const struct config_route route = {
        .access = {&grant, 1}, .deny = {denies, 1}, .credential = CONFIG_NONE};
    struct decision decision = decide(&route, NULL, &unknown, "GET", "/");
    assert_int_equal(decision.reason, REASON_GROUPS_UNKNOWN);
    assert_string_equal(decision.rule, "readers");
    assert_true(decide(&route, NULL, &mira, "GET", "/").is_allowed);

    /* A deny that matches for certain is the answer, wherever it stands. */
    const struct config_route both = {
        .access = {&grant, 1}, .deny = {denies, 2}, .credential = CONFIG_NONE};
    decision = decide(&both, NULL, &unknown, "GET", "/");
    assert_int_equal(decision.reason, REASON_DENIED);
    assert_string_equal(decision.rule, "mira");

    /* A deny of other actions is none. */
    denies[0].role = READER;
    assert_true(decide(&route, NULL, &unknown, "POST", "/").is_allowed);
}

static void keeps_the_routes_apart(void **state) {
    (void)state;
    struct config_principal everyone = {.everyone = true};
    struct config_entry grant = entry_of(CONTRIBUTOR, &everyone, 1);
    struct config_route routes[] = {{.access = {&grant, 1}, .credential = CONFIG_NONE},
                                    {.credential = CONFIG_NONE}};
    const struct config config = {
        .roles = roles, .role_count = ROLE_COUNT, .routes = routes, .route_count = 2};
    struct policy *policy = policy_new(&config);
    struct decision decision;
    policy_decide(
        policy,
        &(struct policy_question){
            .route = 0, .identity = &mira, .method = SLICE("GET"), .path_below = SLICE("/")},
        NULL, &decision);
    assert_true(decision.is_allowed);
    policy_decide(
        policy,
        &(struct policy_question){
            .route = 1, .identity = &mira, .method = SLICE("GET"), .path_below = SLICE("/")},
        NULL, &decision);
    assert_false(decision.is_allowed);
    policy_free(policy);
    policy_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_without_rules),
        cmocka_unit_test(matches_principals_by_their_keys),
        cmocka_unit_test(matches_any_of_several_principals),
        cmocka_unit_test(never_matches_an_entry_without_principals_or_actions),
        cmocka_unit_test(judges_methods_and_paths),
        cmocka_unit_test(subtracts_within_the_role_only),
        cmocka_unit_test(refuses_in_every_reading_of_a_path),
        cmocka_unit_test(grants_only_the_path_as_it_is_named),
        cmocka_unit_test(gives_the_credential_of_the_first_grant),
        cmocka_unit_test(puts_the_routes_rules_before_the_general_ones),
        cmocka_unit_test(denies_before_anything_is_granted),
        cmocka_unit_test(says_when_unknown_groups_stand_in_the_way),
        cmocka_unit_test(tells_whether_unknown_groups_could_change_the_decision),
        cmocka_unit_test(lists_every_group_that_a_rule_names_once),
        cmocka_unit_test(never_lets_a_deny_pass_on_unknown_groups),
        cmocka_unit_test(keeps_the_routes_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
