#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/jws.h"
#include "tests/unit/auth/token_maker.h"

static EVP_PKEY *rsa_key;
static EVP_PKEY *other_key;
static EVP_PKEY *wide_key;
static EVP_PKEY *ec_key;
static EVP_PKEY *wide_ec_key;

static const char claims_text[] = "{\"sub\":\"x\"}";

static int make_keys(void **state) {
    (void)state;
    rsa_key = EVP_RSA_gen(2048);
    other_key = EVP_RSA_gen(2048);
    wide_key = EVP_RSA_gen(3072);
    ec_key = EVP_EC_gen("P-256");
    wide_ec_key = EVP_EC_gen("P-384");
    return rsa_key && other_key && wide_key && ec_key && wide_ec_key ? 0 : -1;
}

static int free_keys(void **state) {
    (void)state;
    EVP_PKEY_free(rsa_key);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(wide_key);
    EVP_PKEY_free(ec_key);
    EVP_PKEY_free(wide_ec_key);
    return 0;
}

static bool verifies(const char *token, EVP_PKEY *key) {
    struct jws_parts parts;
    EVP_PKEY_CTX *verifier = jws_rs256_verifier_new(key);
    assert_non_null(verifier);
    bool is_valid =
        jws_split(slice_of_str(token), &parts) == STATUS_OK && jws_verify_rs256(&parts, verifier);
    EVP_PKEY_CTX_free(verifier);
    return is_valid;
}

static bool splits(const char *token) {
    struct jws_parts parts;
    return jws_split(slice_of_str(token), &parts) == STATUS_OK;
}

static void splits_a_token_into_its_segments(void **state) {
    (void)state;
    struct jws_parts parts;
    assert_int_equal(jws_split(SLICE("abcd.eQ.Zm8"), &parts), STATUS_OK);
    assert_true(slice_eq(parts.header, SLICE("abcd")));
    assert_true(slice_eq(parts.payload, SLICE("eQ")));
    assert_true(slice_eq(parts.signature, SLICE("Zm8")));
    assert_true(slice_eq(parts.signing_input, SLICE("abcd.eQ")));
}

static void refuses_other_shapes_than_three_segments(void **state) {
    (void)state;
    static const char *const shapes[] = {
        "",
        ".",
        "..",
        "...",
        "abcd",
        "abcd.abcd",
        ".a.b",
        "a..b",
        "abcd.abcd.",
        ".abcd.abcd",
        "abcd..abcd",
        "abcd.abcd.abcd.",
        "abcd.abcd.abcd.abcd",
        "abcd.abcd.ab.cd",
        "abcd.abcd.abcd.abcd.abcd",
        ".abcd.abcd.abcd",
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        assert_false(splits(shapes[i]));
    assert_true(splits("abcd.abcd.abcd"));
}

static void refuses_what_is_not_canonical_base64url(void **state) {
    (void)state;
    static const char *const segments[] = {
        "a",       "abcde", "ab=",   "ab==",  "abc=", "abcd=", "ab+d", "ab/d",
        "ab d",    "ab\td", "ab\rd", "ab\nd", "ab!d", "ab?d",  "ab~d", "\200bcd",
        "abc\xff", "ab",    "aB",    "abd",   "Zm9",  "__",    "___",
    };
    for (size_t i = 0; i < sizeof segments / sizeof *segments; i++) {
        for (int place = 0; place < 3; place++) {
            char *token =
                make_text("%s.%s.%s", place == 0 ? segments[i] : "Zm8",
                          place == 1 ? segments[i] : "Zm8", place == 2 ? segments[i] : "Zm8");
            assert_false(splits(token));
            free(token);
        }
        unsigned char bytes[8];
        size_t len;
        assert_int_not_equal(base64url_decode(slice_of_str(segments[i]), bytes, &len), STATUS_OK);
    }
    assert_true(splits("Zm8.Zm8.Zm8"));
}

static void decodes_every_length(void **state) {
    (void)state;
    unsigned char bytes[256], decoded[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(255 - i);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        char *text = make_base64url(bytes, len);
        size_t decoded_len = 999;
        assert_int_equal(base64url_decoded_size(strlen(text)), len);
        assert_int_equal(base64url_decode(slice_of_str(text), decoded, &decoded_len), STATUS_OK);
        assert_int_equal(decoded_len, len);
        assert_memory_equal(decoded, bytes, len);
        free(text);
    }
}

static void refuses_a_million_dots_quickly(void **state) {
    (void)state;
    char *dots = malloc(1000000);
    memset(dots, '.', 1000000);
    struct jws_parts parts;
    assert_int_not_equal(jws_split(slice_of(dots, 1000000), &parts), STATUS_OK);
    free(dots);
}

static void verifies_rs256(void **state) {
    (void)state;
    char *token = make_token(HEADER_OK, claims_text, rsa_key);
    char *wide = make_token(HEADER_OK, claims_text, wide_key);
    assert_true(verifies(token, rsa_key));
    assert_true(verifies(wide, wide_key));
    assert_false(verifies(token, other_key));
    assert_false(verifies(token, wide_key));
    free(token);
    free(wide);
}

static void refuses_other_algorithms_under_the_same_key(void **state) {
    (void)state;
    static const struct {
        const char *digest;
        int padding;
    } rows[] = {
        {"SHA256", RSA_PKCS1_PSS_PADDING}, {"SHA384", RSA_PKCS1_PADDING},
        {"SHA512", RSA_PKCS1_PADDING},     {"SHA512", RSA_PKCS1_PSS_PADDING},
        {"SHA1", RSA_PKCS1_PADDING},       {"SHA224", RSA_PKCS1_PADDING},
    };
    char *input =
        make_signing_input(HEADER_OK, strlen(HEADER_OK), claims_text, strlen(claims_text));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *signature = make_signature(input, rsa_key, rows[i].digest, rows[i].padding);
        char *token = make_text("%s.%s", input, signature);
        assert_false(verifies(token, rsa_key));
        free(signature);
        free(token);
    }
    char *signature = make_signature(input, rsa_key, "SHA256", RSA_PKCS1_PADDING);
    char *token = make_text("%s.%s", input, signature);
    assert_true(verifies(token, rsa_key));
    free(signature);
    free(token);
    free(input);
}

