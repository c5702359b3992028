/* A private key and certificates as they come out of PFX and PEM, before anything is made of them.
 */
#ifndef BARKEEP_VAULT_CERTIFICATE_PARTS_H
#define BARKEEP_VAULT_CERTIFICATE_PARTS_H

#include "core/slice.h"
#include "core/status.h"

/* A leaf and its chain; more than any TLS peer takes. */
#define CERTIFICATE_PARTS_MAX 16

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */
struct x509_st;     /* OpenSSL's X509 */

/* Zero-initialise. */
struct certificate_parts {
    struct evp_pkey_st *key;
    struct x509_st *certificates[CERTIFICATE_PARTS_MAX]; /* in the order they came in */
    size_t count;
};

void certificate_parts_done(struct certificate_parts *parts);

/* These take what they are given, in every case. NULL is what OpenSSL could not read:
 * STATUS_INVALID, as for a second key. */
enum status certificate_parts_add_key(struct certificate_parts *parts, struct evp_pkey_st *key,
                                      struct error *err);
enum status certificate_parts_add_certificate(struct certificate_parts *parts,
                                              struct x509_st *certificate, struct error *err);

/* PEM: one key as PKCS#8, PKCS#1 or SEC 1, certificates, text between them. */
enum status certificate_parts_read_pem(struct certificate_parts *parts, struct slice pem,
                                       struct error *err);
/* PFX (PKCS#12, RFC 7292) without a password, whatever it is encrypted with, the algorithms of old
 * too. */
enum status certificate_parts_read_pfx(struct certificate_parts *parts, struct slice der,
                                       struct error *err);

#endif
