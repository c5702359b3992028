/* The last good key sets in a folder, one file a set, so that a start does not depend on Entra
 * being reachable. Public keys only. What is read is judged like what is fetched; who can write to
 * the folder could add keys, so a folder or file that others may write to is refused. */
#ifndef BARKEEP_AUTH_KEY_STATE_H
#define BARKEEP_AUTH_KEY_STATE_H

#include "auth/issuer.h"
#include "auth/key_set.h"

struct key_state;

struct key_state_entry {
    struct key_set *keys; /* one reference for the receiver; never empty */
    char issuer[ISSUER_SIZE];
    int64_t fetched_wall_sec;
};

/* Makes the folder when it is missing. `config->state` is set; `config` must outlive it. */
struct key_state *key_state_open(const struct config *config, struct error *err);
void key_state_free(struct key_state *state); /* NULL is fine */

/* STATUS_NOT_FOUND when there is none, STATUS_INVALID when what is there cannot be used any more:
 * damaged, from the future, older than max_stale, of another authority. */
enum status key_state_load(const struct key_state *state, size_t slot, int64_t now_wall_sec,
                           struct key_state_entry *out_entry, struct error *err);
/* Replaces the set's file in one step. When that fails the old one goes: a key that was withdrawn
 * must not come back. */
enum status key_state_save(const struct key_state *state, size_t slot,
                           const struct key_state_entry *entry, struct error *err);

#endif
