/* Secrets made into what goes into a request. contract section 4. */
#ifndef BARKEEP_VAULT_CREDENTIAL_H
#define BARKEEP_VAULT_CREDENTIAL_H

#include "vault/secret_store.h"

/* One secret as a credential sees it; `value` is NULL when there is none to use. */
struct secret_view {
    const char *vault;
    const char *name;
    const char *version; /* "" for file: vaults */
    struct secret *value;
};

/* A rendered credential, shared by the cabinets that hold it. Immutable; stands on its own. */
struct rendering;

/* The indexes into config->secrets that `credential` needs, each once, in the order of their use.
 * The caller frees the array. False without memory. */
bool credential_secrets(const struct config_credential *credential, size_t **out_indexes,
                        size_t *out_count);

/* Renders from `views`, indexed as config->secrets. When a secret is missing or the result may not
 * go into a request the rendering is unavailable and err says why. NULL without memory. */
struct rendering *rendering_new(const struct config_credential *credential,
                                const struct secret_view *views, struct error *err);
struct rendering *rendering_ref(struct rendering *rendering); /* thread-safe */
void rendering_unref(struct rendering *rendering);            /* thread-safe; NULL is fine */
const struct rendered_credential *rendering_credential(const struct rendering *rendering);

#endif
