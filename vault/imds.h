/* Managed identity tokens from the instance metadata service. azure.md C.5. */
#ifndef BARKEEP_VAULT_IMDS_H
#define BARKEEP_VAULT_IMDS_H

#include "config/config.h"
#include "vault/token_request.h"

/* Where the service is: the configured endpoint, else AZURE_POD_IDENTITY_AUTHORITY_HOST, else the
 * address Azure gives it. A heap string without trailing slash, or NULL: plain http goes to the
 * loopback and to 169.254.169.254 only. The caller frees it. */
char *imds_endpoint(const struct config_identity *config, struct error *err);

/* Fills `out_request`, which the caller has initialised. */
enum status imds_request(const char *endpoint, const struct config_identity *config,
                         const char *resource, struct token_request *out_request,
                         struct error *err);

#endif
