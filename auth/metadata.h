/* The OpenID metadata of a tenant or of a static issuer, judged: who issues its tokens and
 * where its keys are. azure.md A.1, A.13. */
#ifndef BARKEEP_AUTH_METADATA_H
#define BARKEEP_AUTH_METADATA_H

#include "auth/issuer.h"
#include "auth/key_slot.h"

#define METADATA_MAX_DOCUMENT_BYTES (256 * 1024)
#define METADATA_URL_SIZE 1024

struct metadata {
    char issuer[ISSUER_SIZE];         /* tenant filled in */
    char jwks_uri[METADATA_URL_SIZE]; /* https, or http on loopback; on the host that was asked */
    char cloud_instance[128];         /* cloud_instance_name, "" when it states none */
};

/* Where the document of a slot's set is. False when it does not fit. */
bool metadata_url(const struct config_entra *entra, size_t slot, char out_url[METADATA_URL_SIZE]);

/* STATUS_INVALID, err says why, when the document is malformed or says what it must not: an issuer
 * other than the cloud's own or the profile's, keys on another host. */
enum status metadata_parse(struct slice json, const struct config_entra *entra, size_t slot,
                           struct metadata *out_metadata, struct error *err);

/* Judges an issuer as metadata states it, "{tenantid}" allowed: may tokens of this slot's set carry
 * it? `out_issuer` has the tenant filled in. */
enum status metadata_check_issuer(struct slice stated, const struct config_entra *entra,
                                  size_t slot, char out_issuer[ISSUER_SIZE], struct error *err);

#endif
