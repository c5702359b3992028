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
    struct held_token token;     /* entra_token only */
    struct rendering *rendering; /* in the cabinet published last; NULL before the first */
    uint64_t rendered_changes;   /* sum of its parts' change counts when it was rendered */
    uint64_t rendered_current;   /* the same of what is current alone */
    struct rendering *next;      /* to take its place; NULL: it stays */
    uint64_t next_changes;
    uint64_t next_current;
    bool lacks_memory;     /* it could not be rendered from what is held now */
    uint64_t told_changes; /* those whose unusable rendering was logged */
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

/* Of any of its secrets the version before is held. */
bool shelf_has_previous(const struct shelf *shelf, const struct stored_secret *secrets);
/* Of everything it is made of, however often that was rendered. */
uint64_t shelf_changes(const struct shelf *shelf, const struct stored_secret *secrets);

/* Renders `next` if anything has changed. Without secret memory for it the rendering stays what it
 * is while that may be, else `next` is unavailable. False without other memory. */
bool shelf_render(struct shelf *shelf, const struct stored_secret *secrets,
                  const struct shelf_views *views);
/* True when there is no `next`, or the published rendering may serve on in its place: what that was
 * made of is still held, with the same bounds. */
bool shelf_may_hold_back(const struct shelf *shelf, const struct shelf_views *views);
/* Has it serve on, without what is behind it unless that holds too. False without memory. */
bool shelf_hold_back(struct shelf *shelf, const struct shelf_views *views);
/* What goes into the cabinet that is being made, borrowed; and, when it is published: */
struct rendering *shelf_next(const struct shelf *shelf);
void shelf_settle(struct shelf *shelf);
/* Of the published rendering; 0 before the first. */
uint64_t shelf_generation(const struct shelf *shelf);

#endif
