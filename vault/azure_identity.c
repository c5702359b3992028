/* Tokens of barkeep's own identity: one slot per tenant and resource, each with at most one request
 * in flight.
 *
 * A slot holds the token until its real expiry and asks for the next one long before. A failed try
 * is repeated in the background with back-off; those who wait are kept waiting through the first
 * few quick tries only, then told why. Lifetimes run on the monotonic clock from the moment of the
 * answer, so a jump of the wall clock neither extends nor cuts them. */
#include "vault/azure_identity.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "vault/agreement.h"
#include "vault/azure_answer.h"
#include "vault/azure_identity_pace.h"
#include "vault/claims_request.h"
#include "vault/client_proof.h"
#include "vault/entra_request.h"
#include "vault/managed_identity.h"
#include "vault/token_answer.h"
#include "vault/token_slot.h"

#define MAX_SLOTS 256
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
#define INVALIDATE_GAP_MS 60000

struct azure_identity {
    struct loop *loop;
    struct http_client *client;
    const struct config *config;
    struct managed_identity managed; /* managed identity only */
    struct token_slot *slots;
    size_t slot_count;
    uint32_t second_ms;
};

/* Why there is no token this time. */
struct failure {
    int http_status; /* 0: there was no answer, or none to be had */
    int64_t retry_after_sec;
    bool is_refused; /* asking again soon would change nothing */
};

static uint64_t scaled_ms(const struct token_slot *slot, uint64_t ms) {
    return backoff_scale_ms(slot->identity->second_ms, ms);
}

static void cancel_call(struct token_slot *slot) {
    if (slot->call)
        http_call_cancel(slot->call);
    slot->call = NULL;
}

