/* A TLS client certificate with its key and chain, as Key Vault keeps certificates: PFX in base64
 * or PEM. azure.md D.9. */
#ifndef BARKEEP_VAULT_CLIENT_CERTIFICATE_H
#define BARKEEP_VAULT_CLIENT_CERTIFICATE_H

#include <stdbool.h>

#include "core/slice.h"
#include "core/status.h"

/* Several times what Key Vault stores in a secret (azure.md D.2). */
#define CLIENT_CERTIFICATE_MAX_BYTES (128 * 1024)

struct ssl_st; /* OpenSSL's SSL */
struct client_certificate;

/* Immutable; used by any number of threads at once. STATUS_INVALID for anything that is not one
 * private key with a certificate of its own that is valid now, STATUS_LIMIT beyond
 * CLIENT_CERTIFICATE_MAX_BYTES; err never quotes `value`. */
enum status client_certificate_read(struct slice value, struct client_certificate **out_certificate,
                                    struct error *err);
void client_certificate_free(struct client_certificate *certificate); /* NULL is fine */
/* Has `ssl` present it. False without memory. */
bool client_certificate_use(const struct client_certificate *certificate, struct ssl_st *ssl);

#endif
