/* Tokens of barkeep's own identity: one slot per tenant and resource, each with at most one
 * request in flight.
 *
 * A slot holds the token until its real expiry and asks for the next one long before. A failed try
 * is repeated in the background with back-off; those who wait are kept waiting through the first
 * few quick tries only, then told why. Lifetimes run on the monotonic clock from the moment of the
 * answer, so a jump of the wall clock neither extends nor cuts them. */
#include "vault/azure_identity.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "vault/azure_answer.h"
#include "vault/azure_identity_pace.h"
#include "vault/backoff.h"
#include "vault/client_secret.h"
#include "vault/imds.h"
#include "vault/token_answer.h"

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

struct token_waiter {
    struct token_waiter *next;
    azure_identity_on_token *on_token;
    void *owner;
};

struct token_slot {
    struct token_slot *next;
    struct azure_identity *identity;
    char *tenant; /* NULL: identity's own */
    char *resource;

    struct secret *token; /* NULL when there is none */
    uint64_t expires_ms;

    struct http_call *call;
    struct loop_timer next_try; /* refresh or retry; not set while a call is in flight */
    struct backoff backoff;
    struct error last_error;

    bool was_invalidated;
    uint64_t invalidated_ms;

    struct token_waiter *waiters; /* oldest first */
};

struct azure_identity {
    struct loop *loop;
    struct http_client *client;
    const struct config *config;
    char *imds_endpoint; /* managed identity only */
    struct token_slot *slots;
    size_t slot_count;
    uint32_t second_ms;
};

static uint64_t scaled_ms(const struct token_slot *slot, uint64_t ms) {
    return backoff_scale_ms(slot->identity->second_ms, ms);
}

static void drop_token(struct token_slot *slot) {
    secret_unref(slot->token);
    slot->token = NULL;
}

static bool has_token(struct token_slot *slot) {
    if (slot->token && clock_monotonic_ms() >= slot->expires_ms)
        drop_token(slot);
    return slot->token != NULL;
}

/* Waiters are taken off one by one: a callback may forget others, or ask for another resource. Here
 * a new get() is always answered at once, so this ends. */
static void answer_waiters(struct token_slot *slot, struct secret *token) {
    struct secret *held = token ? secret_ref(token) : NULL;
    while (slot->waiters) {
        struct token_waiter *waiter = slot->waiters;
        slot->waiters = waiter->next;
        waiter->on_token(waiter->owner, held, token ? NULL : &slot->last_error);
        free(waiter);
    }
    secret_unref(held);
}

static void free_slot(struct token_slot *slot) {
    loop_timer_cancel(slot->identity->loop, &slot->next_try);
    if (slot->call)
        http_call_cancel(slot->call);
    slot->call = NULL;
    error_set(&slot->last_error, STATUS_DENIED, "shutting down");
    answer_waiters(slot, NULL);
    secret_unref(slot->token);
    free(slot->tenant);
    free(slot->resource);
    free(slot);
}

static bool waiters_stay(const struct token_slot *slot, bool is_refused, uint64_t delay_ms) {
    return !is_refused && slot->backoff.failures < QUICK_TRIES &&
           delay_ms <= scaled_ms(slot, GONE_RETRY_MAX_MS);
}

/* `http_status` is 0 when there was no answer. */
static uint64_t retry_delay_ms(struct token_slot *slot, int http_status, int64_t retry_after_sec) {
    uint64_t min_ms = RETRY_MIN_MS, max_ms = RETRY_MAX_MS;
    if (http_status == 400 || http_status == 401 || http_status == 403)
        min_ms = max_ms = REFUSED_RETRY_MS;
    else if (http_status == 410)
        min_ms = GONE_RETRY_MIN_MS, max_ms = GONE_RETRY_MAX_MS;
    uint64_t delay_ms = backoff_next_ms(&slot->backoff, min_ms, max_ms);
    if (retry_after_sec > RETRY_AFTER_MAX_SEC)
        retry_after_sec = RETRY_AFTER_MAX_SEC;
    if (retry_after_sec > 0 && (uint64_t)retry_after_sec * 1000 > delay_ms)
        delay_ms = (uint64_t)retry_after_sec * 1000;
    return scaled_ms(slot, delay_ms);
}

