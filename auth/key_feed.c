/* When to look for keys, and what to do with what was found: a timer for the next look, one for the
 * end of the last good keys, and the callers who wait. A failed look never takes keys away; only
 * age does.
 *
 *   start --> look --good--> publish, next look in an hour
 *              ^  \--bad---> keep what is there, next look after the back-off
 *              |
 *   want ------+  joins a running look; starts one when the last is long enough ago */
#include "auth/key_feed.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"

#define REFRESH_JITTER_PERCENT 10
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define RETRY_AFTER_MAX_SEC 600
/* Between two looks that unknown kids caused: whoever makes tokens up must not make traffic. */
#define DEMAND_PAUSE_MS (5 * 60 * 1000)

static uint64_t scale_ms(const struct key_feed *feed, uint64_t ms) {
    return backoff_scale_ms(feed->source->second_ms, ms);
}

static const struct config_entra *entra_of(const struct key_feed *feed) {
    return &feed->source->config->entra;
}

const char *key_feed_tenant(const struct key_feed *feed) {
    return key_slot_tenant(entra_of(feed), feed->fetch.slot);
}

const char *key_feed_issuer_name(const struct key_feed *feed) {
    size_t issuer = key_slot_at(entra_of(feed), feed->fetch.slot).issuer;
    return issuer == CONFIG_NONE ? NULL : entra_of(feed)->issuers[issuer].name;
}

int key_feed_version(const struct key_feed *feed) {
    return key_slot_at(entra_of(feed), feed->fetch.slot).version;
}

const struct key_ring_slot *key_feed_slot(const struct key_feed *feed) {
    return key_ring_slot(feed->source->ring, feed->fetch.slot);
}

void key_feed_answer_wants(struct key_feed *feed) {
    struct key_want *want = feed->wants;
    feed->wants = NULL;
    while (want) {
        struct key_want *next = want->next;
        want->next = NULL;
        want->on_done(want); /* may free it, and may want again */
        want = next;
    }
}

/* A copy of the ring, to be changed in this feed's slot and published. NULL without memory. */
static struct key_ring *copy_ring(const struct key_feed *feed, struct key_ring_slot **out_slot) {
    struct key_ring *ring = key_ring_copy(feed->source->ring);
    if (ring)
        *out_slot = key_ring_slot(ring, feed->fetch.slot);
    return ring;
}

static void publish(struct key_source *source, struct key_ring *ring) {
    key_ring_unref(source->ring);
    source->ring = ring;
    source->on_ring(source->owner, key_ring_ref(ring));
}

/* Puts a set into the feed's slot of a ring. Takes over `keys`; both may be NULL. */
static enum status fill_slot(struct key_feed *feed, struct key_ring_slot *slot,
                             struct key_set *keys, const char *issuer, int64_t fetched_wall_sec) {
    char *issuer_copy = issuer ? slice_strdup(slice_of_str(issuer)) : NULL;
    if (issuer && !issuer_copy) {
        key_set_unref(keys);
        return STATUS_NO_MEMORY;
    }
    key_set_unref(slot->keys);
    free(slot->issuer);
    *slot = (struct key_ring_slot){.keys = keys,
                                   .issuer = issuer_copy,
                                   .fetched_wall_sec = fetched_wall_sec,
                                   .generation = ++feed->source->generation,
                                   .closed_until_ms = feed->next_demand_ms};
    return STATUS_OK;
}

/* Takes over `keys`; both may be NULL. */
static enum status publish_keys(struct key_feed *feed, struct key_set *keys, const char *issuer) {
    struct key_ring_slot *slot;
    struct key_ring *ring = copy_ring(feed, &slot);
    if (!ring) {
        key_set_unref(keys);
        return STATUS_NO_MEMORY;
    }
    enum status status = fill_slot(feed, slot, keys, issuer, keys ? clock_wall_sec() : 0);
    if (status == STATUS_OK)
        publish(feed->source, ring);
    else
        key_ring_unref(ring);
    return status;
}

