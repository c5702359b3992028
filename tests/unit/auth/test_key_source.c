#include "key_stage.h"

static void publishes_an_empty_ring_then_the_keys(void **state) {
    struct stage *stage = *state;
    assert_int_equal(key_source_state_count(stage->source), 1);
    assert_int_equal(state_of(stage).age_sec, -1);
    assert_false(state_of(stage).is_ready);
    assert_true(*state_of(stage).last_error);
    key_source_start(stage->source);
    assert_int_equal(stage->rings, 1);
    assert_null(key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->keys);
    WAIT_FOR(stage, has_kid(stage, "one"));
    assert_string_equal(key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->issuer,
                        "https://authority.example/" TID "/v2.0");
    assert_true(key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->fetched_wall_sec >=
                clock_wall_sec() - 60);
    assert_true(state_of(stage).is_ready);
    assert_string_equal(state_of(stage).last_error, "");
    assert_string_equal(state_of(stage).tenant, TID);
    assert_int_equal(state_of(stage).version, 2);
    assert_int_equal(metadata_hits(stage), 1);
    assert_int_equal(keys_hits(stage), 1);
}

static void comes_up_when_the_authority_does(void **state) {
    struct stage *stage = *state;
    authority_script(&stage->authority, &stage->authority.metadata, 0, NULL, NULL);
    key_source_start(stage->source);
    WAIT_FOR(stage, metadata_hits(stage) >= 3);
    assert_false(state_of(stage).is_ready);
    assert_true(*state_of(stage).last_error);
    assert_int_equal(stage->rings, 1);
    serve_metadata(stage, metadata_of(stage, "https://authority.example/x"));
    WAIT_FOR(stage, has_kid(stage, "one"));
    assert_string_equal(state_of(stage).last_error, "");
}

static void looks_once_for_all_who_want(void **state) {
    struct stage *stage = *state;
    start_with_keys(stage);
    authority_hold(&stage->authority, true);
    serve_keys(stage, jwks_of(second_key, "two"));
    struct wanted wanted[50];
    for (size_t i = 0; i < 50; i++) {
        wanted[i] = want_of(stage);
        key_source_want(stage->source, &wanted[i].want);
        assert_int_equal(wanted[i].answers, 0);
    }
    unsigned rings = stage->rings;
    authority_hold(&stage->authority, false);
    WAIT_FOR(stage, has_kid(stage, "two"));
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(wanted[i].answers, 1);
        assert_int_equal(wanted[i].rings_before, rings + 1);
    }
    assert_int_equal(keys_hits(stage), 2);
    assert_false(has_kid(stage, "one"));
}

static void looks_for_unknown_kids_once_in_five_minutes(void **state) {
    struct stage *stage = *state;
    start_with_keys(stage);
    struct wanted wanted = want_of(stage);
    uint64_t asked_ms = clock_monotonic_ms();
    key_source_want(stage->source, &wanted.want);
    WAIT_FOR(stage, wanted.answers == 1);
    assert_int_equal(keys_hits(stage), 2);
    assert_true(key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->closed_until_ms >=
                asked_ms + 300 * SECOND_MS);
    wanted.want.generation = generation_of(stage);
    for (unsigned i = 0; i < 1000; i++) {
        key_source_want(stage->source, &wanted.want);
        assert_int_equal(wanted.answers, 2 + i);
    }
    loop_run_once(stage->loop, 0);
    assert_int_equal(keys_hits(stage), 2);
    serve_keys(stage, jwks_of(second_key, "two"));
    WAIT_FOR(stage, (key_source_want(stage->source, &wanted.want), has_kid(stage, "two")));
    assert_true(clock_monotonic_ms() - asked_ms >= 300 * SECOND_MS);
    assert_int_equal(keys_hits(stage), 3);
}

