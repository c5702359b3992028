#include "vault/stored_secret.h"

#include "store_case.h"

static uint64_t generation(void) {
    return cabinet_credential(bar.cabinet, 0)->generation;
}

/* V1 is held, and nothing is read unless somebody asks for it. */
static void start_with_one(void) {
    bar.secrets[0].refresh_sec = 10000;
    bar.secrets[0].max_stale_sec = 20000;
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, BASIC_ONE));
}

static void keeps_the_version_before(void **state) {
    (void)state;
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_null(cabinet_credential(bar.cabinet, 0)->previous);
    const uint64_t before = generation();
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
    assert_true(previous_line_is(0, BASIC_ONE));
    const struct rendered_credential *previous = cabinet_credential(bar.cabinet, 0)->previous;
    assert_true(previous->is_available);
    assert_string_equal(previous->used[0].version, V1);
    assert_int_not_equal(previous->generation, generation());
    assert_int_not_equal(before, generation());
    reply_from_now(LATEST, 200, BUNDLE("admin", V3, "one"));
    RUN_UNTIL(bar.loop, line_is(0, BASIC_ONE));
    assert_true(previous_line_is(0, BASIC_TWO));
}

static void keeps_no_version_of_the_same_value(void **state) {
    (void)state;
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "one"));
    RUN_UNTIL(bar.loop, strcmp(cabinet_credential(bar.cabinet, 0)->used[0].version, V2) == 0);
    assert_null(cabinet_credential(bar.cabinet, 0)->previous);
}

static void drops_the_version_before_when_it_has_been_stale_long_enough(void **state) {
    (void)state;
    bar.secrets[0].max_stale_sec = 60;
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
    assert_true(previous_line_is(0, BASIC_ONE));
    const uint64_t with_previous = generation();
    RUN_UNTIL(bar.loop, !cabinet_credential(bar.cabinet, 0)->previous);
    assert_true(line_is(0, BASIC_TWO));
    assert_int_equal(generation(), with_previous);
}

static void drops_the_version_before_when_it_expires(void **state) {
    (void)state;
    char one[512];
    snprintf(one, sizeof one, BUNDLE_AS("admin", V1, "one", "{\"exp\":%lld}"),
             (long long)clock_wall_sec() + 2);
    bar.secrets[0].max_stale_sec = 100000;
    reply(LATEST, 200, NULL, one);
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
    assert_true(previous_line_is(0, BASIC_ONE));
    RUN_UNTIL(bar.loop, !cabinet_credential(bar.cabinet, 0)->previous);
    assert_true(line_is(0, BASIC_TWO));
}

static void drops_both_when_the_vault_denies(void **state) {
    (void)state;
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
    reply_from_now(LATEST, 403, REFUSAL("ForbiddenByRbac"));
    RUN_UNTIL(bar.loop, !is_available(0));
    assert_null(cabinet_credential(bar.cabinet, 0)->previous);
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    RUN_UNTIL(bar.loop, is_available(0));
    assert_null(cabinet_credential(bar.cabinet, 0)->previous);
}

static void rereads_at_once_when_an_upstream_refuses(void **state) {
    (void)state;
    struct want want;
    start_with_one();
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    refuse(&want, 0);
    assert_int_equal(want.done, 0);
    RUN_UNTIL(bar.loop, want.done);
    assert_true(line_is(0, BASIC_TWO));
    assert_true(previous_line_is(0, BASIC_ONE));
    assert_int_equal(hits(LATEST), 2);
}

static void rereads_once_for_a_thousand_refusals(void **state) {
    static struct want wants[1000];
    (void)state;
    start_with_one();
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    for (size_t i = 0; i < COUNT_OF(wants); i++)
        refuse(&wants[i], 0);
    RUN_UNTIL(bar.loop, wants[999].done);
    for (size_t i = 0; i < COUNT_OF(wants); i++)
        assert_int_equal(wants[i].done, 1);
    assert_int_equal(hits(LATEST), 2);
}

/* What was on its way before the refusal may be the old value still. */
static void rereads_when_a_refusal_meets_a_refresh(void **state) {
    (void)state;
    struct want want;
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    scripted_server_hold(bar.server, true);
    const size_t before = hits(LATEST);
    RUN_UNTIL(bar.loop, hits(LATEST) == before + 1);
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    refuse(&want, 0);
    scripted_server_hold(bar.server, false);
    RUN_UNTIL(bar.loop, want.done);
    assert_true(line_is(0, BASIC_TWO));
}

