/* When to look for keys, and what to do with what was found. Each set
 * is a feed with a timer for its next look, a timer for the end of its last good keys, and the
 * callers who wait for it. A failed look never takes keys away; only age does.
 *
 *   start --> look --good--> publish, next look in an hour
 *              ^  \--bad---> keep what is there, next look after the back-off
 *              |
 *   want ------+  joins a running look; starts one when the last is long enough ago */
#include "auth/key_source.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/key_fetch.h"
#include "auth/key_source_pace.h"
#include "auth/key_state.h"
#include "core/clock.h"
#include "core/log.h"
#include "vault/backoff.h"

#define REFRESH_JITTER_PERCENT 10
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define RETRY_AFTER_MAX_SEC 600
/* Between two looks that unknown kids caused: whoever makes tokens up must not make traffic. */
#define DEMAND_PAUSE_MS (5 * 60 * 1000)

struct feed {
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
    struct feed *feeds;
};

static uint64_t scale_ms(const struct feed *feed, uint64_t ms) {
    return backoff_scale_ms(feed->source->second_ms, ms);
}

static const struct config_entra *entra_of(const struct feed *feed) {
    return &feed->source->config->entra;
}

static const char *tenant_of(const struct feed *feed) {
    return key_slot_tenant(entra_of(feed), feed->fetch.slot);
}

/* NULL for the sets of a tenant. */
static const char *issuer_name_of(const struct feed *feed) {
    size_t issuer = key_slot_at(entra_of(feed), feed->fetch.slot).issuer;
    return issuer == CONFIG_NONE ? NULL : entra_of(feed)->issuers[issuer].name;
}

static int version_of(const struct feed *feed) {
    return key_slot_at(entra_of(feed), feed->fetch.slot).version;
}

static const struct key_ring_slot *slot_of(const struct feed *feed) {
    return key_ring_slot(feed->source->ring, feed->fetch.slot);
}

