/* The life of one secret: read at start, read again every `refresh`, kept through failures up to
 * `max_stale` or its own expiry, dropped at once when the vault says that it is not ours (403) or
 * not there (404). Every waiting time is jittered. Values never reach the log. */
#include "vault/stored_secret.h"

#include "core/clock.h"
#include "core/log.h"

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define RETRY_AFTER_MAX_SEC 600
#define REFRESH_JITTER_PERCENT 10
/* A timer is set for at most this long and looks again: the wall clock may have moved. */
#define LIMIT_CHECK_MAX_SEC 3600
#define NO_TIMER "no memory to watch its limit"

static uint64_t scaled_ms(const struct stored_secret *secret, uint64_t ms) {
    return backoff_scale_ms(*secret->second_ms, ms);
}

static void log_secret(const struct stored_secret *secret, enum log_level level, const char *what,
                       const char *error) {
    LOG_EVENT(level, "secret", LOG_STR("vault", vault_client_name(secret->vault)),
              LOG_STR("name", secret->config->name), LOG_STR("version", secret->version),
              LOG_STR("what", what), LOG_STR("error", error));
}

static void forget_value(struct stored_secret *secret) {
    secret_unref(secret->value);
    secret->value = NULL;
    secret->version[0] = '\0';
    secret->expires_sec = 0;
    secret->change_count++;
    loop_timer_cancel(secret->loop, &secret->limit);
}

/* True when there was something to drop. */
static bool drop_value(struct stored_secret *secret, const char *why) {
    if (!secret->value)
        return false;
    log_secret(secret, LOG_WARNING, "dropped", why);
    forget_value(secret);
    return true;
}

/* A short max_stale shortens the refresh: a value must not run out just because nobody asked. */
static uint64_t refresh_delay_ms(const struct stored_secret *secret) {
    uint64_t delay_ms = (uint64_t)secret->config->refresh_sec * 1000;
    const uint64_t stale_ms = (uint64_t)secret->config->max_stale_sec * 1000;
    if (delay_ms > stale_ms * 3 / 4)
        delay_ms = stale_ms * 3 / 4;
    if (delay_ms < RETRY_MIN_MS)
        delay_ms = RETRY_MIN_MS;
    return scaled_ms(secret, backoff_around_ms(delay_ms, REFRESH_JITTER_PERCENT));
}

static uint64_t stale_at_ms(const struct stored_secret *secret) {
    return secret->good_ms + scaled_ms(secret, (uint64_t)secret->config->max_stale_sec * 1000);
}

/* False without memory for the timer: then the value has no end and must go at once. */
static bool arm_limit(struct stored_secret *secret) {
    const uint64_t now_ms = clock_monotonic_ms();
    const uint64_t stale_ms = stale_at_ms(secret);
    uint64_t delay_ms = stale_ms > now_ms ? stale_ms - now_ms : 0;
    if (secret->expires_sec) {
        const int64_t left_sec = secret->expires_sec - clock_wall_sec();
        const uint64_t left_ms = left_sec > LIMIT_CHECK_MAX_SEC ? LIMIT_CHECK_MAX_SEC * 1000
                                 : left_sec > 0                 ? (uint64_t)left_sec * 1000
                                                                : 0;
        if (left_ms < delay_ms)
            delay_ms = left_ms;
    }
    return loop_timer_set(secret->loop, &secret->limit, delay_ms) == STATUS_OK;
}

static void on_limit(struct loop_timer *timer) {
    struct stored_secret *secret = timer->owner;
    const char *why = NULL;
    if (secret->expires_sec && clock_wall_sec() >= secret->expires_sec)
        why = "the secret's version has expired";
    else if (clock_monotonic_ms() >= stale_at_ms(secret))
        why = "no good read for max_stale";
    if (!why && arm_limit(secret))
        return;
    if (!why)
        why = NO_TIMER;
    if (secret->last_error.text[0] == '\0')
        error_set(&secret->last_error, STATUS_TIMEOUT, "%s", why);
    secret->on_settled(secret, drop_value(secret, why));
}

static bool is_same(const struct stored_secret *secret, const struct fetch_outcome *outcome) {
    return secret->value && strcmp(secret->version, outcome->version) == 0 &&
           secret_eq(secret->value, outcome->value);
}

static void take_value(struct stored_secret *secret, const struct fetch_outcome *outcome) {
    secret_unref(secret->value);
    secret->value = secret_ref(outcome->value);
    memcpy(secret->version, outcome->version, strlen(outcome->version) + 1);
    secret->change_count++;
    log_secret(secret, LOG_INFO, "new_version", "");
}