static void retries_a_wanted_set_at_the_pace_of_the_back_off(void **state) {
    struct stage *stage = *state;
    stage->config.entra.keys_refresh_sec = 1000000;
    authority_script(&stage->authority, &stage->authority.keys, 500, NULL, NULL);
    key_source_start(stage->source);
    WAIT_FOR(stage, keys_hits(stage) >= 1 && strstr(state_of(stage).last_error, "500"));
    struct wanted wanted = want_of(stage);
    key_source_want(stage->source, &wanted.want); /* too soon: answered with what is there */
    assert_int_equal(wanted.answers, 1);
    serve_keys(stage, jwks_of(first_key, "one"));
    WAIT_FOR(stage, has_kid(stage, "one"));
}

static void keeps_the_last_good_keys_through_failures(void **state) {
    struct stage *stage = *state;
    stage->config.entra.keys_refresh_sec = 10;
    start_with_keys(stage);
    char *too_large = malloc(KEY_SET_MAX_DOCUMENT_BYTES + 4096);
    memset(too_large, ' ', KEY_SET_MAX_DOCUMENT_BYTES + 4095);
    too_large[KEY_SET_MAX_DOCUMENT_BYTES + 4095] = '\0';
    const struct {
        int status;
        char *body;
    } bad[] = {
        {200, strdup("{\"keys\":[]}")},
        {200, strdup("{\"keys\":[{\"kty\":\"oct\",\"kid\":\"one\",\"k\":\"AAAA\"}]}")},
        {200, strdup("<html>maintenance</html>")},
        {200, strdup("[]")},
        {200, strdup("{\"keys\":[")},
        {200, too_large},
        {500, strdup("{}")},
        {404, strdup("{}")},
        {204, NULL},
        {0, NULL},
        {302, NULL},
        {429, strdup("{}")},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        WAIT_FOR(stage, !*state_of(stage).last_error);
        authority_script(&stage->authority, &stage->authority.keys, bad[i].status, bad[i].body,
                         NULL);
        WAIT_FOR(stage, *state_of(stage).last_error);
        assert_true(has_kid(stage, "one"));
        assert_true(state_of(stage).is_ready);
        serve_keys(stage, jwks_of(first_key, "one"));
    }
    serve_keys(stage, jwks_of(second_key, "two"));
    WAIT_FOR(stage, has_kid(stage, "two"));
    assert_false(has_kid(stage, "one"));
}

static void drops_keys_that_are_too_old(void **state) {
    struct stage *stage = *state;
    stage->config.entra.keys_refresh_sec = 10;
    stage->config.entra.keys_max_stale_sec = 400;
    start_with_keys(stage);
    authority_script(&stage->authority, &stage->authority.metadata, 503, NULL, NULL);
    WAIT_FOR(stage, *state_of(stage).last_error);
    assert_true(has_kid(stage, "one"));
    WAIT_FOR(stage, !has_kid(stage, "one"));
    assert_null(key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->issuer);
    assert_false(state_of(stage).is_ready);
    assert_true(state_of(stage).age_sec >= 0);
    serve_metadata(stage, metadata_of(stage, "https://authority.example/x"));
    WAIT_FOR(stage, has_kid(stage, "one"));
}

static void refuses_metadata_that_points_elsewhere(void **state) {
    struct stage *stage = *state;
    static const char *const uris[] = {
        "http://127.0.0.2/keys", "https://keys.example/keys",       "http://keys.example/keys",
        "file:///etc/passwd",    "https://127.0.0.1@keys.example/", "//127.0.0.1/keys",
    };
    key_source_start(stage->source);
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        char *body = make_text("{\"issuer\":\"https://i.example/\",\"jwks_uri\":\"%s\"}", uris[i]);
        unsigned hits = metadata_hits(stage);
        serve_metadata(stage, body);
        WAIT_FOR(stage, metadata_hits(stage) >= hits + 2);
    }
    assert_int_equal(keys_hits(stage), 0);
    assert_int_equal(stage->rings, 1);
    serve_metadata(stage, metadata_of(stage, "https://authority.example/x"));
    WAIT_FOR(stage, has_kid(stage, "one"));
}

static void honours_retry_after(void **state) {
    struct stage *stage = *state;
    uint64_t failed_ms = start_throttled(stage);
    wait_for_the_second_look(stage, failed_ms);
}

