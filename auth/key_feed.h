/* One key set over time: when it is looked for, what is held of it, who waits for it. Private to
 * key_source.c, whose feeds these are. */
#ifndef BARKEEP_AUTH_KEY_FEED_H
#define BARKEEP_AUTH_KEY_FEED_H

#include "auth/key_fetch.h"
#include "auth/key_source.h"
#include "auth/key_state.h"
#include "vault/backoff.h"

struct key_feed {
    struct key_source *source;
    struct key_fetch fetch;
    struct loop_timer look_timer;
    struct loop_timer stale_timer;
    struct key_want *wants;
    struct backoff backoff;
    bool is_on_demand; /* the running look was asked for although keys are there */
    bool has_been_good;
    bool is_absent;               /* the authority says that it has no such metadata */
    int64_t last_good_ms;         /* negative when that was before the machine started */
    uint64_t next_demand_ms;      /* a want before that is answered with what is there */
    struct key_refusals refusals; /* of the last good document */
    char last_error[256];
};

/* What the feeds share. */
struct key_source {
    struct loop *loop;
    const struct config *config;
    void (*on_ring)(void *owner, struct key_ring *ring);
    void *owner;
    struct key_ring *ring;
    struct key_state *state; /* NULL: nothing is kept */
    uint64_t generation;     /* of the newest set of any feed */
    bool has_unsaved;        /* the state folder failed last time */
    uint32_t second_ms;
    bool is_closing;
    size_t feed_count;
    struct key_feed *feeds;
};

/* Of the set with that number. Nothing is looked for yet. */
void key_feed_init(struct key_feed *feed, struct key_source *source, struct http_client *client,
                   size_t slot);
/* What the state folder has, into the ring that nobody has seen yet. */
void key_feed_load(struct key_feed *feed);
/* Takes over what `former`, the same set in a former configuration, holds and plans; likewise. */
void key_feed_adopt(struct key_feed *feed, const struct key_feed *former);
/* From now on it looks when that is due. What was loaded is used at once, and checked at once all
 * the same. */
void key_feed_start(struct key_feed *feed);
/* Looks now; none is under way. May end before it returns. */
void key_feed_start_look(struct key_feed *feed);
/* Whoever waits; they may want again. */
void key_feed_answer_wants(struct key_feed *feed);

/* Its place in the ring of now. */
const struct key_ring_slot *key_feed_slot(const struct key_feed *feed);
const char *key_feed_tenant(const struct key_feed *feed);
/* NULL for the sets of a tenant. */
const char *key_feed_issuer_name(const struct key_feed *feed);
int key_feed_version(const struct key_feed *feed);

#endif
