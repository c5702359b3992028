/* A slot holds the token until its real expiry and asks for the next one long before. A failed try
 * is repeated in the background with back-off; those who wait are kept waiting through the first
 * few quick tries only, then told why. Lifetimes run on the monotonic clock from the moment of the
 * answer, so a jump of the wall clock neither extends nor cuts them. */
#include "vault/token_renewal.h"

#include "core/clock.h"
#include "core/log.h"
#include "vault/entra_request.h"
#include "vault/token_answer.h"

/* Tries that waiters sit through before they are told. */
#define QUICK_TRIES 3
#define RETRY_MIN_MS 800
#define RETRY_MAX_MS 64000
/* 410: the metadata service is being updated and comes back within about 70 s. */
#define GONE_RETRY_MIN_MS 3000
#define GONE_RETRY_MAX_MS 10000
/* 400, 401, 403: nothing changes until somebody changes something. */
#define REFUSED_RETRY_MS 60000
#define RETRY_AFTER_MAX_SEC 600
#define REFRESH_BEFORE_EXPIRY_SEC 300
#define REFRESH_MIN_SEC 10

/* Why there is no token this time. */
struct failure {
    int http_status; /* 0: there was no answer, or none to be had */
    int64_t retry_after_sec;
    bool is_refused; /* asking again soon would change nothing */
};

static uint64_t scaled_ms(const struct token_slot *slot, uint64_t ms) {
    return backoff_scale_ms(slot->identity->second_ms, ms);
}

void token_renewal_cancel(struct token_slot *slot) {
    if (slot->call)
        http_call_cancel(slot->call);
    slot->call = NULL;
}

static bool waiters_stay(const struct token_slot *slot, const struct failure *failure,
                         uint64_t delay_ms) {
    return !failure->is_refused && slot->backoff.failures < QUICK_TRIES &&
           delay_ms <= scaled_ms(slot, GONE_RETRY_MAX_MS);
}

static uint64_t retry_delay_ms(struct token_slot *slot, const struct failure *failure) {
    uint64_t min_ms = RETRY_MIN_MS, max_ms = RETRY_MAX_MS;
    if (failure->is_refused)
        min_ms = max_ms = REFUSED_RETRY_MS;
    else if (failure->http_status == 410)
        min_ms = GONE_RETRY_MIN_MS, max_ms = GONE_RETRY_MAX_MS;
    uint64_t delay_ms = backoff_next_ms(&slot->backoff, min_ms, max_ms);
    int64_t retry_after_sec = failure->retry_after_sec;
    if (retry_after_sec > RETRY_AFTER_MAX_SEC)
        retry_after_sec = RETRY_AFTER_MAX_SEC;
    if (retry_after_sec > 0 && (uint64_t)retry_after_sec * 1000 > delay_ms)
        delay_ms = (uint64_t)retry_after_sec * 1000;
    return scaled_ms(slot, delay_ms);
}

static void on_failure(struct token_slot *slot, const struct failure *failure) {
    const uint64_t delay_ms = retry_delay_ms(slot, failure);
    LOG_EVENT(LOG_WARNING, "identity", LOG_STR("resource", slot->resource),
              LOG_STR("what", "failed"), LOG_STR("error", slot->last_error.text),
              LOG_INT("retry_ms", delay_ms));
    if (failure->is_refused) /* perhaps for them */
        token_slot_drop_claims(slot);
    const bool comes_back =
        loop_timer_set(slot->identity->loop, &slot->next_try, delay_ms) == STATUS_OK;
    if (comes_back && waiters_stay(slot, failure, delay_ms))
        return;
    token_slot_tell_waiters(slot);
    if (!token_slot_has_token(slot))
        token_slot_tell_watches(slot);
}

/* min(half life, exp - 5 min), but half life for short-lived tokens, and never in a tight loop with
 * a service that keeps handing out the same ageing token. */
static uint64_t refresh_delay_ms(const struct token_slot *slot, int64_t lifetime_sec) {
    int64_t delay_sec = lifetime_sec / 2;
    if (lifetime_sec > REFRESH_BEFORE_EXPIRY_SEC + REFRESH_MIN_SEC &&
        lifetime_sec - REFRESH_BEFORE_EXPIRY_SEC < delay_sec)
        delay_sec = lifetime_sec - REFRESH_BEFORE_EXPIRY_SEC;
    if (delay_sec < REFRESH_MIN_SEC)
        delay_sec = REFRESH_MIN_SEC;
    return scaled_ms(slot, (uint64_t)delay_sec * 1000);
}

