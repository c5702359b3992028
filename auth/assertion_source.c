/* One key in use, a few that were. Every change makes a new signer, for signers are immutable. */
#include "auth/assertion_source.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "vault/agreement.h"

/* A rotation every six minutes needs one; somebody who rotates in a loop loses the oldest. */
#define EARLIER_KEYS_MAX 8
/* Upstreams' clocks may be slow by this much. */
#define LEEWAY_SEC 60

struct earlier_key {
    struct assertion_public_key public_key;
    uint64_t until_ms; /* monotonic */
};

struct assertion_source {
    struct loop *loop;
    const char *issuer;
    void (*on_signer)(void *owner, struct assertion_signer *signer);
    void *owner;
    uint64_t keep_ms;
    struct assertion_key key;                     /* without pem: none */
    struct secret *seen;                          /* what the vault held last, a key or not */
    struct earlier_key earlier[EARLIER_KEYS_MAX]; /* longest first */
    size_t earlier_count;
    struct assertion_signer *signer;
    struct loop_timer forget;
};

static struct assertion_signer *make_signer(const struct assertion_source *source) {
    struct assertion_public_key earlier[EARLIER_KEYS_MAX];
    for (size_t i = 0; i < source->earlier_count; i++)
        earlier[i] = source->earlier[i].public_key;
    return assertion_signer_new(source->key.pem ? &source->key : NULL, source->issuer, earlier,
                                source->earlier_count);
}

static void publish(struct assertion_source *source) {
    struct assertion_signer *signer = make_signer(source);
    if (!signer) {
        LOG_EVENT(LOG_ERROR, "secret", LOG_STR("what", "assertion_key_not_published"),
                  LOG_STR("error", "no memory"));
        return;
    }
    assertion_signer_unref(source->signer);
    source->signer = signer;
    source->on_signer(source->owner, assertion_signer_ref(signer));
}

static void remove_earlier(struct assertion_source *source, size_t index) {
    source->earlier_count--;
    memmove(&source->earlier[index], &source->earlier[index + 1],
            (source->earlier_count - index) * sizeof *source->earlier);
}

static void forget_kid(struct assertion_source *source, const char *kid) {
    for (size_t i = 0; i < source->earlier_count; i++) {
        if (strcmp(source->earlier[i].public_key.kid, kid) == 0) {
            remove_earlier(source, i);
            return;
        }
    }
}

/* Without memory for the timer an earlier key stays until the next change: nothing signs with it.
 */
static void arm_forget(struct assertion_source *source) {
    loop_timer_cancel(source->loop, &source->forget);
    if (source->earlier_count == 0)
        return;
    uint64_t now_ms = clock_monotonic_ms(), until_ms = source->earlier[0].until_ms;
    (void)loop_timer_set(source->loop, &source->forget, until_ms > now_ms ? until_ms - now_ms : 0);
}

static void on_forget(struct loop_timer *timer) {
    struct assertion_source *source = timer->owner;
    uint64_t now_ms = clock_monotonic_ms();
    size_t before = source->earlier_count;
    while (source->earlier_count > 0 && source->earlier[0].until_ms <= now_ms)
        remove_earlier(source, 0);
    if (source->earlier_count != before)
        publish(source);
    arm_forget(source);
}

/* `key`, if it is one, has signed until now. */
static void retire(struct assertion_source *source, const struct assertion_key *key) {
    if (!key->pem)
        return;
    forget_kid(source, key->public_key.kid);
    if (source->earlier_count == EARLIER_KEYS_MAX)
        remove_earlier(source, 0);
    source->earlier[source->earlier_count++] = (struct earlier_key){
        .public_key = key->public_key, .until_ms = clock_monotonic_ms() + source->keep_ms};
}

static void retire_key(struct assertion_source *source) {
    retire(source, &source->key);
    assertion_key_done(&source->key);
}

static void say(enum log_level level, const char *what, const char *kid, const char *error) {
    LOG_EVENT(level, "secret", LOG_STR("what", what), LOG_STR("kid", kid), LOG_STR("error", error));
}

