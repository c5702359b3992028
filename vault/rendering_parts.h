/* The inside of a rendering, for the files that make it. */
#ifndef BARKEEP_VAULT_RENDERING_PARTS_H
#define BARKEEP_VAULT_RENDERING_PARTS_H

#include <stdatomic.h>

#include "core/arena.h"
#include "vault/client_certificate.h"
#include "vault/credential.h"
#include "vault/leak_set.h"

/* A secret that went into a rendering, as it was then. */
struct rendered_value {
    size_t secret;
    struct secret *value;
    const char *hosts;
};

struct rendering {
    atomic_size_t refs;
    struct arena arena; /* names and versions; the secrets are in secret memory */
    struct rendered_credential credential;
    struct rendered_value *values;
    size_t value_count;
    bool lacks_memory; /* which is why it is unavailable */
    struct rendering *previous;
    struct rendering *whole; /* this is that one without what is behind it; NULL: it is its own */
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

/* basic, bearer and headers. */
enum status render_headers(struct rendering *rendering, const struct config_credential *credential,
                           const struct secret_view *views, struct error *err);
/* query and cookie. */
enum status render_pairs(struct rendering *rendering, const struct config_credential *credential,
                         const struct secret_view *views, struct error *err);
enum status render_no_memory(struct error *err);

#endif
