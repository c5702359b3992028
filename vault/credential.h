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
    const char *hosts; /* the tag barkeep-hosts as the vault has it; NULL: the secret has none */
};

/* A rendered credential, shared by the cabinets that hold it. Immutable; stands on its own. */
struct rendering;

/* The indexes into config->secrets that `credential` needs, each once, in the order of their use.
 * The caller frees the array. False without memory. */
bool credential_secrets(const struct config_credential *credential, size_t **out_indexes,
                        size_t *out_count);

/* "user:password" of a basic credential, of which all secrets are there: the caller's reference.
 * STATUS_INVALID when it may not go into a request. */
enum status credential_join(const struct config_credential *credential,
                            const struct secret_view *views, struct secret **out_joined,
                            struct error *err);

/* Renders from `views`, indexed as config->secrets. When a secret is missing or the result may not
 * go into a request the rendering is unavailable and err says why. NULL without memory. */
struct rendering *rendering_new(const struct config_credential *credential,
                                const struct secret_view *views, struct error *err);
/* `Authorization: Bearer` with a token of barkeep's own or of a caller, and what answers must not
 * repeat of it: for entra_token and on_behalf_of. `token` NULL: unavailable. NULL without memory.
 */
struct rendering *rendering_of_token(struct secret *token, struct error *err);
/* Puts `previous`, of which it takes a reference, behind `rendering`, whose only reference the
 * caller holds. `previous` has none behind it: renderings are no history. NULL: there is none. */
void rendering_set_previous(struct rendering *rendering, struct rendering *previous);
/* `rendering` (as above) puts into requests what `same` does: it gets that one's generation. */
void rendering_set_generation(struct rendering *rendering, const struct rendering *same);
/* True when it could be rendered with more memory. */
bool rendering_lacks_memory(const struct rendering *rendering);
/* True when it is available and may serve on: everything it was made of is still in one of these
 * with the same bounds. What is behind it is a rendering of its own. Never of a token. */
bool rendering_holds(const struct rendering *rendering, const struct secret_view *current,
                     const struct secret_view *previous);
struct rendering *rendering_previous(const struct rendering *rendering); /* borrowed; or NULL */
/* The same with nothing behind it. NULL without memory. */
struct rendering *rendering_without_previous(struct rendering *rendering);
struct rendering *rendering_ref(struct rendering *rendering); /* thread-safe */
void rendering_unref(struct rendering *rendering);            /* thread-safe; NULL is fine */
const struct rendered_credential *rendering_credential(const struct rendering *rendering);

#endif
