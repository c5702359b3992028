/* Which service of the platform gives a managed identity its tokens, chosen as the Azure SDKs do.
 * azure.md C.5 to C.8. */
#ifndef BARKEEP_VAULT_MANAGED_IDENTITY_H
#define BARKEEP_VAULT_MANAGED_IDENTITY_H

#include "config/config.h"
#include "vault/token_request.h"

enum managed_source {
    MANAGED_IMDS,
    MANAGED_APP_SERVICE, /* Functions and Container Apps too */
    MANAGED_ARC,
};

struct managed_identity {
    enum managed_source source;
    char *imds_endpoint; /* IMDS only */
};

/* A configured endpoint is that of IMDS; else the environment decides. STATUS_INVALID for an
 * endpoint that may not be asked, and on Service Fabric. */
enum status managed_identity_init(struct managed_identity *managed,
                                  const struct config_identity *config, struct error *err);
void managed_identity_done(struct managed_identity *managed); /* a zeroed one is fine */

/* Fills `out_request`, which the caller has initialised. `challenge` is what the same request was
 * answered with before (Azure Arc), or empty. */
enum status managed_identity_request(const struct managed_identity *managed,
                                     const struct config_identity *config, const char *resource,
                                     struct slice challenge, struct token_request *out_request,
                                     struct error *err);

#endif
