/* What one source takes over from the one before it, when the configuration changes. */
#include "group_source_case.h"

/* Puts `next` into force, as a reload does it. */
static void change_to(const struct config *next) {
    struct group_source *former = bar.source;
    struct policy *former_policy = bar.policy;
    bar.policy = policy_new(next);
    assert_non_null(bar.policy);
    bar.source = group_source_new(bar.client, bar.identity, next, bar.policy, NULL);
    assert_non_null(bar.source);
    group_source_set_second_ms(bar.source, SECOND_MS);
    group_source_adopt(bar.source, former);
    group_source_free(former);
    policy_free(former_policy);
}

static void remembers_through_a_change(void **state) {
    (void)state;
    char hers[128];
    struct group_list *groups = NULL;
    struct config next = bar.config;
    snprintf(hers, sizeof hers, "{\"value\":[\"%s\"]}", group(0));
    reply(USERS MIRA, 200, NULL, hers);
    reply(USERS INES, 404, NULL, "{\"error\":{\"code\":\"Request_ResourceNotFound\"}}");
    start_well(1);
    uint64_t asked_ms = clock_monotonic_ms();
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(look_up(INES, NULL), GROUPS_NOT_FOUND);
    for (unsigned i = 0; i < 20; i++) {
        change_to(&next);
        assert_int_equal(group_source_count(bar.source, GROUPS_OK), 1);
        assert_int_equal(group_source_count(bar.source, GROUPS_NOT_FOUND), 1);
    }
    enum group_result result = look_up(MIRA, &groups);
    assert_groups(groups, (size_t[]){0}, 1);
    group_list_unref(groups);
    assert_true(result == GROUPS_CACHED || clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK); /* and no longer than it would have */
    assert_true(clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
    assert_int_equal(hits(METADATA), 1);
    assert_int_equal(look_up(INES, NULL), GROUPS_NOT_FOUND);
}

/* An answer says nothing about a group that was not asked about. */
static void forgets_when_the_rules_name_other_groups(void **state) {
    (void)state;
    const char *others[] = {bar.groups[0], bar.groups[1]};
    struct config next = bar.config;
    struct config_principal principal = bar.principal;
    struct config_entry entry = bar.entry;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    principal.groups = (struct config_strings){others, 2};
    entry.to = &principal;
    next.access.items = &entry;
    change_to(&next);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(hits(USERS MIRA), 2);
    change_to(&bar.config);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(hits(USERS MIRA), 3);
}

static void keeps_quiet_through_a_change(void **state) {
    (void)state;
    struct config next = bar.config;
    reply(USERS MIRA, 429, "Retry-After: 300\r\n", "{}");
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    uint64_t asked_ms = clock_monotonic_ms();
    assert_int_equal(look_up(MIRA, NULL), GROUPS_THROTTLED);
    change_to(&next);
    assert_true(look_up(MIRA, NULL) == GROUPS_PAUSED ||
                clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK);
    assert_true(clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
}

static void answers_who_waits_through_a_change(void **state) {
    (void)state;
    struct config next = bar.config;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    struct asked asked = asked_of(MIRA);
    group_source_want(bar.source, &asked.want);
    change_to(&next);
    assert_int_equal(asked.answers, 1);
    assert_null(asked.want.groups);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(remembers_through_a_change),
        CASE(forgets_when_the_rules_name_other_groups),
        CASE(keeps_quiet_through_a_change),
        CASE(answers_who_waits_through_a_change),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
