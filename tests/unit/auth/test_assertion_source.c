/* Keys over time: made at start or taken from a vault, rotated, lost, and never forgotten before
 * the last assertion made with them. */
#include "assertion_case.h"

#include "auth/assertion_source.h"
#include "core/log.h"

struct house {
    struct loop *loop;
    struct config config;
    struct assertion_source *source;
    struct assertion_signer *published; /* the newest; NULL before the first */
    size_t published_count;
};

static void on_signer(void *owner, struct assertion_signer *signer) {
    struct house *house = owner;
    assertion_signer_unref(house->published);
    house->published = signer;
    house->published_count++;
}

static void open_house(struct house *house, bool has_key) {
    *house = (struct house){.loop = loop_new(NULL)};
    house->config.assertion = (struct config_assertion){.has_key = has_key, .issuer = "barkeep"};
    house->source = assertion_source_new(house->loop, &house->config, on_signer, house, NULL);
    assert_non_null(house->source);
}

static void close_house(struct house *house) {
    assertion_source_free(house->source);
    assertion_signer_unref(house->published);
    loop_free(house->loop);
}

static struct secret *new_pem(bool is_sec1) {
    EVP_PKEY *pair = EVP_EC_gen("prime256v1");
    char *text = case_pem(pair, is_sec1);
    struct secret *pem = secret_new(slice_of_str(text));
    free(text);
    EVP_PKEY_free(pair);
    return pem;
}

static size_t jwks_count(const struct assertion_signer *signer) {
    json_t *jwks = case_json(assertion_signer_jwks(signer));
    size_t count = json_array_size(json_object_get(jwks, "keys"));
    json_decref(jwks);
    return count;
}

static bool jwks_has(const struct assertion_signer *signer, const char *kid) {
    json_t *jwks = case_json(assertion_signer_jwks(signer));
    bool is_there = case_jwk(jwks, kid) != NULL;
    json_decref(jwks);
    return is_there;
}

static void makes_a_key_at_start(void **state) {
    (void)state;
    struct house one, other;
    open_house(&one, false);
    open_house(&other, false);
    struct assertion_signer *a = assertion_source_signer(one.source);
    struct assertion_signer *b = assertion_source_signer(other.source);
    assert_int_equal(jwks_count(a), 1);
    assert_true(jwks_has(a, assertion_signer_kid(a)));
    assert_string_not_equal(assertion_signer_kid(a), assertion_signer_kid(b));
    assertion_signer_unref(a);
    assertion_signer_unref(b);
    close_house(&one);
    close_house(&other);
}

static void waits_for_a_key_from_the_vault(void **state) {
    (void)state;
    struct house house;
    open_house(&house, true);
    struct assertion_signer *first = assertion_source_signer(house.source);
    assert_string_equal(assertion_signer_kid(first), "");
    assert_int_equal(jwks_count(first), 0);
    assertion_signer_unref(first);
    assertion_source_take_key(house.source, NULL);
    assert_int_equal(house.published_count, 0);
    struct secret *pem = new_pem(true);
    assertion_source_take_key(house.source, pem);
    assert_int_equal(house.published_count, 1);
    assert_true(jwks_has(house.published, assertion_signer_kid(house.published)));
    assertion_source_take_key(house.source, pem);
    assert_int_equal(house.published_count, 1);
    secret_unref(pem);
    close_house(&house);
}

static void keeps_earlier_keys_until_their_assertions_have_expired(void **state) {
    (void)state;
    struct house house;
    char kids[3][ASSERTION_KEY_TEXT_SIZE];
    open_house(&house, true);
    assertion_source_set_keep_ms(house.source, 150);
    for (size_t i = 0; i < 3; i++) {
        struct secret *pem = new_pem(false);
        assertion_source_take_key(house.source, pem);
        memcpy(kids[i], assertion_signer_kid(house.published), sizeof kids[i]);
        secret_unref(pem);
    }
    for (size_t i = 0; i < 3; i++)
        assert_true(jwks_has(house.published, kids[i]));
    for (int turns = 0; turns < 100 && jwks_count(house.published) > 1; turns++)
        loop_run_once(house.loop, 50);
    assert_int_equal(jwks_count(house.published), 1);
    assert_string_equal(assertion_signer_kid(house.published), kids[2]);
    close_house(&house);
}

static void what_is_no_key_changes_nothing(void **state) {
    (void)state;
    struct house house;
    open_house(&house, true);
    struct secret *pem = new_pem(false), *junk = secret_new(SLICE("hunter2"));
    assertion_source_take_key(house.source, junk);
    assert_int_equal(house.published_count, 0);
    assertion_source_take_key(house.source, pem);
    struct assertion_signer *good = house.published;
    assertion_source_take_key(house.source, junk);
    assert_ptr_equal(house.published, good);
    assert_int_equal(house.published_count, 1);
    secret_unref(pem);
    secret_unref(junk);
    close_house(&house);
}