static void answers_a_refusal_at_once_when_a_newer_rendering_is_there(void **state) {
    (void)state;
    struct want first, late;
    start_with_one();
    const uint64_t refused = generation();
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    refuse(&first, 0);
    RUN_UNTIL(bar.loop, first.done);
    late = (struct want){
        .want = {.credential = 0, .refused_generation = refused, .on_done = on_want_done}};
    secret_store_want(bar.store, &late.want);
    assert_int_equal(late.done, 1);
    assert_int_equal(hits(LATEST), 2);
}

static void rereads_ever_more_rarely_while_nothing_is_new(void **state) {
    (void)state;
    struct want want = {.done = 1};
    reply(LISTED, 200, NULL, PAGE(ITEM(V1, "100")));
    start_with_one();
    while (hits(LATEST) < 6) {
        refuse(&want, 0);
        RUN_UNTIL(bar.loop, want.done == 1);
        loop_run_once(bar.loop, 1);
    }
    for (size_t i = 1; i < 5; i++)
        assert_true(scripted_server_gap_ms(bar.server, LATEST, i, i + 1) >= (10u << (i - 1)) - 2);
    assert_int_equal(hits(LISTED), 1);
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    while (!line_is(0, BASIC_TWO)) {
        refuse(&want, 0);
        RUN_UNTIL(bar.loop, want.done == 1);
        loop_run_once(bar.loop, 1);
    }
    const size_t before = hits(LATEST);
    refuse(&want, 0);
    RUN_UNTIL(bar.loop, want.done == 1);
    assert_int_equal(hits(LATEST), before + 1);
}

static void rereads_no_more_rarely_than_it_refreshes(void **state) {
    (void)state;
    struct want want = {.done = 1};
    bar.secrets[0].refresh_sec = 2;
    reply(LISTED, 200, NULL, PAGE(ITEM(V1, "100")));
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    while (hits(LATEST) < 12) {
        refuse(&want, 0);
        RUN_UNTIL(bar.loop, want.done == 1);
        loop_run_once(bar.loop, 1);
    }
    assert_int_equal(hits(LISTED), 1);
}

static void rereads_nothing_while_the_vault_fails(void **state) {
    (void)state;
    struct want want;
    start_with_one();
    reply_from_now(LATEST, 503, "");
    refuse(&want, 0);
    RUN_UNTIL(bar.loop, want.done);
    assert_true(line_is(0, BASIC_ONE));
    const size_t before = hits(LATEST);
    refuse(&want, 0);
    assert_int_equal(want.done, 1);
    assert_int_equal(hits(LATEST), before);
}