static void on_failure(struct token_slot *slot, int http_status, int64_t retry_after_sec) {
    const bool is_refused = http_status == 400 || http_status == 401 || http_status == 403;
    const uint64_t delay_ms = retry_delay_ms(slot, http_status, retry_after_sec);
    LOG_EVENT(LOG_WARNING, "identity", LOG_STR("resource", slot->resource),
              LOG_STR("what", "failed"), LOG_STR("error", slot->last_error.text),
              LOG_INT("retry_ms", delay_ms));
    const bool comes_back =
        loop_timer_set(slot->identity->loop, &slot->next_try, delay_ms) == STATUS_OK;
    if (!comes_back || !waiters_stay(slot, is_refused, delay_ms))
        answer_waiters(slot, NULL);
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
    if (slot->backoff.failures > 0)
        LOG_EVENT(LOG_INFO, "identity", LOG_STR("resource", slot->resource),
                  LOG_STR("what", "recovered"));
    secret_unref(slot->token);
    slot->token = answer->token;
    slot->expires_ms =
        clock_monotonic_ms() + scaled_ms(slot, (uint64_t)answer->lifetime_sec * 1000);
    slot->backoff = (struct backoff){0};
    slot->last_error.text[0] = '\0';
    loop_timer_set(slot->identity->loop, &slot->next_try,
                   refresh_delay_ms(slot, answer->lifetime_sec));
    answer_waiters(slot, slot->token);
}

static void on_call_done(void *owner, const struct http_client_response *response) {
    struct token_slot *slot = owner;
    slot->call = NULL;
    if (response->status != STATUS_OK) {
        slot->last_error = response->error;
        on_failure(slot, 0, -1);
        return;
    }
    if (response->http_status != 200) {
        token_answer_refusal(response->body, response->http_status, &slot->last_error);
        on_failure(slot, response->http_status, response->retry_after_sec);
        return;
    }
    struct token_answer answer;
    if (token_answer_parse(response->body, clock_wall_sec(), &answer, &slot->last_error) ==
        STATUS_OK)
        on_success(slot, &answer);
    else
        on_failure(slot, 0, -1);
}

static enum status build_request(const struct token_slot *slot, struct token_request *out_request,
                                 struct error *err) {
    const struct azure_identity *identity = slot->identity;
    const struct config_identity *config = &identity->config->identity;
    if (config->kind == IDENTITY_MANAGED)
        return imds_request(identity->imds_endpoint, config, slot->resource, out_request, err);
    return client_secret_request(config, slot->tenant, slot->resource, out_request, err);
}

static void start_call(struct token_slot *slot) {
    struct azure_identity *identity = slot->identity;
    struct token_request request;
    loop_timer_cancel(identity->loop, &slot->next_try);
    token_request_init(&request);
    if (build_request(slot, &request, &slot->last_error) == STATUS_OK)
        slot->call =
            token_request_send(&request, identity->client, on_call_done, slot, &slot->last_error);
    token_request_done(&request);
    if (!slot->call)
        on_failure(slot, 0, -1);
}

static void on_next_try(struct loop_timer *timer) {
    start_call(timer->owner);
}

static struct token_slot *new_slot(struct azure_identity *identity, const char *tenant,
                                   const char *resource) {
    struct token_slot *slot = NULL;
    if (identity->slot_count < MAX_SLOTS)
        slot = calloc(1, sizeof *slot);
    if (!slot)
        return NULL;
    slot->resource = slice_strdup(slice_of_str(resource));
    slot->tenant = tenant ? slice_strdup(slice_of_str(tenant)) : NULL;
    if (!slot->resource || (tenant && !slot->tenant)) {
        free(slot->tenant);
        free(slot->resource);
        free(slot);
        return NULL;
    }
    slot->identity = identity;
    loop_timer_init(&slot->next_try, on_next_try, slot);
    slot->next = identity->slots;
    identity->slots = slot;
    identity->slot_count++;
    return slot;
}

static bool is_for(const struct token_slot *slot, const char *tenant, const char *resource) {
    bool is_of_tenant = tenant ? slot->tenant && strcmp(slot->tenant, tenant) == 0 : !slot->tenant;
    return is_of_tenant && strcmp(slot->resource, resource) == 0;
}

static struct token_slot *find_slot(struct azure_identity *identity, const char *tenant,
                                    const char *resource) {
    struct token_slot *slot = identity->slots;
    while (slot && !is_for(slot, tenant, resource))
        slot = slot->next;
    return slot;
}

/* NULL for identity's own, under whichever name it was asked for. */
static const char *foreign_tenant(const struct azure_identity *identity, const char *tenant) {
    const char *own = identity->config->identity.tenant;
    return tenant && own && strcmp(tenant, own) == 0 ? NULL : tenant;
}

