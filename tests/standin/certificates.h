/* Makes key pairs and certificates, as PEM text. The caller frees what it is given. */
#ifndef BARKEEP_STANDIN_CERTIFICATES_H
#define BARKEEP_STANDIN_CERTIFICATES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* An RSA-2048 private key followed by its self-signed certificate: what Entra's keys look like. */
enum status certificate_make_signing(char **out_pem, struct error *err);

struct tls_identity {
    char *ca_pem;
    char *key_pem;
    char *chain_pem; /* server certificate, then the CA */
};

/* A fresh CA (its key is thrown away) and a server certificate for 127.0.0.1, localhost and
 * *.vault.localhost. */
enum status tls_identity_make(struct tls_identity *out_identity, struct error *err);
void tls_identity_done(struct tls_identity *identity);

/* What signs client certificates that are not self-signed. */
struct client_ca {
    char *key_pem;
    char *certificate_pem;
};

enum status client_ca_make(struct client_ca *out_ca, struct error *err);
void client_ca_done(struct client_ca *ca);

struct client_certificate_order {
    const char *subject;  /* "CN=name,O=organization" */
    const char *dns_name; /* a subject alternative name; may be NULL */
    const char *key_pem;
    const struct client_ca *ca; /* NULL: self-signed */
    int64_t not_before;         /* seconds since the epoch; 0: since yesterday */
    int64_t expires;            /* 0: a year from now */
};

/* The certificate and, behind it, that of its CA. */
enum status client_certificate_make(const struct client_certificate_order *order,
                                    char **out_chain_pem, struct error *err);

struct certificate_facts {
    char *der_base64;
    char *thumbprint; /* base64url(SHA-1) */
    int64_t not_before;
    int64_t expires;
};

/* Of the first certificate of `pem`, which must be one of ours. */
void certificate_describe(const char *pem, struct certificate_facts *out_facts);
void certificate_facts_done(struct certificate_facts *facts);

/* Whether the first certificate of `pem` is good for another day. */
bool certificate_is_current(const char *pem);

#endif
