/* Managed identity tokens in App Service, Functions and Container Apps. azure.md C.6. */
#ifndef BARKEEP_VAULT_APP_SERVICE_H
#define BARKEEP_VAULT_APP_SERVICE_H

#include "config/config.h"
#include "vault/token_request.h"

/* True when the platform says that it has identities to give: IDENTITY_ENDPOINT and
 * IDENTITY_HEADER. */
bool app_service_is_here(void);

/* Fills `out_request`, which the caller has initialised. Both variables are read anew each time:
 * the platform rotates the header. */
enum status app_service_request(const struct config_identity *config, const char *resource,
                                struct token_request *out_request, struct error *err);

#endif
