/* One credential in the store: the secrets or the token it is made of, and the rendering of them
 * that was published last. */
#ifndef BARKEEP_VAULT_SHELF_H
#define BARKEEP_VAULT_SHELF_H

#include "vault/credential.h"
#include "vault/held_token.h"
#include "vault/stored_secret.h"

/* Embed; zero-initialise. */
struct shelf {
    const struct config_credential *config; /* NULL: nothing is rendered (the assertion key) */
    size_t *secrets;                        /* indexes */
    size_t secret_count;
    struct held_token token; /* entra_token only */
    struct rendering *rendering;
    uint64_t rendered_changes; /* sum of its parts' change counts when it was rendered */
    uint64_t rendered_current; /* the same of what is current alone */
};

/* False without memory. */
bool shelf_init(struct shelf *shelf, const struct config_credential *config,
                struct azure_identity *identity);
void shelf_done(struct shelf *shelf);
bool shelf_has_token(const struct shelf *shelf); /* it is made of a token, not of secrets */

/* What all credentials are rendered from: arrays as config->secrets. */
struct shelf_views {
    struct secret_view *current;
    struct secret_view *previous; /* the versions before, where there are any, else as current */
};
void shelf_views_fill(struct shelf_views *views, const struct stored_secret *secrets, size_t count);

/* Renders anew if anything has changed. False without memory. */
bool shelf_render(struct shelf *shelf, const struct stored_secret *secrets,
                  const struct shelf_views *views);
/* Of the published rendering; 0 before the first. */
uint64_t shelf_generation(const struct shelf *shelf);

#endif
