/* What a key source takes over from the one of the configuration before. */
#include "key_stage.h"

/* A source of `config` takes over, as a reload does it, up to its start. The former one. */
static struct key_source *take_over(struct stage *stage, const struct config *config) {
    struct key_source *former = stage->source;
    stage->source = key_source_new(stage->loop, stage->client, config, on_ring, stage, NULL);
    assert_non_null(stage->source);
    key_source_set_second_ms(stage->source, SECOND_MS);
    key_source_adopt(stage->source, former);
    key_ring_unref(stage->ring);
    stage->ring = key_source_ring(stage->source);
    return former;
}

static void change_to(struct stage *stage, const struct config *config) {
    struct key_source *former = take_over(stage, config);
    key_source_start(stage->source);
    key_source_free(former);
}

/* Long enough for a look that should not be there. */
static void turn(struct stage *stage) {
    for (unsigned i = 0; i < 10; i++)
        loop_run_once(stage->loop, 5);
}

static void takes_over_the_keys_of_a_former_source(void **state) {
    struct stage *stage = *state;
    start_with_keys(stage);
    int64_t fetched_sec = key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->fetched_wall_sec;
    struct config next = stage->config;
    struct key_source *former = take_over(stage, &next);
    assert_true(has_kid(stage, "one")); /* before anything was fetched */
    assert_string_equal(key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->issuer,
                        "https://authority.example/" TID "/v2.0");
    assert_int_equal(key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->fetched_wall_sec,
                     fetched_sec);
    assert_true(state_of(stage).is_ready);
    assert_true(state_of(stage).age_sec >= 0);
    assert_string_equal(state_of(stage).last_error, "");
    key_source_start(stage->source);
    key_source_free(former);
    turn(stage);
    assert_int_equal(metadata_hits(stage), 1);
    assert_true(has_kid(stage, "one"));

    struct wanted wanted = want_of(stage);
    serve_keys(stage, jwks_of(second_key, "two"));
    key_source_want(stage->source, &wanted.want);
    WAIT_FOR(stage, wanted.answers == 1);
    assert_true(has_kid(stage, "two"));
    assert_int_equal(keys_hits(stage), 2);
}

static void hands_keys_on_through_many_changes(void **state) {
    struct stage *stage = *state;
    start_with_keys(stage);
    struct config configs[2] = {stage->config, stage->config};
    uint64_t generation = generation_of(stage);
    for (unsigned i = 0; i < 50; i++) {
        change_to(stage, &configs[i % 2]);
        assert_true(generation_of(stage) > generation);
        generation = generation_of(stage);
        loop_run_once(stage->loop, 0);
        assert_true(has_kid(stage, "one"));
    }
    turn(stage);
    assert_int_equal(metadata_hits(stage), 1);
}

static void looks_again_when_the_former_source_would_have(void **state) {
    struct stage *stage = *state;
    stage->config.entra.keys_refresh_sec = 200;
    start_with_keys(stage);
    struct config next = stage->config;
    serve_keys(stage, jwks_of(second_key, "two"));
    uint64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (!has_kid(stage, "two")) {
        assert_true(clock_monotonic_ms() < until_ms);
        change_to(stage, &next);
        turn(stage); /* half of the refresh at most, and time enough for a look */
        turn(stage);
    }
}

static void looks_sooner_when_told_to(void **state) {
    struct stage *stage = *state;
    stage->config.entra.keys_refresh_sec = 1000000;
    start_with_keys(stage);
    struct config next = stage->config;
    next.entra.keys_refresh_sec = 10;
    change_to(stage, &next);
    WAIT_FOR(stage, keys_hits(stage) >= 3);
}

static void takes_over_nothing_that_means_something_else(void **state) {
    static const char *others[] = {"00000000-6d4e-4b7f-9a21-5c0de1f2a3b4"};
    struct stage *stage = *state;
    start_with_keys(stage);
    struct config changes[] = {stage->config, stage->config, stage->config, stage->config};
    char *authority = make_text("%s/other", stage->authority.url);
    changes[0].entra.authority = authority;
    changes[1].entra.tenants = (struct config_strings){others, 1};
    changes[2].entra.cloud = CLOUD_CHINA;
    changes[3].entra.metadata_appid = others[0];
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        unsigned hits = metadata_hits(stage);
        struct key_source *former = take_over(stage, &changes[i]);
        assert_false(has_kid(stage, "one"));
        assert_false(state_of(stage).is_ready);
        key_source_start(stage->source);
        WAIT_FOR(stage, metadata_hits(stage) > hits);
        key_source_free(stage->source);
        stage->source = former;
    }
    free(authority);
}

static void fetches_for_a_tenant_that_is_new(void **state) {
    struct stage *stage = *state;
    start_with_keys(stage);
    serve_keys(stage, jwks_of(second_key, "two"));
    struct config next = stage->config;
    next.entra.tenants.count = 2;
    change_to(stage, &next);
    WAIT_FOR(stage, key_ring_slot(stage->ring, key_slot_of_tenant(1, 2))->keys);
    assert_true(has_kid(stage, "one"));
    assert_int_equal(metadata_hits(stage), 2);
    assert_int_equal(key_source_state_count(stage->source), 2);
}

