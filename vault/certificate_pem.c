/* Keys and certificates out of PEM text (RFC 7468), decoded in secret memory block by block. */
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "vault/certificate_parts.h"

/* A block as the PEM reader gives it. */
struct pem_block {
    char *name;
    char *header;
    unsigned char *der;
    long len;
};

static bool is_named(const struct pem_block *block, const char *name) {
    return strcmp(block->name, name) == 0;
}

static EVP_PKEY *read_wrapped_key(const struct pem_block *block) {
    const unsigned char *at = block->der;
    PKCS8_PRIV_KEY_INFO *wrapped = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, block->len);
    EVP_PKEY *key = wrapped && at == block->der + block->len ? EVP_PKCS82PKEY(wrapped) : NULL;
    PKCS8_PRIV_KEY_INFO_free(wrapped);
    return key;
}

static EVP_PKEY *read_typed_key(const struct pem_block *block, int type) {
    const unsigned char *at = block->der;
    EVP_PKEY *key = d2i_PrivateKey(type, NULL, &at, block->len);
    if (!key || at == block->der + block->len)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static X509 *read_certificate(const struct pem_block *block) {
    const unsigned char *at = block->der;
    X509 *certificate = d2i_X509(NULL, &at, block->len);
    if (!certificate || at == block->der + block->len)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static bool is_encrypted(const struct pem_block *block) {
    return is_named(block, "ENCRYPTED PRIVATE KEY") || block->header[0] != '\0';
}

static enum status add_block(struct certificate_parts *parts, const struct pem_block *block,
                             struct error *err) {
    if (is_encrypted(block))
        return error_set(err, STATUS_INVALID, "the private key is encrypted");
    if (is_named(block, "PRIVATE KEY"))
        return certificate_parts_add_key(parts, read_wrapped_key(block), err);
    if (is_named(block, "RSA PRIVATE KEY"))
        return certificate_parts_add_key(parts, read_typed_key(block, EVP_PKEY_RSA), err);
    if (is_named(block, "EC PRIVATE KEY"))
        return certificate_parts_add_key(parts, read_typed_key(block, EVP_PKEY_EC), err);
    if (is_named(block, "CERTIFICATE"))
        return certificate_parts_add_certificate(parts, read_certificate(block), err);
    /* `openssl ecparam` writes the curve's name in front of a key that names it anyway. */
    if (is_named(block, "EC PARAMETERS"))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "there is a PEM block of a kind that is not used here");
}

static bool next_block(BIO *text, struct pem_block *out_block) {
    return PEM_read_bio_ex(text, &out_block->name, &out_block->header, &out_block->der,
                           &out_block->len, PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE) == 1;
}

static void free_block(struct pem_block *block) {
    OPENSSL_secure_free(block->name);
    OPENSSL_secure_free(block->header);
    OPENSSL_secure_clear_free(block->der, (size_t)block->len);
}

enum status certificate_parts_read_pem(struct certificate_parts *parts, struct slice pem,
                                       struct error *err) {
    struct pem_block block;
    enum status status = STATUS_OK;
    BIO *text = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
    if (!text)
        return error_set(err, STATUS_NO_MEMORY, "no memory left");
    while (status == STATUS_OK && next_block(text, &block)) {
        status = add_block(parts, &block, err);
        free_block(&block);
    }
    /* The reader stops alike at the end and at a block that is not whole. */
    if (status == STATUS_OK && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        status = error_set(err, STATUS_INVALID, "a PEM block is broken");
    BIO_free(text);
    return status;
}
