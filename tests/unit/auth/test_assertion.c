/* Keys in, assertions out: what they say, how long they last, how large they may be, and that
 * whoever has the JWKS can verify them. */
#include "assertion_case.h"

static struct assertion_signer *new_signer(void) {
    struct assertion_key key = case_key();
    struct assertion_signer *signer = assertion_signer_new(&key, "https://gw.example", NULL, 0);
    assert_non_null(signer);
    assertion_key_done(&key);
    return signer;
}

/* The claims of an assertion about `model`, verified. */
static json_t *claims_of(const struct identity *model, int64_t now_sec, int64_t *out_expires_sec) {
    struct assertion_signer *signer = new_signer();
    struct identity *identity = case_identity(model);
    struct caller_view view = case_view(identity);
    struct buf token;
    buf_init(&token, 65536);
    assert_int_equal(assertion_append(&token, signer, &view, now_sec, out_expires_sec), STATUS_OK);
    json_t *claims = case_verified(signer, buf_slice(&token));
    buf_done(&token);
    identity_unref(identity);
    assertion_signer_unref(signer);
    return claims;
}

static void tells_who_the_user_is(void **state) {
    (void)state;
    int64_t expires_sec = 0;
    struct identity model = case_model();
    json_t *claims = claims_of(&model, NOW, &expires_sec);
    assert_string_equal(case_text(claims, "iss"), "https://gw.example");
    assert_string_equal(case_text(claims, "aud"), "orders");
    assert_string_equal(case_text(claims, "sub"), "the-subject");
    assert_string_equal(case_text(claims, "oid"), OID);
    assert_string_equal(case_text(claims, "tid"), TID);
    assert_string_equal(case_text(claims, "azp"), APP);
    assert_string_equal(case_text(claims, "idtyp"), "user");
    assert_string_equal(case_text(claims, "scp"), "a.b c");
    assert_string_equal(case_list(claims, "roles"), "Orders.Read,Orders.Write");
    assert_string_equal(case_list(claims, "groups"), GROUP_A);
    assert_int_equal(case_number(claims, "iat"), NOW);
    assert_int_equal(case_number(claims, "nbf"), NOW);
    assert_int_equal(case_number(claims, "exp"), NOW + 300);
    assert_int_equal(expires_sec, NOW + 300);
    assert_int_equal(strlen(case_text(claims, "jti")), 32);
    assert_int_equal(json_object_size(claims), 14);
    json_decref(claims);
}

static void tells_who_the_application_is(void **state) {
    (void)state;
    int64_t expires_sec;
    struct identity model = case_model();
    model.type = PRINCIPAL_APP;
    model.scope_count = model.group_count = 0;
    model.sub = (struct slice){NULL, 0};
    json_t *claims = claims_of(&model, NOW, &expires_sec);
    assert_string_equal(case_text(claims, "idtyp"), "app");
    assert_string_equal(case_text(claims, "sub"), OID);
    assert_string_equal(case_list(claims, "groups"), "");
    assert_null(json_object_get(claims, "scp"));
    json_decref(claims);
}

static void unknown_groups_are_not_no_groups(void **state) {
    (void)state;
    int64_t expires_sec;
    struct identity model = case_model();
    model.groups_unknown = true;
    json_t *claims = claims_of(&model, NOW, &expires_sec);
    assert_string_equal(case_list(claims, "groups"), "-");
    assert_true(json_is_true(json_object_get(claims, "hasgroups")));
    json_decref(claims);
}

static void never_outlives_the_token(void **state) {
    (void)state;
    static const int64_t left_sec[] = {1, 299, 300, 301, 3600};
    for (size_t i = 0; i < COUNT_OF(left_sec); i++) {
        int64_t expires_sec = 0;
        struct identity model = case_model();
        model.expires_sec = NOW + left_sec[i];
        json_t *claims = claims_of(&model, NOW, &expires_sec);
        assert_int_equal(expires_sec, NOW + (left_sec[i] < 300 ? left_sec[i] : 300));
        assert_int_equal(case_number(claims, "exp"), expires_sec);
        json_decref(claims);
    }
}

static void no_two_have_the_same_id(void **state) {
    (void)state;
    int64_t expires_sec;
    struct identity model = case_model();
    json_t *one = claims_of(&model, NOW, &expires_sec),
           *other = claims_of(&model, NOW, &expires_sec);
    assert_string_not_equal(case_text(one, "jti"), case_text(other, "jti"));
    json_decref(one);
    json_decref(other);
}

