/* Keeps the key sets fresh: discovery, hourly jittered refresh, single-flight refresh for an
 * unknown kid at most once in five minutes per set, bounded staleness, the last good sets in a
 * folder. Lives on the keeper's loop. azure.md A.1-A.3, A.15. */
#ifndef BARKEEP_AUTH_KEY_SOURCE_H
#define BARKEEP_AUTH_KEY_SOURCE_H

#include "auth/key_set.h"
#include "config/config.h"
#include "core/http_client.h"
#include "core/loop.h"

struct key_source;

/* Someone who waits for a key set. Embed; zero-initialise. */
struct key_want {
    struct key_want *next; /* owned by the source while waiting */
    size_t slot;
    uint64_t generation; /* of the set that did not do: a newer one answers at once */
    void (*on_done)(
        struct key_want *want); /* once; the ring published last holds what could be had */
};

/* `on_ring` gets a reference to each new ring; it is called before the wants it answers. */
struct key_source *key_source_new(struct loop *loop, struct http_client *client,
                                  const struct config *config,
                                  void (*on_ring)(void *owner, struct key_ring *ring), void *owner,
                                  struct error *err);
/* The ring of now, which holds what the state folder had from the beginning. One reference for the
 * caller. */
struct key_ring *key_source_ring(const struct key_source *source);
void key_source_free(struct key_source *source); /* pending wants are answered first */
/* Takes over the sets of every slot that means the same in both configurations (authority, tenant,
 * version; a static issuer's metadata, issuer and tenant), and when to look for each again: nothing
 * is fetched before that. The ring of now holds them at once; a state folder that is new gets them
 * too. `former` is read only; before key_source_start(), and before anyone else sees the ring. */
void key_source_adopt(struct key_source *source, const struct key_source *former);
/* Fetches everything that is due and keeps refreshing. */
void key_source_start(struct key_source *source);
/* Asks for a fresh look at one set. Answers at once when the set was tried too recently, after the
 * running fetch when there is one. `on_done` may be called before this returns. */
void key_source_want(struct key_source *source, struct key_want *want);

struct key_source_state {
    const char *tenant;
    const char *issuer;     /* the static issuer's name; NULL: the tenant's own sets */
    int version;            /* 0 for a static issuer */
    bool is_ready;          /* usable keys are there */
    bool is_absent;         /* the authority answered 404: it has no tokens of this version */
    size_t keys;            /* how many */
    size_t refused_keys;    /* left out of the last good document */
    int64_t age_sec;        /* since the last good fetch; -1 before it */
    const char *last_error; /* "" when the last fetch was good */
};
size_t key_source_state_count(const struct key_source *source);
void key_source_state(const struct key_source *source, size_t index,
                      struct key_source_state *out_state);

#endif