static void refuses_elliptic_curve_signatures(void **state) {
    (void)state;
    EVP_PKEY *const keys[] = {ec_key, wide_ec_key};
    for (size_t i = 0; i < 2; i++) {
        char *token = make_token(HEADER_OK, claims_text, keys[i]);
        assert_false(verifies(token, rsa_key));
        free(token);
    }
}

static void verifies_with_rsa_keys_only(void **state) {
    (void)state;
    assert_null(jws_rs256_verifier_new(ec_key));
    assert_null(jws_rs256_verifier_new(wide_ec_key));
}

static void refuses_signatures_of_another_size_or_value(void **state) {
    (void)state;
    char *input =
        make_signing_input(HEADER_OK, strlen(HEADER_OK), claims_text, strlen(claims_text));
    unsigned char bytes[260];
    static const size_t sizes[] = {1, 64, 128, 255, 256, 257, 260};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int fill = 0; fill <= 0xff; fill += 0xff) { /* 256 times 0xff is above any n */
            memset(bytes, fill, sizeof bytes);
            char *signature = make_base64url(bytes, sizes[i]);
            char *token = make_text("%s.%s", input, signature);
            assert_false(verifies(token, rsa_key));
            free(signature);
            free(token);
        }
    }
    free(input);
}

/* signature + n is the same residue: a verifier that reduces first would accept it. */
static void refuses_the_signature_plus_the_modulus(void **state) {
    (void)state;
    char *input =
        make_signing_input(HEADER_OK, strlen(HEADER_OK), claims_text, strlen(claims_text));
    char *signature = make_signature(input, rsa_key, "SHA256", RSA_PKCS1_PADDING);
    unsigned char bytes[257];
    size_t len;
    assert_int_equal(base64url_decode(slice_of_str(signature), bytes, &len), STATUS_OK);
    BIGNUM *s = BN_bin2bn(bytes, (int)len, NULL), *n = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(rsa_key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    assert_int_equal(BN_add(s, s, n), 1);
    for (int size = BN_num_bytes(s); size <= 257; size++) {
        assert_int_equal(BN_bn2binpad(s, bytes, size), size);
        char *more = make_base64url(bytes, (size_t)size);
        char *token = make_text("%s.%s", input, more);
        assert_false(verifies(token, rsa_key));
        free(more);
        free(token);
    }
    BN_free(s);
    BN_free(n);
    free(signature);
    free(input);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_a_token_into_its_segments),
        cmocka_unit_test(refuses_other_shapes_than_three_segments),
        cmocka_unit_test(refuses_what_is_not_canonical_base64url),
        cmocka_unit_test(decodes_every_length),
        cmocka_unit_test(refuses_a_million_dots_quickly),
        cmocka_unit_test(verifies_rs256),
        cmocka_unit_test(refuses_other_algorithms_under_the_same_key),
        cmocka_unit_test(refuses_elliptic_curve_signatures),
        cmocka_unit_test(verifies_with_rsa_keys_only),
        cmocka_unit_test(refuses_signatures_of_another_size_or_value),
        cmocka_unit_test(refuses_the_signature_plus_the_modulus),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
