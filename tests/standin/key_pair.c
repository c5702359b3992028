/* A private key of the vault: OpenSSL's operations under the names of JWA (RFC 7518). */
#include "key_pair.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "must.h"

struct curve {
    const char *name;
    const char *alg; /* the only one it signs with */
    size_t number_len;
};

static const struct curve curves[] = {
    {"P-256", "ES256", 32},
    {"P-384", "ES384", 48},
    {"P-521", "ES512", 66},
};

struct key_pair {
    EVP_PKEY *pkey;
    const struct curve *curve; /* NULL: RSA */
};

struct signature_alg {
    const char *name;
    const char *digest;
    size_t digest_len;
    int padding; /* 0: ECDSA */
};

static const struct signature_alg signature_algs[] = {
    {"RS256", "SHA256", 32, RSA_PKCS1_PADDING},
    {"RS384", "SHA384", 48, RSA_PKCS1_PADDING},
    {"RS512", "SHA512", 64, RSA_PKCS1_PADDING},
    {"PS256", "SHA256", 32, RSA_PKCS1_PSS_PADDING},
    {"PS384", "SHA384", 48, RSA_PKCS1_PSS_PADDING},
    {"PS512", "SHA512", 64, RSA_PKCS1_PSS_PADDING},
    {"ES256", "SHA256", 32, 0},
    {"ES384", "SHA384", 48, 0},
    {"ES512", "SHA512", 64, 0},
};

struct encryption_alg {
    const char *name;
    const char *digest; /* of OAEP */
    int padding;
};

static const struct encryption_alg encryption_algs[] = {
    {"RSA-OAEP-256", "SHA256", RSA_PKCS1_OAEP_PADDING},
    {"RSA-OAEP", "SHA1", RSA_PKCS1_OAEP_PADDING},
    {"RSA1_5", NULL, RSA_PKCS1_PADDING},
};

/* NULL for a name that is none of ours. */
static const struct curve *find_curve(const char *name) {
    if (!name)
        return &curves[0];
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++)
        if (strcmp(curves[i].name, name) == 0)
            return &curves[i];
    return NULL;
}

static bool is_rsa_order(const struct key_order *order) {
    return !order->type || strcmp(order->type, "RSA") == 0;
}

enum status key_order_check(const struct key_order *order, struct error *err) {
    int64_t bits = order->bits;
    if (is_rsa_order(order)) {
        if (bits != 0 && bits != 2048 && bits != 3072 && bits != 4096)
            return error_set(err, STATUS_INVALID, "an RSA key has 2048, 3072 or 4096 bits");
    } else if (strcmp(order->type, "EC") != 0) {
        return error_set(err, STATUS_INVALID, "kty must be RSA or EC");
    } else if (!find_curve(order->curve)) {
        return error_set(err, STATUS_INVALID, "crv must be P-256, P-384 or P-521");
    }
    return STATUS_OK;
}

struct key_pair *key_pair_make(const struct key_order *order, struct error *err) {
    if (key_order_check(order, err) != STATUS_OK)
        return NULL;
    const struct curve *curve = is_rsa_order(order) ? NULL : find_curve(order->curve);
    EVP_PKEY *pkey =
        curve ? EVP_EC_gen(curve->name) : EVP_RSA_gen((unsigned)(order->bits ? order->bits : 2048));
    if (!pkey) {
        ERR_clear_error();
        error_set(err, STATUS_IO, "OpenSSL makes no such key");
        return NULL;
    }
    struct key_pair *key = must_array(1, sizeof(*key));
    *key = (struct key_pair){.pkey = pkey, .curve = curve};
    return key;
}

