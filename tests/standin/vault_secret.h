/* Secrets: values out of documents. azure.md D.2. */
#ifndef BARKEEP_STANDIN_VAULT_SECRET_H
#define BARKEEP_STANDIN_VAULT_SECRET_H

#include "vault.h"

/* Adds a version out of `{"value", "contentType", "tags", "attributes": {enabled, nbf, exp}}`,
 * making the secret if need be. A string member of another type, a value over 25 KiB and the like
 * are STATUS_INVALID with the reason; other members are ignored, as the real service does. */
enum status vault_secret_set(struct vault *vault, const char *name, const json_t *document,
                             struct vault_version **out_version, struct error *err);
/* Changes what the document names (all of the above but the value). */
enum status vault_secret_update(struct vault_version *version, const json_t *document,
                                struct error *err);

/* The secret with all its versions as text that vault_secret_restore() reads. The caller frees. */
char *vault_secret_backup(const struct vault_object *secret);
/* STATUS_INVALID for text that is no backup, STATUS_DENIED when the name is taken. */
enum status vault_secret_restore(struct vault *vault, const char *backup,
                                 struct vault_object **out_secret, struct error *err);

#endif