static void looks_once_for_the_version_before(void **state) {
    (void)state;
    struct want first, second;
    bar.secrets[0].refresh_sec = 10000;
    bar.secrets[0].max_stale_sec = 20000;
    reply(LISTED, 200, NULL, PAGE(ITEM(V2, "200") "," ITEM(V1, "100")));
    reply(AT(V1), 200, NULL, BUNDLE("admin", V1, "one"));
    reply(LATEST, 200, NULL, BUNDLE("admin", V2, "two"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    const uint64_t refused = generation();
    refuse(&first, 0);
    RUN_UNTIL(bar.loop, first.done);
    assert_true(line_is(0, BASIC_TWO));
    assert_true(previous_line_is(0, BASIC_ONE));
    assert_int_equal(generation(), refused);
    for (size_t i = 0; i < 20; i++) {
        refuse(&second, 0);
        RUN_UNTIL(bar.loop, second.done);
        loop_run_once(bar.loop, 2);
    }
    assert_int_equal(hits(LISTED), 1);
    assert_int_equal(hits(AT(V1)), 1);
}

static void is_content_without_a_version_before(void **state) {
    static const struct scripted_reply lists[] = {
        {200, NULL, PAGE(ITEM(V1, "100"))},
        {200, NULL, PAGE(ITEM(V1, "100") "," ITEM_AS(V2, "90", ",\"enabled\":false"))},
        {403, NULL, REFUSAL("ForbiddenByRbac")},
        {200, NULL, "{}"},
    };
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct want want;
        scripted_server_reply(bar.server, LISTED, lists[i]);
        start_with_one();
        for (size_t tries = 0; tries < 10; tries++) {
            refuse(&want, 0);
            RUN_UNTIL(bar.loop, want.done);
            loop_run_once(bar.loop, 2);
        }
        assert_null(cabinet_credential(bar.cabinet, 0)->previous);
        assert_true(line_is(0, BASIC_ONE));
        assert_string_equal(state_of(0).last_error, "");
        assert_int_equal(hits(LISTED), 1);
        close_bar(state);
        open_bar(state);
    }
}

static void reads_a_pinned_version_for_no_refusal(void **state) {
    (void)state;
    struct want want;
    bar.secrets[0].version = V1;
    bar.secrets[0].refresh_sec = 10000;
    bar.secrets[0].max_stale_sec = 20000;
    reply(AT(V1), 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    refuse(&want, 0);
    assert_int_equal(want.done, 1);
    assert_int_equal(hits(AT(V1)), 1);
}

static void rereads_a_file_and_keeps_what_it_held(void **state) {
    (void)state;
    struct want want;
    reply(ADMIN, 503, NULL, "");
    write_token("first");
    const size_t secret = add_secret(1, "token");
    const size_t credential = add_bearer(secret);
    bar.secrets[secret].refresh_sec = 10000;
    bar.secrets[secret].max_stale_sec = 20000;
    start_store();
    assert_true(line_is(credential, "Authorization: Bearer first\r\n"));
    write_token("second\n");
    refuse(&want, credential);
    assert_int_equal(want.done, 1);
    assert_true(line_is(credential, "Authorization: Bearer second\r\n"));
    assert_true(previous_line_is(credential, "Authorization: Bearer first\r\n"));
}

static void binds_a_secret_to_the_hosts_of_its_tag(void **state) {
    (void)state;
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(rendered_credential_may_go_to(cabinet_credential(bar.cabinet, 0), "db", 1));
    reply_from_now(LATEST, 200,
                   "{\"value\":\"one\",\"id\":\"https://kv/secrets/admin/" V1
                   "\",\"attributes\":{},\"tags\":{\"barkeep-hosts\":\"db:5432\"}}");
    RUN_UNTIL(bar.loop, cabinet_credential(bar.cabinet, 0)->bound_count == 1);
    assert_true(line_is(0, BASIC_ONE));
    assert_true(rendered_credential_may_go_to(cabinet_credential(bar.cabinet, 0), "db", 5432));
    assert_false(rendered_credential_may_go_to(cabinet_credential(bar.cabinet, 0), "db", 1));
    assert_null(cabinet_credential(bar.cabinet, 0)->previous);
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "two"));
    RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
    assert_int_equal(cabinet_credential(bar.cabinet, 0)->bound_count, 0);
    assert_int_equal(cabinet_credential(bar.cabinet, 0)->previous->bound_count, 1);
}

/* A version from before the tag was set is bound by it too. */
static void binds_the_version_before_to_the_hosts_of_the_newer(void **state) {
    (void)state;
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    reply_from_now(LATEST, 200,
                   "{\"value\":\"two\",\"id\":\"https://kv/secrets/admin/" V2
                   "\",\"attributes\":{},\"tags\":{\"barkeep-hosts\":\"db:5432\"}}");
    RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
    const struct rendered_credential *previous = cabinet_credential(bar.cabinet, 0)->previous;
    assert_non_null(previous);
    assert_false(rendered_credential_may_go_to(previous, "elsewhere", 5432));
    assert_true(rendered_credential_may_go_to(previous, "db", 5432));
}

#define PEM "-----BEGIN A-----\\nc4n4ry\\n-----END A-----\\n"

