/* Rules under shadow, rules for some networks only, and what a trace tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/policy.h"

#define MIRA "e0d1c2b3-a495-4867-9588-776655443322"
#define OTHER "17b9e4f2-0c3d-4e5a-b6c7-d8e9f0a1b2c3"
#define OPERATORS "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"
#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"

#define STRINGS(...)                                                                               \
    { (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *) }

static struct config_action any_action[] = {{.pattern = "/**"}};
static struct config_action post_action[] = {{.methods = STRINGS("POST"), .pattern = "/**"}};
static struct config_action no_admin[] = {{.pattern = "/admin/**"}};
enum { CONTRIBUTOR, WRITER, TRIMMED };
static struct config_role roles[] = {
    [CONTRIBUTOR] = {"Contributor", any_action, 1, NULL, 0},
    [WRITER] = {"Writer", post_action, 1, NULL, 0},
    [TRIMMED] = {"Trimmed", any_action, 1, no_admin, 1},
};
static struct config_principal mira_only[] = {{.users = STRINGS(MIRA)}};
static struct config_principal others_only[] = {{.users = STRINGS(OTHER)}};
static struct config_principal operators[] = {{.groups = STRINGS(OPERATORS)}};

static const struct identity mira = {.tenant = {TENANT, 36}, .oid = {MIRA, 36}};
static const struct identity mira_of_many_groups = {
    .tenant = {TENANT, 36}, .oid = {MIRA, 36}, .groups_unknown = true};

/* Short for an entry of access or, with CONFIG_NONE for a role, of deny. */
#define ENTRY(name, principal, its_role, ...)                                                      \
    {                                                                                              \
        .label = (name), .to = (principal), .to_count = 1, .role = (its_role),                     \
        .credential = CONFIG_NONE, __VA_ARGS__                                                     \
    }
#define ENTRIES(list)                                                                              \
    { (list), sizeof(list) / sizeof *(list) }

static const unsigned char *client;

static struct decision decide_at(const struct config_route *route, const struct config *base,
                                 const struct identity *identity, const char *path,
                                 struct policy_trace *trace) {
    struct config config = base ? *base : (struct config){0};
    struct config_route copy = *route;
    config.roles = roles;
    config.role_count = sizeof roles / sizeof *roles;
    config.routes = &copy;
    config.route_count = 1;
    struct policy *policy = policy_new(&config);
    assert_non_null(policy);
    const struct policy_question question = {.identity = identity,
                                             .method = SLICE("GET"),
                                             .path_below = slice_of_str(path),
                                             .client = client};
    struct decision decision;
    policy_decide(policy, &question, trace, &decision);
    policy_free(policy);
    return decision;
}

static struct decision decide(const struct config_route *route, const struct config *base,
                              const struct identity *identity) {
    return decide_at(route, base, identity, "/", NULL);
}

static void assert_shadows(const struct decision *decision, const char *first, const char *second) {
    assert_int_equal(decision->shadow_count, (first != NULL) + (second != NULL));
    if (first)
        assert_string_equal(decision->shadows[0], first);
    if (second)
        assert_string_equal(decision->shadows[1], second);
}

static void names_a_deny_under_shadow_and_passes_it_over(void **state) {
    (void)state;
    struct config_entry access[] = {ENTRY("access", mira_only, CONTRIBUTOR, )};
    struct config_entry deny[] = {ENTRY("deny[0]", mira_only, CONFIG_NONE, .is_shadow = true),
                                  ENTRY("deny[1]", others_only, CONFIG_NONE, .is_shadow = true)};
    struct config_route route = {.access = ENTRIES(access), .deny = ENTRIES(deny)};
    struct decision decision = decide(&route, NULL, &mira);
    assert_true(decision.is_allowed);
    assert_ptr_equal(decision.entry, &access[0]);
    assert_shadows(&decision, "deny[0]", NULL);

    deny[0].is_shadow = false;
    decision = decide(&route, NULL, &mira);
    assert_int_equal(decision.reason, REASON_DENIED);
    assert_shadows(&decision, NULL, NULL);
}

