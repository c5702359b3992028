/* PKCS#12 as Key Vault hands it out. "Without password" is the empty one here, as Windows writes
 * it.
 */
#include "pfx.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "must.h"

#define ITERATIONS 2000

static X509 *read_chain(const char *pem, STACK_OF(X509) * *out_others) {
    BIO *bio = must(BIO_new_mem_buf(pem, -1));
    X509 *first = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    STACK_OF(X509) *others = must(sk_X509_new_null());
    X509 *next;
    while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        sk_X509_push(others, next);
    ERR_clear_error();
    BIO_free(bio);
    *out_others = others;
    return first;
}

static EVP_PKEY *read_key(const char *pem) {
    BIO *bio = must(BIO_new_mem_buf(pem, -1));
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

/* Once for the process: the default provider stays. */
static bool has_legacy_provider(void) {
    static OSSL_PROVIDER *provider;
    if (!provider)
        provider = OSSL_PROVIDER_try_load(NULL, "legacy", 1);
    return provider != NULL;
}

static char *to_base64(PKCS12 *pfx) {
    unsigned char *der = NULL;
    int len = i2d_PKCS12(pfx, &der);
    char *text = len > 0 ? base64_encode(der, (size_t)len) : NULL;
    OPENSSL_free(der);
    return text;
}

char *pfx_encode(const char *key_pem, const char *chain_pem, bool is_legacy) {
    if (is_legacy && !has_legacy_provider())
        return NULL;
    STACK_OF(X509) *others = NULL;
    X509 *certificate = read_chain(chain_pem, &others);
    EVP_PKEY *key = key_pem ? read_key(key_pem) : NULL;
    int key_cipher = is_legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
    int chain_cipher = is_legacy ? NID_pbe_WithSHA1And40BitRC2_CBC : NID_aes_256_cbc;
    PKCS12 *pfx = PKCS12_create("", NULL, key, certificate, others, key_cipher, chain_cipher,
                                ITERATIONS, -1, 0);
    bool is_sealed = pfx && PKCS12_set_mac(pfx, "", 0, NULL, 0, ITERATIONS,
                                           is_legacy ? EVP_sha1() : EVP_sha256()) == 1;
    char *text = is_sealed ? to_base64(pfx) : NULL;
    PKCS12_free(pfx);
    EVP_PKEY_free(key);
    X509_free(certificate);
    sk_X509_pop_free(others, X509_free);
    ERR_clear_error();
    return text;
}

static char *write_pem(EVP_PKEY *key, X509 *certificate, STACK_OF(X509) * others) {
    BIO *bio = must(BIO_new(BIO_s_mem()));
    if (key)
        must_hold(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    if (certificate)
        must_hold(PEM_write_bio_X509(bio, certificate) == 1);
    for (int i = 0; i < sk_X509_num(others); i++)
        must_hold(PEM_write_bio_X509(bio, sk_X509_value(others, i)) == 1);
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = must_printf("%.*s", (int)len, bytes);
    BIO_free(bio);
    return text;
}

char *pfx_to_pem(const char *pfx_base64) {
    size_t len = 0;
    unsigned char *der = base64_decode(slice_of_str(pfx_base64), &len);
    const unsigned char *at = der;
    PKCS12 *pfx = der ? d2i_PKCS12(NULL, &at, (long)len) : NULL;
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    STACK_OF(X509) *others = NULL;
    char *pem = NULL;
    if (pfx && PKCS12_parse(pfx, "", &key, &certificate, &others) == 1)
        pem = write_pem(key, certificate, others);
    sk_X509_pop_free(others, X509_free);
    X509_free(certificate);
    EVP_PKEY_free(key);
    PKCS12_free(pfx);
    free(der);
    ERR_clear_error();
    return pem;
}
