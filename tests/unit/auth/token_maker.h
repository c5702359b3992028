/* Makes keys, key documents and tokens for the tests of this room, well-formed and otherwise: the
 * product only reads them. */
#ifndef BARKEEP_TESTS_TOKEN_MAKER_H
#define BARKEEP_TESTS_TOKEN_MAKER_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/entra.h"
#include "auth/key_set.h"
#include "auth/key_slot.h"

#define TID "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define OTHER_TID "11111111-2222-4333-8444-555555555555"
#define AUD_GUID "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"
#define AUD_URI "api://orders-gw"
#define CLIENT "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
#define USER_OID "e0d1c2b3-a495-4867-9588-776655443322"
#define APP_OID "17b9e4f2-0c3d-4e5a-b6c7-d8e9f0a1b2c3"
#define GROUP "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"
#define ISS_V1 "https://sts.windows.net/" TID "/"
#define ISS_V2 "https://login.microsoftonline.com/" TID "/v2.0"
#define KEY_ISSUER "https://login.microsoftonline.com/{tenantid}/v2.0"
#define NOW INT64_C(1795424400)

#define HEADER_OK "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"key-1\"}"

static inline char *make_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline char *make_text(const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (!text || vsnprintf(text, (size_t)len + 1, format, again) != len)
        abort();
    va_end(again);
    va_end(args);
    return text;
}

static inline char *make_base64url(const void *bytes, size_t len) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *in = bytes;
    char *text = malloc(len / 3 * 4 + 5), *to = text;
    for (size_t i = 0; i < len; i += 3) {
        unsigned group = (unsigned)in[i] << 16 | (i + 1 < len ? (unsigned)in[i + 1] << 8 : 0) |
                         (i + 2 < len ? (unsigned)in[i + 2] : 0);
        *to++ = alphabet[group >> 18];
        *to++ = alphabet[group >> 12 & 63];
        if (i + 1 < len)
            *to++ = alphabet[group >> 6 & 63];
        if (i + 2 < len)
            *to++ = alphabet[group & 63];
    }
    *to = '\0';
    return text;
}

static inline char *make_signing_input(const void *header, size_t header_len, const void *payload,
                                       size_t payload_len) {
    char *h = make_base64url(header, header_len), *p = make_base64url(payload, payload_len);
    char *input = make_text("%s.%s", h, p);
    free(h);
    free(p);
    return input;
}

/* The signature over `input`: PKCS#1 v1.5 or PSS with `digest`. */
static inline char *make_signature(const char *input, EVP_PKEY *key, const char *digest,
                                   int padding) {
    unsigned char signature[2048];
    size_t len = sizeof signature;
    EVP_PKEY_CTX *details = NULL;
    EVP_MD_CTX *signing = EVP_MD_CTX_new();
    if (EVP_DigestSignInit_ex(signing, &details, digest, NULL, NULL, key, NULL) != 1 ||
        (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_CTX_set_rsa_padding(details, padding) != 1) ||
        EVP_DigestSign(signing, signature, &len, (const unsigned char *)input, strlen(input)) != 1)
        abort();
    EVP_MD_CTX_free(signing);
    return make_base64url(signature, len);
}

static inline char *make_token_bytes(const void *header, size_t header_len, const void *payload,
                                     size_t payload_len, EVP_PKEY *key) {
    char *input = make_signing_input(header, header_len, payload, payload_len);
    char *signature = make_signature(input, key, "SHA256", RSA_PKCS1_PADDING);
    char *token = make_text("%s.%s", input, signature);
    free(input);
    free(signature);
    return token;
}

/* RS256, correctly signed, whatever the header says. */
static inline char *make_token(const char *header, const char *payload, EVP_PKEY *key) {
    return make_token_bytes(header, strlen(header), payload, strlen(payload), key);
}

static inline char *make_number(EVP_PKEY *key, const char *param) {
    BIGNUM *number = NULL;
    unsigned char bytes[2048];
    if (EVP_PKEY_get_bn_param(key, param, &number) != 1)
        abort();
    char *text = make_base64url(bytes, (size_t)BN_bn2bin(number, bytes));
    BN_free(number);
    return text;
}

/* One JWK; `more` is inserted as it stands (", \"use\":\"sig\""). */
static inline char *make_jwk(EVP_PKEY *key, const char *kid, const char *more) {
    char *n = make_number(key, OSSL_PKEY_PARAM_RSA_N), *e = make_number(key, OSSL_PKEY_PARAM_RSA_E);
    char *jwk =
        make_text("{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"%s}", kid, n, e, more);
    free(n);
    free(e);
    return jwk;
}

