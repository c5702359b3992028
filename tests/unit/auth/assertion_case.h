/* What the tests of assertions share: a caller, keys as text, and a reader of what was signed that
 * knows neither libjwt nor the product's own writers. */
#ifndef BARKEEP_TESTS_ASSERTION_CASE_H
#define BARKEEP_TESTS_ASSERTION_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "auth/identity_lines.h"
#include "auth/jws.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define NOW INT64_C(1795424400)
#define GROUP_A "11111111-2c3d-4e5f-8091-a2b3c4d5e6f7"
#define GROUP_B "22222222-2c3d-4e5f-8091-a2b3c4d5e6f7"
#define GROUP_C "33333333-2c3d-4e5f-8091-a2b3c4d5e6f7"
#define TID "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define OID "e0d1c2b3-a495-4867-9588-776655443322"
#define APP "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"

/* The rules name A and C; the caller is in A and B. */
static const struct slice NAMED_GROUPS[] = {{GROUP_A, 36}, {GROUP_C, 36}};

static inline int case_start(void **state) {
    bool is_locked;
    (void)state;
    return secret_memory_init(1 << 20, &is_locked, NULL) == STATUS_OK ? 0 : -1;
}

static inline struct identity case_model(void) {
    static struct slice roles[] = {{"Orders.Read", 11}, {"Orders.Write", 12}};
    static struct slice scopes[] = {{"a.b", 3}, {"c", 1}};
    static struct slice groups[] = {{GROUP_B, 36}, {GROUP_A, 36}};
    return (struct identity){
        .type = PRINCIPAL_USER,
        .tenant = SLICE(TID),
        .oid = SLICE(OID),
        .app = SLICE(APP),
        .sub = SLICE("the-subject"),
        .name = SLICE("mira@fabrikam.example"),
        .version = 2,
        .roles = roles,
        .role_count = 2,
        .scopes = scopes,
        .scope_count = 2,
        .groups = groups,
        .group_count = 2,
        .expires_sec = NOW + 3600,
    };
}

static inline struct identity *case_identity(const struct identity *model) {
    struct identity *identity = identity_new(model, false);
    assert_non_null(identity);
    return identity;
}

static inline struct caller_view case_view(const struct identity *identity) {
    return (struct caller_view){.identity = identity,
                                .audience = "orders",
                                .named_groups = NAMED_GROUPS,
                                .named_group_count = COUNT_OF(NAMED_GROUPS)};
}

static inline struct assertion_key case_key(void) {
    struct assertion_key key = {0};
    assert_int_equal(assertion_key_make(&key, NULL), STATUS_OK);
    return key;
}

/* A pair as PEM: "SEC1" or PKCS#8. The caller frees it. */
static inline char *case_pem(EVP_PKEY *pair, bool is_sec1) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    assert_int_equal(
        is_sec1 ? PEM_write_bio_PrivateKey_traditional(bio, pair, NULL, NULL, 0, NULL, NULL)
                : PEM_write_bio_PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL),
        1);
    long len = BIO_get_mem_data(bio, &bytes);
    char *pem = strndup(bytes, (size_t)len);
    BIO_free(bio);
    return pem;
}

static inline json_t *case_json(struct slice text) {
    json_t *json = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json)
        fail_msg("no JSON: %.*s", SLICE_ARGS(text));
    return json;
}

static inline json_t *case_segment(struct slice segment) {
    unsigned char bytes[16384];
    size_t len = 0;
    assert_int_equal(base64url_decode(segment, bytes, &len), STATUS_OK);
    return case_json(slice_of((char *)bytes, len));
}

static inline const char *case_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    if (!text)
        fail_msg("no text `%s`", name);
    return text;
}

static inline json_int_t case_number(const json_t *object, const char *name) {
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

/* A list of texts, joined with commas, for one comparison; "-" when there is no such member. */
static inline const char *case_list(const json_t *object, const char *name) {
    static char joined[16384];
    const json_t *list = json_object_get(object, name), *item;
    size_t index, len = 0;
    joined[0] = '\0';
    if (!list)
        return "-";
    json_array_foreach(list, index, item) {
        len += (size_t)snprintf(joined + len, sizeof joined - len, "%s%s", index ? "," : "",
                                json_string_value(item));
    }
    return joined;
}

/* The public key of a JWKS' entry. */
static inline EVP_PKEY *case_public_key(const json_t *jwk) {
    unsigned char point[65] = {4};
    size_t len = 0;
    assert_string_equal(case_text(jwk, "kty"), "EC");
    assert_string_equal(case_text(jwk, "crv"), "P-256");
    assert_string_equal(case_text(jwk, "alg"), "ES256");
    assert_string_equal(case_text(jwk, "use"), "sig");
    assert_int_equal(base64url_decode(slice_of_str(case_text(jwk, "x")), point + 1, &len),
                     STATUS_OK);
    assert_int_equal(len, 32);
    assert_int_equal(base64url_decode(slice_of_str(case_text(jwk, "y")), point + 33, &len),
                     STATUS_OK);
    assert_int_equal(len, 32);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *making = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(making), 1);
    assert_int_equal(EVP_PKEY_fromdata(making, &key, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    EVP_PKEY_CTX_free(making);
    return key;
}

static inline bool case_signature_is_good(const struct jws_parts *parts, EVP_PKEY *key) {
    unsigned char raw[80], *der = NULL;
    size_t len = 0;
    assert_int_equal(base64url_decode(parts->signature, raw, &len), STATUS_OK);
    assert_int_equal(len, 64);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    ECDSA_SIG_set0(signature, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
    int der_len = i2d_ECDSA_SIG(signature, &der);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_good = EVP_DigestVerifyInit(digest, NULL, EVP_sha256(), NULL, key) == 1 &&
                   EVP_DigestVerify(digest, der, (size_t)der_len,
                                    (const unsigned char *)parts->signing_input.ptr,
                                    parts->signing_input.len) == 1;
    EVP_MD_CTX_free(digest);
    ECDSA_SIG_free(signature);
    OPENSSL_free(der);
    return is_good;
}

/* The entry with `kid`, or NULL. Borrowed from `jwks`. */
static inline const json_t *case_jwk(const json_t *jwks, const char *kid) {
    const json_t *jwk;
    size_t index;
    json_array_foreach(json_object_get(jwks, "keys"), index, jwk) {
        if (strcmp(case_text(jwk, "kid"), kid) == 0)
            return jwk;
    }
    return NULL;
}

/* Verifies `token` with the signer's own JWKS, as an upstream would. The claims are the caller's.
 */
static inline json_t *case_verified(const struct assertion_signer *signer, struct slice token) {
    struct jws_parts parts;
    assert_int_equal(jws_split(token, &parts), STATUS_OK);
    json_t *header = case_segment(parts.header);
    json_t *jwks = case_json(assertion_signer_jwks(signer));
    assert_string_equal(case_text(header, "typ"), "JWT");
    assert_string_equal(case_text(header, "alg"), "ES256");
    assert_int_equal(json_object_size(header), 3);
    const json_t *jwk = case_jwk(jwks, case_text(header, "kid"));
    assert_non_null(jwk);
    EVP_PKEY *key = case_public_key(jwk);
    assert_true(case_signature_is_good(&parts, key));
    EVP_PKEY_free(key);
    json_decref(header);
    json_decref(jwks);
    return case_segment(parts.payload);
}

#endif