/* Tells the workers until when asking is of no use. Without memory they ask in vain. */
static void publish_closing(struct key_feed *feed) {
    struct key_ring_slot *slot;
    struct key_ring *ring = copy_ring(feed, &slot);
    if (!ring)
        return;
    slot->closed_until_ms = feed->next_demand_ms;
    publish(feed->source, ring);
}

static void log_look(const struct key_feed *feed, enum log_level level, const char *outcome,
                     const char *detail) {
    const struct key_set *keys = key_feed_slot(feed)->keys;
    const char *issuer = key_feed_issuer_name(feed);
    LOG_EVENT(level, "keys", LOG_STR("outcome", outcome), LOG_STR("tenant", key_feed_tenant(feed)),
              LOG_STR("issuer", issuer ? issuer : "entra"),
              LOG_INT("version", key_feed_version(feed)),
              LOG_INT("keys", keys ? key_set_count(keys) : 0),
              LOG_INT("refused_keys", feed->refusals.count), LOG_STR("detail", detail));
}

static bool refusals_are_same(const struct key_refusals *a, const struct key_refusals *b) {
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count && i < KEY_SET_MAX_REFUSALS; i++)
        if (a->items[i].why != b->items[i].why || strcmp(a->items[i].kid, b->items[i].kid) != 0)
            return false;
    return true;
}

/* Each document is full of the same ones: said when they change. */
static void note_refusals(struct key_feed *feed, const struct key_refusals *refusals) {
    if (refusals_are_same(&feed->refusals, refusals))
        return;
    feed->refusals = *refusals;
    for (size_t i = 0; i < refusals->count && i < KEY_SET_MAX_REFUSALS; i++)
        LOG_EVENT(LOG_WARNING, "keys", LOG_STR("outcome", "key_refused"),
                  LOG_STR("tenant", key_feed_tenant(feed)),
                  LOG_INT("version", key_feed_version(feed)),
                  LOG_STR("kid", refusals->items[i].kid), LOG_STR("why", refusals->items[i].why));
}

static void save_keys(struct key_feed *feed) {
    struct key_source *source = feed->source;
    const struct key_ring_slot *slot = key_feed_slot(feed);
    struct key_state_entry entry = {.keys = slot->keys, .fetched_wall_sec = slot->fetched_wall_sec};
    struct error err = {{0}};
    if (!source->state)
        return;
    (void)snprintf(entry.issuer, sizeof entry.issuer, "%s", slot->issuer);
    bool failed = key_state_save(source->state, feed->fetch.slot, &entry, &err) != STATUS_OK;
    if (failed && !source->has_unsaved)
        log_look(feed, LOG_WARNING, "not_saved", err.text);
    source->has_unsaved = failed;
}

void key_feed_start_look(struct key_feed *feed) {
    loop_timer_cancel(feed->source->loop, &feed->look_timer);
    key_fetch_start(&feed->fetch);
}

static void look_again_in(struct key_feed *feed, uint64_t delay_ms) {
    (void)loop_timer_set(feed->source->loop, &feed->look_timer, delay_ms);
}

static void note_failure(struct key_feed *feed, const struct key_fetch_result *result) {
    struct key_source *source = feed->source;
    feed->is_absent = result->status == STATUS_NOT_FOUND;
    (void)snprintf(feed->last_error, sizeof feed->last_error, "%.255s", result->error.text);
    uint64_t delay_ms = backoff_next_ms(&feed->backoff, RETRY_MIN_MS, RETRY_MAX_MS);
    int64_t asked_sec = result->retry_after_sec < RETRY_AFTER_MAX_SEC ? result->retry_after_sec
                                                                      : RETRY_AFTER_MAX_SEC;
    if (asked_sec > 0 && (uint64_t)asked_sec * 1000 > delay_ms)
        delay_ms = (uint64_t)asked_sec * 1000;
    delay_ms = scale_ms(feed, delay_ms);
    feed->next_demand_ms = loop_now_ms(source->loop) + delay_ms;
    look_again_in(feed, delay_ms);
    log_look(feed, LOG_WARNING, "failed", feed->last_error);
    publish_closing(feed);
}

