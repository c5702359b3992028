/* A key and its certificate in a PEM file, and environments of the platforms. Included by one
 * translation unit a test. */
#ifndef BARKEEP_TESTS_IDENTITY_CASE_H
#define BARKEEP_TESTS_IDENTITY_CASE_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vault_case.h"

struct key_pair {
    EVP_PKEY *key;
    X509 *certificate;
};

static inline struct key_pair key_pair_of(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    assert_non_null(key);
    assert_non_null(certificate);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"barkeep", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return (struct key_pair){key, certificate};
}

static inline struct key_pair key_pair_new(unsigned bits) {
    return key_pair_of(EVP_RSA_gen(bits));
}

static inline void key_pair_done(struct key_pair *pair) {
    EVP_PKEY_free(pair->key);
    X509_free(pair->certificate);
}

/* On the heap. Either may be NULL. `passphrase` NULL: not encrypted. */
static inline char *pem_of(EVP_PKEY *key, X509 *certificate, const char *passphrase) {
    BIO *bio = BIO_new(BIO_s_mem());
    if (certificate)
        assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    if (key)
        assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key,
                                                       passphrase ? EVP_aes_128_cbc() : NULL,
                                                       passphrase, passphrase ? 4 : 0, NULL, NULL),
                         1);
    char *bytes;
    const long len = BIO_get_mem_data(bio, &bytes);
    char *text = slice_strdup(slice_of(bytes, (size_t)len));
    BIO_free(bio);
    return text;
}

static inline void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline void clear_platform(void) {
    static const char *const names[] = {"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT",
                                        "IDENTITY_SERVER_THUMBPRINT",
                                        "AZURE_POD_IDENTITY_AUTHORITY_HOST"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unsetenv(names[i]);
}

#endif
