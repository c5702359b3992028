/* The life of one secret: read at start, read again every `refresh`, kept through failures up to
 * `max_stale` or its own expiry, dropped at once when the vault says that it is not ours (403) or
 * not there (404). The version before stays beside it for as long again, for upstreams that have
 * not heard of the new one yet. Every waiting time is jittered. Values never reach the log. */
#include "vault/stored_secret.h"

#include "core/clock.h"
#include "core/log.h"

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define RETRY_AFTER_MAX_SEC 600
#define REFRESH_JITTER_PERCENT 10
#define REREAD_GAP_MIN_MS 1000
/* A timer is set for at most this long and looks again: the wall clock may have moved. */
#define LIMIT_CHECK_MAX_SEC 3600
#define NO_TIMER "no memory to watch its limit"
#define HAS_EXPIRED "the secret's version has expired"

static uint64_t scaled_ms(const struct stored_secret *secret, uint64_t ms) {
    return backoff_scale_ms(*secret->second_ms, ms);
}

static uint64_t max_stale_ms(const struct stored_secret *secret) {
    return scaled_ms(secret, (uint64_t)secret->config->max_stale_sec * 1000);
}

static void log_version(const struct stored_secret *secret, enum log_level level, const char *what,
                        const char *version, const char *code, const char *error) {
    LOG_EVENT(level, "secret", LOG_STR("vault", vault_client_name(secret->vault)),
              LOG_STR("name", secret->config->name), LOG_STR("version", version),
              LOG_STR("what", what), LOG_STR("code", code), LOG_STR("error", error));
}

static void log_secret(const struct stored_secret *secret, enum log_level level, const char *what,
                       const char *error) {
    log_version(secret, level, what, secret->current.version, "", error);
}

static void log_hosts(const struct stored_secret *secret) {
    const char *hosts = held_version_hosts(&secret->current);
    LOG_EVENT(LOG_INFO, "secret", LOG_STR("vault", vault_client_name(secret->vault)),
              LOG_STR("name", secret->config->name), LOG_STR("version", secret->current.version),
              LOG_STR("what", hosts ? "hosts" : "hosts_removed"),
              LOG_STR("hosts", hosts ? hosts : ""));
}

static void count_change(struct stored_secret *secret) {
    secret->change_count++;
    secret->current_count++;
}

static void forget_values(struct stored_secret *secret) {
    held_version_drop(&secret->current);
    held_version_drop(&secret->previous);
    secret->is_stale = false;
    count_change(secret);
    loop_timer_cancel(secret->loop, &secret->limit);
}

/* True when there was something to drop. */
static bool drop_values(struct stored_secret *secret, const char *code, const char *why) {
    if (!secret->current.value)
        return false;
    log_version(secret, LOG_WARNING, "dropped", secret->current.version, code, why);
    forget_values(secret);
    return true;
}

static bool drop_previous(struct stored_secret *secret, const char *why) {
    if (!secret->previous.value)
        return false;
    log_version(secret, LOG_INFO, "previous_dropped", secret->previous.version, "", why);
    held_version_drop(&secret->previous);
    secret->change_count++;
    return true;
}

/* A wall clock's moment as a delay, for timers that look again. */
static uint64_t delay_until_ms(int64_t wall_sec) {
    const int64_t left_sec = wall_sec - clock_wall_sec();
    if (left_sec > LIMIT_CHECK_MAX_SEC)
        return LIMIT_CHECK_MAX_SEC * 1000;
    return left_sec > 0 ? (uint64_t)left_sec * 1000 : 0;
}

