#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/key_source.h"
#include "auth/key_source_pace.h"
#include "core/clock.h"
#include "core/log.h"
#include "tests/unit/auth/scripted_authority.h"
#include "tests/unit/auth/token_maker.h"

/* A second of the source lasts this long, so that the pause of 300 s lasts 900 ms. */
#define SECOND_MS 3
#define PATIENCE_MS 10000

static EVP_PKEY *first_key;
static EVP_PKEY *second_key;

struct stage {
    struct scripted_authority authority;
    struct config config;
    struct loop *loop;
    struct http_client *client;
    struct key_source *source;
    struct key_ring *ring; /* published last */
    unsigned rings;
};

struct wanted {
    struct key_want want; /* first */
    unsigned answers;
    unsigned rings_before;
    struct stage *stage;
};

static int make_keys(void **state) {
    (void)state;
    log_set_level(LOG_ERROR);
    first_key = EVP_RSA_gen(2048);
    second_key = EVP_RSA_gen(2048);
    return first_key && second_key ? 0 : -1;
}

static int free_keys(void **state) {
    (void)state;
    EVP_PKEY_free(first_key);
    EVP_PKEY_free(second_key);
    return 0;
}

static void on_ring(void *owner, struct key_ring *ring) {
    struct stage *stage = owner;
    stage->rings += !stage->ring || !key_ring_has_same_keys(stage->ring, ring);
    key_ring_unref(stage->ring);
    stage->ring = ring;
}

static void on_wanted(struct key_want *want) {
    struct wanted *wanted = (struct wanted *)want;
    wanted->answers++;
    wanted->rings_before = wanted->stage->rings;
}

static char *jwks_of(EVP_PKEY *key, const char *kid) {
    char *jwk = make_jwk(key, kid, "");
    char *document = make_text("{\"keys\":[%s]}", jwk);
    free(jwk);
    return document;
}

static char *metadata_of(const struct stage *stage, const char *issuer) {
    return make_text("{\"issuer\":\"%s\",\"jwks_uri\":\"%s/" TID "/discovery/v2.0/keys\"}", issuer,
                     stage->authority.url);
}

static void serve_metadata(struct stage *stage, char *body) {
    authority_script(&stage->authority, &stage->authority.metadata, 200, body, NULL);
}

static void serve_keys(struct stage *stage, char *body) {
    authority_script(&stage->authority, &stage->authority.keys, 200, body, NULL);
}

/* One tenant, v2 only, metadata and one key good. */
static int set_stage(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    authority_start(&stage->authority);
    stage->config = make_config();
    stage->config.entra.tenants.count = 1;
    stage->config.entra.accepts_v1 = false;
    stage->config.entra.authority = stage->authority.url;
    stage->config.entra.authority_is_override = true;
    serve_metadata(stage, metadata_of(stage, "https://authority.example/{tenantid}/v2.0"));
    serve_keys(stage, jwks_of(first_key, "one"));
    stage->loop = loop_new(NULL);
    stage->client = http_client_new(stage->loop, NULL, NULL);
    stage->source =
        key_source_new(stage->loop, stage->client, &stage->config, on_ring, stage, NULL);
    key_source_set_second_ms(stage->source, SECOND_MS);
    *state = stage;
    return stage->loop && stage->client && stage->source ? 0 : -1;
}

static int strike_stage(void **state) {
    struct stage *stage = *state;
    key_source_free(stage->source);
    key_ring_unref(stage->ring);
    http_client_free(stage->client);
    loop_free(stage->loop);
    authority_stop(&stage->authority);
    free(stage);
    return 0;
}

static bool has_kid(const struct stage *stage, const char *kid) {
    const struct key_set *keys =
        stage->ring ? key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->keys : NULL;
    return keys && key_set_find(keys, slice_of_str(kid));
}

static struct key_source_state state_of(const struct stage *stage) {
    struct key_source_state source_state;
    key_source_state(stage->source, 0, &source_state);
    return source_state;
}