static void names_a_grant_under_shadow_only_where_it_would_have_decided(void **state) {
    (void)state;
    struct config_entry access[] = {
        ENTRY("access[0]", mira_only, CONTRIBUTOR, .is_shadow = true),
        ENTRY("access[1]", mira_only, CONTRIBUTOR, ),
        ENTRY("access[2]", mira_only, CONTRIBUTOR, .is_shadow = true),
    };
    struct config_route route = {.access = ENTRIES(access), .credential = CONFIG_NONE};
    struct decision decision = decide(&route, NULL, &mira);
    assert_ptr_equal(decision.entry, &access[1]);
    assert_shadows(&decision, "access[0]", NULL);

    access[1].is_shadow = true;
    access[1].to = others_only;
    decision = decide(&route, NULL, &mira);
    assert_int_equal(decision.reason, REASON_NO_ROLE);
    assert_null(decision.entry);
    assert_shadows(&decision, "access[0]", "access[2]");

    struct config_entry deny[] = {ENTRY("deny", mira_only, CONFIG_NONE, )};
    route.deny = (struct config_entries)ENTRIES(deny);
    decision = decide(&route, NULL, &mira);
    assert_int_equal(decision.reason, REASON_DENIED);
    assert_shadows(&decision, NULL, NULL);
}

static void never_asks_for_groups_for_the_sake_of_a_shadow(void **state) {
    (void)state;
    struct config_entry access[] = {ENTRY("access", mira_only, CONTRIBUTOR, )};
    struct config_entry deny[] = {ENTRY("deny", operators, CONFIG_NONE, .is_shadow = true)};
    struct config_route route = {.access = ENTRIES(access), .deny = ENTRIES(deny)};
    struct decision decision = decide(&route, NULL, &mira_of_many_groups);
    assert_true(decision.is_allowed);
    assert_false(decision.depends_on_groups);
    assert_shadows(&decision, NULL, NULL);

    deny[0].is_shadow = false;
    assert_int_equal(decide(&route, NULL, &mira_of_many_groups).reason, REASON_GROUPS_UNKNOWN);
}

static void names_no_more_shadows_than_there_is_room_for(void **state) {
    (void)state;
    struct config_entry deny[POLICY_SHADOWS_MAX + 4];
    for (size_t i = 0; i < sizeof deny / sizeof *deny; i++)
        deny[i] = (struct config_entry)ENTRY(i ? "later" : "first", mira_only, CONFIG_NONE,
                                             .is_shadow = true);
    struct config_route route = {.deny = ENTRIES(deny), .is_shadow = true};
    struct decision decision = decide(&route, NULL, &mira);
    assert_int_equal(decision.shadow_count, POLICY_SHADOWS_MAX);
    assert_string_equal(decision.shadows[0], "no_role");
    assert_string_equal(decision.shadows[1], "first");
}

static void lets_through_a_route_under_shadow(void **state) {
    (void)state;
    struct config_entry access[] = {ENTRY("access", mira_only, CONTRIBUTOR, )};
    struct config_entry deny[] = {ENTRY("deny", others_only, CONFIG_NONE, )};
    struct config_route route = {
        .access = ENTRIES(access), .deny = ENTRIES(deny), .credential = 3, .is_shadow = true};
    access[0].credential = 4;

    struct decision decision = decide(&route, NULL, &mira); /* the rules grant it */
    assert_true(decision.is_allowed);
    assert_int_equal(decision.credential, 4);
    assert_ptr_equal(decision.entry, &access[0]);
    assert_shadows(&decision, NULL, NULL);

    deny[0].to = mira_only;
    decision = decide(&route, NULL, &mira);
    assert_true(decision.is_allowed);
    assert_int_equal(decision.reason, REASON_NONE);
    assert_int_equal(decision.credential, CONFIG_NONE);
    assert_null(decision.entry);
    assert_null(decision.rule);
    assert_shadows(&decision, "deny", NULL);

    deny[0].to = access[0].to = others_only;
    decision = decide(&route, NULL, &mira);
    assert_true(decision.is_allowed);
    assert_int_equal(decision.credential, CONFIG_NONE);
    assert_shadows(&decision, "no_role", NULL);

    access[0].to = operators;
    decision = decide(&route, NULL, &mira_of_many_groups);
    assert_true(decision.is_allowed && decision.depends_on_groups);
    assert_shadows(&decision, "groups_unknown", NULL);

    route.is_shadow = false;
    assert_false(decide(&route, NULL, &mira).is_allowed);
}

