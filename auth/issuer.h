/* The issuers Entra writes: which one a tenant's tokens must carry, and the template in metadata
 * and keys. azure.md A.1, A.3, A.14. */
#ifndef BARKEEP_AUTH_ISSUER_H
#define BARKEEP_AUTH_ISSUER_H

#include "config/config.h"

/* Longest issuer handled; longer ones are refused where they come in. */
#define ISSUER_SIZE 512

/* The issuer that the cloud itself prescribes, into `out_issuer`. False when only the metadata can
 * tell: the authority is overridden, or v1 outside the public cloud. */
bool issuer_prescribed(const struct config_entra *entra, size_t tenant, int version,
                       char out_issuer[ISSUER_SIZE]);

/* `text` with every "{tenantid}" replaced. False when the result does not fit. */
bool issuer_fill(struct slice text, const char *tenant, char out_issuer[ISSUER_SIZE]);

/* True when `tenant` is the first segment of the issuer's path. */
bool issuer_names_tenant(struct slice issuer, const char *tenant);

#endif