/* What a role's or scope's name holds stays inside its text. */
static void odd_texts_stay_texts(void **state) {
    (void)state;
    struct slice odd[] = {SLICE("\"],\"sub\":\"root\",\"x\":[\""), SLICE("a\\b"),
                          SLICE("\xc3\xa9\xe2\x80\xa8")};
    int64_t expires_sec;
    struct identity model = case_model();
    model.roles = odd;
    model.role_count = COUNT_OF(odd);
    json_t *claims = claims_of(&model, NOW, &expires_sec);
    assert_string_equal(case_text(claims, "sub"), "the-subject");
    assert_int_equal(json_array_size(json_object_get(claims, "roles")), COUNT_OF(odd));
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        bool is_there = false;
        for (size_t j = 0; j < COUNT_OF(odd); j++)
            is_there |= slice_eq_str(
                odd[i], json_string_value(json_array_get(json_object_get(claims, "roles"), j)));
        assert_true(is_there);
    }
    json_decref(claims);
}

/* Whole or not at all: the header stays within 8 KiB, and no text is ever cut. */
static void refuses_what_does_not_fit(void **state) {
    (void)state;
    struct assertion_signer *signer = new_signer();
    char *text = malloc(8192);
    memset(text, 'r', 8192);
    size_t fitting = 0, refused = 0;
    for (size_t len = 1024; len <= 8192; len += 256) {
        struct slice roles[2] = {slice_of(text, len / 2), slice_of(text, len - len / 2)};
        struct identity model = case_model();
        model.roles = roles;
        model.role_count = 2;
        struct identity *identity = case_identity(&model);
        struct caller_view view = case_view(identity);
        struct buf token;
        int64_t expires_sec;
        buf_init(&token, 65536);
        enum status status = assertion_append(&token, signer, &view, NOW, &expires_sec);
        assert_true(status == STATUS_OK || status == STATUS_LIMIT);
        if (status == STATUS_OK) {
            assert_true(token.len <= CALLER_VIEW_MAX_HEADER_BYTES && refused == 0);
            fitting++;
        } else {
            refused++;
        }
        buf_done(&token);
        identity_unref(identity);
    }
    assert_true(fitting > 10 && refused > 5);
    free(text);
    assertion_signer_unref(signer);
}

static void signs_nothing_without_a_key(void **state) {
    (void)state;
    struct assertion_key key = case_key();
    struct assertion_signer *signer = assertion_signer_new(NULL, "barkeep", &key.public_key, 1);
    struct identity model = case_model();
    struct identity *identity = case_identity(&model);
    struct caller_view view = case_view(identity);
    struct buf token;
    int64_t expires_sec;
    buf_init(&token, 65536);
    assert_int_equal(assertion_append(&token, signer, &view, NOW, &expires_sec), STATUS_NOT_FOUND);
    assert_int_equal(token.len, 0);
    assert_string_equal(assertion_signer_kid(signer), "");
    json_t *jwks = case_json(assertion_signer_jwks(signer));
    assert_non_null(case_jwk(jwks, key.public_key.kid));
    json_decref(jwks);
    identity_unref(identity);
    assertion_key_done(&key);
    assertion_signer_unref(signer);
}

/* ECDSA's numbers are short once in 128 signatures; in a JWT they keep their width. */
static void every_signature_has_its_full_width(void **state) {
    (void)state;
    struct assertion_signer *signer = new_signer();
    struct identity model = case_model();
    struct identity *identity = case_identity(&model);
    struct caller_view view = case_view(identity);
    for (int i = 0; i < 600; i++) {
        struct buf token;
        int64_t expires_sec;
        buf_init(&token, 65536);
        assert_int_equal(assertion_append(&token, signer, &view, NOW, &expires_sec), STATUS_OK);
        json_decref(case_verified(signer, buf_slice(&token)));
        buf_done(&token);
    }
    identity_unref(identity);
    assertion_signer_unref(signer);
}