static void a_key_that_is_gone_signs_no_more_and_still_verifies(void **state) {
    (void)state;
    struct house house;
    open_house(&house, true);
    struct secret *pem = new_pem(false);
    assertion_source_take_key(house.source, pem);
    char kid[ASSERTION_KEY_TEXT_SIZE];
    memcpy(kid, assertion_signer_kid(house.published), sizeof kid);
    assertion_source_take_key(house.source, NULL);
    assert_string_equal(assertion_signer_kid(house.published), "");
    assert_true(jwks_has(house.published, kid));
    assertion_source_take_key(house.source, pem);
    assert_string_equal(assertion_signer_kid(house.published), kid);
    assert_int_equal(jwks_count(house.published), 1);
    secret_unref(pem);
    close_house(&house);
}

static void rotating_in_a_loop_stays_bounded(void **state) {
    (void)state;
    struct house house;
    open_house(&house, true);
    for (size_t i = 0; i < 30; i++) {
        struct secret *pem = new_pem(false);
        assertion_source_take_key(house.source, pem);
        secret_unref(pem);
        assert_true(jwks_has(house.published, assertion_signer_kid(house.published)));
    }
    assert_int_equal(jwks_count(house.published), 9);
    close_house(&house);
}

static struct config_vault vaults[] = {{.name = "prod", .url = "https://kv.vault.azure.net"}};
static struct config_secret secrets[] = {{.name = "signing"}, {.name = "other"}};

/* A house whose key, if it has one, is the secret `key`. */
static void open_next(struct house *house, bool has_key, size_t key) {
    open_house(house, has_key);
    house->config.vaults = vaults;
    house->config.secrets = secrets;
    house->config.assertion.key = key;
}

static void move(struct house *former, struct house *next) {
    assertion_source_adopt(next->source, &next->config, former->source, &former->config);
}

static void goes_on_with_a_key_made_at_start(void **state) {
    (void)state;
    struct house former, next;
    open_next(&former, false, 0);
    open_next(&next, false, 0);
    struct assertion_signer *signer = assertion_source_signer(former.source);
    move(&former, &next);
    assert_string_equal(assertion_signer_kid(next.published), assertion_signer_kid(signer));
    assert_int_equal(jwks_count(next.published), 1);
    assertion_signer_unref(signer);
    close_house(&former);
    struct assertion_signer *now = assertion_source_signer(next.source);
    assert_ptr_equal(now, next.published);
    assertion_signer_unref(now);
    close_house(&next);
}

static void goes_on_with_the_key_of_the_same_secret(void **state) {
    (void)state;
    struct house former, next;
    open_next(&former, true, 0);
    open_next(&next, true, 0);
    struct secret *first = new_pem(false), *second = new_pem(false);
    assertion_source_set_keep_ms(former.source, 200);
    assertion_source_take_key(former.source, first);
    char kid[ASSERTION_KEY_TEXT_SIZE];
    memcpy(kid, assertion_signer_kid(former.published), sizeof kid);
    assertion_source_take_key(former.source, second);
    move(&former, &next);
    assert_string_equal(assertion_signer_kid(next.published),
                        assertion_signer_kid(former.published));
    assert_true(jwks_has(next.published, kid)); /* as long as it would have been there */
    close_house(&former);
    size_t count = next.published_count;
    assertion_source_take_key(next.source, second);
    assert_int_equal(next.published_count, count);
    for (int turns = 0; turns < 100 && jwks_count(next.published) > 1; turns++)
        loop_run_once(next.loop, 50);
    assert_false(jwks_has(next.published, kid));
    assertion_source_take_key(next.source, NULL);
    assert_string_equal(assertion_signer_kid(next.published), "");
    secret_unref(first);
    secret_unref(second);
    close_house(&next);
}

static void keeps_the_key_of_another_origin_for_verifying(void **state) {
    (void)state;
    static const struct {
        bool had_key, has_key;
        size_t key;
    } changes[] = {{false, true, 0}, {true, false, 0}, {true, true, 1}};
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct house former, next;
        struct secret *pem = new_pem(false);
        open_next(&former, changes[i].had_key, 0);
        open_next(&next, changes[i].has_key, changes[i].key);
        if (changes[i].had_key)
            assertion_source_take_key(former.source, pem);
        struct assertion_signer *signer = assertion_source_signer(former.source);
        move(&former, &next);
        assert_true(jwks_has(next.published, assertion_signer_kid(signer)));
        assert_string_not_equal(assertion_signer_kid(next.published), assertion_signer_kid(signer));
        assert_int_equal(jwks_count(next.published), changes[i].has_key ? 1 : 2);
        assertion_signer_unref(signer);
        secret_unref(pem);
        close_house(&former);
        close_house(&next);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_with_a_key_made_at_start),
        cmocka_unit_test(goes_on_with_the_key_of_the_same_secret),
        cmocka_unit_test(keeps_the_key_of_another_origin_for_verifying),
        cmocka_unit_test(makes_a_key_at_start),
        cmocka_unit_test(waits_for_a_key_from_the_vault),
        cmocka_unit_test(keeps_earlier_keys_until_their_assertions_have_expired),
        cmocka_unit_test(what_is_no_key_changes_nothing),
        cmocka_unit_test(a_key_that_is_gone_signs_no_more_and_still_verifies),
        cmocka_unit_test(rotating_in_a_loop_stays_bounded),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, case_start, NULL);
}
