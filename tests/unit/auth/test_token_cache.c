#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>

#include "auth/token_cache.h"
#include "core/clock.h"
#include "tests/unit/auth/token_maker.h"

static EVP_PKEY *key;
static EVP_PKEY *other_key;
static struct key_ring *ring;

static int set_up(void **state) {
    (void)state;
    key = EVP_RSA_gen(2048);
    other_key = EVP_RSA_gen(2048);
    ring = make_ring(key);
    return key && other_key && ring ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    key_ring_unref(ring);
    return 0;
}

/* As entra_verify() leaves it for a v2 token signed by key-1. */
static struct token_result accepted(int64_t expires_sec) {
    const struct identity model = {
        .tenant = SLICE(TID),
        .oid = SLICE(USER_OID),
        .kid = SLICE("key-1"),
        .version = 2,
        .slot = key_slot_of_tenant(0, 2),
        .expires_sec = expires_sec,
    };
    struct token_result result = {.identity = identity_new(&model, false), .version = 2};
    const struct verification_key *used =
        key_set_find(key_ring_slot(ring, key_slot_of_tenant(0, 2))->keys, SLICE("key-1"));
    memcpy(result.key_fingerprint, used->fingerprint, 32);
    return result;
}

static void insert(struct token_cache *cache, const char *token, int64_t expires_sec) {
    unsigned char digest[32];
    struct token_result result = accepted(expires_sec);
    token_cache_digest(cache, slice_of_str(token), digest);
    token_cache_insert(cache, digest, &result);
    identity_unref(result.identity);
}

static bool finds(struct token_cache *cache, const char *token, int64_t now_sec, uint32_t skew) {
    unsigned char digest[32];
    token_cache_digest(cache, slice_of_str(token), digest);
    struct identity *identity = token_cache_find(cache, digest, now_sec, skew);
    identity_unref(identity);
    return identity != NULL;
}

static void digests_the_whole_token(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new(10, 100000);
    unsigned char digest[32], expected[32];
    for (int i = 0; i < 3; i++) {
        token_cache_digest(cache, SLICE("header.payload.signature"), digest);
        assert_int_equal(
            EVP_Digest("header.payload.signature", 24, expected, NULL, EVP_sha256(), NULL), 1);
        assert_memory_equal(digest, expected, 32);
        token_cache_digest(cache, SLICE(""), digest);
        assert_memory_not_equal(digest, expected, 32);
    }
    token_cache_free(cache);
}

static void finds_only_the_very_token(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new(10, 100000);
    insert(cache, "header.payload.signature", NOW + 10);
    assert_true(finds(cache, "header.payload.signature", NOW, 0));
    assert_false(finds(cache, "Header.payload.signature", NOW, 0));
    assert_false(finds(cache, "header.Payload.signature", NOW, 0));
    assert_false(finds(cache, "header.payload.signaturf", NOW, 0));
    assert_false(finds(cache, "header.payload.signatur", NOW, 0));
    assert_false(finds(cache, "", NOW, 0));
    token_cache_free(cache);
}

static void drops_what_has_expired(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new(10, 100000);
    insert(cache, "a", NOW);
    assert_true(finds(cache, "a", NOW - 1, 0));
    assert_true(finds(cache, "a", NOW + 59, 60));
    assert_int_equal(token_cache_count(cache), 1);
    assert_false(finds(cache, "a", NOW + 60, 60));
    assert_int_equal(token_cache_count(cache), 0);
    insert(cache, "a", NOW);
    assert_false(finds(cache, "a", NOW, 0));
    token_cache_free(cache);
}

static void keeps_an_identity_alive_for_its_holder(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new(10, 100000);
    insert(cache, "a", NOW + 10);
    unsigned char digest[32];
    token_cache_digest(cache, SLICE("a"), digest);
    struct identity *identity = token_cache_find(cache, digest, NOW, 0);
    token_cache_clear(cache);
    assert_int_equal(token_cache_count(cache), 0);
    assert_true(slice_eq_str(identity->oid, USER_OID));
    identity_unref(identity);
    token_cache_free(cache);
    token_cache_free(NULL);
}

