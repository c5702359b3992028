/* The feeds of all key sets, and the ring that they fill. Each feed looks after its own set; what
 * concerns them all, or is asked from outside, is here. */
#include "auth/key_source.h"

#include <stdlib.h>

#include "auth/key_feed.h"
#include "auth/key_source_pace.h"

static enum status open_state(struct key_source *source, struct error *err) {
    if (!source->config->state)
        return STATUS_OK;
    source->state = key_state_open(source->config, err);
    if (!source->state)
        return STATUS_IO;
    for (size_t i = 0; i < source->feed_count; i++)
        key_feed_load(&source->feeds[i]);
    return STATUS_OK;
}

struct key_source *key_source_new(struct loop *loop, struct http_client *client,
                                  const struct config *config,
                                  void (*on_ring)(void *owner, struct key_ring *ring), void *owner,
                                  struct error *err) {
    size_t slot_count = key_slot_count(&config->entra);
    struct key_source *source = calloc(1, sizeof *source);
    if (!source)
        goto no_memory;
    source->loop = loop;
    source->config = config;
    source->on_ring = on_ring;
    source->owner = owner;
    source->second_ms = 1000;
    source->ring = key_ring_new(slot_count);
    source->feeds = calloc(slot_count + 1, sizeof *source->feeds);
    if (!source->ring || !source->feeds)
        goto no_memory;
    for (size_t slot = 0; slot < slot_count; slot++)
        if (key_slot_is_used(&config->entra, slot))
            key_feed_init(&source->feeds[source->feed_count++], source, client, slot);
    if (open_state(source, err) == STATUS_OK)
        return source;
    key_source_free(source);
    return NULL;
no_memory:
    key_source_free(source);
    error_set(err, STATUS_NO_MEMORY, "no memory for the key source");
    return NULL;
}

struct key_ring *key_source_ring(const struct key_source *source) {
    return key_ring_ref(source->ring);
}

void key_source_free(struct key_source *source) {
    if (!source)
        return;
    source->is_closing = true;
    for (size_t i = 0; i < source->feed_count; i++) {
        struct key_feed *feed = &source->feeds[i];
        key_fetch_cancel(&feed->fetch);
        loop_timer_cancel(source->loop, &feed->look_timer);
        loop_timer_cancel(source->loop, &feed->stale_timer);
        key_feed_answer_wants(feed);
    }
    key_ring_unref(source->ring);
    key_state_free(source->state);
    free(source->feeds);
    free(source);
}

void key_source_adopt(struct key_source *source, const struct key_source *former) {
    if (source->generation < former->generation)
        source->generation = former->generation;
    for (size_t i = 0; i < source->feed_count; i++) {
        struct key_feed *feed = &source->feeds[i];
        for (size_t j = 0; j < former->feed_count; j++)
            if (key_slot_is_same(&source->config->entra, feed->fetch.slot, &former->config->entra,
                                 former->feeds[j].fetch.slot)) {
                key_feed_adopt(feed, &former->feeds[j]);
                break;
            }
    }
}

void key_source_start(struct key_source *source) {
    source->on_ring(source->owner, key_ring_ref(source->ring));
    for (size_t i = 0; i < source->feed_count; i++)
        key_feed_start(&source->feeds[i]);
}

static struct key_feed *find_feed(struct key_source *source, size_t slot) {
    for (size_t i = 0; i < source->feed_count; i++)
        if (source->feeds[i].fetch.slot == slot)
            return &source->feeds[i];
    return NULL;
}

void key_source_want(struct key_source *source, struct key_want *want) {
    struct key_feed *feed = find_feed(source, want->slot);
    bool is_running = feed && key_fetch_is_running(&feed->fetch);
    bool may_look = feed && !source->is_closing &&
                    key_feed_slot(feed)->generation == want->generation &&
                    (is_running || loop_now_ms(source->loop) >= feed->next_demand_ms);
    if (!may_look) {
        want->on_done(want);
        return;
    }
    want->next = feed->wants;
    feed->wants = want;
    if (!is_running) {
        feed->is_on_demand = key_feed_slot(feed)->keys != NULL;
        key_feed_start_look(feed);
    }
}

size_t key_source_state_count(const struct key_source *source) {
    return source->feed_count;
}

void key_source_state(const struct key_source *source, size_t index,
                      struct key_source_state *out_state) {
    const struct key_feed *feed = &source->feeds[index];
    const struct key_set *keys = key_feed_slot(feed)->keys;
    int64_t age_ms = (int64_t)loop_now_ms(source->loop) - feed->last_good_ms;
    *out_state = (struct key_source_state){
        .tenant = key_feed_tenant(feed),
        .issuer = key_feed_issuer_name(feed),
        .version = key_feed_version(feed),
        .is_ready = keys != NULL,
        .is_absent = feed->is_absent && !feed->has_been_good,
        .keys = keys ? key_set_count(keys) : 0,
        .refused_keys = feed->refusals.count,
        .age_sec = feed->has_been_good ? age_ms / 1000 : -1,
        .last_error = feed->last_error,
    };
}

void key_source_set_second_ms(struct key_source *source, uint32_t second_ms) {
    source->second_ms = second_ms;
}
