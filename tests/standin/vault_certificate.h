/* Certificates of a vault: each version comes with a key and a secret of the same name and version.
 * azure.md D.9. */
#ifndef BARKEEP_STANDIN_VAULT_CERTIFICATE_H
#define BARKEEP_STANDIN_VAULT_CERTIFICATE_H

#include "certificates.h"
#include "vault.h"

/* A document like {"subject": "CN=gw", "contentType", "issuer": "ca" or "self", "kty", "key_size",
 * "crv", "nbf", "exp", "dns", "enabled", "tags", "exportable", "pfx": "modern" or "legacy"}; all
 * have defaults. `path` says in errors where the document is. */
enum status certificate_order_check(const json_t *document, const char *path, struct error *err);
/* Makes a version out of such a document: key, certificate and secret. */
enum status vault_certificate_add(struct vault *vault, const char *name, const json_t *document,
                                  const struct client_ca *ca, struct vault_version **out_version,
                                  struct error *err);

/* A document like {"kty": "RSA" or "EC", "key_size", "crv", "enabled", "nbf", "exp", "tags"}. */
enum status key_document_check(const json_t *document, const char *path, struct error *err);
enum status vault_key_add(struct vault *vault, const char *name, const json_t *document,
                          struct vault_version **out_version, struct error *err);

/* Takes over orders of the seed, {"keys": {name: document}, "certificates": {...}}, checked. They
 * are made when somebody first asks for them, because an RSA key takes its time. */
enum status vault_orders_take(struct vault *vault, const json_t *keys, const json_t *certificates,
                              const char *path, struct error *err);
/* Makes what was ordered under `name`; NULL: everything. */
enum status vault_orders_fill(struct vault *vault, const char *name, const struct client_ca *ca,
                              struct error *err);

#endif