static void lets_the_least_recently_used_leave_first(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new(3, 100000);
    insert(cache, "a", NOW + 10);
    insert(cache, "b", NOW + 10);
    insert(cache, "c", NOW + 10);
    assert_true(finds(cache, "a", NOW, 0));
    insert(cache, "d", NOW + 10);
    assert_int_equal(token_cache_count(cache), 3);
    assert_false(finds(cache, "b", NOW, 0));
    assert_true(finds(cache, "a", NOW, 0));
    assert_true(finds(cache, "c", NOW, 0));
    assert_true(finds(cache, "d", NOW, 0));
    insert(cache, "d", NOW + 10);
    assert_int_equal(token_cache_count(cache), 3);
    token_cache_free(cache);
}

static void stays_within_its_bytes(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new(16, 2000);
    for (int i = 0; i < 100; i++) {
        char token[16];
        snprintf(token, sizeof token, "t%d", i);
        insert(cache, token, NOW + 10);
        assert_true(finds(cache, token, NOW, 0));
    }
    assert_in_range(token_cache_count(cache), 2, 8);
    token_cache_free(cache);
    cache = token_cache_new(1000, 10);
    insert(cache, "a", NOW + 10);
    assert_int_equal(token_cache_count(cache), 0);
    token_cache_free(cache);
    cache = token_cache_new(0, 1000000);
    insert(cache, "a", NOW + 10);
    assert_int_equal(token_cache_count(cache), 0);
    token_cache_free(cache);
}

/* By the allocator's own count, which sanitizers' allocators do not keep. */
static void takes_no_more_heap_than_its_bytes(void **state) {
    (void)state;
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct token_cache *cache = token_cache_new(16384, 1 << 20);
    char token[16];
    for (int i = 0; i < 10000; i++) {
        snprintf(token, sizeof token, "t%d", i);
        insert(cache, token, NOW + 10);
    }
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    assert_in_range(token_cache_count(cache), 1000, 9999);
    assert_true(after <= before + (1 << 20) + 4096);
    token_cache_free(cache);
}

static void holds_many(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new(1000, 100000000);
    char token[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(token, sizeof token, "t%d", i);
        insert(cache, token, NOW + 10);
    }
    assert_int_equal(token_cache_count(cache), 1000);
    for (int i = 0; i < 3000; i++) {
        snprintf(token, sizeof token, "t%d", i);
        assert_int_equal(finds(cache, token, NOW, 0), i >= 2000);
    }
    token_cache_free(cache);
}

static void drops_tokens_whose_key_has_left(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new(10, 100000);
    struct key_ring *changed = key_ring_copy(ring);
    struct key_ring_slot *slot = key_ring_slot(changed, key_slot_of_tenant(0, 2));
    insert(cache, "a", NOW + 10);
    token_cache_apply_ring(cache, ring);
    assert_true(finds(cache, "a", NOW, 0));

    key_set_unref(slot->keys);
    slot->keys = make_key_set(other_key, "key-1", ""); /* another key under the same kid */
    token_cache_apply_ring(cache, changed);
    assert_false(finds(cache, "a", NOW, 0));

    insert(cache, "a", NOW + 10);
    key_set_unref(slot->keys);
    slot->keys = make_key_set(key, "key-2", "");
    token_cache_apply_ring(cache, changed);
    assert_false(finds(cache, "a", NOW, 0));

    insert(cache, "a", NOW + 10);
    key_set_unref(slot->keys);
    slot->keys = NULL;
    token_cache_apply_ring(cache, changed);
    assert_false(finds(cache, "a", NOW, 0));

    insert(cache, "a", NOW + 10);
    struct key_ring *empty = key_ring_new(0);
    token_cache_apply_ring(cache, empty);
    assert_int_equal(token_cache_count(cache), 0);
    key_ring_unref(empty);
    key_ring_unref(changed);
    token_cache_free(cache);
}

