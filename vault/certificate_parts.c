/* Owns what the readers found, each kind once it is known to be whole. */
#include "vault/certificate_parts.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

void certificate_parts_done(struct certificate_parts *parts) {
    EVP_PKEY_free(parts->key);
    for (size_t i = 0; i < parts->count; i++)
        X509_free(parts->certificates[i]);
    *parts = (struct certificate_parts){0};
}

enum status certificate_parts_add_key(struct certificate_parts *parts, EVP_PKEY *key,
                                      struct error *err) {
    if (!key)
        return error_set(err, STATUS_INVALID, "the private key cannot be read");
    if (parts->key) {
        EVP_PKEY_free(key);
        return error_set(err, STATUS_INVALID, "there is more than one private key");
    }
    parts->key = key;
    return STATUS_OK;
}

enum status certificate_parts_add_certificate(struct certificate_parts *parts, X509 *certificate,
                                              struct error *err) {
    if (!certificate)
        return error_set(err, STATUS_INVALID, "a certificate cannot be read");
    if (parts->count == CERTIFICATE_PARTS_MAX) {
        X509_free(certificate);
        return error_set(err, STATUS_LIMIT, "there are more than %d certificates",
                         CERTIFICATE_PARTS_MAX);
    }
    parts->certificates[parts->count++] = certificate;
    return STATUS_OK;
}