static void end_slot(struct token_slot *slot) {
    loop_timer_cancel(slot->identity->loop, &slot->next_try);
    loop_timer_cancel(slot->identity->loop, &slot->expiry);
    cancel_call(slot);
    token_slot_drop_token(slot);
    error_set(&slot->last_error, STATUS_DENIED, "shutting down");
    token_slot_tell_waiters(slot);
    token_slot_free(slot);
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

static void start_call(struct token_slot *slot) {
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
        start_call(slot);
}

static void on_expiry(struct loop_timer *timer) {
    struct token_slot *slot = timer->owner;
    token_slot_drop_token(slot);
    if (slot->last_error.text[0] == '\0')
        error_set(&slot->last_error, STATUS_TIMEOUT,
                  "the token ran out before the next could be had");
    token_slot_tell_watches(slot);
}

static struct token_slot *add_slot(struct azure_identity *identity, const char *tenant,
                                   const char *resource) {
    struct token_slot *slot = NULL;
    if (identity->slot_count < MAX_SLOTS)
        slot = token_slot_new(identity, tenant, resource);
    if (!slot)
        return NULL;
    loop_timer_init(&slot->next_try, on_next_try, slot);
    loop_timer_init(&slot->expiry, on_expiry, slot);
    slot->next = identity->slots;
    identity->slots = slot;
    identity->slot_count++;
    return slot;
}

static struct token_slot *find_slot(struct azure_identity *identity, const char *tenant,
                                    const char *resource) {
    struct token_slot *slot = identity->slots;
    while (slot && !token_slot_is_for(slot, tenant, resource))
        slot = slot->next;
    return slot;
}

/* NULL for identity's own, under whichever name it was asked for. */
static const char *foreign_tenant(const struct azure_identity *identity, const char *tenant) {
    const char *own = identity->config->identity.tenant;
    return tenant && own && strcmp(tenant, own) == 0 ? NULL : tenant;
}

/* A token is renewed as long as it is wanted, even if its time for that has passed meanwhile. */
static void note_wanted(struct token_slot *slot) {
    slot->is_wanted = true;
    if (slot->token && !slot->call && !loop_timer_is_set(&slot->next_try))
        loop_timer_set(slot->identity->loop, &slot->next_try, 0);
}

/* NULL and the reason when there is none for this tenant, or no room. */
static struct token_slot *want_slot(struct azure_identity *identity, const char *tenant,
                                    const char *resource, struct error *err) {
    tenant = foreign_tenant(identity, tenant);
    if (tenant && identity->config->identity.kind == IDENTITY_MANAGED) {
        error_set(err, STATUS_DENIED,
                  "a managed identity has no tokens of another tenant: %s (identity.tenant names "
                  "its own; {client: {id, secret_file}} can be consented in several)",
                  tenant);
        return NULL;
    }
    struct token_slot *slot = find_slot(identity, tenant, resource);
    if (!slot)
        slot = add_slot(identity, tenant, resource);
    if (slot)
        note_wanted(slot);
    else
        error_set(err, STATUS_NO_MEMORY, "no room for another token");
    return slot;
}

static bool is_backing_off(const struct token_slot *slot) {
    return !slot->call && slot->backoff.failures > 0 && !slot->waiters &&
           loop_timer_is_set(&slot->next_try);
}

/* A call is on its way after this, or will be when the back-off is over, or has failed. */
static void make_sure_of_call(struct token_slot *slot) {
    if (!slot->call && (slot->backoff.failures == 0 || !loop_timer_is_set(&slot->next_try)))
        start_call(slot);
}

struct azure_identity *azure_identity_new(struct loop *loop, struct http_client *client,
                                          const struct config *config, struct error *err) {
    azure_answer_init();
    const struct config_identity *kind = &config->identity;
    if (kind->kind == IDENTITY_NONE) {
        error_set(err, STATUS_INVALID, "identity: none is configured");
        return NULL;
    }
    if (client_proof_exists(kind) && client_proof_check(kind, err) != STATUS_OK)
        return NULL;
    struct azure_identity *identity = calloc(1, sizeof *identity);
    if (!identity) {
        error_set(err, STATUS_NO_MEMORY, "no memory");
        return NULL;
    }
    *identity = (struct azure_identity){
        .loop = loop, .client = client, .config = config, .second_ms = 1000};
    if (kind->kind == IDENTITY_MANAGED &&
        managed_identity_init(&identity->managed, kind, err) != STATUS_OK) {
        free(identity);
        return NULL;
    }
    return identity;
}

void azure_identity_free(struct azure_identity *identity) {
    if (!identity)
        return;
    while (identity->slots) {
        struct token_slot *slot = identity->slots;
        identity->slots = slot->next;
        end_slot(slot);
    }
    managed_identity_done(&identity->managed);
    free(identity);
}

/* What the call in flight was to bring is asked for again. */
static void adopt_next_try(struct token_slot *slot, const struct token_slot *former) {
    const uint64_t now_ms = loop_now_ms(slot->identity->loop);
    const uint64_t due_ms = loop_timer_is_set(&former->next_try) ? former->next_try.due_ms : now_ms;
    loop_timer_set(slot->identity->loop, &slot->next_try, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void adopt_slot(struct azure_identity *identity, const struct token_slot *former) {
    const uint64_t now_ms = clock_monotonic_ms();
    const bool has_token = former->token && former->expires_ms > now_ms;
    if (!has_token && !former->is_wanted)
        return;
    struct token_slot *slot = add_slot(identity, former->tenant, former->resource);
    if (!slot)
        return;
    slot->backoff = former->backoff;
    slot->last_error = former->last_error;
    slot->invalidated_ms = former->invalidated_ms;
    slot->challenged_ms = former->challenged_ms;
    slot->claims = former->claims ? slice_strdup(slice_of_str(former->claims)) : NULL;
    if (has_token) {
        slot->token = secret_ref(former->token);
        slot->expires_ms = former->expires_ms;
        slot->is_doubted = former->is_doubted;
        loop_timer_set(identity->loop, &slot->expiry, slot->expires_ms - now_ms);
    }
    if (has_token || slot->backoff.failures > 0)
        adopt_next_try(slot, former);
}

void azure_identity_adopt(struct azure_identity *identity, const struct azure_identity *former) {
    if (!agreement_on_identity(&identity->config->identity, &former->config->identity))
        return;
    for (const struct token_slot *slot = former->slots; slot; slot = slot->next)
        adopt_slot(identity, slot);
}

void azure_identity_set_second_ms(struct azure_identity *identity, uint32_t second_ms) {
    identity->second_ms = second_ms;
}

void azure_identity_get(struct azure_identity *identity, const char *tenant, const char *resource,
                        azure_identity_on_token *on_token, void *owner) {
    struct error err = {""};
    struct token_slot *slot = want_slot(identity, tenant, resource, &err);
    if (!slot) {
        on_token(owner, NULL, &err);
        return;
    }
    const bool has_token = token_slot_has_token(slot);
    if (has_token && (!slot->is_doubted || is_backing_off(slot))) {
        struct secret *held = secret_ref(slot->token);
        on_token(owner, held, NULL);
        secret_unref(held);
        return;
    }
    if (is_backing_off(slot)) {
        on_token(owner, NULL, &slot->last_error);
        return;
    }
    if (!token_slot_add_waiter(slot, on_token, owner)) {
        error_set(&err, STATUS_NO_MEMORY, "no memory");
        on_token(owner, NULL, &err);
        return;
    }
    make_sure_of_call(slot);
}

void azure_identity_forget(struct azure_identity *identity, void *owner) {
    for (struct token_slot *slot = identity->slots; slot; slot = slot->next)
        token_slot_forget(slot, owner);
}

void azure_identity_watch(struct azure_identity *identity, struct azure_identity_watch *watch) {
    struct error err = {""};
    struct token_slot *slot = want_slot(identity, watch->tenant, watch->resource, &err);
    watch->next = NULL;
    if (!slot) {
        watch->on_token(watch->owner, NULL, &err);
        return;
    }
    token_slot_add_watch(slot, watch);
    if (token_slot_has_token(slot)) {
        struct secret *held = secret_ref(slot->token);
        watch->on_token(watch->owner, held, NULL);
        secret_unref(held);
        return;
    }
    if (slot->watches_know_none)
        watch->on_token(watch->owner, NULL, &slot->last_error);
    else
        make_sure_of_call(slot);
}

void azure_identity_unwatch(struct azure_identity *identity, struct azure_identity_watch *watch) {
    struct token_slot *slot = identity->slots;
    while (slot && !token_slot_remove_watch(slot, watch))
        slot = slot->next;
}

/* True at most once a minute. `last_ms` is when it was last, 0 for never. */
static bool may_be_repeated(const struct token_slot *slot, uint64_t *last_ms) {
    const uint64_t now_ms = clock_monotonic_ms();
    if (*last_ms != 0 && now_ms - *last_ms < scaled_ms(slot, INVALIDATE_GAP_MS))
        return false;
    *last_ms = now_ms;
    return true;
}

void azure_identity_invalidate(struct azure_identity *identity, const char *tenant,
                               const char *resource) {
    struct token_slot *slot = find_slot(identity, foreign_tenant(identity, tenant), resource);
    if (slot && slot->token && may_be_repeated(slot, &slot->invalidated_ms))
        slot->is_doubted = true;
}

/* The call in flight asks without the claims: its token would be refused again. */
static void take_claims(struct token_slot *slot, char *request) {
    token_slot_drop_claims(slot);
    slot->claims = request;
    slot->is_doubted = slot->token != NULL;
    if (!slot->call)
        return;
    cancel_call(slot);
    start_call(slot);
}

bool azure_identity_challenge(struct azure_identity *identity, const char *tenant,
                              const char *resource, struct slice claims) {
    struct token_slot *slot = find_slot(identity, foreign_tenant(identity, tenant), resource);
    char *request = NULL;
    if (slot && client_proof_exists(&identity->config->identity))
        request = claims_request_of(claims);
    if (!request) {
        azure_identity_invalidate(identity, tenant, resource);
        return false;
    }
    if (may_be_repeated(slot, &slot->challenged_ms)) {
        may_be_repeated(slot, &slot->invalidated_ms);
        take_claims(slot, request);
    } else {
        free(request);
    }
    return true;
}