static void keeps_the_pause_for_unknown_kids_through_a_change(void **state) {
    struct stage *stage = *state;
    start_with_keys(stage);
    struct wanted wanted = want_of(stage);
    key_source_want(stage->source, &wanted.want);
    WAIT_FOR(stage, wanted.answers == 1);
    uint64_t closed_ms = key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->closed_until_ms;
    struct config next = stage->config;
    change_to(stage, &next);
    assert_int_equal(key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->closed_until_ms,
                     closed_ms);
    wanted.want.generation = generation_of(stage);
    key_source_want(stage->source, &wanted.want);
    assert_true(wanted.answers == 2 || clock_monotonic_ms() >= closed_ms);
    WAIT_FOR(stage, wanted.answers == 2);
}

static void keeps_the_back_off_through_a_change(void **state) {
    struct stage *stage = *state;
    uint64_t failed_ms = start_throttled(stage);
    struct config next = stage->config;
    change_to(stage, &next);
    assert_non_null(strstr(state_of(stage).last_error, "429"));
    wait_for_the_second_look(stage, failed_ms);
}

static void keeps_no_keys_beyond_a_tighter_limit(void **state) {
    struct stage *stage = *state;
    start_with_keys(stage);
    uint64_t until_ms = clock_monotonic_ms() + 400 * SECOND_MS;
    WAIT_FOR(stage, clock_monotonic_ms() > until_ms);
    struct config next = stage->config;
    next.entra.keys_max_stale_sec = 400;
    struct key_source *former = take_over(stage, &next);
    assert_false(has_kid(stage, "one"));
    assert_true(state_of(stage).age_sec >= 0);
    key_source_start(stage->source);
    key_source_free(former);
    WAIT_FOR(stage, has_kid(stage, "one"));
    assert_int_equal(keys_hits(stage), 2);
}

static void begins_a_running_look_again(void **state) {
    struct stage *stage = *state;
    authority_hold(&stage->authority, true);
    key_source_start(stage->source);
    struct wanted wanted = want_of(stage);
    key_source_want(stage->source, &wanted.want);
    WAIT_FOR(stage, keys_hits(stage) == 1);
    struct config next = stage->config;
    change_to(stage, &next);
    assert_int_equal(wanted.answers, 1); /* by the end of the former source */
    wanted.want.generation = generation_of(stage);
    key_source_want(stage->source, &wanted.want);
    assert_int_equal(wanted.answers, 1);
    authority_hold(&stage->authority, false);
    WAIT_FOR(stage, wanted.answers == 2);
    assert_true(has_kid(stage, "one"));
}

static void fills_a_state_folder_that_is_new(void **state) {
    struct stage *stage = *state;
    char folder[] = "/tmp/barkeep-key-source-XXXXXX", path[128];
    assert_non_null(mkdtemp(folder));
    start_with_keys(stage);
    struct config next = stage->config;
    next.state = folder;
    change_to(stage, &next);
    snprintf(path, sizeof path, "%s/keys-" TID "-v2.json", folder);
    assert_int_equal(access(path, R_OK), 0);
    assert_int_equal(unlink(path), 0);
    struct config same = next;
    change_to(stage, &same); /* where it is already it is not written again */
    assert_int_not_equal(access(path, R_OK), 0);
    assert_int_equal(keys_hits(stage), 1);
    key_source_free(stage->source);
    stage->source = NULL;
    assert_int_equal(rmdir(folder), 0);
}

static void prefers_held_keys_to_those_of_the_state_folder(void **state) {
    struct stage *stage = *state;
    char folder[] = "/tmp/barkeep-key-source-XXXXXX";
    assert_non_null(mkdtemp(folder));
    stage->config.state = folder;
    restart(stage);
    start_with_keys(stage);
    struct config without = stage->config;
    without.state = NULL;
    change_to(stage, &without);
    serve_keys(stage, jwks_of(second_key, "two"));
    struct wanted wanted = want_of(stage);
    key_source_want(stage->source, &wanted.want);
    WAIT_FOR(stage, has_kid(stage, "two"));
    change_to(stage, &stage->config);
    assert_true(has_kid(stage, "two"));
    assert_false(has_kid(stage, "one"));
    restart(stage);
    stage->ring = key_source_ring(stage->source);
    assert_true(has_kid(stage, "two"));
    drop_state_folder(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STAGED(takes_over_the_keys_of_a_former_source),
        STAGED(hands_keys_on_through_many_changes),
        STAGED(looks_again_when_the_former_source_would_have),
        STAGED(looks_sooner_when_told_to),
        STAGED(takes_over_nothing_that_means_something_else),
        STAGED(fetches_for_a_tenant_that_is_new),
        STAGED(keeps_the_pause_for_unknown_kids_through_a_change),
        STAGED(keeps_the_back_off_through_a_change),
        STAGED(keeps_no_keys_beyond_a_tighter_limit),
        STAGED(begins_a_running_look_again),
        STAGED(fills_a_state_folder_that_is_new),
        STAGED(prefers_held_keys_to_those_of_the_state_folder),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