static void on_success(struct token_slot *slot, const struct token_answer *answer) {
    const uint64_t lifetime_ms = scaled_ms(slot, (uint64_t)answer->lifetime_sec * 1000);
    if (slot->backoff.failures > 0)
        LOG_EVENT(LOG_INFO, "identity", LOG_STR("resource", slot->resource),
                  LOG_STR("what", "recovered"));
    token_slot_drop_token(slot);
    slot->token = answer->token;
    slot->expires_ms = clock_monotonic_ms() + lifetime_ms;
    if (slot->call_has_claims)
        token_slot_drop_claims(slot);
    slot->backoff = (struct backoff){0};
    slot->last_error.text[0] = '\0';
    loop_timer_set(slot->identity->loop, &slot->next_try,
                   refresh_delay_ms(slot, answer->lifetime_sec));
    loop_timer_set(slot->identity->loop, &slot->expiry, lifetime_ms);
    token_slot_tell_waiters(slot);
    token_slot_tell_watches(slot);
}

static void on_call_done(void *owner, const struct http_client_response *response);

static enum status build_request(const struct token_slot *slot, struct slice challenge,
                                 struct token_request *out_request, struct error *err) {
    const struct azure_identity *identity = slot->identity;
    const struct config_identity *config = &identity->config->identity;
    if (config->kind == IDENTITY_MANAGED)
        return managed_identity_request(&identity->managed, config, slot->resource, challenge,
                                        out_request, err);
    return entra_request_own_token(config, slot->tenant, slot->resource, slot->claims, out_request,
                                   err);
}

/* False when nothing could be sent: last_error says why. */
static bool send_request(struct token_slot *slot, struct slice challenge) {
    struct token_request request;
    token_request_init(&request);
    slot->is_second_step = challenge.len > 0;
    slot->call_has_claims = slot->claims != NULL;
    if (build_request(slot, challenge, &request, &slot->last_error) == STATUS_OK)
        slot->call = token_request_send(&request, slot->identity->client, on_call_done, slot,
                                        &slot->last_error);
    token_request_done(&request);
    return slot->call != NULL;
}

void token_renewal_start(struct token_slot *slot) {
    loop_timer_cancel(slot->identity->loop, &slot->next_try);
    if (!send_request(slot, SLICE("")))
        on_failure(slot, &(struct failure){.http_status = 0});
}

/* Azure Arc answers the first request with 401 and names a file whose content it wants to see. */
static bool is_challenged(const struct token_slot *slot,
                          const struct http_client_response *response) {
    return slot->identity->config->identity.kind == IDENTITY_MANAGED &&
           slot->identity->managed.source == MANAGED_ARC && response->http_status == 401 &&
           !slot->is_second_step && response->www_authenticate.len > 0;
}

static void on_refusal(struct token_slot *slot, const struct http_client_response *response) {
    const int status = response->http_status;
    const bool is_refused = (status == 400 || status == 401 || status == 403) &&
                            !token_answer_is_temporary(response->body);
    token_answer_refusal(response->body, status, &slot->last_error);
    on_failure(slot, &(struct failure){status, response->retry_after_sec, is_refused});
}

/* An Arc agent that does not know selectors would hand out the system-assigned identity's. */
static bool is_of_another_identity(const struct token_slot *slot, struct slice body) {
    const struct config_identity *config = &slot->identity->config->identity;
    return config->kind == IDENTITY_MANAGED && slot->identity->managed.source == MANAGED_ARC &&
           config->managed_client_id && !token_answer_is_of(body, config->managed_client_id);
}

static void on_answer(struct token_slot *slot, struct slice body) {
    struct token_answer answer;
    if (is_of_another_identity(slot, body)) {
        error_set(&slot->last_error, STATUS_INVALID,
                  "Azure Arc answered with the token of another identity");
        on_failure(slot, &(struct failure){.is_refused = true});
    } else if (token_answer_parse(body, clock_wall_sec(), &answer, &slot->last_error) ==
               STATUS_OK) {
        on_success(slot, &answer);
    } else {
        on_failure(slot, &(struct failure){.http_status = 0});
    }
}

static void on_call_done(void *owner, const struct http_client_response *response) {
    struct token_slot *slot = owner;
    slot->call = NULL;
    if (response->status != STATUS_OK) {
        slot->last_error = response->error;
        on_failure(slot, &(struct failure){.http_status = 0});
    } else if (is_challenged(slot, response)) {
        if (!send_request(slot, response->www_authenticate))
            on_failure(slot, &(struct failure){.is_refused = true});
    } else if (response->http_status == 200) {
        on_answer(slot, response->body);
    } else {
        on_refusal(slot, response);
    }
}

/* What nobody of this configuration has asked for is left to run out. */
static void on_next_try(struct loop_timer *timer) {
    struct token_slot *slot = timer->owner;
    if (slot->is_wanted)
        token_renewal_start(slot);
}

static void on_expiry(struct loop_timer *timer) {
    struct token_slot *slot = timer->owner;
    token_slot_drop_token(slot);
    if (slot->last_error.text[0] == '\0')
        error_set(&slot->last_error, STATUS_TIMEOUT,
                  "the token ran out before the next could be had");
    token_slot_tell_watches(slot);
}

void token_renewal_init(struct token_slot *slot) {
    loop_timer_init(&slot->next_try, on_next_try, slot);
    loop_timer_init(&slot->expiry, on_expiry, slot);
}
