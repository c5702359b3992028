/* A key source in front of a scripted authority, its seconds short. Included by one translation
 * unit a test. */
#ifndef BARKEEP_TESTS_KEY_STAGE_H
#define BARKEEP_TESTS_KEY_STAGE_H

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

static inline int make_keys(void **state) {
    (void)state;
    log_set_level(LOG_ERROR);
    first_key = EVP_RSA_gen(2048);
    second_key = EVP_RSA_gen(2048);
    return first_key && second_key ? 0 : -1;
}

static inline int free_keys(void **state) {
    (void)state;
    EVP_PKEY_free(first_key);
    EVP_PKEY_free(second_key);
    return 0;
}

static inline void on_ring(void *owner, struct key_ring *ring) {
    struct stage *stage = owner;
    stage->rings += !stage->ring || !key_ring_has_same_keys(stage->ring, ring);
    key_ring_unref(stage->ring);
    stage->ring = ring;
}

static inline void on_wanted(struct key_want *want) {
    struct wanted *wanted = (struct wanted *)want;
    wanted->answers++;
    wanted->rings_before = wanted->stage->rings;
}

static inline char *jwks_of(EVP_PKEY *key, const char *kid) {
    char *jwk = make_jwk(key, kid, "");
    char *document = make_text("{\"keys\":[%s]}", jwk);
    free(jwk);
    return document;
}

static inline char *metadata_of(const struct stage *stage, const char *issuer) {
    return make_text("{\"issuer\":\"%s\",\"jwks_uri\":\"%s/" TID "/discovery/v2.0/keys\"}", issuer,
                     stage->authority.url);
}

static inline void serve_metadata(struct stage *stage, char *body) {
    authority_script(&stage->authority, &stage->authority.metadata, 200, body, NULL);
}

static inline void serve_keys(struct stage *stage, char *body) {
    authority_script(&stage->authority, &stage->authority.keys, 200, body, NULL);
}

/* One tenant, v2 only, metadata and one key good. */
static inline int set_stage(void **state) {
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

static inline int strike_stage(void **state) {
    struct stage *stage = *state;
    key_source_free(stage->source);
    key_ring_unref(stage->ring);
    http_client_free(stage->client);
    loop_free(stage->loop);
    authority_stop(&stage->authority);
    free(stage);
    return 0;
}

static inline bool has_kid(const struct stage *stage, const char *kid) {
    const struct key_set *keys =
        stage->ring ? key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->keys : NULL;
    return keys && key_set_find(keys, slice_of_str(kid));
}

static inline struct key_source_state state_of(const struct stage *stage) {
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

static inline unsigned keys_hits(struct stage *stage) {
    return authority_hits(&stage->authority, &stage->authority.keys_hits);
}

static inline unsigned metadata_hits(struct stage *stage) {
    return authority_hits(&stage->authority, &stage->authority.metadata_hits);
}

static inline uint64_t generation_of(const struct stage *stage) {
    return stage->ring ? key_ring_slot(stage->ring, key_slot_of_tenant(0, 2))->generation : 0;
}

static inline struct wanted want_of(struct stage *stage) {
    return (struct wanted){.want = {.slot = key_slot_of_tenant(0, 2),
                                    .generation = generation_of(stage),
                                    .on_done = on_wanted},
                           .stage = stage};
}

static inline void start_with_keys(struct stage *stage) {
    key_source_start(stage->source);
    WAIT_FOR(stage, has_kid(stage, "one"));
}

/* The first look is asked to come back in two minutes, and would be answered then. Returns when
 * that was. */
static inline uint64_t start_throttled(struct stage *stage) {
    authority_script(&stage->authority, &stage->authority.metadata, 429, NULL,
                     "Retry-After: 120\r\n");
    key_source_start(stage->source);
    WAIT_FOR(stage, *state_of(stage).last_error && strstr(state_of(stage).last_error, "429"));
    uint64_t failed_ms = clock_monotonic_ms();
    serve_metadata(stage, metadata_of(stage, "https://authority.example/x"));
    return failed_ms;
}

static inline void wait_for_the_second_look(struct stage *stage, uint64_t failed_ms) {
    WAIT_FOR(stage, has_kid(stage, "one"));
    assert_true(clock_monotonic_ms() - failed_ms >= 120 * SECOND_MS - 20);
    assert_int_equal(metadata_hits(stage), 2);
}

/* The one set that was kept there goes, and the folder with it. */
static inline void drop_state_folder(const char *folder) {
    char path[128];
    snprintf(path, sizeof path, "%s/keys-" TID "-v2.json", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Takes the source down and makes a new one, as a restart does. */
static inline void restart(struct stage *stage) {
    key_source_free(stage->source);
    key_ring_unref(stage->ring);
    stage->ring = NULL;
    stage->source =
        key_source_new(stage->loop, stage->client, &stage->config, on_ring, stage, NULL);
    assert_non_null(stage->source);
    key_source_set_second_ms(stage->source, SECOND_MS);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_stage, strike_stage)

#endif