static void lose_key(struct assertion_source *source) {
    if (!source->key.pem)
        return;
    say(LOG_WARNING, "assertion_key_lost", source->key.public_key.kid,
        "its secret is gone from the vault");
    retire_key(source);
    publish(source);
    arm_forget(source);
}

static void adopt_key(struct assertion_source *source, struct assertion_key *key) {
    if (source->key.pem && strcmp(source->key.public_key.kid, key->public_key.kid) == 0) {
        assertion_key_done(key); /* the same in another spelling */
        return;
    }
    retire_key(source);
    forget_kid(source, key->public_key.kid);
    source->key = *key;
    say(LOG_INFO, "assertion_key_in_use", key->public_key.kid, "");
    publish(source);
    arm_forget(source);
}

void assertion_source_take_key(struct assertion_source *source, struct secret *pem) {
    bool is_known = source->seen && pem ? secret_eq(source->seen, pem) : source->seen == pem;
    if (is_known)
        return;
    secret_unref(source->seen);
    source->seen = pem ? secret_ref(pem) : NULL;
    if (!pem) {
        lose_key(source);
        return;
    }
    struct assertion_key key = {0};
    struct error err = {""};
    if (assertion_key_parse(secret_bytes(pem), &key, &err) == STATUS_OK)
        adopt_key(source, &key);
    else
        say(LOG_WARNING, "assertion_key_unusable", source->key.public_key.kid, err.text);
}

struct assertion_source *assertion_source_new(struct loop *loop, const struct config *config,
                                              void (*on_signer)(void *owner,
                                                                struct assertion_signer *signer),
                                              void *owner, struct error *err) {
    struct assertion_source *source = calloc(1, sizeof *source);
    if (!source) {
        error_set(err, STATUS_NO_MEMORY, "no memory");
        return NULL;
    }
    source->loop = loop;
    source->issuer = config->assertion.issuer;
    source->on_signer = on_signer;
    source->owner = owner;
    source->keep_ms = (ASSERTION_LIFETIME_SEC + LEEWAY_SEC) * UINT64_C(1000);
    loop_timer_init(&source->forget, on_forget, source);
    bool is_whole = config->assertion.has_key || assertion_key_make(&source->key, err) == STATUS_OK;
    source->signer = is_whole ? make_signer(source) : NULL;
    if (!source->signer) {
        if (is_whole)
            error_set(err, STATUS_NO_MEMORY, "no memory");
        assertion_source_free(source);
        return NULL;
    }
    return source;
}

void assertion_source_free(struct assertion_source *source) {
    if (!source)
        return;
    loop_timer_cancel(source->loop, &source->forget);
    assertion_key_done(&source->key);
    secret_unref(source->seen);
    assertion_signer_unref(source->signer);
    free(source);
}

static bool has_same_origin(const struct config *a, const struct config *b) {
    if (!a->assertion.has_key || !b->assertion.has_key)
        return a->assertion.has_key == b->assertion.has_key;
    return agreement_on_secret(a, a->assertion.key, b, b->assertion.key);
}

static void copy_key(struct assertion_source *source, const struct assertion_source *former) {
    assertion_key_done(&source->key); /* nothing was signed with it */
    source->key = former->key;
    if (former->key.pem)
        (void)secret_ref(former->key.pem);
    source->seen = former->seen ? secret_ref(former->seen) : NULL;
}

void assertion_source_adopt(struct assertion_source *source, const struct config *config,
                            const struct assertion_source *former,
                            const struct config *former_config) {
    memcpy(source->earlier, former->earlier, sizeof source->earlier);
    source->earlier_count = former->earlier_count;
    if (has_same_origin(config, former_config))
        copy_key(source, former);
    else
        retire(source, &former->key);
    publish(source);
    arm_forget(source);
}

struct assertion_signer *assertion_source_signer(const struct assertion_source *source) {
    return assertion_signer_ref(source->signer);
}

void assertion_source_set_keep_ms(struct assertion_source *source, uint64_t keep_ms) {
    source->keep_ms = keep_ms;
}