static void asks_nobody_to_step_up_on_a_route_under_shadow(void **state) {
    (void)state;
    struct config_entry access[] = {
        ENTRY("access", mira_only, CONTRIBUTOR, .when = {.acrs = STRINGS("c1"), .mfa = false})};
    struct config_route route = {.access = ENTRIES(access), .is_shadow = true};
    struct identity able = mira;
    able.accepts_claims_challenge = true;
    struct decision decision = decide(&route, NULL, &able);
    assert_true(decision.is_allowed);
    assert_int_equal(decision.needed_acrs.len, 0);
    assert_shadows(&decision, "claims_required", NULL);

    route.is_shadow = false;
    assert_int_equal(decide(&route, NULL, &able).reason, REASON_CLAIMS_REQUIRED);
}

static void lets_the_top_level_refuse_and_grant_on_a_route_under_shadow(void **state) {
    (void)state;
    struct config_entry own[] = {ENTRY("own deny", mira_only, CONFIG_NONE, )};
    struct config_entry top[] = {ENTRY("top deny", mira_only, CONFIG_NONE, )};
    struct config_entry grant[] = {ENTRY("top access", mira_only, CONTRIBUTOR, )};
    struct config_route route = {.deny = ENTRIES(own), .is_shadow = true};
    struct config base = {.deny = ENTRIES(top), .access = ENTRIES(grant)};
    grant[0].credential = 2;
    struct decision decision = decide(&route, &base, &mira);
    assert_int_equal(decision.reason, REASON_DENIED);
    assert_ptr_equal(decision.entry, &top[0]);
    assert_shadows(&decision, "own deny", NULL);

    top[0].to = operators;
    decision = decide(&route, &base, &mira_of_many_groups);
    assert_int_equal(decision.reason, REASON_GROUPS_UNKNOWN);
    assert_ptr_equal(decision.entry, &top[0]);

    own[0].to = others_only;
    decision = decide(&route, &base, &mira);
    assert_true(decision.is_allowed);
    assert_int_equal(decision.credential, 2);
    assert_shadows(&decision, NULL, NULL);
}