static bool add_waiter(struct token_slot *slot, azure_identity_on_token *on_token, void *owner) {
    struct token_waiter *waiter = calloc(1, sizeof *waiter);
    if (!waiter)
        return false;
    waiter->on_token = on_token;
    waiter->owner = owner;
    struct token_waiter **end = &slot->waiters;
    while (*end)
        end = &(*end)->next;
    *end = waiter;
    return true;
}

static void fail_now(azure_identity_on_token *on_token, void *owner) {
    struct error err;
    error_set(&err, STATUS_NO_MEMORY, "no room for another token");
    on_token(owner, NULL, &err);
}

static void refuse_tenant(const char *tenant, azure_identity_on_token *on_token, void *owner) {
    struct error err;
    error_set(&err, STATUS_DENIED,
              "a managed identity has no tokens of another tenant: %s (identity.tenant names its "
              "own; {client: {id, secret_file}} can be consented in several)",
              tenant);
    on_token(owner, NULL, &err);
}

static bool is_backing_off(const struct token_slot *slot) {
    return !slot->call && slot->backoff.failures > 0 && !slot->waiters &&
           loop_timer_is_set(&slot->next_try);
}

struct azure_identity *azure_identity_new(struct loop *loop, struct http_client *client,
                                          const struct config *config, struct error *err) {
    azure_answer_init();
    const struct config_identity *kind = &config->identity;
    if (kind->kind == IDENTITY_CLIENT_SECRET &&
        (!kind->authority || !kind->tenant || !kind->client_id || !kind->client_secret_file)) {
        error_set(err, STATUS_INVALID, "identity: client needs authority, tenant, id and secret");
        return NULL;
    }
    if (kind->kind == IDENTITY_NONE) {
        error_set(err, STATUS_INVALID, "identity: none is configured");
        return NULL;
    }
    struct azure_identity *identity = calloc(1, sizeof *identity);
    if (!identity) {
        error_set(err, STATUS_NO_MEMORY, "no memory");
        return NULL;
    }
    *identity = (struct azure_identity){
        .loop = loop, .client = client, .config = config, .second_ms = 1000};
    if (kind->kind == IDENTITY_MANAGED && !(identity->imds_endpoint = imds_endpoint(kind, err))) {
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
        free_slot(slot);
    }
    free(identity->imds_endpoint);
    free(identity);
}

void azure_identity_set_second_ms(struct azure_identity *identity, uint32_t second_ms) {
    identity->second_ms = second_ms;
}

void azure_identity_get(struct azure_identity *identity, const char *tenant, const char *resource,
                        azure_identity_on_token *on_token, void *owner) {
    tenant = foreign_tenant(identity, tenant);
    if (tenant && identity->config->identity.kind == IDENTITY_MANAGED) {
        refuse_tenant(tenant, on_token, owner);
        return;
    }
    struct token_slot *slot = find_slot(identity, tenant, resource);
    if (!slot)
        slot = new_slot(identity, tenant, resource);
    if (!slot) {
        fail_now(on_token, owner);
        return;
    }
    if (has_token(slot)) {
        struct secret *held = secret_ref(slot->token);
        on_token(owner, held, NULL);
        secret_unref(held);
        return;
    }
    if (is_backing_off(slot)) {
        on_token(owner, NULL, &slot->last_error);
        return;
    }
    if (!add_waiter(slot, on_token, owner)) {
        fail_now(on_token, owner);
        return;
    }
    if (!slot->call && (slot->backoff.failures == 0 || !loop_timer_is_set(&slot->next_try)))
        start_call(slot);
}

void azure_identity_forget(struct azure_identity *identity, void *owner) {
    for (struct token_slot *slot = identity->slots; slot; slot = slot->next) {
        struct token_waiter **at = &slot->waiters;
        while (*at) {
            struct token_waiter *waiter = *at;
            if (waiter->owner != owner) {
                at = &waiter->next;
                continue;
            }
            *at = waiter->next;
            free(waiter);
        }
    }
}

void azure_identity_invalidate(struct azure_identity *identity, const char *tenant,
                               const char *resource) {
    struct token_slot *slot = find_slot(identity, foreign_tenant(identity, tenant), resource);
    if (!slot || !slot->token)
        return;
    const uint64_t now_ms = clock_monotonic_ms();
    if (slot->was_invalidated && now_ms - slot->invalidated_ms < scaled_ms(slot, INVALIDATE_GAP_MS))
        return;
    slot->was_invalidated = true;
    slot->invalidated_ms = now_ms;
    drop_token(slot);
}
