#include "vault/secret_reading.h"

#include "store_case.h"

#define DISABLED REFUSAL("SecretDisabled")
#define NOT_YET "{\"enabled\":true,\"nbf\":9900000000}"
#define OVER "{\"enabled\":true,\"exp\":1700000000}"

static void body_with_link(char *body, size_t size, const char *items, const char *link) {
    snprintf(body, size, "{\"value\":[%s],\"nextLink\":\"%s\"}", items, link);
}

static void reads_the_newest_version_that_may_be_used(void **state) {
    static const struct scripted_reply latest[] = {
        {403, NULL, DISABLED},
        {200, NULL, BUNDLE_AS("admin", V3, "three", "{\"enabled\":false}")},
        {200, NULL, BUNDLE_AS("admin", V3, "three", NOT_YET)},
        {200, NULL, BUNDLE_AS("admin", V3, "three", OVER)},
    };
    for (size_t i = 0; i < COUNT_OF(latest); i++) {
        char first[2048], link[256];
        snprintf(link, sizeof link, "%s/secrets/Admin/versions?page=2", bar.origin);
        body_with_link(first, sizeof first,
                       ITEM(V1, "100") "," ITEM_AS(V3, "900", ",\"enabled\":false") "," ITEM_AS(
                           "44444444444444444444444444444444", "901",
                           ",\"exp\":1700000000") "," ITEM_AS("55555555555555555555555555555555",
                                                              "902", ",\"nbf\":9900000000"),
                       link);
        bar.secrets[0].refresh_sec = 1000;
        reply("/secrets/Admin/versions?page=2", 200, NULL, PAGE(ITEM(V2, "200")));
        reply(LISTED, 200, NULL, first);
        reply(AT(V2), 200, NULL, BUNDLE("admin", V2, "two"));
        scripted_server_reply(bar.server, LATEST, latest[i]);
        start_store();
        RUN_UNTIL(bar.loop, is_available(0));
        assert_true(line_is(0, BASIC_TWO));
        assert_string_equal(cabinet_credential(bar.cabinet, 0)->used[0].version, V2);
        assert_null(cabinet_credential(bar.cabinet, 0)->previous);
        assert_int_equal(hits(LATEST), 1);
        assert_int_equal(hits(LISTED), 1);
        assert_int_equal(hits("/secrets/Admin/versions?page=2"), 1);
        assert_true(scripted_server_saw(bar.server, "/secrets/Admin/versions?page=2",
                                        "\r\nAuthorization: Bearer tok-1\r\n"));
        assert_string_equal(state_of(0).last_error, "");
        close_bar(state);
        open_bar(state);
    }
}

static void picks_up_a_version_when_its_time_has_come(void **state) {
    (void)state;
    static char latest[512], list[1024]; /* the server may outlive the test's frame */
    const long long from_sec = (long long)clock_wall_sec() + 2;
    snprintf(latest, sizeof latest,
             BUNDLE_AS("admin", V2, "two", "{\"enabled\":true,\"nbf\":%lld}"), from_sec);
    snprintf(list, sizeof list, PAGE(ITEM(V1, "100") "," ITEM_AS(V2, "200", ",\"nbf\":%lld")),
             from_sec);
    bar.secrets[0].refresh_sec = 100000;
    bar.secrets[0].max_stale_sec = 200000;
    reply(LISTED, 200, NULL, list);
    reply(AT(V1), 200, NULL, BUNDLE("admin", V1, "one"));
    reply(LATEST, 200, NULL, latest);
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, BASIC_ONE));
    RUN_UNTIL(bar.loop, line_is(0, BASIC_TWO));
    assert_true(clock_wall_sec() >= from_sec);
    assert_int_equal(hits(LATEST), 2);
    assert_int_equal(hits(LISTED), 1);
    assert_true(previous_line_is(0, BASIC_ONE));
}