static inline struct key_set *make_key_set(EVP_PKEY *key, const char *kid, const char *more) {
    char *jwk = make_jwk(key, kid, more);
    char *document = make_text("{\"keys\":[%s]}", jwk);
    struct key_set *set = key_set_parse(slice_of_str(document), NULL, NULL);
    free(document);
    free(jwk);
    return set;
}

static const char *const maker_tenants[] = {TID, OTHER_TID};
static const char *const maker_audiences[] = {AUD_URI, AUD_GUID};

/* The public cloud with two tenants, both token versions and no clock skew. */
static inline struct config make_config(void) {
    struct config config = {0};
    config.entra = (struct config_entra){
        .is_present = true,
        .tenants = {(const char **)(uintptr_t)maker_tenants, 2},
        .audiences = {(const char **)(uintptr_t)maker_audiences, 2},
        .cloud = CLOUD_PUBLIC,
        .authority = "https://login.microsoftonline.com",
        .accepts_v1 = true,
        .accepts_v2 = true,
        .keys_refresh_sec = 3600,
        .keys_max_stale_sec = 86400,
        .max_token_lifetime_sec = 48 * 3600,
    };
    config.limits.token_bytes = 16 * 1024;
    return config;
}

/* Both sets of the first tenant hold `key` as "key-1"; the second tenant's are missing. */
static inline struct key_ring *make_ring(EVP_PKEY *key) {
    struct key_ring *ring = key_ring_new(4);
    struct key_ring_slot *v1 = key_ring_slot(ring, key_slot_of_tenant(0, 1)),
                         *v2 = key_ring_slot(ring, key_slot_of_tenant(0, 2));
    v1->keys = make_key_set(key, "key-1", "");
    v1->issuer = strdup(ISS_V1);
    v2->keys = make_key_set(key, "key-1", ",\"issuer\":\"" KEY_ISSUER "\"");
    v2->issuer = strdup(ISS_V2);
    return ring;
}

/* Claims as a list of name and JSON text, so that a test changes one and leaves the others. */
struct maker_claim {
    const char *name;
    const char *json;
};

#define USER_CLAIMS                                                                                \
    {"aud", "\"" AUD_GUID "\""}, {"iss", "\"" ISS_V2 "\""}, {"iat", "1795424400"},                 \
        {"nbf", "1795424400"}, {"exp", "1795428000"}, {"azp", "\"" CLIENT "\""},                   \
        {"oid", "\"" USER_OID "\""}, {"sub", "\"hV7uJm2Qe0rT5yWc8aKp\""}, {"tid", "\"" TID "\""},  \
        {"uti", "\"9aXw4nLr2kCqYt7ePm0bAA\""}, {"ver", "\"2.0\""},                                 \
        {"scp", "\"Orders.Read Orders.Write\""}, {"roles", "[\"Orders.Approver\"]"}, {             \
        "groups", "[\"" GROUP "\"]"                                                                \
    }

#define APP_CLAIMS                                                                                 \
    {"aud", "\"" AUD_URI "\""}, {"iss", "\"" ISS_V1 "\""}, {"iat", "1795424400"},                  \
        {"nbf", "1795424400"}, {"exp", "1795428000"}, {"appid", "\"" CLIENT "\""},                 \
        {"oid", "\"" APP_OID "\""}, {"sub", "\"" APP_OID "\""}, {"tid", "\"" TID "\""},            \
        {"uti", "\"Rk3xT0aVbE6mQw2yZp8sAA\""}, {"ver", "\"1.0\""}, {"idtyp", "\"app\""}, {         \
        "roles", "[\"Orders.Read.All\"]"                                                           \
    }

/* The claims as one object; `changes` replace by name, with NULL they remove, else they add. */
static inline char *make_payload(const struct maker_claim *claims, size_t count,
                                 const struct maker_claim *changes, size_t change_count) {
    char *payload = make_text("{");
    for (size_t i = 0; i < count + change_count; i++) {
        struct maker_claim claim = i < count ? claims[i] : changes[i - count];
        bool is_replaced = false;
        for (size_t j = 0; i < count && j < change_count; j++)
            is_replaced |= strcmp(claim.name, changes[j].name) == 0;
        if (is_replaced || !claim.json)
            continue;
        char *longer =
            make_text("%s%s\"%s\":%s", payload, payload[1] ? "," : "", claim.name, claim.json);
        free(payload);
        payload = longer;
    }
    char *whole = make_text("%s}", payload);
    free(payload);
    return whole;
}

static inline char *make_user_payload(const struct maker_claim *changes, size_t count) {
    static const struct maker_claim claims[] = {USER_CLAIMS};
    return make_payload(claims, sizeof claims / sizeof *claims, changes, count);
}

static inline char *make_app_payload(const struct maker_claim *changes, size_t count) {
    static const struct maker_claim claims[] = {APP_CLAIMS};
    return make_payload(claims, sizeof claims / sizeof *claims, changes, count);
}

#endif