/* 10.1.0.0/16 */
static struct config_network office[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 0, 0}, 112}};
static const unsigned char inside[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
static const unsigned char outside[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 2, 2, 3};

static void looks_at_the_clients_address(void **state) {
    (void)state;
    struct config_entry access[] = {
        ENTRY("access", mira_only, CONTRIBUTOR, .when = {.clients = {office, 1}})};
    struct config_entry deny[] = {
        ENTRY("deny", mira_only, CONFIG_NONE, .when = {.clients = {office, 1}})};
    const struct config_route granting = {.access = ENTRIES(access)};
    struct config_entry always[] = {ENTRY("always", mira_only, CONTRIBUTOR, )};
    const struct config_route denying = {.access = ENTRIES(always), .deny = ENTRIES(deny)};
    const struct {
        const unsigned char *client;
        enum reason when_granting, when_denying;
    } rows[] = {
        {inside, REASON_NONE, REASON_DENIED},
        {outside, REASON_NO_ROLE, REASON_NONE},
        {NULL, REASON_NO_ROLE, REASON_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        client = rows[i].client;
        assert_int_equal(decide(&granting, NULL, &mira).reason, rows[i].when_granting);
        assert_int_equal(decide(&denying, NULL, &mira).reason, rows[i].when_denying);
    }
    client = NULL;
}

/* Another network is nothing that a caller could step up to, nor that unknown groups could mend. */
static void takes_an_entry_for_other_clients_as_absent(void **state) {
    (void)state;
    struct config_entry access[] = {
        ENTRY("access[0]", mira_only, CONTRIBUTOR, .when = {{office, 1}, STRINGS("c1"), true}),
        ENTRY("access[1]", operators, CONTRIBUTOR, .when = {.clients = {office, 1}}),
    };
    const struct config_route route = {.access = ENTRIES(access)};
    client = outside;
    struct decision decision = decide(&route, NULL, &mira_of_many_groups);
    assert_int_equal(decision.reason, REASON_NO_ROLE);
    assert_false(decision.depends_on_groups || decision.needs_mfa || decision.entry);
    client = inside;
    assert_int_equal(decide(&route, NULL, &mira_of_many_groups).reason, REASON_GROUPS_UNKNOWN);
    client = NULL;
}

enum { STEPS_MAX = 16 };

struct recording {
    struct policy_trace trace;
    struct policy_step steps[STEPS_MAX];
    size_t count;
};

static void record(struct policy_trace *trace, const struct policy_step *step) {
    struct recording *recording = (struct recording *)trace;
    assert_true(recording->count < STEPS_MAX);
    recording->steps[recording->count++] = *step;
}

static void tells_every_entry_in_the_order_of_deciding(void **state) {
    (void)state;
    struct config_principal near[] = {
        {.users = STRINGS(OTHER)},
        {.users = STRINGS(MIRA), .tenants = STRINGS(TENANT), .app_roles = STRINGS("Approver")},
        {.tenants = STRINGS(OTHER)},
    };
    struct config_entry own_deny[] = {ENTRY("deny[0]", mira_only, CONFIG_NONE, .is_shadow = true)};
    struct config_entry top_deny[] = {
        ENTRY("top deny", operators, CONFIG_NONE, .when = {.acrs = STRINGS("c1")})};
    struct config_entry own[] = {
        {.label = "access[0]", .to = near, .to_count = 3, .role = CONTRIBUTOR},
        ENTRY("access[1]", mira_only, WRITER, ),
        ENTRY("access[2]", mira_only, TRIMMED, ),
        ENTRY("access[3]", operators, CONTRIBUTOR, ),
        ENTRY("access[4]", mira_only, CONTRIBUTOR, .when = {.clients = {office, 1}}),
        ENTRY("access[5]", mira_only, CONTRIBUTOR, .when = {.acrs = STRINGS("c1")}),
        ENTRY("access[6]", mira_only, CONTRIBUTOR, .when = {.mfa = true}),
        ENTRY("access[7]", mira_only, CONTRIBUTOR, ),
    };
    struct config_entry top[] = {ENTRY("top access", mira_only, CONTRIBUTOR, ),
                                 {.label = "nobody's", .role = CONTRIBUTOR}};
    const struct config_route route = {.access = ENTRIES(own), .deny = ENTRIES(own_deny)};
    const struct config base = {.access = ENTRIES(top), .deny = ENTRIES(top_deny)};
    static const struct {
        const char *label;
        enum policy_answer answer;
    } expected[] = {
        {"deny[0]", POLICY_MATCHES},           {"top deny", POLICY_LACKS_CONTEXT},
        {"access[0]", POLICY_OTHER_PRINCIPAL}, {"access[1]", POLICY_OTHER_ACTION},
        {"access[2]", POLICY_EXCEPTED},        {"access[3]", POLICY_GROUPS_UNKNOWN},
        {"access[4]", POLICY_OTHER_CLIENT},    {"access[5]", POLICY_LACKS_CONTEXT},
        {"access[6]", POLICY_LACKS_MFA},       {"access[7]", POLICY_MATCHES},
        {"top access", POLICY_MATCHES},        {"nobody's", POLICY_OTHER_PRINCIPAL},
    };
    struct recording recording = {.trace = {record}};
    struct decision decision =
        decide_at(&route, &base, &mira_of_many_groups, "/admin/x", &recording.trace);
    assert_ptr_equal(decision.entry, &own[7]);
    assert_true(decision.depends_on_groups);
    assert_int_equal(recording.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < recording.count; i++) {
        const struct policy_step *step = &recording.steps[i];
        assert_string_equal(step->entry->label, expected[i].label);
        assert_int_equal(step->answer, expected[i].answer);
        assert_int_equal(step->is_deny, i < 2);
        assert_int_equal(step->is_decisive, step->entry == &own[7]);
    }
    assert_ptr_equal(recording.steps[2].closest, &near[1]);
    assert_int_equal(recording.steps[2].unmet, DEMAND_APP_ROLE);
    assert_null(recording.steps[11].closest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_a_deny_under_shadow_and_passes_it_over),
        cmocka_unit_test(names_a_grant_under_shadow_only_where_it_would_have_decided),
        cmocka_unit_test(never_asks_for_groups_for_the_sake_of_a_shadow),
        cmocka_unit_test(names_no_more_shadows_than_there_is_room_for),
        cmocka_unit_test(lets_through_a_route_under_shadow),
        cmocka_unit_test(asks_nobody_to_step_up_on_a_route_under_shadow),
        cmocka_unit_test(lets_the_top_level_refuse_and_grant_on_a_route_under_shadow),
        cmocka_unit_test(looks_at_the_clients_address),
        cmocka_unit_test(takes_an_entry_for_other_clients_as_absent),
        cmocka_unit_test(tells_every_entry_in_the_order_of_deciding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
