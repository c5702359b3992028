/* When to look for keys, and what to do with what was found. Each accepted version of each tenant
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
    bool is_absent; /* the authority says that it has no such metadata */
    uint64_t last_good_ms;
    uint64_t next_demand_ms; /* a want before that is answered with what is there */
    char last_error[256];
};

struct key_source {
    struct loop *loop;
    const struct config *config;
    void (*on_ring)(void *owner, struct key_ring *ring);
    void *owner;
    struct key_ring *ring;
    uint32_t second_ms;
    bool is_closing;
    size_t feed_count;
    struct feed *feeds;
};

static uint64_t scale_ms(const struct feed *feed, uint64_t ms) {
    return backoff_scale_ms(feed->source->second_ms, ms);
}

static const char *tenant_of(const struct feed *feed) {
    return feed->source->config->entra.tenants.items[feed->fetch.tenant];
}

static const struct key_ring_slot *slot_of(const struct feed *feed) {
    return key_ring_slot(feed->source->ring, feed->fetch.tenant, feed->fetch.version);
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

/* A new ring that differs in this feed's slot. Takes over `keys`; both may be NULL. */
static enum status publish(struct feed *feed, struct key_set *keys, const char *issuer) {
    struct key_source *source = feed->source;
    struct key_ring *ring = key_ring_copy(source->ring);
    char *issuer_copy = issuer ? slice_strdup(slice_of_str(issuer)) : NULL;
    if (!ring || (issuer && !issuer_copy)) {
        key_ring_unref(ring);
        free(issuer_copy);
        key_set_unref(keys);
        return STATUS_NO_MEMORY;
    }
    struct key_ring_slot *slot = key_ring_slot(ring, feed->fetch.tenant, feed->fetch.version);
    key_set_unref(slot->keys);
    free(slot->issuer);
    *slot = (struct key_ring_slot){
        .keys = keys, .issuer = issuer_copy, .fetched_wall_sec = keys ? clock_wall_sec() : 0};
    key_ring_unref(source->ring);
    source->ring = ring;
    source->on_ring(source->owner, key_ring_ref(ring));
    return STATUS_OK;
}

static void log_look(const struct feed *feed, enum log_level level, const char *outcome,
                     const struct key_fetch_result *result) {
    LOG_EVENT(level, "keys", LOG_STR("outcome", outcome), LOG_STR("tenant", tenant_of(feed)),
              LOG_INT("version", feed->fetch.version),
              LOG_INT("keys", result->keys ? key_set_count(result->keys) : 0),
              LOG_INT("refused_keys", result->refused_keys), LOG_STR("detail", feed->last_error));
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
    log_look(feed, LOG_WARNING, "failed", result);
}

static void note_success(struct feed *feed) {
    struct key_source *source = feed->source;
    const struct config_entra *entra = &source->config->entra;
    feed->backoff = (struct backoff){0};
    feed->last_error[0] = '\0';
    feed->has_been_good = true;
    feed->is_absent = false;
    feed->last_good_ms = loop_now_ms(source->loop);
    if (feed->is_on_demand)
        feed->next_demand_ms = feed->last_good_ms + scale_ms(feed, DEMAND_PAUSE_MS);
    uint64_t refresh_ms = (uint64_t)entra->keys_refresh_sec * 1000;
    look_again_in(feed, scale_ms(feed, backoff_around_ms(refresh_ms, REFRESH_JITTER_PERCENT)));
    (void)loop_timer_set(source->loop, &feed->stale_timer,
                         scale_ms(feed, (uint64_t)entra->keys_max_stale_sec * 1000));
}

/* Takes over the keys found. */
static enum status accept_keys(struct feed *feed, const struct key_fetch_result *result) {
    const struct key_set *former = slot_of(feed)->keys;
    bool is_same = former && key_set_eq(former, result->keys);
    bool had_failed = feed->last_error[0] != '\0';
    if (publish(feed, result->keys, result->issuer) != STATUS_OK)
        return STATUS_NO_MEMORY;
    note_success(feed);
    const char *outcome = !is_same ? "changed" : had_failed ? "recovered" : "unchanged";
    log_look(feed, is_same && !had_failed ? LOG_DEBUG : LOG_INFO, outcome, result);
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
    log_look(feed, LOG_WARNING, "stale", &(struct key_fetch_result){0});
    if (publish(feed, NULL, NULL) != STATUS_OK)
        (void)loop_timer_set(feed->source->loop, timer, scale_ms(feed, RETRY_MIN_MS));
}

static void feed_init(struct feed *feed, struct key_source *source, struct http_client *client,
                      size_t tenant, int version) {
    feed->source = source;
    key_fetch_init(&feed->fetch, client, &source->config->entra, tenant, version);
    feed->fetch.on_done = on_looked;
    feed->fetch.owner = feed;
    loop_timer_init(&feed->look_timer, on_look_timer, feed);
    loop_timer_init(&feed->stale_timer, on_stale_timer, feed);
    (void)snprintf(feed->last_error, sizeof feed->last_error, "not fetched yet");
}

struct key_source *key_source_new(struct loop *loop, struct http_client *client,
                                  const struct config *config,
                                  void (*on_ring)(void *owner, struct key_ring *ring), void *owner,
                                  struct error *err) {
    const struct config_entra *entra = &config->entra;
    struct key_source *source = calloc(1, sizeof *source);
    if (!source)
        goto no_memory;
    source->loop = loop;
    source->config = config;
    source->on_ring = on_ring;
    source->owner = owner;
    source->second_ms = 1000;
    source->ring = key_ring_new(entra->tenants.count);
    source->feeds = calloc(entra->tenants.count * 2 + 1, sizeof *source->feeds);
    if (!source->ring || !source->feeds)
        goto no_memory;
    for (size_t tenant = 0; tenant < entra->tenants.count; tenant++) {
        if (entra->accepts_v1)
            feed_init(&source->feeds[source->feed_count++], source, client, tenant, 1);
        if (entra->accepts_v2)
            feed_init(&source->feeds[source->feed_count++], source, client, tenant, 2);
    }
    return source;
no_memory:
    key_source_free(source);
    error_set(err, STATUS_NO_MEMORY, "no memory for the key source");
    return NULL;
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
    free(source->feeds);
    free(source);
}

void key_source_start(struct key_source *source) {
    source->on_ring(source->owner, key_ring_ref(source->ring));
    for (size_t i = 0; i < source->feed_count; i++)
        if (!key_fetch_is_running(&source->feeds[i].fetch))
            start_look(&source->feeds[i]);
}

static struct feed *find_feed(struct key_source *source, size_t tenant, int version) {
    for (size_t i = 0; i < source->feed_count; i++)
        if (source->feeds[i].fetch.tenant == tenant && source->feeds[i].fetch.version == version)
            return &source->feeds[i];
    return NULL;
}

void key_source_want(struct key_source *source, struct key_want *want) {
    struct feed *feed = find_feed(source, want->tenant, want->version);
    bool is_running = feed && key_fetch_is_running(&feed->fetch);
    bool may_look = feed && !source->is_closing &&
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
    uint64_t age_ms = loop_now_ms(source->loop) - feed->last_good_ms;
    *out_state = (struct key_source_state){
        .tenant = tenant_of(feed),
        .version = feed->fetch.version,
        .is_ready = slot_of(feed)->keys != NULL,
        .is_absent = feed->is_absent && !feed->has_been_good,
        .age_sec = feed->has_been_good ? (int64_t)(age_ms / 1000) : -1,
        .last_error = feed->last_error,
    };
}

void key_source_set_second_ms(struct key_source *source, uint32_t second_ms) {
    source->second_ms = second_ms;
}