static void takes_keys_in_every_spelling(void **state) {
    (void)state;
    EVP_PKEY *pair = EVP_EC_gen("prime256v1");
    char *pkcs8 = case_pem(pair, false), *sec1 = case_pem(pair, true);
    assert_non_null(strstr(sec1, "BEGIN EC PRIVATE KEY"));
    char *with_parameters = malloc(8192);
    snprintf(with_parameters, 8192,
             "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n%s",
             sec1);
    const char *const spellings[] = {pkcs8, sec1, with_parameters};
    char kid[ASSERTION_KEY_TEXT_SIZE] = "";
    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        struct assertion_key key = {0};
        struct error err = {""};
        if (assertion_key_parse(slice_of_str(spellings[i]), &key, &err) != STATUS_OK)
            fail_msg("%s: %s", err.text, spellings[i]);
        assert_true(i == 0 || strcmp(kid, key.public_key.kid) == 0);
        memcpy(kid, key.public_key.kid, sizeof kid);
        assert_true(slice_starts_with(secret_bytes(key.pem), SLICE("-----BEGIN PRIVATE KEY-----")));
        assertion_key_done(&key);
    }
    free(pkcs8);
    free(sec1);
    free(with_parameters);
    EVP_PKEY_free(pair);
}

/* The key of RFC 7517 A.2; its thumbprint was computed apart from this code. */
static void names_keys_by_their_thumbprint(void **state) {
    (void)state;
    static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg870MB6gfuTJ4HtUn\n"
                              "UvYMyJpr5eUZNP4Bk43bVdj3eAGhRANCAAQwoEJM0hwpRIOKLXXJKzfnbqINnwCJ\n"
                              "OjtO7oo8Cq/sPuBLZekkVtmIi1Kzeb371R7oae8fD8ZbZllpW2zOCBcj\n"
                              "-----END PRIVATE KEY-----\n";
    struct assertion_key key = {0};
    assert_int_equal(assertion_key_parse(slice_of_str(pem), &key, NULL), STATUS_OK);
    assert_string_equal(key.public_key.x, "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4");
    assert_string_equal(key.public_key.y, "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
    assert_string_equal(key.public_key.kid, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
    assertion_key_done(&key);
}

static char *pem_of(const char *type, const char *curve) {
    EVP_PKEY *pair = curve ? EVP_EC_gen(curve) : EVP_PKEY_Q_keygen(NULL, NULL, type, (size_t)2048);
    assert_non_null(pair);
    char *pem = case_pem(pair, false);
    EVP_PKEY_free(pair);
    return pem;
}

static char *public_pem(void) {
    EVP_PKEY *pair = EVP_EC_gen("prime256v1");
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    PEM_write_bio_PUBKEY(bio, pair);
    long len = BIO_get_mem_data(bio, &bytes);
    char *pem = strndup(bytes, (size_t)len);
    BIO_free(bio);
    EVP_PKEY_free(pair);
    return pem;
}

static char *encrypted_pem(void) {
    EVP_PKEY *pair = EVP_EC_gen("prime256v1");
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    PEM_write_bio_PKCS8PrivateKey(bio, pair, EVP_aes_128_cbc(), "x", 1, NULL, NULL);
    long len = BIO_get_mem_data(bio, &bytes);
    char *pem = strndup(bytes, (size_t)len);
    BIO_free(bio);
    EVP_PKEY_free(pair);
    return pem;
}

static void refuses_other_keys(void **state) {
    (void)state;
    char *const keys[] = {pem_of("EC", "secp384r1"),
                          pem_of("EC", "secp256k1"),
                          pem_of("RSA", NULL),
                          pem_of("ED25519", NULL),
                          public_pem(),
                          encrypted_pem(),
                          strdup(""),
                          strdup("hunter2"),
                          strdup("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct assertion_key key = {0};
        struct error err = {""};
        if (assertion_key_parse(slice_of_str(keys[i]), &key, &err) != STATUS_INVALID)
            fail_msg("taken: %s", keys[i]);
        assert_null(key.pem);
        assert_true(err.text[0] && !strstr(err.text, "hunter2"));
        free(keys[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_who_the_user_is),
        cmocka_unit_test(tells_who_the_application_is),
        cmocka_unit_test(unknown_groups_are_not_no_groups),
        cmocka_unit_test(never_outlives_the_token),
        cmocka_unit_test(no_two_have_the_same_id),
        cmocka_unit_test(odd_texts_stay_texts),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(signs_nothing_without_a_key),
        cmocka_unit_test(every_signature_has_its_full_width),
        cmocka_unit_test(takes_keys_in_every_spelling),
        cmocka_unit_test(names_keys_by_their_thumbprint),
        cmocka_unit_test(refuses_other_keys),
    };
    return cmocka_run_group_tests(tests, case_start, NULL);
}
