#include "vault/held_token.h"

#include "store_case.h"

#define SHORT_TOKEN(text) "{\"access_token\":\"" text "\",\"expires_in\":\"60\"}"
#define LINE(token) "Authorization: Bearer " token "\r\n"

static uint64_t generation(void) {
    return cabinet_credential(bar.cabinet, 0)->generation;
}

static void pours_a_token_for_the_resource_of_the_scope(void **state) {
    (void)state;
    start_store();
    assert_false(is_available(0));
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, LINE("tok-1")));
    assert_int_equal(cabinet_credential(bar.cabinet, 0)->used_count, 0);
    assert_true(
        scripted_server_saw(bar.server, IMDS, "resource=https%3A%2F%2Fgraph.microsoft.com "));
    assert_int_equal(hits(IMDS), 1);
}

static void pours_each_token_that_follows(void **state) {
    (void)state;
    reply(IMDS, 200, NULL, SHORT_TOKEN("short-1"));
    reply(IMDS, 200, NULL, TOKEN("long-2"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, LINE("short-1")));
    const uint64_t first = generation();
    RUN_UNTIL(bar.loop, line_is(0, LINE("long-2")));
    assert_int_not_equal(generation(), first);
    assert_null(cabinet_credential(bar.cabinet, 0)->previous);
}

static void holds_a_token_until_it_runs_out_and_no_longer(void **state) {
    (void)state;
    reply(IMDS, 200, NULL, SHORT_TOKEN("short-1"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    reply_from_now(IMDS, 500, "");
    RUN_UNTIL(bar.loop, hits(IMDS) >= 2);
    assert_true(line_is(0, LINE("short-1")));
    RUN_UNTIL(bar.loop, !is_available(0));
    reply_from_now(IMDS, 200, TOKEN("back-2"));
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, LINE("back-2")));
}

static void fetches_one_token_for_a_thousand_wants(void **state) {
    static struct want wants[1000];
    (void)state;
    memset(wants, 0, sizeof wants);
    scripted_server_hold(bar.server, true);
    start_store();
    for (size_t i = 0; i < COUNT_OF(wants); i++)
        ask(&wants[i], 0);
    assert_int_equal(wants[999].done, 0);
    scripted_server_hold(bar.server, false);
    RUN_UNTIL(bar.loop, wants[999].done);
    for (size_t i = 0; i < COUNT_OF(wants); i++)
        assert_true(wants[i].done == 1 && wants[i].was_available);
    assert_int_equal(hits(IMDS), 1);
}

static void gets_another_token_when_an_upstream_refuses(void **state) {
    (void)state;
    struct want first, second;
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    refuse(&first, 0);
    assert_int_equal(first.done, 0);
    RUN_UNTIL(bar.loop, first.done);
    assert_true(line_is(0, LINE("tok-2")));
    assert_int_equal(hits(IMDS), 2);
    refuse(&second, 0);
    RUN_UNTIL(bar.loop, second.done);
    assert_true(line_is(0, LINE("tok-2")));
    assert_int_equal(hits(IMDS), 2);
}

static void tells_those_who_wait_that_there_is_none(void **state) {
    (void)state;
    struct want want = {0};
    reply(IMDS, 403, NULL, "");
    start_store();
    ask(&want, 0);
    RUN_UNTIL(bar.loop, want.done);
    assert_false(want.was_available);
}

static void is_empty_without_an_identity(void **state) {
    (void)state;
    struct want want = {0};
    struct error err = {""};
    bar.store = secret_store_new(bar.loop, bar.client, NULL, &bar.config, on_cabinet, NULL, &err);
    secret_store_start(bar.store);
    ask(&want, 0);
    assert_int_equal(want.done, 1);
    assert_false(want.was_available);
}

static void goes_away_while_it_is_asked_for(void **state) {
    (void)state;
    struct want want = {0};
    scripted_server_hold(bar.server, true);
    start_store();
    ask(&want, 0);
    RUN_UNTIL(bar.loop, hits(IMDS) == 1);
    close_store();
    assert_int_equal(want.done, 1);
    scripted_server_hold(bar.server, false);
    loop_run_once(bar.loop, 10);
}

#undef CASE
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_token_bar, close_bar)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(pours_a_token_for_the_resource_of_the_scope),
        CASE(pours_each_token_that_follows),
        CASE(holds_a_token_until_it_runs_out_and_no_longer),
        CASE(fetches_one_token_for_a_thousand_wants),
        CASE(gets_another_token_when_an_upstream_refuses),
        CASE(tells_those_who_wait_that_there_is_none),
        CASE(is_empty_without_an_identity),
        CASE(goes_away_while_it_is_asked_for),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
