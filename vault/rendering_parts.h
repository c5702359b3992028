/* The inside of a rendering, for the files that make it. */
#ifndef BARKEEP_VAULT_RENDERING_PARTS_H
#define BARKEEP_VAULT_RENDERING_PARTS_H

#include <stdatomic.h>

#include "core/arena.h"
#include "vault/client_certificate.h"
#include "vault/credential.h"
#include "vault/leak_set.h"

struct rendering {
    atomic_size_t refs;
    struct arena arena; /* names and versions; the secrets are in secret memory */
    struct rendered_credential credential;
    struct rendering *previous;
    struct client_certificate *certificate;
    struct leak_set *leaks;
};

/* The indexes of the secrets a credential needs. */
struct secret_set {
    size_t *items;
    size_t count;
};

/* Each of these fills what is its own of `rendering`, from `views` that hold every secret it
 * needs. What they leave half done on failure goes with the rendering. */

/* basic, bearer and headers. `out_joined` (basic only): "user:password", the caller's reference. */
enum status render_headers(struct rendering *rendering, const struct config_credential *credential,
                           const struct secret_view *views, struct secret **out_joined,
                           struct error *err);
/* query and cookie. */
enum status render_pairs(struct rendering *rendering, const struct config_credential *credential,
                         const struct secret_view *views, struct error *err);
/* What answers must not repeat. `joined` may be NULL. */
enum status render_leaks(struct rendering *rendering, const struct secret_set *secrets,
                         const struct secret_view *views, const struct secret *joined,
                         struct error *err);
enum status render_token_leak(struct rendering *rendering, const struct secret *token,
                              struct error *err);

enum status render_no_memory(struct error *err);

#endif
