/* One of Entra's signing keys, kept parsed: the vault and the tests verify with it, libjwt signs
 * with its PEM. */
#include "signing_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "encoding.h"
#include "must.h"

struct signing_key {
    EVP_PKEY *pair;
    char *private_pem;
    char *id;
    char *certificate; /* base64 DER */
    char *modulus;     /* base64url */
    char *exponent;
};

void signing_key_free(struct signing_key *key) {
    if (!key)
        return;
    EVP_PKEY_free(key->pair);
    free(key->private_pem);
    free(key->id);
    free(key->certificate);
    free(key->modulus);
    free(key->exponent);
    free(key);
}

static bool take_certificate(struct signing_key *key, const X509 *certificate) {
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    if (len <= 0)
        return false;
    unsigned char thumbprint[SHA_DIGEST_LENGTH];
    size_t thumbprint_len = 0;
    bool is_hashed =
        EVP_Q_digest(NULL, "SHA1", NULL, der, (size_t)len, thumbprint, &thumbprint_len) == 1;
    if (is_hashed) {
        key->id = base64url_encode(thumbprint, thumbprint_len);
        key->certificate = base64_encode(der, (size_t)len);
    }
    OPENSSL_free(der);
    return is_hashed;
}

/* NULL when the pair is not RSA. */
static char *number_of(const EVP_PKEY *pair, const char *parameter) {
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(pair, parameter, &number) != 1)
        return NULL;
    unsigned char *bytes = must_array((size_t)BN_num_bytes(number), 1);
    int len = BN_bn2bin(number, bytes);
    char *text = base64url_encode(bytes, (size_t)len);
    free(bytes);
    BN_free(number);
    return text;
}

struct signing_key *signing_key_parse(const char *pem, struct error *err) {
    struct signing_key *key = must_array(1, sizeof(*key));
    BIO *key_bio = must(BIO_new_mem_buf(pem, -1));
    BIO *certificate_bio = must(BIO_new_mem_buf(pem, -1));
    key->pair = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    X509 *certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
    bool is_read = key->pair && certificate && X509_check_private_key(certificate, key->pair) == 1;
    if (is_read) {
        key->private_pem = must_strdup(pem);
        key->modulus = number_of(key->pair, OSSL_PKEY_PARAM_RSA_N);
        key->exponent = number_of(key->pair, OSSL_PKEY_PARAM_RSA_E);
        is_read = key->modulus && key->exponent && take_certificate(key, certificate);
    }
    X509_free(certificate);
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    if (is_read)
        return key;
    ERR_clear_error();
    signing_key_free(key);
    error_set(err, STATUS_INVALID, "not an RSA private key with its certificate");
    return NULL;
}

const char *signing_key_id(const struct signing_key *key) {
    return key->id;
}

const char *signing_key_private_pem(const struct signing_key *key) {
    return key->private_pem;
}

char *signing_key_public_pem(const struct signing_key *key) {
    BIO *bio = must(BIO_new(BIO_s_mem()));
    must_hold(PEM_write_bio_PUBKEY(bio, key->pair) == 1);
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = must_printf("%.*s", (int)len, bytes);
    BIO_free(bio);
    return text;
}

json_t *signing_key_jwk(const struct signing_key *key, const char *issuer) {
    json_t *jwk = must(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[s]}", "kty", "RSA", "use",
                                 "sig", "kid", key->id, "x5t", key->id, "n", key->modulus, "e",
                                 key->exponent, "x5c", key->certificate));
    if (issuer)
        json_object_set_new(jwk, "issuer", must(json_string(issuer)));
    return jwk;
}

bool signing_key_verify(const struct signing_key *key, struct slice text,
                        const unsigned char *signature, size_t signature_len) {
    EVP_MD_CTX *digest = must(EVP_MD_CTX_new());
    bool is_good = EVP_DigestVerifyInit(digest, NULL, EVP_sha256(), NULL, key->pair) == 1 &&
                   EVP_DigestVerify(digest, signature, signature_len,
                                    (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(digest);
    ERR_clear_error();
    return is_good;
}