static void answer_wants(struct feed *feed) {
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
static struct key_ring *copy_ring(const struct feed *feed, struct key_ring_slot **out_slot) {
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
static enum status fill_slot(struct feed *feed, struct key_ring_slot *slot, struct key_set *keys,
                             const char *issuer, int64_t fetched_wall_sec) {
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
static enum status publish_keys(struct feed *feed, struct key_set *keys, const char *issuer) {
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
static void publish_closing(struct feed *feed) {
    struct key_ring_slot *slot;
    struct key_ring *ring = copy_ring(feed, &slot);
    if (!ring)
        return;
    slot->closed_until_ms = feed->next_demand_ms;
    publish(feed->source, ring);
}

static void log_look(const struct feed *feed, enum log_level level, const char *outcome,
                     const char *detail) {
    const struct key_set *keys = slot_of(feed)->keys;
    const char *issuer = issuer_name_of(feed);
    LOG_EVENT(level, "keys", LOG_STR("outcome", outcome), LOG_STR("tenant", tenant_of(feed)),
              LOG_STR("issuer", issuer ? issuer : "entra"), LOG_INT("version", version_of(feed)),
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
static void note_refusals(struct feed *feed, const struct key_refusals *refusals) {
    if (refusals_are_same(&feed->refusals, refusals))
        return;
    feed->refusals = *refusals;
    for (size_t i = 0; i < refusals->count && i < KEY_SET_MAX_REFUSALS; i++)
        LOG_EVENT(LOG_WARNING, "keys", LOG_STR("outcome", "key_refused"),
                  LOG_STR("tenant", tenant_of(feed)), LOG_INT("version", version_of(feed)),
                  LOG_STR("kid", refusals->items[i].kid), LOG_STR("why", refusals->items[i].why));
}

static void save_keys(struct feed *feed) {
    struct key_source *source = feed->source;
    const struct key_ring_slot *slot = slot_of(feed);
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

static void start_look(struct feed *feed) {
    loop_timer_cancel(feed->source->loop, &feed->look_timer);
    key_fetch_start(&feed->fetch);
}

static void look_again_in(struct feed *feed, uint64_t delay_ms) {
    (void)loop_timer_set(feed->source->loop, &feed->look_timer, delay_ms);
}

static void note_failure(struct feed *feed, const struct key_fetch_result *result) {
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
static void expect_staleness(struct feed *feed, uint64_t age_ms) {
    struct key_source *source = feed->source;
    uint64_t most_ms = (uint64_t)entra_of(feed)->keys_max_stale_sec * 1000;
    (void)loop_timer_set(source->loop, &feed->stale_timer,
                         scale_ms(feed, age_ms < most_ms ? most_ms - age_ms : 0));
}

static void note_success(struct feed *feed) {
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
static enum status accept_keys(struct feed *feed, const struct key_fetch_result *result) {
    const struct key_set *former = slot_of(feed)->keys;
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
    struct feed *feed = fetch->owner;
    if (result->status != STATUS_OK) {
        note_failure(feed, result);
    } else if (accept_keys(feed, result) != STATUS_OK) {
        struct key_fetch_result failure = {.status = STATUS_NO_MEMORY, .retry_after_sec = -1};
        error_set(&failure.error, failure.status, "no memory for the keys");
        note_failure(feed, &failure);
    }
    feed->is_on_demand = false;
    answer_wants(feed);
}

static void on_look_timer(struct loop_timer *timer) {
    struct feed *feed = timer->owner;
    if (!key_fetch_is_running(&feed->fetch))
        start_look(feed);
}

static void on_stale_timer(struct loop_timer *timer) {
    struct feed *feed = timer->owner;
    log_look(feed, LOG_WARNING, "stale", "");
    if (publish_keys(feed, NULL, NULL) != STATUS_OK)
        (void)loop_timer_set(feed->source->loop, timer, scale_ms(feed, RETRY_MIN_MS));
}

static void feed_init(struct feed *feed, struct key_source *source, struct http_client *client,
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
static void load_keys(struct feed *feed) {
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

static enum status open_state(struct key_source *source, struct error *err) {
    if (!source->config->state)
        return STATUS_OK;
    source->state = key_state_open(source->config, err);
    if (!source->state)
        return STATUS_IO;
    for (size_t i = 0; i < source->feed_count; i++)
        load_keys(&source->feeds[i]);
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
            feed_init(&source->feeds[source->feed_count++], source, client, slot);
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
        struct feed *feed = &source->feeds[i];
        key_fetch_cancel(&feed->fetch);
        loop_timer_cancel(source->loop, &feed->look_timer);
        loop_timer_cancel(source->loop, &feed->stale_timer);
        answer_wants(feed);
    }
    key_ring_unref(source->ring);
    key_state_free(source->state);
    free(source->feeds);
    free(source);
}

static uint64_t age_ms_of(const struct feed *feed) {
    int64_t age_ms = (int64_t)loop_now_ms(feed->source->loop) - feed->last_good_ms;
    return age_ms > 0 ? (uint64_t)age_ms : 0;
}

/* A wider limit than the former brings nothing back, a tighter one holds at once. False when the
 * keys may not be used any more, or without memory. */
static bool adopt_keys(struct feed *feed, const struct feed *former) {
    const struct key_ring_slot *found = slot_of(former);
    struct key_ring_slot *slot = key_ring_slot(feed->source->ring, feed->fetch.slot);
    uint64_t most_ms = scale_ms(feed, (uint64_t)entra_of(feed)->keys_max_stale_sec * 1000);
    return found->keys && age_ms_of(former) < most_ms &&
           fill_slot(feed, slot, key_set_ref(found->keys), found->issuer,
                     found->fetched_wall_sec) == STATUS_OK;
}

/* When to look next, by both configurations' word. A look that was under way is begun again. */
static void adopt_look(struct feed *feed, const struct feed *former) {
    bool lacks_keys = !slot_of(feed)->keys && feed->backoff.failures == 0;
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

static bool has_other_file(const struct feed *feed, const struct feed *former) {
    const char *name = issuer_name_of(feed), *state = feed->source->config->state;
    const char *former_state = former->source->config->state;
    return state && (!former_state || strcmp(state, former_state) != 0 ||
                     (name && strcmp(name, issuer_name_of(former)) != 0));
}

static void adopt_feed(struct feed *feed, const struct feed *former) {
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

void key_source_adopt(struct key_source *source, const struct key_source *former) {
    if (source->generation < former->generation)
        source->generation = former->generation;
    for (size_t i = 0; i < source->feed_count; i++) {
        struct feed *feed = &source->feeds[i];
        for (size_t j = 0; j < former->feed_count; j++)
            if (key_slot_is_same(&source->config->entra, feed->fetch.slot, &former->config->entra,
                                 former->feeds[j].fetch.slot)) {
                adopt_feed(feed, &former->feeds[j]);
                break;
            }
    }
}

/* What was loaded is used from the first request on, and checked at once all the same. */
static void start_feed(struct feed *feed) {
    bool is_adopted = loop_timer_is_set(&feed->look_timer);
    if (slot_of(feed)->keys && feed->has_been_good) {
        expect_staleness(feed, age_ms_of(feed));
        if (!is_adopted)
            log_look(feed, LOG_INFO, "loaded", "");
    }
    if (!is_adopted && !key_fetch_is_running(&feed->fetch))
        start_look(feed);
}

void key_source_start(struct key_source *source) {
    source->on_ring(source->owner, key_ring_ref(source->ring));
    for (size_t i = 0; i < source->feed_count; i++)
        start_feed(&source->feeds[i]);
}

static struct feed *find_feed(struct key_source *source, size_t slot) {
    for (size_t i = 0; i < source->feed_count; i++)
        if (source->feeds[i].fetch.slot == slot)
            return &source->feeds[i];
    return NULL;
}

void key_source_want(struct key_source *source, struct key_want *want) {
    struct feed *feed = find_feed(source, want->slot);
    bool is_running = feed && key_fetch_is_running(&feed->fetch);
    bool may_look = feed && !source->is_closing && slot_of(feed)->generation == want->generation &&
                    (is_running || loop_now_ms(source->loop) >= feed->next_demand_ms);
    if (!may_look) {
        want->on_done(want);
        return;
    }
    want->next = feed->wants;
    feed->wants = want;
    if (!is_running) {
        feed->is_on_demand = slot_of(feed)->keys != NULL;
        start_look(feed);
    }
}

size_t key_source_state_count(const struct key_source *source) {
    return source->feed_count;
}

void key_source_state(const struct key_source *source, size_t index,
                      struct key_source_state *out_state) {
    const struct feed *feed = &source->feeds[index];
    const struct key_set *keys = slot_of(feed)->keys;
    int64_t age_ms = (int64_t)loop_now_ms(source->loop) - feed->last_good_ms;
    *out_state = (struct key_source_state){
        .tenant = tenant_of(feed),
        .issuer = issuer_name_of(feed),
        .version = version_of(feed),
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