static void answers_wants_for_sets_it_does_not_hold(void **state) {
    struct stage *stage = *state;
    key_source_start(stage->source);
    struct wanted wanted = want_of(stage);
    wanted.want.slot = key_slot_of_tenant(0, 1);
    key_source_want(stage->source, &wanted.want);
    assert_int_equal(wanted.answers, 1);
    wanted.want.slot = 7;
    key_source_want(stage->source, &wanted.want);
    assert_int_equal(wanted.answers, 2);
}

static void answers_pending_wants_when_freed(void **state) {
    struct stage *stage = *state;
    authority_hold(&stage->authority, true);
    key_source_start(stage->source);
    struct wanted wanted = want_of(stage);
    key_source_want(stage->source, &wanted.want);
    WAIT_FOR(stage, keys_hits(stage) == 1);
    assert_int_equal(wanted.answers, 0);
    key_source_free(stage->source);
    assert_int_equal(wanted.answers, 1);
    stage->source = NULL;
    authority_hold(&stage->authority, false);
}

static void fails_at_once_on_an_address_that_cannot_be_asked(void **state) {
    struct stage *stage = *state;
    stage->config.entra.authority = "http://authority.example";
    key_source_start(stage->source);
    struct wanted wanted = want_of(stage);
    key_source_want(stage->source, &wanted.want);
    WAIT_FOR(stage, wanted.answers == 1);
    assert_false(state_of(stage).is_ready);
    assert_true(*state_of(stage).last_error);
}

static void starts_with_the_keys_of_the_state_folder(void **state) {
    struct stage *stage = *state;
    char folder[] = "/tmp/barkeep-key-source-XXXXXX";
    assert_non_null(mkdtemp(folder));
    stage->config.state = folder;
    restart(stage);
    start_with_keys(stage);
    authority_script(&stage->authority, &stage->authority.metadata, 0, NULL, NULL);
    restart(stage);
    stage->ring = key_source_ring(stage->source);
    assert_true(has_kid(stage, "one")); /* before anything was fetched */
    assert_true(state_of(stage).is_ready);
    assert_int_equal(state_of(stage).keys, 1);
    assert_true(state_of(stage).age_sec >= 0);
    uint64_t generation = generation_of(stage);
    assert_true(generation > 0);
    key_source_start(stage->source);
    WAIT_FOR(stage, *state_of(stage).last_error && !strstr(state_of(stage).last_error, "not f"));
    assert_true(has_kid(stage, "one"));
    serve_keys(stage, jwks_of(second_key, "two"));
    serve_metadata(stage, metadata_of(stage, "https://authority.example/{tenantid}/v2.0"));
    WAIT_FOR(stage, has_kid(stage, "two"));
    assert_false(has_kid(stage, "one"));
    restart(stage);
    stage->ring = key_source_ring(stage->source);
    assert_true(has_kid(stage, "two"));
    assert_false(has_kid(stage, "one"));
    drop_state_folder(folder);
}

static void answers_at_once_who_saw_an_older_set(void **state) {
    struct stage *stage = *state;
    key_source_start(stage->source);
    struct wanted wanted = want_of(stage);
    WAIT_FOR(stage, has_kid(stage, "one"));
    key_source_want(stage->source, &wanted.want);
    assert_int_equal(wanted.answers, 1);
    assert_int_equal(keys_hits(stage), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STAGED(publishes_an_empty_ring_then_the_keys),
        STAGED(comes_up_when_the_authority_does),
        STAGED(looks_once_for_all_who_want),
        STAGED(looks_for_unknown_kids_once_in_five_minutes),
        STAGED(retries_a_wanted_set_at_the_pace_of_the_back_off),
        STAGED(keeps_the_last_good_keys_through_failures),
        STAGED(drops_keys_that_are_too_old),
        STAGED(refuses_metadata_that_points_elsewhere),
        STAGED(honours_retry_after),
        STAGED(answers_wants_for_sets_it_does_not_hold),
        STAGED(answers_pending_wants_when_freed),
        STAGED(answers_at_once_who_saw_an_older_set),
        STAGED(starts_with_the_keys_of_the_state_folder),
        STAGED(fails_at_once_on_an_address_that_cannot_be_asked),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