static uint64_t sooner(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* A version that becomes valid is picked up then: its moment is the vault's, not ours. */
static uint64_t no_later_than_next_version(const struct stored_secret *secret, uint64_t delay_ms) {
    const int64_t valid_sec = secret->reading.next_valid_sec;
    return valid_sec ? sooner(delay_ms, delay_until_ms(valid_sec)) : delay_ms;
}

/* A short max_stale shortens the refresh: a value must not run out just because nobody asked. */
static uint64_t refresh_delay_ms(const struct stored_secret *secret) {
    uint64_t delay_ms = (uint64_t)secret->config->refresh_sec * 1000;
    const uint64_t stale_ms = (uint64_t)secret->config->max_stale_sec * 1000;
    delay_ms = sooner(delay_ms, stale_ms * 3 / 4);
    if (delay_ms < RETRY_MIN_MS)
        delay_ms = RETRY_MIN_MS;
    delay_ms = scaled_ms(secret, backoff_around_ms(delay_ms, REFRESH_JITTER_PERCENT));
    return no_later_than_next_version(secret, delay_ms);
}

static bool has_expired(const struct held_version *held) {
    return held->expires_sec && clock_wall_sec() >= held->expires_sec;
}

static uint64_t stale_at_ms(const struct stored_secret *secret) {
    return secret->good_ms + max_stale_ms(secret);
}

static uint64_t left_ms(const struct held_version *held, uint64_t until_ms) {
    const uint64_t now_ms = clock_monotonic_ms();
    const uint64_t delay_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    return held->expires_sec ? sooner(delay_ms, delay_until_ms(held->expires_sec)) : delay_ms;
}

/* False without memory for the timer: then the values have no end and must go at once. */
static bool arm_limit(struct stored_secret *secret) {
    uint64_t delay_ms = left_ms(&secret->current, stale_at_ms(secret));
    if (secret->previous.value)
        delay_ms = sooner(delay_ms, left_ms(&secret->previous, secret->previous_until_ms));
    return loop_timer_set(secret->loop, &secret->limit, delay_ms) == STATUS_OK;
}

/* Why the current value may not be used any longer; NULL when it may. */
static const char *end_of_current(const struct stored_secret *secret) {
    if (has_expired(&secret->current))
        return HAS_EXPIRED;
    return clock_monotonic_ms() >= stale_at_ms(secret) ? "no good read for max_stale" : NULL;
}

static bool end_previous(struct stored_secret *secret) {
    if (has_expired(&secret->previous))
        return drop_previous(secret, HAS_EXPIRED);
    return clock_monotonic_ms() >= secret->previous_until_ms &&
           drop_previous(secret, "it has not been the latest for max_stale");
}

/* What expired may have a successor that nobody has asked for yet. */
static void on_limit(struct loop_timer *timer) {
    struct stored_secret *secret = timer->owner;
    const char *why = end_of_current(secret);
    bool is_changed = !why && end_previous(secret);
    if (!why && !arm_limit(secret))
        why = NO_TIMER;
    if (why && secret->last_error.text[0] == '\0')
        error_set(&secret->last_error, STATUS_TIMEOUT, "%s", why);
    if (why)
        is_changed = drop_values(secret, "", why);
    if (is_changed)
        secret->on_settled(secret, true);
    if (!secret->current.value && !stored_secret_is_backing_off(secret))
        stored_secret_read(secret);
}

/* After a listing the list says what came before; else it is what was held until now. */
static bool came_before(const struct stored_secret *secret) {
    return !secret->reading.has_list ||
           strcmp(secret->reading.versions.before.version, secret->current.version) == 0;
}

/* The previous version was the latest as of the last good read. A new version with the old value is
 * no change worth keeping the old one for. */
static void make_previous(struct stored_secret *secret, const struct fetch_outcome *outcome) {
    if (!secret->current.value || secret->config->version)
        return;
    if (!came_before(secret)) {
        held_version_drop(&secret->previous);
    } else if (!secret_eq(secret->current.value, outcome->value)) {
        held_version_move(&secret->previous, &secret->current);
        secret->previous_until_ms = stale_at_ms(secret);
    }
}

static void take_value(struct stored_secret *secret, const struct fetch_outcome *outcome) {
    make_previous(secret, outcome);
    held_version_set(&secret->current, outcome);
    count_change(secret);
    log_secret(secret, LOG_INFO, "new_version", "");
    if (secret->current.has_hosts)
        log_hosts(secret);
}

/* The same version with other bounds or another end: the vault's word is newer. */
static bool take_attributes(struct stored_secret *secret, const struct fetch_outcome *outcome) {
    const bool has_same_hosts = held_version_has_hosts_of(&secret->current, outcome);
    held_version_set(&secret->current, outcome);
    if (has_same_hosts)
        return false;
    count_change(secret);
    log_hosts(secret);
    return true;
}

static bool on_good(struct stored_secret *secret, const struct fetch_outcome *outcome) {
    bool is_changed = !held_version_is(&secret->current, outcome);
    if (is_changed)
        take_value(secret, outcome);
    else
        is_changed = take_attributes(secret, outcome);
    if (secret->backoff.failures > 0)
        log_secret(secret, LOG_INFO, "recovered", "");
    secret->is_stale = false;
    secret->was_read = true;
    secret->good_ms = clock_monotonic_ms();
    secret->last_error.text[0] = '\0';
    secret->backoff = (struct backoff){0};
    loop_timer_set(secret->loop, &secret->next_read, refresh_delay_ms(secret));
    if (!arm_limit(secret))
        is_changed = drop_values(secret, "", NO_TIMER);
    return is_changed;
}

/* The vault's word ends a value: it is not ours, not there, or what we hold is no longer to be
 * used. Anything else leaves it until its limit. */
static bool ends_value(const struct stored_secret *secret, const struct fetch_outcome *outcome) {
    if (outcome->verdict == FETCH_DENIED || outcome->verdict == FETCH_MISSING)
        return true;
    return outcome->verdict == FETCH_BARRED &&
           (outcome->version[0] == '\0' || strcmp(outcome->version, secret->current.version) == 0);
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
    const uint64_t pause_ms = vault_client_held_ms(secret->vault);
    return pause_ms + backoff_around_ms(pause_ms / 20, 100);
}

static void note_stale(struct stored_secret *secret, const char *error) {
    if (secret->current.value && !secret->is_stale) {
        secret->is_stale = true;
        log_secret(secret, LOG_WARNING, "stale", error);
    }
}

static bool on_bad(struct stored_secret *secret, const struct fetch_outcome *outcome) {
    error_set(&secret->last_error, STATUS_IO, "%s", outcome->error);
    log_version(secret, LOG_WARNING, "failed", outcome->version, outcome->code, outcome->error);
    hold_vault(secret, outcome->retry_after_sec);
    uint64_t delay_ms =
        scaled_ms(secret, backoff_next_ms(&secret->backoff, RETRY_MIN_MS, RETRY_MAX_MS));
    delay_ms = no_later_than_next_version(secret, delay_ms);
    const uint64_t pause_ms = held_ms(secret);
    if (pause_ms > delay_ms)
        delay_ms = pause_ms;
    secret->retry_ms = clock_monotonic_ms() + delay_ms;
    loop_timer_set(secret->loop, &secret->next_read, delay_ms);
    const bool is_changed =
        ends_value(secret, outcome) && drop_values(secret, outcome->code, outcome->error);
    note_stale(secret, outcome->error);
    return is_changed;
}

/* Told once, not at every refresh. */
static void note_barred(struct stored_secret *secret) {
    const struct fetch_outcome *barred = &secret->reading.barred;
    struct error said = {""};
    if (barred->verdict == FETCH_BARRED)
        error_set(&said, STATUS_DENIED, "%s %s", barred->version, barred->error);
    if (said.text[0] != '\0' && strcmp(said.text, secret->barred.text) != 0)
        log_version(secret, LOG_WARNING, "skipped", barred->version, barred->code, barred->error);
    secret->barred = said;
}

static bool is_worth_a_search(const struct stored_secret *secret) {
    return !secret->config->version && vault_client_has_versions(secret->vault) &&
           secret->current.value && !secret->previous.value &&
           strcmp(secret->searched, secret->current.version) != 0;
}

/* After a quiet time the gap begins anew. */
static void pace_rereads(struct stored_secret *secret) {
    const uint64_t now_ms = clock_monotonic_ms();
    const uint64_t gap_max_ms = (uint64_t)secret->config->refresh_sec * 1000;
    if (now_ms > secret->reread_ms + scaled_ms(secret, gap_max_ms))
        secret->reread_gap_ms = 0;
    secret->reread_gap_ms =
        secret->reread_gap_ms ? sooner(secret->reread_gap_ms * 2, gap_max_ms) : REREAD_GAP_MIN_MS;
    secret->reread_ms = now_ms + scaled_ms(secret, secret->reread_gap_ms);
}

static void start_reread(struct stored_secret *secret) {
    log_secret(secret, LOG_INFO, "reread_after_refusal", "");
    secret->is_reread = true;
    stored_secret_read(secret);
}

/* True when the answer to a refusal is still to come: another read, or a search for the version
 * before. */
static bool goes_on(struct stored_secret *secret, bool is_good, bool is_changed) {
    const bool was_reread = secret->is_reread, is_due = secret->is_reread_due;
    secret->is_reread = secret->is_reread_due = false;
    if (is_changed) {
        secret->reread_gap_ms = secret->reread_ms = 0;
        return false;
    }
    if (was_reread)
        pace_rereads(secret);
    if (!is_good || !(was_reread || is_due))
        return false;
    if (!was_reread)
        start_reread(secret);
    else if (is_worth_a_search(secret))
        secret_reading_start_before(&secret->reading, secret->current.version);
    return stored_secret_is_reading(secret);
}

static bool has_found_previous(struct stored_secret *secret, const struct fetch_outcome *outcome) {
    if (!secret->current.value)
        return false;
    if (outcome->verdict != FETCH_FAILED)
        memcpy(secret->searched, secret->current.version, sizeof secret->searched);
    hold_vault(secret, outcome->retry_after_sec);
    if (outcome->verdict != FETCH_GOOD || secret_eq(outcome->value, secret->current.value)) {
        log_version(secret, LOG_INFO, "no_previous", secret->current.version, outcome->code,
                    outcome->error);
        return false;
    }
    held_version_set(&secret->previous, outcome);
    secret->previous_until_ms = clock_monotonic_ms() + max_stale_ms(secret);
    secret->change_count++;
    log_version(secret, LOG_INFO, "previous_found", secret->previous.version, "", "");
    if (!arm_limit(secret))
        drop_values(secret, "", NO_TIMER);
    return true;
}

/* What an outcome is to this secret: lines are for those only who can do with them. */
static struct fetch_outcome judged(const struct stored_secret *secret,
                                   const struct fetch_outcome *outcome) {
    struct fetch_outcome judged = *outcome;
    if (outcome->verdict == FETCH_GOOD && !secret->takes_lines &&
        secret_has_control_bytes(outcome->value)) {
        judged.verdict = FETCH_UNUSABLE;
        judged.error = "the value holds control bytes (a line break?) and cannot go into a request";
    }
    return judged;
}

static void on_read(struct secret_reading *reading, const struct fetch_outcome *outcome) {
    struct stored_secret *secret = reading->owner;
    const struct fetch_outcome answer = judged(secret, outcome);
    const bool is_good = answer.verdict == FETCH_GOOD;
    bool is_changed;
    if (reading->looks_before) {
        is_changed = has_found_previous(secret, &answer);
    } else {
        note_barred(secret);
        is_changed = is_good ? on_good(secret, &answer) : on_bad(secret, &answer);
        if (goes_on(secret, is_good, is_changed))
            return;
    }
    secret->on_settled(secret, is_changed);
}

static void on_next_read(struct loop_timer *timer) {
    struct stored_secret *secret = timer->owner;
    const uint64_t pause_ms = held_ms(secret);
    if (pause_ms > 0)
        loop_timer_set(secret->loop, timer, pause_ms);
    else if (secret->reading.looks_before && stored_secret_is_reading(secret))
        loop_timer_set(secret->loop, timer, scaled_ms(secret, RETRY_MIN_MS));
    else
        stored_secret_read(secret);
}

void stored_secret_init(struct stored_secret *secret) {
    secret->reading = (struct secret_reading){
        .config = secret->config, .vault = secret->vault, .on_done = on_read, .owner = secret};
    secret_reading_init(&secret->reading);
    loop_timer_init(&secret->next_read, on_next_read, secret);
    loop_timer_init(&secret->limit, on_limit, secret);
    error_set(&secret->last_error, STATUS_NOT_FOUND, "not read yet");
}

void stored_secret_done(struct stored_secret *secret) {
    secret_reading_cancel(&secret->reading);
    loop_timer_cancel(secret->loop, &secret->next_read);
    forget_values(secret);
}

static bool fits(const struct stored_secret *secret, const struct held_version *held) {
    return held->value && (secret->takes_lines || !secret_has_control_bytes(held->value));
}

/* By this configuration's limits, which may be tighter. */
static void adopt_values(struct stored_secret *secret, const struct stored_secret *former) {
    secret->was_read = former->was_read;
    secret->good_ms = former->good_ms;
    if (!fits(secret, &former->current))
        return;
    held_version_copy(&secret->current, &former->current);
    if (fits(secret, &former->previous)) {
        held_version_copy(&secret->previous, &former->previous);
        secret->previous_until_ms =
            sooner(former->previous_until_ms, clock_monotonic_ms() + max_stale_ms(secret));
    }
    count_change(secret);
    const char *why = end_of_current(secret);
    if (!why && !arm_limit(secret))
        why = NO_TIMER;
    if (why)
        drop_values(secret, "", why);
}

static bool has_same_pace(const struct stored_secret *secret, const struct stored_secret *former) {
    return secret->config->refresh_sec == former->config->refresh_sec &&
           secret->config->max_stale_sec == former->config->max_stale_sec;
}

/* A reading that was under way is begun again: whoever waited for it will ask here. */
static void adopt_next_read(struct stored_secret *secret, const struct stored_secret *former) {
    const uint64_t now_ms = loop_now_ms(secret->loop);
    uint64_t due_ms = former->next_read.due_ms;
    if (!loop_timer_is_set(&former->next_read) ||
        (stored_secret_is_reading(former) && !former->reading.looks_before))
        return;
    if (secret->backoff.failures == 0 && !has_same_pace(secret, former))
        due_ms = sooner(due_ms, secret->good_ms + refresh_delay_ms(secret));
    (void)loop_timer_set(secret->loop, &secret->next_read, due_ms > now_ms ? due_ms - now_ms : 0);
}

void stored_secret_adopt(struct stored_secret *secret, const struct stored_secret *former,
                         bool reads_anew) {
    adopt_values(secret, former);
    /* What may be held decides what a read was worth. */
    if (reads_anew || secret->takes_lines != former->takes_lines)
        return;
    secret->last_error = former->last_error;
    secret->backoff = former->backoff;
    secret->retry_ms = former->retry_ms;
    secret->reread_gap_ms = former->reread_gap_ms;
    secret->reread_ms = former->reread_ms;
    memcpy(secret->searched, former->searched, sizeof secret->searched);
    secret->is_stale = former->is_stale && secret->current.value;
    secret->barred = former->barred;
    secret->reading.next_valid_sec = former->reading.next_valid_sec;
    adopt_next_read(secret, former);
}

bool stored_secret_is_waiting(const struct stored_secret *secret) {
    return loop_timer_is_set(&secret->next_read);
}

void stored_secret_read(struct stored_secret *secret) {
    if (stored_secret_is_reading(secret))
        return;
    loop_timer_cancel(secret->loop, &secret->next_read);
    secret_reading_start(&secret->reading, secret->current.version);
}

void stored_secret_reread(struct stored_secret *secret) {
    const bool is_reading = stored_secret_is_reading(secret);
    if (secret->config->version || !secret->current.value ||
        clock_monotonic_ms() < secret->reread_ms)
        return;
    if (is_reading)
        secret->is_reread_due = !secret->is_reread && !secret->reading.looks_before;
    else if (!stored_secret_is_backing_off(secret))
        start_reread(secret);
}

void stored_secret_drop_previous(struct stored_secret *secret, const char *why) {
    drop_previous(secret, why);
}

bool stored_secret_is_reading(const struct stored_secret *secret) {
    return secret_reading_is_running(&secret->reading);
}

bool stored_secret_is_backing_off(const struct stored_secret *secret) {
    return vault_client_held_ms(secret->vault) > 0 ||
           (secret->backoff.failures > 0 && secret->retry_ms > clock_monotonic_ms());
}
