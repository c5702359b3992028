#include "vault/client_assertion.h"

#include <jansson.h>

#include "identity_case.h"

#define CLIENT_ID "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"
#define AUDIENCE "https://login.example/3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4/oauth2/v2.0/token"
#define NOW_SEC 1795424100

static struct key_pair pair, other;

static int make_pairs(void **state) {
    pair = key_pair_new(2048);
    other = key_pair_new(2048);
    return start_secret_memory(state);
}

static int drop_pairs(void **state) {
    (void)state;
    key_pair_done(&pair);
    key_pair_done(&other);
    return 0;
}

/* A second reading of base64url: the library's, with the alphabet put back. */
static size_t decode(struct slice text, unsigned char *out_bytes) {
    char padded[8192];
    size_t len = 0;
    for (; len < text.len; len++) {
        const char c = text.ptr[len];
        assert_true(c != '+' && c != '/' && c != '=');
        padded[len] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    const size_t padding = (4 - len % 4) % 4;
    for (size_t i = 0; i < padding; i++)
        padded[len++] = '=';
    const int got = EVP_DecodeBlock(out_bytes, (const unsigned char *)padded, (int)len);
    assert_true(got >= 0);
    return (size_t)got - padding;
}

static json_t *parse(struct slice part) {
    unsigned char bytes[8192];
    const size_t len = decode(part, bytes);
    json_t *json = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_object(json));
    return json;
}

static bool is_signed_by(struct slice jwt, struct slice signature, EVP_PKEY *key) {
    unsigned char bytes[1024];
    const size_t len = decode(signature, bytes);
    EVP_PKEY_CTX *options;
    EVP_MD_CTX *check = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(check, &options, EVP_sha256(), NULL, key), 1);
    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 32);
    const bool is_good = EVP_DigestVerify(check, bytes, len, (const unsigned char *)jwt.ptr,
                                          jwt.len - signature.len - 1) == 1;
    EVP_MD_CTX_free(check);
    return is_good;
}

static void split(struct slice jwt, struct slice out_parts[3]) {
    out_parts[0] = slice_of(jwt.ptr, slice_index(jwt, '.'));
    struct slice rest = slice_skip(jwt, out_parts[0].len + 1);
    out_parts[1] = slice_of(rest.ptr, slice_index(rest, '.'));
    out_parts[2] = slice_skip(rest, out_parts[1].len + 1);
}

static const char *text(const json_t *json, const char *name) {
    return json_string_value(json_object_get(json, name));
}

static struct secret *sign(const char *pem) {
    struct secret *jwt = NULL;
    struct error err = {""};
    if (client_assertion_sign(slice_of_str(pem), CLIENT_ID, AUDIENCE, NOW_SEC, &jwt, &err) !=
        STATUS_OK)
        fail_msg("%s", err.text);
    return jwt;
}

static void assert_thumbprint(const char *found, const X509 *certificate) {
    unsigned char digest[EVP_MAX_MD_SIZE], bytes[64];
    unsigned len = 0;
    assert_int_equal(X509_digest(certificate, EVP_sha256(), digest, &len), 1);
    assert_int_equal(decode(slice_of_str(found), bytes), 32);
    assert_memory_equal(bytes, digest, 32);
}

static void signs_what_entra_asks_for(void **state) {
    (void)state;
    char *pem = pem_of(pair.key, pair.certificate, NULL);
    struct secret *jwt = sign(pem);
    struct slice parts[3];
    split(secret_bytes(jwt), parts);
    json_t *header = parse(parts[0]), *claims = parse(parts[1]);
    assert_string_equal(text(header, "alg"), "PS256");
    assert_string_equal(text(header, "typ"), "JWT");
    assert_thumbprint(text(header, "x5t#S256"), pair.certificate);
    assert_int_equal(json_object_size(header), 3);
    assert_string_equal(text(claims, "aud"), AUDIENCE);
    assert_string_equal(text(claims, "iss"), CLIENT_ID);
    assert_string_equal(text(claims, "sub"), CLIENT_ID);
    assert_int_equal(json_integer_value(json_object_get(claims, "nbf")), NOW_SEC);
    assert_int_equal(json_integer_value(json_object_get(claims, "iat")), NOW_SEC);
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")), NOW_SEC + 600);
    assert_int_equal(strlen(text(claims, "jti")), 36);
    assert_int_equal(text(claims, "jti")[14], '4');
    assert_true(is_signed_by(secret_bytes(jwt), parts[2], pair.key));
    assert_false(is_signed_by(secret_bytes(jwt), parts[2], other.key));
    json_decref(header);
    json_decref(claims);
    secret_unref(jwt);
    free(pem);
}

static void never_signs_the_same_twice(void **state) {
    (void)state;
    char *pem = pem_of(pair.key, pair.certificate, NULL);
    struct secret *one = sign(pem), *two = sign(pem);
    struct slice a[3], b[3];
    split(secret_bytes(one), a);
    split(secret_bytes(two), b);
    json_t *first = parse(a[1]), *second = parse(b[1]);
    assert_string_not_equal(text(first, "jti"), text(second, "jti"));
    json_decref(first);
    json_decref(second);
    secret_unref(one);
    secret_unref(two);
    free(pem);
}

static void finds_the_certificate_of_the_key_among_others(void **state) {
    (void)state;
    char *strange = pem_of(NULL, other.certificate, NULL);
    char *own = pem_of(pair.key, pair.certificate, NULL);
    char both[16384];
    snprintf(both, sizeof both, "%s%s", strange, own);
    struct secret *jwt = sign(both);
    struct slice parts[3];
    split(secret_bytes(jwt), parts);
    json_t *header = parse(parts[0]);
    assert_thumbprint(text(header, "x5t#S256"), pair.certificate);
    json_decref(header);
    secret_unref(jwt);
    free(strange);
    free(own);
}

static void refuses_what_cannot_sign(void **state) {
    (void)state;
    struct key_pair weak = key_pair_new(1024);
    struct key_pair curve = key_pair_of(EVP_EC_gen("P-256"));
    char *pems[] = {
        slice_strdup(SLICE("")),
        slice_strdup(SLICE("no PEM at all")),
        slice_strdup(SLICE("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n")),
        pem_of(pair.key, NULL, NULL),
        pem_of(NULL, pair.certificate, NULL),
        pem_of(pair.key, other.certificate, NULL),
        pem_of(pair.key, pair.certificate, "1234"),
        pem_of(weak.key, weak.certificate, NULL),
        pem_of(curve.key, curve.certificate, NULL),
    };
    for (size_t i = 0; i < COUNT_OF(pems); i++) {
        struct secret *jwt = NULL;
        struct error err = {""};
        assert_int_equal(
            client_assertion_sign(slice_of_str(pems[i]), CLIENT_ID, AUDIENCE, NOW_SEC, &jwt, &err),
            STATUS_INVALID);
        assert_null(jwt);
        assert_true(err.text[0] != '\0');
        free(pems[i]);
    }
    key_pair_done(&weak);
    key_pair_done(&curve);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_what_entra_asks_for),
        cmocka_unit_test(never_signs_the_same_twice),
        cmocka_unit_test(finds_the_certificate_of_the_key_among_others),
        cmocka_unit_test(refuses_what_cannot_sign),
    };
    return cmocka_run_group_tests(tests, make_pairs, drop_pairs);
}