/* Looked up, for `lasts_ms` from now on. */
static struct identity *resolve(const struct identity *identity, int64_t lasts_ms) {
    const struct slice groups[] = {SLICE("b7c8d9e0-f1a2-4b3c-9d4e-5f60718293a4"),
                                   SLICE("6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7")};
    uint64_t until_ms = (uint64_t)((int64_t)clock_monotonic_ms() + lasts_ms);
    struct identity *resolved = identity_with_groups(identity, groups, 2, until_ms);
    assert_non_null(resolved);
    assert_int_equal(resolved->group_count, 2);
    assert_true(slice_eq(resolved->groups[0], groups[1]));
    assert_true(identity_has_group(resolved, groups[0]));
    assert_false(resolved->groups_unknown);
    assert_true(slice_eq(resolved->oid, identity->oid));
    return resolved;
}

static void keeps_looked_up_groups_as_long_as_they_may_be_used(void **state) {
    (void)state;
    struct token_cache *cache = token_cache_new(10, 100000);
    unsigned char digest[32];
    struct token_result result = accepted(NOW + 10);
    result.identity->groups_unknown = true;
    token_cache_digest(cache, SLICE("token"), digest);
    token_cache_insert(cache, digest, &result);
    struct identity *resolved = resolve(result.identity, 60000);
    token_cache_replace(cache, digest, resolved);
    struct identity *found = token_cache_find(cache, digest, NOW, 0);
    assert_ptr_equal(found, resolved);
    identity_unref(found);
    assert_int_equal(token_cache_count(cache), 1);
    struct identity *stale = resolve(result.identity, 0);
    token_cache_replace(cache, digest, stale);
    assert_false(finds(cache, "token", NOW, 0));
    assert_int_equal(token_cache_count(cache), 0);
    token_cache_replace(cache, digest, resolved); /* gone: stays gone */
    assert_false(finds(cache, "token", NOW, 0));
    identity_unref(resolved);
    identity_unref(stale);
    identity_unref(result.identity);
    token_cache_free(cache);
}

static void stays_within_its_bytes_when_an_identity_grows(void **state) {
    (void)state;
    struct token_result result = accepted(NOW + 10);
    struct token_cache *cache = token_cache_new(10, 2 * (result.identity->memory_bytes + 250));
    unsigned char digest[32];
    insert(cache, "older", NOW + 10);
    token_cache_digest(cache, SLICE("token"), digest);
    token_cache_insert(cache, digest, &result);
    assert_int_equal(token_cache_count(cache), 2);
    struct slice groups[40];
    char texts[40][37];
    for (size_t i = 0; i < 40; i++) {
        snprintf(texts[i], sizeof texts[i], "%08zx-2c3d-4e5f-8091-a2b3c4d5e6f7", i);
        groups[i] = slice_of_str(texts[i]);
    }
    struct identity *grown =
        identity_with_groups(result.identity, groups, 7, clock_monotonic_ms() + 60000);
    token_cache_replace(cache, digest, grown);
    assert_false(finds(cache, "older", NOW, 0));
    assert_true(finds(cache, "token", NOW, 0));
    identity_unref(grown);
    grown = identity_with_groups(result.identity, groups, 40, clock_monotonic_ms() + 60000);
    token_cache_replace(cache, digest, grown);
    assert_int_equal(token_cache_count(cache), 0);
    identity_unref(grown);
    identity_unref(result.identity);
    token_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_the_whole_token),
        cmocka_unit_test(finds_only_the_very_token),
        cmocka_unit_test(drops_what_has_expired),
        cmocka_unit_test(keeps_an_identity_alive_for_its_holder),
        cmocka_unit_test(lets_the_least_recently_used_leave_first),
        cmocka_unit_test(stays_within_its_bytes),
        cmocka_unit_test(takes_no_more_heap_than_its_bytes),
        cmocka_unit_test(holds_many),
        cmocka_unit_test(drops_tokens_whose_key_has_left),
        cmocka_unit_test(keeps_looked_up_groups_as_long_as_they_may_be_used),
        cmocka_unit_test(stays_within_its_bytes_when_an_identity_grows),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