/* Keys that are `age_ms` old are there: when they end. */
static void expect_staleness(struct key_feed *feed, uint64_t age_ms) {
    struct key_source *source = feed->source;
    uint64_t most_ms = (uint64_t)entra_of(feed)->keys_max_stale_sec * 1000;
    (void)loop_timer_set(source->loop, &feed->stale_timer,
                         scale_ms(feed, age_ms < most_ms ? most_ms - age_ms : 0));
}

static void note_success(struct key_feed *feed) {
    struct key_source *source = feed->source;
    feed->backoff = (struct backoff){0};
    feed->last_error[0] = '\0';
    feed->has_been_good = true;
    feed->is_absent = false;
    feed->last_good_ms = (int64_t)loop_now_ms(source->loop);
    uint64_t refresh_ms = (uint64_t)entra_of(feed)->keys_refresh_sec * 1000;
    look_again_in(feed, scale_ms(feed, backoff_around_ms(refresh_ms, REFRESH_JITTER_PERCENT)));
    expect_staleness(feed, 0);
}

/* Takes over the keys found. */
static enum status accept_keys(struct key_feed *feed, const struct key_fetch_result *result) {
    const struct key_set *former = key_feed_slot(feed)->keys;
    bool is_same = former && key_set_eq(former, result->keys);
    bool had_failed = feed->has_been_good && feed->last_error[0] != '\0';
    if (feed->is_on_demand)
        feed->next_demand_ms = loop_now_ms(feed->source->loop) + scale_ms(feed, DEMAND_PAUSE_MS);
    if (publish_keys(feed, result->keys, result->issuer) != STATUS_OK)
        return STATUS_NO_MEMORY;
    note_success(feed);
    note_refusals(feed, &result->refusals);
    save_keys(feed);
    const char *outcome = !is_same ? "changed" : had_failed ? "recovered" : "unchanged";
    log_look(feed, is_same && !had_failed ? LOG_DEBUG : LOG_INFO, outcome, "");
    return STATUS_OK;
}

static void on_looked(struct key_fetch *fetch, const struct key_fetch_result *result) {
    struct key_feed *feed = fetch->owner;
    if (result->status != STATUS_OK) {
        note_failure(feed, result);
    } else if (accept_keys(feed, result) != STATUS_OK) {
        struct key_fetch_result failure = {.status = STATUS_NO_MEMORY, .retry_after_sec = -1};
        error_set(&failure.error, failure.status, "no memory for the keys");
        note_failure(feed, &failure);
    }
    feed->is_on_demand = false;
    key_feed_answer_wants(feed);
}

static void on_look_timer(struct loop_timer *timer) {
    struct key_feed *feed = timer->owner;
    if (!key_fetch_is_running(&feed->fetch))
        key_feed_start_look(feed);
}

static void on_stale_timer(struct loop_timer *timer) {
    struct key_feed *feed = timer->owner;
    log_look(feed, LOG_WARNING, "stale", "");
    if (publish_keys(feed, NULL, NULL) != STATUS_OK)
        (void)loop_timer_set(feed->source->loop, timer, scale_ms(feed, RETRY_MIN_MS));
}

void key_feed_init(struct key_feed *feed, struct key_source *source, struct http_client *client,
                   size_t slot) {
    feed->source = source;
    key_fetch_init(&feed->fetch, client, &source->config->entra, slot);
    feed->fetch.on_done = on_looked;
    feed->fetch.owner = feed;
    loop_timer_init(&feed->look_timer, on_look_timer, feed);
    loop_timer_init(&feed->stale_timer, on_stale_timer, feed);
    (void)snprintf(feed->last_error, sizeof feed->last_error, "not fetched yet");
}

/* Before anyone has seen the ring: its slot is filled in place. */
void key_feed_load(struct key_feed *feed) {
    struct key_source *source = feed->source;
    struct key_state_entry entry;
    struct error err = {{0}};
    int64_t now_sec = clock_wall_sec();
    enum status status = key_state_load(source->state, feed->fetch.slot, now_sec, &entry, &err);
    if (status != STATUS_OK) {
        if (status != STATUS_NOT_FOUND)
            log_look(feed, LOG_WARNING, "not_loaded", err.text);
        return;
    }
    struct key_ring_slot *slot = key_ring_slot(source->ring, feed->fetch.slot);
    if (fill_slot(feed, slot, entry.keys, entry.issuer, entry.fetched_wall_sec) != STATUS_OK)
        return;
    int64_t age_sec = now_sec > entry.fetched_wall_sec ? now_sec - entry.fetched_wall_sec : 0;
    feed->has_been_good = true;
    feed->last_good_ms = (int64_t)loop_now_ms(source->loop) - age_sec * 1000;
}