void key_pair_free(struct key_pair *key) {
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

bool key_pair_is_rsa(const struct key_pair *key) {
    return !key->curve;
}

char *key_pair_pem(const struct key_pair *key) {
    BIO *bio = must(BIO_new(BIO_s_mem()));
    must_hold(PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1);
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = must_printf("%.*s", (int)len, bytes);
    BIO_free(bio);
    return text;
}

/* `len` 0: as long as the number needs. */
static void put_number(json_t *jwk, const char *member, const EVP_PKEY *pkey, const char *parameter,
                       size_t len) {
    BIGNUM *number = NULL;
    must_hold(EVP_PKEY_get_bn_param(pkey, parameter, &number) == 1);
    size_t size = len ? len : (size_t)BN_num_bytes(number);
    unsigned char *bytes = must_array(size, 1);
    must_hold(BN_bn2binpad(number, bytes, (int)size) == (int)size);
    char *text = base64url_encode(bytes, size);
    json_object_set_new(jwk, member, must(json_string(text)));
    free(text);
    free(bytes);
    BN_free(number);
}

void key_pair_describe(const struct key_pair *key, json_t *jwk) {
    if (key->curve) {
        json_object_set_new(jwk, "kty", must(json_string("EC")));
        json_object_set_new(jwk, "crv", must(json_string(key->curve->name)));
        put_number(jwk, "x", key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, key->curve->number_len);
        put_number(jwk, "y", key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key->curve->number_len);
    } else {
        json_object_set_new(jwk, "kty", must(json_string("RSA")));
        put_number(jwk, "n", key->pkey, OSSL_PKEY_PARAM_RSA_N, 0);
        put_number(jwk, "e", key->pkey, OSSL_PKEY_PARAM_RSA_E, 0);
    }
}

static const struct signature_alg *find_signature_alg(const struct key_pair *key, const char *name,
                                                      struct slice digest, struct error *err) {
    const struct signature_alg *found = NULL;
    for (size_t i = 0; i < sizeof(signature_algs) / sizeof(*signature_algs); i++)
        if (strcmp(signature_algs[i].name, name) == 0)
            found = &signature_algs[i];
    bool fits = found && (key->curve ? strcmp(key->curve->alg, name) == 0 : found->padding != 0);
    if (!fits) {
        error_set(err, STATUS_INVALID,
                  "Key and signing algorithm are incompatible. Key type is %s, and the algorithm "
                  "is '%.20s'.",
                  key->curve ? "EC" : "RSA", name);
        return NULL;
    }
    if (digest.len != found->digest_len) {
        error_set(err, STATUS_INVALID,
                  "Invalid length of 'value': %zu bytes. %s requires %zu bytes, encoded with "
                  "base64url.",
                  digest.len, name, found->digest_len);
        return NULL;
    }
    return found;
}

/* NULL when OpenSSL does not want to. `begin` is EVP_PKEY_sign_init or EVP_PKEY_verify_init. */
static EVP_PKEY_CTX *begin_signature(const struct key_pair *key, const struct signature_alg *alg,
                                     int (*begin)(EVP_PKEY_CTX *)) {
    EVP_PKEY_CTX *run = must(EVP_PKEY_CTX_new(key->pkey, NULL));
    bool is_set = begin(run) == 1 &&
                  EVP_PKEY_CTX_set_signature_md(run, EVP_get_digestbyname(alg->digest)) == 1;
    if (is_set && alg->padding)
        is_set = EVP_PKEY_CTX_set_rsa_padding(run, alg->padding) == 1;
    if (is_set && alg->padding == RSA_PKCS1_PSS_PADDING)
        is_set = EVP_PKEY_CTX_set_rsa_pss_saltlen(run, RSA_PSS_SALTLEN_DIGEST) == 1;
    if (is_set)
        return run;
    EVP_PKEY_CTX_free(run);
    return NULL;
}

static enum status openssl_refused(struct error *err) {
    ERR_clear_error();
    return error_set(err, STATUS_INVALID, "The parameter is incorrect.");
}

/* JOSE's form of an ECDSA signature: two numbers of fixed length (RFC 7518 3.4). */
static void to_raw_signature(const struct curve *curve, struct octets *signature) {
    const unsigned char *der = signature->bytes;
    ECDSA_SIG *parsed = must(d2i_ECDSA_SIG(NULL, &der, (long)signature->len));
    unsigned char *raw = must_array(2, curve->number_len);
    int len = (int)curve->number_len;
    BN_bn2binpad(ECDSA_SIG_get0_r(parsed), raw, len);
    BN_bn2binpad(ECDSA_SIG_get0_s(parsed), raw + len, len);
    ECDSA_SIG_free(parsed);
    free(signature->bytes);
    *signature = (struct octets){raw, 2 * curve->number_len};
}

/* Empty when the length is wrong. */
static struct octets to_der_signature(const struct curve *curve, struct slice raw) {
    struct octets der = {0};
    if (raw.len != 2 * curve->number_len)
        return der;
    int len = (int)curve->number_len;
    const unsigned char *bytes = (const unsigned char *)raw.ptr;
    ECDSA_SIG *parsed = must(ECDSA_SIG_new());
    must_hold(ECDSA_SIG_set0(parsed, must(BN_bin2bn(bytes, len, NULL)),
                             must(BN_bin2bn(bytes + len, len, NULL))) == 1);
    unsigned char *written = NULL;
    int der_len = i2d_ECDSA_SIG(parsed, &written);
    must_hold(der_len > 0);
    der.bytes = must_array((size_t)der_len, 1);
    der.len = (size_t)der_len;
    memcpy(der.bytes, written, der.len);
    OPENSSL_free(written);
    ECDSA_SIG_free(parsed);
    return der;
}

enum status key_pair_sign(const struct key_pair *key, const char *alg, struct slice digest,
                          struct octets *out_signature, struct error *err) {
    const struct signature_alg *found = find_signature_alg(key, alg, digest, err);
    if (!found)
        return STATUS_INVALID;
    EVP_PKEY_CTX *run = begin_signature(key, found, EVP_PKEY_sign_init);
    struct octets signature = {.len = (size_t)EVP_PKEY_get_size(key->pkey)};
    signature.bytes = must_array(signature.len, 1);
    bool is_signed = run && EVP_PKEY_sign(run, signature.bytes, &signature.len,
                                          (const unsigned char *)digest.ptr, digest.len) == 1;
    EVP_PKEY_CTX_free(run);
    if (!is_signed) {
        free(signature.bytes);
        return openssl_refused(err);
    }
    if (key->curve)
        to_raw_signature(key->curve, &signature);
    *out_signature = signature;
    return STATUS_OK;
}

enum status key_pair_verify(const struct key_pair *key, const char *alg, struct slice digest,
                            struct slice signature, bool *out_is_good, struct error *err) {
    const struct signature_alg *found = find_signature_alg(key, alg, digest, err);
    if (!found)
        return STATUS_INVALID;
    EVP_PKEY_CTX *run = begin_signature(key, found, EVP_PKEY_verify_init);
    if (!run)
        return openssl_refused(err);
    struct octets der = {0};
    if (key->curve) {
        der = to_der_signature(key->curve, signature);
        signature = slice_of((const char *)der.bytes, der.len);
    }
    *out_is_good = EVP_PKEY_verify(run, (const unsigned char *)signature.ptr, signature.len,
                                   (const unsigned char *)digest.ptr, digest.len) == 1;
    ERR_clear_error();
    EVP_PKEY_CTX_free(run);
    free(der.bytes);
    return STATUS_OK;
}

typedef int crypt_step(EVP_PKEY_CTX *run, unsigned char *out, size_t *out_len,
                       const unsigned char *in, size_t in_len);

static enum status run_cipher(const struct key_pair *key, const char *name,
                              int (*begin)(EVP_PKEY_CTX *), crypt_step *step, struct slice input,
                              struct octets *out_output, struct error *err) {
    const struct encryption_alg *alg = NULL;
    for (size_t i = 0; i < sizeof(encryption_algs) / sizeof(*encryption_algs); i++)
        if (strcmp(encryption_algs[i].name, name) == 0)
            alg = &encryption_algs[i];
    if (!alg || key->curve)
        return error_set(err, STATUS_INVALID,
                         "Key and encryption algorithm are incompatible. Key type is %s, and the "
                         "algorithm is '%.20s'.",
                         key->curve ? "EC" : "RSA", name);
    EVP_PKEY_CTX *run = must(EVP_PKEY_CTX_new(key->pkey, NULL));
    struct octets output = {.len = (size_t)EVP_PKEY_get_size(key->pkey)};
    output.bytes = must_array(output.len + 1, 1);
    bool is_done = begin(run) == 1 && EVP_PKEY_CTX_set_rsa_padding(run, alg->padding) == 1;
    if (is_done && alg->digest)
        is_done = EVP_PKEY_CTX_set_rsa_oaep_md(run, EVP_get_digestbyname(alg->digest)) == 1;
    is_done = is_done && step(run, output.bytes, &output.len, (const unsigned char *)input.ptr,
                              input.len) == 1;
    EVP_PKEY_CTX_free(run);
    if (!is_done) {
        free(output.bytes);
        return openssl_refused(err);
    }
    *out_output = output;
    return STATUS_OK;
}

enum status key_pair_encrypt(const struct key_pair *key, const char *alg, struct slice plain,
                             struct octets *out_cipher, struct error *err) {
    return run_cipher(key, alg, EVP_PKEY_encrypt_init, EVP_PKEY_encrypt, plain, out_cipher, err);
}

enum status key_pair_decrypt(const struct key_pair *key, const char *alg, struct slice cipher,
                             struct octets *out_plain, struct error *err) {
    return run_cipher(key, alg, EVP_PKEY_decrypt_init, EVP_PKEY_decrypt, cipher, out_plain, err);
}