static bool on_good(struct stored_secret *secret, const struct fetch_outcome *outcome) {
    bool is_changed = !is_same(secret, outcome);
    if (is_changed)
        take_value(secret, outcome);
    if (secret->backoff.failures > 0)
        log_secret(secret, LOG_INFO, "recovered", "");
    secret->expires_sec = outcome->expires_sec;
    secret->was_read = true;
    secret->good_ms = clock_monotonic_ms();
    secret->last_error.text[0] = '\0';
    secret->backoff = (struct backoff){0};
    loop_timer_set(secret->loop, &secret->next_read, refresh_delay_ms(secret));
    if (!arm_limit(secret))
        is_changed = drop_value(secret, NO_TIMER);
    return is_changed;
}

/* The vault's word ends a value: it is not ours, not there, or the very version that we hold is no
 * longer to be used. Anything else leaves it until its limit. */
static bool ends_value(const struct stored_secret *secret, const struct fetch_outcome *outcome) {
    if (outcome->verdict == FETCH_DENIED || outcome->verdict == FETCH_MISSING)
        return true;
    return outcome->verdict == FETCH_UNUSABLE && outcome->version[0] != '\0' &&
           strcmp(outcome->version, secret->version) == 0;
}

static void hold_vault(struct stored_secret *secret, int64_t retry_after_sec) {
    if (retry_after_sec <= 0)
        return;
    if (retry_after_sec > RETRY_AFTER_MAX_SEC)
        retry_after_sec = RETRY_AFTER_MAX_SEC;
    vault_client_hold(secret->vault,
                      clock_monotonic_ms() + scaled_ms(secret, (uint64_t)retry_after_sec * 1000));
}

/* Jittered, so that not every secret of the vault comes back at one moment. */
static uint64_t held_ms(const struct stored_secret *secret) {
    const uint64_t left_ms = vault_client_held_ms(secret->vault);
    return left_ms + backoff_around_ms(left_ms / 20, 100);
}

static bool on_bad(struct stored_secret *secret, const struct fetch_outcome *outcome) {
    error_set(&secret->last_error, STATUS_IO, "%s", outcome->error);
    log_secret(secret, LOG_WARNING, "failed", outcome->error);
    hold_vault(secret, outcome->retry_after_sec);
    uint64_t delay_ms =
        scaled_ms(secret, backoff_next_ms(&secret->backoff, RETRY_MIN_MS, RETRY_MAX_MS));
    const uint64_t pause_ms = held_ms(secret);
    if (pause_ms > delay_ms)
        delay_ms = pause_ms;
    secret->retry_ms = clock_monotonic_ms() + delay_ms;
    loop_timer_set(secret->loop, &secret->next_read, delay_ms);
    return ends_value(secret, outcome) && drop_value(secret, outcome->error);
}

static void on_fetched(struct vault_fetch *fetch, const struct fetch_outcome *outcome) {
    struct stored_secret *secret = fetch->owner;
    const bool is_changed =
        outcome->verdict == FETCH_GOOD ? on_good(secret, outcome) : on_bad(secret, outcome);
    secret->on_settled(secret, is_changed);
}

static void on_next_read(struct loop_timer *timer) {
    struct stored_secret *secret = timer->owner;
    const uint64_t pause_ms = held_ms(secret);
    if (pause_ms > 0)
        loop_timer_set(secret->loop, timer, pause_ms);
    else
        stored_secret_read(secret);
}

void stored_secret_init(struct stored_secret *secret) {
    secret->fetch = (struct vault_fetch){.name = secret->config->name,
                                         .version = secret->config->version,
                                         .on_done = on_fetched,
                                         .owner = secret};
    loop_timer_init(&secret->next_read, on_next_read, secret);
    loop_timer_init(&secret->limit, on_limit, secret);
    error_set(&secret->last_error, STATUS_NOT_FOUND, "not read yet");
}

void stored_secret_done(struct stored_secret *secret) {
    vault_client_cancel(secret->vault, &secret->fetch);
    loop_timer_cancel(secret->loop, &secret->next_read);
    forget_value(secret);
}

void stored_secret_read(struct stored_secret *secret) {
    if (stored_secret_is_reading(secret))
        return;
    loop_timer_cancel(secret->loop, &secret->next_read);
    vault_client_fetch(secret->vault, &secret->fetch);
}

bool stored_secret_is_reading(const struct stored_secret *secret) {
    return secret->fetch.phase != FETCH_IDLE;
}

bool stored_secret_is_backing_off(const struct stored_secret *secret) {
    return vault_client_held_ms(secret->vault) > 0 ||
           (secret->backoff.failures > 0 && secret->retry_ms > clock_monotonic_ms());
}