static void takes_lines_for_certificates_only(void **state) {
    static const char *const unusable[] = {"\"prod\"", "\"admin\"", "control bytes", NULL};
    struct log_capture *capture = calloc(1, sizeof *capture);
    (void)state;
    add_secret(0, "cert");
    bar.credentials[1] = (struct config_credential){
        .name = "mtls", .kind = CREDENTIAL_CLIENT_CERTIFICATE, .certificate = 1};
    bar.config.credential_count = 2;
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    reply(LATEST, 200, NULL, BUNDLE("admin", V2, PEM));
    reply("/secrets/cert?", 200, NULL, BUNDLE("cert", V1, PEM));
    log_capture_begin(capture);
    start_store();
    RUN_UNTIL(bar.loop, strstr(state_of(0).last_error, "control bytes"));
    RUN_UNTIL(bar.loop, secret_store_value(bar.store, 1));
    log_capture_end(capture);
    assert_true(line_is(0, BASIC_ONE));
    assert_true(logged(capture, unusable) >= 1);
    assert_null(strstr(capture->text, "c4n4ry"));
    free(capture);
}

static void leaves_callers_tokens_to_others(void **state) {
    (void)state;
    struct want want = {0};
    bar.credentials[0] = (struct config_credential){
        .name = "obo", .kind = CREDENTIAL_ON_BEHALF_OF, .scope = "api://x/read"};
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    ask(&want, 0);
    assert_int_equal(want.done, 1);
    assert_false(want.was_available);
}

static void tells_what_becomes_of_a_secret(void **state) {
    static const char *const events[][5] = {
        {"\"new_version\"", "\"prod\"", "\"admin\"", V1},
        {"\"hosts\"", "db:5432", V1},
        {"\"hosts_removed\"", V1},
        {"\"stale\"", V1, "503"},
        {"\"recovered\"", V1},
        {"\"reread_after_refusal\"", V1},
        {"\"new_version\"", V2},
        {"\"dropped\"", V2, "\"code\":\"ForbiddenByFirewall\""},
    };
    struct log_capture *capture = calloc(1, sizeof *capture);
    struct want want;
    (void)state;
    reply(LATEST, 200, NULL,
          "{\"value\":\"c4n4ry\",\"id\":\"https://kv/secrets/admin/" V1
          "\",\"attributes\":{},\"tags\":{\"barkeep-hosts\":\"db:5432\"}}");
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "c4n4ry"));
    reply(LATEST, 503, NULL, "");
    reply(LATEST, 503, NULL, "");
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "c4n4ry"));
    log_capture_begin(capture);
    start_store();
    RUN_UNTIL(bar.loop, hits(LATEST) >= 5 && state_of(0).last_error[0] == '\0');
    reply_from_now(LATEST, 200, BUNDLE("admin", V2, "c4n4ry2"));
    do {
        refuse(&want, 0);
        RUN_UNTIL(bar.loop, want.done);
    } while (!cabinet_credential(bar.cabinet, 0)->previous);
    reply_from_now(LATEST, 403, REFUSAL("ForbiddenByFirewall"));
    RUN_UNTIL(bar.loop, !is_available(0));
    log_capture_end(capture);
    for (size_t i = 0; i < COUNT_OF(events); i++)
        if (logged(capture, events[i]) != 1)
            fail_msg("%s %s: %zu times", events[i][0], events[i][1], logged(capture, events[i]));
    assert_null(strstr(capture->text, "c4n4ry"));
    free(capture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(keeps_the_version_before),
        CASE(keeps_no_version_of_the_same_value),
        CASE(drops_the_version_before_when_it_has_been_stale_long_enough),
        CASE(drops_the_version_before_when_it_expires),
        CASE(drops_both_when_the_vault_denies),
        CASE(rereads_at_once_when_an_upstream_refuses),
        CASE(rereads_once_for_a_thousand_refusals),
        CASE(rereads_when_a_refusal_meets_a_refresh),
        CASE(answers_a_refusal_at_once_when_a_newer_rendering_is_there),
        CASE(rereads_ever_more_rarely_while_nothing_is_new),
        CASE(rereads_no_more_rarely_than_it_refreshes),
        CASE(rereads_nothing_while_the_vault_fails),
        CASE(looks_once_for_the_version_before),
        CASE(is_content_without_a_version_before),
        CASE(reads_a_pinned_version_for_no_refusal),
        CASE(rereads_a_file_and_keeps_what_it_held),
        CASE(binds_a_secret_to_the_hosts_of_its_tag),
        CASE(binds_the_version_before_to_the_hosts_of_the_newer),
        CASE(takes_lines_for_certificates_only),
        CASE(leaves_callers_tokens_to_others),
        CASE(tells_what_becomes_of_a_secret),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
