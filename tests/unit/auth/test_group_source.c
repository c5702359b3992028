/* What is asked, whom it is about, what is remembered, and how much at a time. */
#include "group_source_case.h"

static void asks_in_batches_of_twenty(void **state) {
    (void)state;
    char first[128], second[128];
    struct group_list *groups = NULL;
    snprintf(first, sizeof first, "{\"@odata.context\":\"x\",\"value\":[\"%s\"]}", group(3));
    snprintf(second, sizeof second, "{\"value\":[\"%s\",\"%s\"]}", group(39), group(20));
    reply(USERS MIRA "/checkMemberGroups", 200, NULL, first);
    reply(USERS MIRA "/checkMemberGroups", 200, NULL, second);
    reply(USERS MIRA "/checkMemberGroups", 200, NULL, "{\"value\":[]}");
    start_well(45);
    assert_int_equal(look_up(MIRA, &groups), GROUPS_OK);
    assert_groups(groups, (size_t[]){3, 20, 39}, 3);
    group_list_unref(groups);
    assert_int_equal(hits(USERS MIRA "/checkMemberGroups"), 3);
    const char *path = USERS MIRA "/checkMemberGroups";
    char body[256];
    snprintf(body, sizeof body, "\r\n\r\n{\"groupIds\":[\"%s\",\"%s\",\"%s\",\"%s\",\"%s\"]}",
             group(40), group(41), group(42), group(43), group(44));
    assert_true(scripted_server_saw(bar.server, path, body));
    assert_true(scripted_server_saw(bar.server, path, "POST "));
    assert_true(scripted_server_saw(bar.server, path, "Bearer canary-graph-token\r\n"));
    assert_true(scripted_server_saw(bar.server, path, "Content-Type: application/json\r\n"));
    assert_true(
        scripted_server_saw(bar.server, IMDS, "resource=https%3A%2F%2Fgraph.microsoft.com"));
    assert_int_equal(hits(METADATA), 1);
}

static void asks_for_everything_beyond_a_hundred(void **state) {
    (void)state;
    char all[512];
    struct group_list *groups = NULL;
    snprintf(all, sizeof all,
             "{\"value\":[\"%s\",\"0000A001-2C3D-4E5F-8091-A2B3C4D5E6F7\",\"" INES "\",\"%s\"]}",
             group(100), group(100));
    reply(USERS MIRA "/getMemberObjects", 200, NULL, all);
    start_well(101);
    assert_int_equal(look_up(MIRA, &groups), GROUPS_OK);
    assert_groups(groups, (size_t[]){1, 100}, 2);
    group_list_unref(groups);
    assert_int_equal(hits(USERS MIRA "/getMemberObjects"), 1);
    assert_true(scripted_server_saw(bar.server, USERS MIRA "/getMemberObjects",
                                    "\r\n\r\n{\"securityEnabledOnly\":false}"));
}

static void asks_about_applications_as_service_principals(void **state) {
    (void)state;
    reply("/v1.0/servicePrincipals/" MIRA "/checkMemberGroups", 200, NULL, "{\"value\":[]}");
    start_well(1);
    struct asked asked = asked_of(MIRA);
    asked.want.is_app = true;
    group_source_want(bar.source, &asked.want);
    RUN_UNTIL(bar.loop, asked.answers == 1);
    assert_int_equal(asked.want.result, GROUPS_OK);
    assert_int_equal(asked.want.groups->count, 0);
    group_list_unref(asked.want.groups);
}

static void asks_once_however_many_want(void **state) {
    (void)state;
    static struct asked asked[1000];
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(3);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        asked[i] = asked_of(MIRA);
        group_source_want(bar.source, &asked[i].want);
        assert_int_equal(asked[i].answers, 0);
    }
    RUN_UNTIL(bar.loop, asked[0].answers == 1 && asked[999].answers == 1);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        assert_int_equal(asked[i].answers, 1);
        assert_int_equal(asked[i].want.result, GROUPS_OK);
        group_list_unref(asked[i].want.groups);
    }
    assert_int_equal(hits(USERS MIRA), 1);
    assert_int_equal(group_source_count(bar.source, GROUPS_OK), 1);
}

