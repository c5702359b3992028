/* What a record lets one say of a request under other rules, and what not. */
#include "one_route_case.h"

#include "proxy/rule_replay.h"

#define GROUP "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"

static struct audit_request recorded(const char *rule, const char *reason) {
    return (struct audit_request){
        .client = SLICE("127.0.0.1"),
        .host = SLICE("h.example"),
        .method = SLICE("GET"),
        .path = SLICE("/x"),
        .decision = reason ? SLICE("deny") : SLICE("allow"),
        .reason = slice_of_str(reason),
        .rule = slice_of_str(rule),
        .principal_type = SLICE("user"),
        .tenant = SLICE(TENANT),
        .oid = SLICE(USER),
        .app = SLICE(APP),
    };
}

struct replay_case {
    const char *before, *after, *rule, *reason;
    enum replay_verdict verdict;
    const char *credential;
};

static void check(const struct replay_case *row) {
    struct config *old_config = config_with(row->before), *new_config = config_with(row->after);
    struct rule_replay *old_rules = rule_replay_new(old_config);
    struct rule_replay *new_rules = rule_replay_new(new_config);
    const struct audit_request request = recorded(row->rule, row->reason);
    struct replay_reading before, after;
    assert_true(rule_replay_ask(old_rules, &request, &before));
    assert_true(rule_replay_ask(new_rules, &request, &after));
    rule_replay_learn(&before, &request, &after);
    struct replay_outcome outcome = rule_replay_decide(new_rules, &after);
    if (outcome.verdict != row->verdict)
        fail_msg("%s -> %s: %d", row->before, row->after, (int)outcome.verdict);
    if (row->credential)
        assert_string_equal(outcome.credential, row->credential);
    else
        assert_null(outcome.credential);
    rule_replay_free(old_rules);
    rule_replay_free(new_rules);
    config_unref(old_config);
    config_unref(new_config);
}

#define TO_GROUP "{role: Reader, to: {group: " GROUP "}, credential: one}"
#define TO_USER "{role: Reader, to: {user: " USER "}, credential: two}"
#define TO_APP "{role: Reader, to: {app: " APP "}}"
#define TO_ROLE "{role: Reader, to: {app_role: Boss}, credential: two}"

static void decides_what_the_record_holds(void **state) {
    (void)state;
    static const struct replay_case cases[] = {
        {"access: [" TO_USER "]", "access: [" TO_USER "]", "routes.r.access[0]", NULL,
         REPLAY_ALLOWED, "two"},
        {"access: [" TO_USER "]", "access: [" TO_APP "]", "routes.r.access[0]", NULL,
         REPLAY_REFUSED, NULL},
        {"access: [" TO_USER "]", "access: [" TO_USER "], deny: [{to: {user: " USER "}}]",
         "routes.r.access[0]", NULL, REPLAY_REFUSED, NULL},
        {"access: [" TO_APP "]", "access: [" TO_USER "]", NULL, "no_role", REPLAY_ALLOWED, "two"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i]);
}

static void learns_from_the_recorded_outcome(void **state) {
    (void)state;
    static const struct replay_case cases[] = {
        /* the rule that granted was met, and is met again */
        {"access: [" TO_GROUP "]", "access: [" TO_GROUP "]", "routes.r.access[0]", NULL,
         REPLAY_ALLOWED, "one"},
        {"access: [" TO_GROUP "]", "access: [" TO_GROUP "], deny: [{to: {group: " GROUP "}}]",
         "routes.r.access[0]", NULL, REPLAY_REFUSED, NULL},
        /* those before it were not */
        {"access: [" TO_GROUP ", " TO_USER "]", "access: [" TO_GROUP ", " TO_USER "]",
         "routes.r.access[1]", NULL, REPLAY_ALLOWED, "two"},
        {"access: [" TO_GROUP "]", "access: [" TO_GROUP "]", NULL, "no_role", REPLAY_REFUSED, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i]);
}

static void admits_what_it_cannot_tell(void **state) {
    (void)state;
    static const struct replay_case cases[] = {
        {"access: [" TO_GROUP "]", "access: [" TO_ROLE "]", "routes.r.access[0]", NULL,
         REPLAY_UNDECIDED, NULL},
        {"access: [" TO_GROUP "]", "access: [" TO_ROLE ", " TO_GROUP "]", "routes.r.access[0]",
         NULL, REPLAY_UNDECIDED, NULL},
        {"access: [" TO_USER "]", "access: [" TO_USER "], deny: [{to: {app_role: Boss}}]",
         "routes.r.access[0]", NULL, REPLAY_UNDECIDED, NULL},
        /* recorded under rules that are not the ones given as the old ones */
        {"access: [" TO_GROUP "]", "access: [" TO_GROUP "]", "routes.r.access[7]", NULL,
         REPLAY_UNDECIDED, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i]);
}

static void needs_a_caller_and_a_path(void **state) {
    (void)state;
    struct config *config = config_with("access: [" TO_USER "]");
    struct rule_replay *replay = rule_replay_new(config);
    struct replay_reading reading;
    struct audit_request request = recorded(NULL, "no_role");
    assert_true(rule_replay_ask(replay, &request, &reading));
    request.oid = (struct slice){0};
    assert_false(rule_replay_ask(replay, &request, &reading));
    request = recorded(NULL, "no_role");
    request.path = (struct slice){0};
    assert_false(rule_replay_ask(replay, &request, &reading));
    rule_replay_free(replay);
    config_unref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_what_the_record_holds),
        cmocka_unit_test(learns_from_the_recorded_outcome),
        cmocka_unit_test(admits_what_it_cannot_tell),
        cmocka_unit_test(needs_a_caller_and_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
