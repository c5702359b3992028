/* Keys, certificates, PEM and PFX made on the spot. Included by one translation unit a test. */
#ifndef BARKEEP_TESTS_CERTIFICATE_CASE_H
#define BARKEEP_TESTS_CERTIFICATE_CASE_H

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "vault/client_certificate.h"
#include "vault_case.h"

#define DAY 86400

static inline EVP_PKEY *make_rsa(unsigned bits) {
    EVP_PKEY *key = EVP_RSA_gen(bits);
    assert_non_null(key);
    return key;
}

static inline EVP_PKEY *make_ec(void) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    return key;
}

static inline void set_name(X509_NAME *name, const char *text) {
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)text, -1, -1, 0),
                     1);
}

/* Valid from `from` to `until`, in seconds from now. */
static inline X509 *make_certificate(const char *subject, EVP_PKEY *key, const char *issuer,
                                     EVP_PKEY *issuer_key, long from, long until) {
    static long serial;
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    set_name(X509_get_subject_name(certificate), subject);
    set_name(X509_get_issuer_name(certificate), issuer);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
    return certificate;
}

/* Everything in `text`, NUL-terminated; the caller frees. Frees `text`. */
static inline char *take_text(BIO *text) {
    char *bytes = NULL;
    const long len = BIO_get_mem_data(text, &bytes);
    char *copy = calloc(1, (size_t)len + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, (size_t)len);
    BIO_free(text);
    return copy;
}

static inline char *joined(const char *first, const char *second) {
    char *text = calloc(1, strlen(first) + strlen(second) + 1);
    assert_non_null(text);
    strcat(strcat(text, first), second);
    return text;
}

static inline char *pem_of_certificate(X509 *certificate) {
    BIO *text = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(text, certificate), 1);
    return take_text(text);
}

static inline char *pem_of_key(EVP_PKEY *key) { /* PKCS#8 */
    BIO *text = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(text, key, NULL, NULL, 0, NULL, NULL), 1);
    return take_text(text);
}

static inline char *old_pem_of_key(EVP_PKEY *key) { /* PKCS#1, SEC 1 */
    BIO *text = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey_traditional(text, key, NULL, NULL, 0, NULL, NULL), 1);
    return take_text(text);
}

static inline char *encrypted_pem_of_key(EVP_PKEY *key) {
    BIO *text = BIO_new(BIO_s_mem());
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(text, key, EVP_aes_128_cbc(), "pass", 4, NULL, NULL), 1);
    return take_text(text);
}

static inline char *base64_of(const unsigned char *bytes, int len) {
    char *text = calloc(1, (size_t)len / 3 * 4 + 5);
    assert_non_null(text);
    EVP_EncodeBlock((unsigned char *)text, bytes, len);
    return text;
}

static inline char *base64_of_pfx(PKCS12 *pfx) {
    unsigned char *der = NULL;
    assert_non_null(pfx);
    const int len = i2d_PKCS12(pfx, &der);
    assert_true(len > 0);
    char *text = base64_of(der, len);
    OPENSSL_free(der);
    PKCS12_free(pfx);
    return text;
}

/* How a PFX is protected. */
struct pfx_style {
    const char *name;
    const char *password;
    int key_nid;
    int certificate_nid;
    int rounds;
    int mac_rounds;    /* -1: no MAC */
    bool needs_legacy; /* to be written */
};

static inline char *make_pfx(const struct pfx_style *style, EVP_PKEY *key, X509 *leaf,
                             STACK_OF(X509) * chain) {
    OSSL_LIB_CTX *library = NULL;
    OSSL_PROVIDER *modern = NULL, *legacy = NULL;
    if (style->needs_legacy) {
        library = OSSL_LIB_CTX_new();
        modern = OSSL_PROVIDER_load(library, "default");
        legacy = OSSL_PROVIDER_load(library, "legacy");
        if (!legacy)
            skip();
    }
    char *text = base64_of_pfx(PKCS12_create_ex(
        style->password, NULL, key, leaf, chain, style->key_nid, style->certificate_nid,
        style->rounds, style->mac_rounds, 0, library, NULL));
    if (library) {
        OSSL_PROVIDER_unload(legacy);
        OSSL_PROVIDER_unload(modern);
        OSSL_LIB_CTX_free(library);
    }
    return text;
}

static inline struct client_certificate *read_well(const char *value) {
    struct client_certificate *certificate = NULL;
    struct error err = {""};
    if (client_certificate_read(slice_of_str(value), &certificate, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    assert_string_equal(err.text, "");
    return certificate;
}

static inline void assert_refuses_bytes(struct slice value, const char *word) {
    struct client_certificate *certificate = NULL;
    struct error err = {""};
    assert_int_not_equal(client_certificate_read(value, &certificate, &err), STATUS_OK);
    assert_null(certificate);
    if (!strstr(err.text, word))
        fail_msg("\"%s\" does not speak of \"%s\"", err.text, word);
}

static inline void assert_refuses(const char *value, const char *word) {
    assert_refuses_bytes(slice_of_str(value), word);
}

#endif
