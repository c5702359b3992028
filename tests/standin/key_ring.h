/* The tenant's signing keys, kept in the state directory: at least two published ones, newest
 * first, and one that is not published (yet). */
#ifndef BARKEEP_STANDIN_KEY_RING_H
#define BARKEEP_STANDIN_KEY_RING_H

#include "signing_key.h"
#include "state.h"

#define KEY_RING_MIN 2
#define KEY_RING_MAX 8

struct key_ring;

/* Loads the ring, making what is missing. `state` must outlive it. */
enum status key_ring_open(struct state *state, struct key_ring **out_ring, struct error *err);
void key_ring_free(struct key_ring *ring);

size_t key_ring_count(const struct key_ring *ring);
/* 0 is the one that signs. */
const struct signing_key *key_ring_at(const struct key_ring *ring, size_t index);
const struct signing_key *key_ring_unpublished(const struct key_ring *ring);
/* Among the published ones; NULL if unknown. */
const struct signing_key *key_ring_find(const struct key_ring *ring, const char *id);

/* Puts a new key first and keeps the `keep` newest of the old ones (filled up to KEY_RING_MIN with
 * new keys). */
enum status key_ring_roll(struct key_ring *ring, size_t keep, struct error *err);
/* Replaces the unpublished key. */
enum status key_ring_renew_unpublished(struct key_ring *ring, struct error *err);
/* Publishes it (last, so the signing key stays) and makes another. */
enum status key_ring_publish(struct key_ring *ring, struct error *err);

#endif