/* Turns the loop until the condition holds; fails the test when it never does. */
#define WAIT_FOR(stage, condition)                                                                 \
    do {                                                                                           \
        uint64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                      \
        while (!(condition)) {                                                                     \
            assert_true(clock_monotonic_ms() < until_);                                            \
            loop_run_once((stage)->loop, 20);                                                      \
        }                                                                                          \
    } while (0)

static unsigned keys_hits(struct stage *stage) {
    return authority_hits(&stage->authority, &stage->authority.keys_hits);
}

static unsigned metadata_hits(struct stage *stage) {
    return authority_hits(&stage->authority, &stage->authority.metadata_hits);
}

static uint64_t generation_of(const struct stage *stage) {
    return stage->ring ? key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->generation : 0;
}

static struct wanted want_of(struct stage *stage) {
    return (struct wanted){.want = {.slot = key_slot_of_tenant(0, 2),
                                    .generation = generation_of(stage),
                                    .on_done = on_wanted},
                           .stage = stage};
}

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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    authority_script(&stage->authority, &stage->authority.metadata, 429, NULL,
                     "Retry-After: 120\r\n");
    key_source_start(stage->source);
    WAIT_FOR(stage, *state_of(stage).last_error && strstr(state_of(stage).last_error, "429"));
    uint64_t failed_ms = clock_monotonic_ms();
    serve_metadata(stage, metadata_of(stage, "https://authority.example/x"));
    WAIT_FOR(stage, has_kid(stage, "one"));
    assert_true(clock_monotonic_ms() - failed_ms >= 120 * SECOND_MS - 20);
    assert_int_equal(metadata_hits(stage), 2);
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

/* Takes the source down and makes a new one, as a restart does. */
static void restart(struct stage *stage) {
    key_source_free(stage->source);
    key_ring_unref(stage->ring);
    stage->ring = NULL;
    stage->source =
        key_source_new(stage->loop, stage->client, &stage->config, on_ring, stage, NULL);
    assert_non_null(stage->source);
    key_source_set_second_ms(stage->source, SECOND_MS);
}

static void starts_with_the_keys_of_the_state_folder(void **state) {
    struct stage *stage = *state;
    char folder[] = "/tmp/barkeep-key-source-XXXXXX", path[128];
    assert_non_null(mkdtemp(folder));
    stage->config.state = folder;
    restart(stage);
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    snprintf(path, sizeof path, "%s/keys-" TID "-v2.json", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
    struct config next = stage->config;
    next.entra.keys_refresh_sec = 10;
    change_to(stage, &next);
    WAIT_FOR(stage, keys_hits(stage) >= 3);
}

static void takes_over_nothing_that_means_something_else(void **state) {
    static const char *others[] = {"00000000-6d4e-4b7f-9a21-5c0de1f2a3b4"};
    struct stage *stage = *state;
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    authority_script(&stage->authority, &stage->authority.metadata, 429, NULL,
                     "Retry-After: 120\r\n");
    key_source_start(stage->source);
    WAIT_FOR(stage, *state_of(stage).last_error && strstr(state_of(stage).last_error, "429"));
    uint64_t failed_ms = clock_monotonic_ms();
    serve_metadata(stage, metadata_of(stage, "https://authority.example/x"));
    struct config next = stage->config;
    change_to(stage, &next);
    assert_non_null(strstr(state_of(stage).last_error, "429"));
    WAIT_FOR(stage, has_kid(stage, "one"));
    assert_true(clock_monotonic_ms() - failed_ms >= 120 * SECOND_MS - 20);
    assert_int_equal(metadata_hits(stage), 2);
}

static void keeps_no_keys_beyond_a_tighter_limit(void **state) {
    struct stage *stage = *state;
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    char folder[] = "/tmp/barkeep-key-source-XXXXXX", path[128];
    assert_non_null(mkdtemp(folder));
    stage->config.state = folder;
    restart(stage);
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
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
    snprintf(path, sizeof path, "%s/keys-" TID "-v2.json", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_stage, strike_stage)

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
