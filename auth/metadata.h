/* A tenant's OpenID metadata, judged: who issues its tokens and where its keys are. azure.md A.1.
 */
#ifndef BARKEEP_AUTH_METADATA_H
#define BARKEEP_AUTH_METADATA_H

#include "auth/issuer.h"

#define METADATA_MAX_DOCUMENT_BYTES (256 * 1024)
#define METADATA_URL_SIZE 1024

struct metadata {
    char issuer[ISSUER_SIZE];         /* tenant filled in */
    char jwks_uri[METADATA_URL_SIZE]; /* https, or http on loopback; on the authority's host */
};

/* Where the document is. False when it does not fit. */
bool metadata_url(const struct config_entra *entra, size_t tenant, int version,
                  char out_url[METADATA_URL_SIZE]);

/* STATUS_INVALID, err says why, when the document is malformed or says what it must not: an issuer
 * other than the cloud's own, keys on another host. */
enum status metadata_parse(struct slice json, const struct config_entra *entra, size_t tenant,
                           int version, struct metadata *out_metadata, struct error *err);

#endif