static void remembers_for_five_minutes(void **state) {
    (void)state;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    uint64_t asked_ms = clock_monotonic_ms();
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(look_up(MIRA, NULL), GROUPS_CACHED);
    assert_int_equal(hits(USERS MIRA), 1);
    RUN_UNTIL(bar.loop, look_up(MIRA, NULL) == GROUPS_OK);
    assert_true(clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
    assert_int_equal(hits(USERS MIRA), 2);
}

static void remembers_no_longer_than_the_token_lives(void **state) {
    (void)state;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    struct asked asked = asked_of(MIRA);
    asked.want.expires_sec = clock_wall_sec() - 1;
    group_source_want(bar.source, &asked.want);
    RUN_UNTIL(bar.loop, asked.answers == 1);
    assert_int_equal(asked.want.result, GROUPS_OK);
    assert_true(asked.want.until_ms <= clock_monotonic_ms());
    group_list_unref(asked.want.groups);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(hits(USERS MIRA), 2);
}

static void keeps_principals_apart(void **state) {
    (void)state;
    char hers[128];
    struct group_list *groups = NULL;
    snprintf(hers, sizeof hers, "{\"value\":[\"%s\"]}", group(0));
    reply(USERS MIRA, 200, NULL, hers);
    reply(USERS INES, 200, NULL, "{\"value\":[]}");
    start_well(1);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(look_up(INES, &groups), GROUPS_OK);
    assert_int_equal(groups->count, 0);
    group_list_unref(groups);
    assert_int_equal(look_up(MIRA, &groups), GROUPS_CACHED);
    assert_groups(groups, (size_t[]){0}, 1);
    group_list_unref(groups);
    assert_int_equal(hits(METADATA), 1);
    assert_int_equal(hits(IMDS), 1);
}

static void turns_away_who_would_wait_beyond_the_limit(void **state) {
    (void)state;
    enum { LIMIT = 4096 };
    static struct asked asked[LIMIT];
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    scripted_server_hold(bar.server, true);
    for (size_t i = 0; i < LIMIT; i++) {
        asked[i] = asked_of(MIRA);
        group_source_want(bar.source, &asked[i].want);
        assert_int_equal(asked[i].answers, 0);
    }
    struct group_list *groups = NULL;
    assert_int_equal(look_up(MIRA, &groups), GROUPS_OVERLOADED);
    assert_null(groups);
    assert_int_equal(look_up(INES, NULL), GROUPS_OVERLOADED);
    scripted_server_hold(bar.server, false);
    RUN_UNTIL(bar.loop, asked[0].answers == 1 && asked[LIMIT - 1].answers == 1);
    for (size_t i = 0; i < LIMIT; i++)
        group_list_unref(asked[i].want.groups);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_CACHED);
}

static void asks_about_few_principals_at_a_time(void **state) {
    (void)state;
    static struct asked asked[100];
    reply(USERS, 200, NULL, "{\"value\":[]}");
    start_well(1);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    scripted_server_hold(bar.server, true);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        char oid[37];
        snprintf(oid, sizeof oid, "%08zx-92a3-4b4c-8d5e-6f708192a3b4", i);
        asked[i] = asked_of(oid);
        group_source_want(bar.source, &asked[i].want);
    }
    RUN_UNTIL(bar.loop, hits(USERS) >= 1 + 32);
    scripted_server_hold(bar.server, false);
    RUN_UNTIL(bar.loop, hits(USERS) == 101);
    assert_int_equal(scripted_server_peak(bar.server), 32);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        RUN_UNTIL(bar.loop, asked[i].answers == 1);
        assert_int_equal(asked[i].want.result, GROUPS_OK);
        group_list_unref(asked[i].want.groups);
    }
}

static void forgets_who_was_wanted_longest_ago(void **state) {
    (void)state;
    enum { REMEMBERED = 10000 };
    start_source(0); /* nothing to ask about: answers come at once */
    group_source_set_second_ms(bar.source, 1000);
    assert_int_equal(look_up(MIRA, NULL), GROUPS_OK);
    assert_int_equal(look_up(INES, NULL), GROUPS_OK);
    for (size_t i = 0; i < REMEMBERED; i++) {
        char oid[37];
        snprintf(oid, sizeof oid, "%08zx-92a3-4b4c-8d5e-6f708192a3b4", i);
        assert_int_equal(look_up(oid, NULL), GROUPS_OK);
    }
    assert_int_equal(look_up("00000000-92a3-4b4c-8d5e-6f708192a3b4", NULL), GROUPS_CACHED);
    assert_int_equal(look_up("0000270f-92a3-4b4c-8d5e-6f708192a3b4", NULL), GROUPS_CACHED);
    assert_int_equal(look_up(INES, NULL), GROUPS_OK);
    assert_int_equal(look_up("00000001-92a3-4b4c-8d5e-6f708192a3b4", NULL), GROUPS_OK);
}

static void asks_nobody_about_a_foreign_tenant(void **state) {
    (void)state;
    start_well(1);
    struct asked asked = asked_of(MIRA);
    memcpy(asked.want.tenant, INES, sizeof INES);
    group_source_want(bar.source, &asked.want);
    assert_int_equal(asked.answers, 1);
    assert_int_equal(asked.want.result, GROUPS_FAILED);
    assert_null(asked.want.groups);
}

static void answers_who_waits_when_it_goes_away(void **state) {
    (void)state;
    reply(USERS MIRA, 200, NULL, "{\"value\":[]}");
    start_well(1);
    struct asked asked[2] = {asked_of(MIRA), asked_of(INES)};
    group_source_want(bar.source, &asked[0].want);
    group_source_want(bar.source, &asked[1].want);
    group_source_free(bar.source);
    bar.source = NULL;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(asked[i].answers, 1);
        assert_int_equal(asked[i].want.result, GROUPS_FAILED);
        assert_null(asked[i].want.groups);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(asks_in_batches_of_twenty),
        CASE(asks_for_everything_beyond_a_hundred),
        CASE(asks_about_applications_as_service_principals),
        CASE(asks_once_however_many_want),
        CASE(remembers_for_five_minutes),
        CASE(remembers_no_longer_than_the_token_lives),
        CASE(keeps_principals_apart),
        CASE(turns_away_who_would_wait_beyond_the_limit),
        CASE(asks_about_few_principals_at_a_time),
        CASE(forgets_who_was_wanted_longest_ago),
        CASE(asks_nobody_about_a_foreign_tenant),
        CASE(answers_who_waits_when_it_goes_away),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
