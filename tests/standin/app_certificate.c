/* Registered certificates. Their validity dates do not count, as with Entra's own keys: what counts
 * is that they are registered. */
#include "app_certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "must.h"

#define MIN_KEY_BITS 2048

struct app_certificate {
    EVP_PKEY *key;
    char *sha1;   /* base64url, as in x5t */
    char *sha256; /* base64url, as in x5t#S256 */
};

void app_certificate_free(struct app_certificate *certificate) {
    if (!certificate)
        return;
    EVP_PKEY_free(certificate->key);
    free(certificate->sha1);
    free(certificate->sha256);
    free(certificate);
}

static char *thumbprint(const X509 *certificate, const EVP_MD *digest) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    must_hold(X509_digest(certificate, digest, bytes, &len) == 1);
    return base64url_encode(bytes, len);
}

struct app_certificate *app_certificate_parse(const char *pem, struct error *err) {
    BIO *bio = must(BIO_new_mem_buf(pem, -1));
    X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    EVP_PKEY *key = x509 ? X509_get_pubkey(x509) : NULL;
    struct app_certificate *certificate = NULL;
    if (key && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= MIN_KEY_BITS) {
        certificate = must_array(1, sizeof(*certificate));
        certificate->key = key;
        certificate->sha1 = thumbprint(x509, EVP_sha1());
        certificate->sha256 = thumbprint(x509, EVP_sha256());
    } else {
        EVP_PKEY_free(key);
        error_set(err, STATUS_INVALID, "not a PEM certificate of an RSA key of %d bits at least",
                  MIN_KEY_BITS);
    }
    X509_free(x509);
    ERR_clear_error();
    return certificate;
}

bool app_certificate_is_named(const struct app_certificate *certificate, const json_t *header) {
    const char *sha1 = json_string_value(json_object_get(header, "x5t"));
    const char *sha256 = json_string_value(json_object_get(header, "x5t#S256"));
    return (sha1 || sha256) && (!sha1 || strcmp(sha1, certificate->sha1) == 0) &&
           (!sha256 || strcmp(sha256, certificate->sha256) == 0);
}

static bool use_pss(EVP_PKEY_CTX *key_context) {
    return EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(key_context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

bool app_certificate_signed(const struct app_certificate *certificate, const struct jws *jws) {
    const char *algorithm = jws_text(jws->header, "alg");
    bool is_pss = strcmp(algorithm, "PS256") == 0;
    if (!jws->signature || (!is_pss && strcmp(algorithm, "RS256") != 0))
        return false;
    EVP_MD_CTX *digest = must(EVP_MD_CTX_new());
    EVP_PKEY_CTX *key_context = NULL; /* the digest's */
    bool is_good =
        EVP_DigestVerifyInit(digest, &key_context, EVP_sha256(), NULL, certificate->key) == 1 &&
        (!is_pss || use_pss(key_context)) &&
        EVP_DigestVerify(digest, jws->signature, jws->signature_len,
                         (const unsigned char *)jws->signed_text.ptr, jws->signed_text.len) == 1;
    EVP_MD_CTX_free(digest);
    ERR_clear_error();
    return is_good;
}