static uint64_t age_ms_of(const struct key_feed *feed) {
    int64_t age_ms = (int64_t)loop_now_ms(feed->source->loop) - feed->last_good_ms;
    return age_ms > 0 ? (uint64_t)age_ms : 0;
}

/* A wider limit than the former brings nothing back, a tighter one holds at once. False when the
 * keys may not be used any more, or without memory. */
static bool adopt_keys(struct key_feed *feed, const struct key_feed *former) {
    const struct key_ring_slot *found = key_feed_slot(former);
    struct key_ring_slot *slot = key_ring_slot(feed->source->ring, feed->fetch.slot);
    uint64_t most_ms = scale_ms(feed, (uint64_t)entra_of(feed)->keys_max_stale_sec * 1000);
    return found->keys && age_ms_of(former) < most_ms &&
           fill_slot(feed, slot, key_set_ref(found->keys), found->issuer,
                     found->fetched_wall_sec) == STATUS_OK;
}

/* When to look next, by both configurations' word. A look that was under way is begun again. */
static void adopt_look(struct key_feed *feed, const struct key_feed *former) {
    bool lacks_keys = !key_feed_slot(feed)->keys && feed->backoff.failures == 0;
    struct loop *loop = feed->source->loop;
    uint64_t now_ms = loop_now_ms(loop), due_ms = former->look_timer.due_ms;
    uint32_t refresh_sec = entra_of(feed)->keys_refresh_sec;
    if (lacks_keys || !loop_timer_is_set(&former->look_timer))
        return;
    if (feed->backoff.failures == 0 && refresh_sec != entra_of(former)->keys_refresh_sec) {
        uint64_t age_ms = age_ms_of(feed), wait_ms = scale_ms(feed, (uint64_t)refresh_sec * 1000);
        uint64_t new_due_ms = now_ms + (wait_ms > age_ms ? wait_ms - age_ms : 0);
        due_ms = new_due_ms < due_ms ? new_due_ms : due_ms;
    }
    look_again_in(feed, due_ms > now_ms ? due_ms - now_ms : 0);
}

static bool has_other_file(const struct key_feed *feed, const struct key_feed *former) {
    const char *name = key_feed_issuer_name(feed), *state = feed->source->config->state;
    const char *former_state = former->source->config->state;
    return state && (!former_state || strcmp(state, former_state) != 0 ||
                     (name && strcmp(name, key_feed_issuer_name(former)) != 0));
}

void key_feed_adopt(struct key_feed *feed, const struct key_feed *former) {
    feed->backoff = former->backoff;
    feed->is_on_demand = former->is_on_demand;
    feed->is_absent = former->is_absent;
    feed->next_demand_ms = former->next_demand_ms;
    feed->refusals = former->refusals;
    (void)memcpy(feed->last_error, former->last_error, sizeof feed->last_error);
    bool has_keys = adopt_keys(feed, former);
    if (has_keys || !feed->has_been_good) {
        feed->has_been_good = former->has_been_good;
        feed->last_good_ms = former->last_good_ms;
    }
    key_ring_slot(feed->source->ring, feed->fetch.slot)->closed_until_ms = feed->next_demand_ms;
    if (has_keys && has_other_file(feed, former))
        save_keys(feed);
    adopt_look(feed, former);
}

void key_feed_start(struct key_feed *feed) {
    bool is_adopted = loop_timer_is_set(&feed->look_timer);
    if (key_feed_slot(feed)->keys && feed->has_been_good) {
        expect_staleness(feed, age_ms_of(feed));
        if (!is_adopted)
            log_look(feed, LOG_INFO, "loaded", "");
    }
    if (!is_adopted && !key_fetch_is_running(&feed->fetch))
        key_feed_start_look(feed);
}
