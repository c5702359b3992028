/* Makes key pairs and certificates, as PEM text. The caller frees what it is given. */
#ifndef BARKEEP_STANDIN_CERTIFICATES_H
#define BARKEEP_STANDIN_CERTIFICATES_H

#include <stdbool.h>

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

/* Whether the first certificate of `pem` is good for another day. */
bool certificate_is_current(const char *pem);

#endif