static void keeps_what_it_holds_when_versions_cannot_be_listed(void **state) {
    static const struct {
        struct scripted_reply latest;
        struct scripted_reply list;
        const char *word;
    } rows[] = {
        {{200, NULL, BUNDLE_AS("admin", V2, "two", NOT_YET)},
         {403, NULL, REFUSAL("ForbiddenByRbac")},
         "ForbiddenByRbac"},
        {{200, NULL, BUNDLE_AS("admin", V2, "two", OVER)}, {503, NULL, ""}, "503"},
        {{403, NULL, DISABLED}, {403, NULL, REFUSAL("ForbiddenByRbac")}, "ForbiddenByRbac"},
        {{403, NULL, DISABLED}, {200, NULL, "{}"}, "no list"},
        {{403, NULL, DISABLED}, {429, "Retry-After: 1\r\n", ""}, "429"},
        {{403, NULL, DISABLED}, {0, NULL, NULL}, "cannot be listed"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        scripted_server_reply(bar.server, LISTED, rows[i].list);
        reply(AT(V1), 200, NULL, BUNDLE("admin", V1, "one"));
        reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
        scripted_server_reply(bar.server, LATEST, rows[i].latest);
        start_store();
        RUN_UNTIL(bar.loop, is_available(0));
        RUN_UNTIL(bar.loop, hits(LISTED) >= 3 && strstr(state_of(0).last_error, rows[i].word));
        assert_non_null(strstr(state_of(0).last_error, "cannot be listed"));
        assert_true(line_is(0, BASIC_ONE));
        assert_true(state_of(0).is_ready);
        close_bar(state);
        open_bar(state);
    }
}

/* Without a list there is still a way to know about the version that is held. */
static void drops_the_version_it_holds_when_that_was_disabled(void **state) {
    (void)state;
    reply(LISTED, 403, NULL, REFUSAL("ForbiddenByRbac"));
    reply(AT(V1), 403, NULL, DISABLED);
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    reply(LATEST, 403, NULL, DISABLED);
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    RUN_UNTIL(bar.loop, !is_available(0));
    assert_non_null(strstr(state_of(0).last_error, "SecretDisabled"));
}

static void drops_what_it_holds_when_no_version_may_be_used(void **state) {
    (void)state;
    reply(LISTED, 200, NULL, PAGE(ITEM_AS(V1, "100", ",\"enabled\":false")));
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    reply(LATEST, 403, NULL, DISABLED);
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    RUN_UNTIL(bar.loop, !is_available(0));
    assert_non_null(strstr(state_of(0).last_error, "no other version"));
}

static void lists_nothing_for_a_pinned_version(void **state) {
    (void)state;
    bar.secrets[0].version = V1;
    reply(LISTED, 200, NULL, PAGE(ITEM(V2, "200")));
    reply(AT(V2), 200, NULL, BUNDLE("admin", V2, "two"));
    reply(AT(V1), 200, NULL, BUNDLE("admin", V1, "one"));
    reply(AT(V1), 403, NULL, DISABLED);
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    RUN_UNTIL(bar.loop, !is_available(0));
    RUN_UNTIL(bar.loop, hits(AT(V1)) >= 3);
    assert_int_equal(hits(LISTED), 0);
}

static void follows_a_list_to_no_other_host(void **state) {
    (void)state;
    static char list[1024], link[256];
    struct scripted_server *elsewhere = scripted_server_start();
    scripted_server_reply(elsewhere, "/",
                          (struct scripted_reply){200, NULL, PAGE(ITEM(V2, "200"))});
    snprintf(link, sizeof link, "http://127.0.0.1:%u/secrets/admin/versions?page=2",
             elsewhere->port);
    body_with_link(list, sizeof list, ITEM(V2, "200"), link);
    reply(LISTED, 200, NULL, list);
    reply(AT(V2), 200, NULL, BUNDLE("admin", V2, "two"));
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    reply(LATEST, 200, NULL, BUNDLE_AS("admin", V3, "three", NOT_YET));
    start_store();
    RUN_UNTIL(bar.loop, hits(LISTED) >= 2 && strstr(state_of(0).last_error, "not in this vault"));
    assert_true(line_is(0, BASIC_ONE));
    assert_int_equal(hits(AT(V2)), 0);
    assert_int_equal(scripted_server_hits(elsewhere, "/"), 0);
    scripted_server_stop(elsewhere);
}

static void gives_up_on_a_list_without_end(void **state) {
    (void)state;
    static char list[1024], link[256];
    snprintf(link, sizeof link, "%s/secrets/admin/versions?api-version=7.4", bar.origin);
    body_with_link(list, sizeof list, ITEM(V2, "200"), link);
    reply(LISTED, 200, NULL, list);
    reply(AT(V2), 200, NULL, BUNDLE("admin", V2, "two"));
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    reply(LATEST, 200, NULL, BUNDLE_AS("admin", V3, "three", NOT_YET));
    start_store();
    RUN_UNTIL(bar.loop, strstr(state_of(0).last_error, "too many pages"));
    assert_in_range(hits(LISTED), 40, 41);
    assert_true(line_is(0, BASIC_ONE));
    assert_int_equal(hits(AT(V2)), 0);
}

static void tells_once_which_version_it_passes_over(void **state) {
    static const char *const skipped[] = {"\"skipped\"", "\"prod\"", "\"admin\"", V3,
                                          "not yet",     NULL};
    static const char *const disabled[] = {"\"skipped\"", "SecretDisabled", NULL};
    struct log_capture *capture = calloc(1, sizeof *capture);
    (void)state;
    reply(LISTED, 200, NULL, PAGE(ITEM(V1, "100")));
    reply(AT(V1), 200, NULL, BUNDLE("admin", V1, "c4n4ry"));
    reply(LATEST, 200, NULL, BUNDLE_AS("admin", V3, "c4n4ry", NOT_YET));
    log_capture_begin(capture);
    start_store();
    RUN_UNTIL(bar.loop, hits(AT(V1)) >= 4);
    reply_from_now(LATEST, 403, DISABLED);
    const size_t before = hits(AT(V1));
    RUN_UNTIL(bar.loop, hits(AT(V1)) >= before + 4);
    log_capture_end(capture);
    assert_int_equal(logged(capture, skipped), 1);
    assert_int_equal(logged(capture, disabled), 1);
    assert_null(strstr(capture->text, "c4n4ry"));
    free(capture);
}

static void asks_in_the_configured_version_of_the_api(void **state) {
    (void)state;
    bar.vaults[0].api_version = "2025-07-01";
    reply("/secrets/admin/versions?api-version=2025-07-01", 200, NULL, PAGE(ITEM(V1, "100")));
    reply("/secrets/admin/" V1 "?api-version=2025-07-01", 200, NULL, BUNDLE("admin", V1, "one"));
    reply("/secrets/admin?api-version=2025-07-01", 403, NULL, DISABLED);
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
}

static void asks_for_no_name_that_the_vault_cannot_have(void **state) {
    (void)state;
    bar.secrets[0].name = "../admin";
    reply("/", 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, strstr(state_of(0).last_error, "such a name"));
    assert_int_equal(hits("/"), 0);
}

/* The identity by client secret can pass claims on; the token's path is the tenant's. */
static void gets_one_token_with_the_claims_the_vault_demands(void **state) {
    static const char demand[] =
        "WWW-Authenticate: Bearer authorization=\"https://evil.example/t\","
        " error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4i"
        "OnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ==\"\r\n";
    char file[128];
    (void)state;
    write_token("client-secret");
    snprintf(file, sizeof file, "%s/token", bar.folder);
    bar.config.identity = (struct config_identity){
        .kind = IDENTITY_CLIENT_SECRET,
        .client_id = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6",
        .client_secret_file = file,
        .tenant = "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4",
        .authority = bar.origin,
    };
    bar.secrets[0].refresh_sec = 1000;
    reply("/3f2b8c1a", 200, NULL,
          "{\"access_token\":\"plain\",\"expires_in\":3599,\"token_type\":\"Bearer\"}");
    reply("/3f2b8c1a", 200, NULL,
          "{\"access_token\":\"claimed\",\"expires_in\":3599,\"token_type\":\"Bearer\"}");
    reply(LATEST, 401, demand, "");
    reply(LATEST, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(scripted_server_saw(bar.server, "/3f2b8c1a", "claims=%7B"));
    assert_true(scripted_server_saw(bar.server, LATEST, "\r\nAuthorization: Bearer claimed\r\n"));
    assert_int_equal(hits("/3f2b8c1a"), 2);
    assert_int_equal(hits(LATEST), 2);
}

static void makes_no_storm_of_demanded_claims(void **state) {
    (void)state;
    reply(LATEST, 401,
          "WWW-Authenticate: Bearer error=\"insufficient_claims\", claims=\"e30=\"\r\n", "");
    start_store();
    RUN_UNTIL(bar.loop, hits(LATEST) >= 6);
    assert_true(hits(IMDS) <= 3 + scripted_server_gap_ms(bar.server, LATEST, 0, 5) / 300);
    assert_false(is_available(0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(reads_the_newest_version_that_may_be_used),
        CASE(picks_up_a_version_when_its_time_has_come),
        CASE(keeps_what_it_holds_when_versions_cannot_be_listed),
        CASE(drops_the_version_it_holds_when_that_was_disabled),
        CASE(drops_what_it_holds_when_no_version_may_be_used),
        CASE(lists_nothing_for_a_pinned_version),
        CASE(follows_a_list_to_no_other_host),
        CASE(gives_up_on_a_list_without_end),
        CASE(tells_once_which_version_it_passes_over),
        CASE(asks_in_the_configured_version_of_the_api),
        CASE(asks_for_no_name_that_the_vault_cannot_have),
        CASE(gets_one_token_with_the_claims_the_vault_demands),
        CASE(makes_no_storm_of_demanded_claims),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
