/* The on-behalf-of grant, at a pace that no caller sets.
 *
 * The same token for the same credential is exchanged once however many ask, and its answer, good
 * or bad, is kept for a while. A bounded number of exchanges is in flight, others queue. What is no
 * caller's fault (Entra away or throttling, barkeep's proof refused) makes a pause for the whole
 * tenant. Workers keep good answers for themselves as long as they may be used. */
#include "vault/on_behalf_of.h"

#include <assert.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "vault/azure_answer.h"
#include "vault/client_proof.h"
#include "vault/entra_request.h"
#include "vault/on_behalf_answer.h"
#include "vault/on_behalf_exchange.h"
#include "vault/on_behalf_of_pace.h"
#include "vault/tenant_pauses.h"

#define MAX_RUNNING 64
#define MAX_QUEUED 4096
#define MAX_KEPT_GOOD 256
#define MAX_KEPT_BAD 4096
#define PAUSE_MIN_MS 1000
/* Barkeep's proof was refused: that lasts until somebody puts it right. */
#define OWN_FAULT_PAUSE_MIN_MS 10000
/* Below the minute after which a worker lets an upstream doubt a token. */
#define KEEP_GOOD_MS 50000
#define KEEP_BAD_MS 60000
#define KEEP_EXPIRED_MS 300000
#define KEEP_UNAVAILABLE_MS 30000
#define SWEEP_MS 15000
#define LIFETIME_MARGIN_SEC 60
#define LIFETIME_MAX_SEC 3600

struct on_behalf_source {
    struct loop *loop;
    struct http_client *client;
    const struct config *config;
    struct on_behalf_table table;
    struct tenant_pauses pauses;
    struct loop_timer sweep;
    uint32_t second_ms;
    bool is_closing;
};

static uint64_t scaled_ms(const struct on_behalf_source *source, uint64_t ms) {
    return backoff_scale_ms(source->second_ms, ms);
}

/* Takes the outcome's references. */
static void answer(struct on_behalf_want *want, struct on_behalf_outcome outcome) {
    want->verdict = outcome.verdict;
    want->rendering = outcome.rendering;
    want->until_ms = outcome.until_ms;
    want->claims = outcome.claims;
    want->error = outcome.error;
    want->on_done(want);
}

static void answer_unavailable(struct on_behalf_want *want, const char *why) {
    struct on_behalf_outcome outcome = {.verdict = ON_BEHALF_UNAVAILABLE};
    error_set(&outcome.error, STATUS_DENIED, "%s", why);
    answer(want, outcome);
}

/* The exchange itself is touched no more: a callback may ask again, or make room. */
static void answer_all(struct on_behalf_want *wants, const struct on_behalf_outcome *outcome) {
    while (wants) {
        struct on_behalf_want *want = wants;
        wants = want->next;
        want->next = NULL;
        answer(want, on_behalf_outcome_copy(outcome));
    }
}

/* The exchange has the caller's token: a copy for each that waits would fill secret memory. */
static void add_want(struct on_behalf_exchange *exchange, struct on_behalf_want *want) {
    secret_unref(want->assertion);
    want->assertion = NULL;
    want->next = NULL;
    if (exchange->wants)
        exchange->last_want->next = want;
    else
        exchange->wants = want;
    exchange->last_want = want;
}

static void drop_oldest(struct on_behalf_source *source, enum on_behalf_state state, size_t limit) {
    while (source->table.lists[state].count > limit)
        on_behalf_table_drop(&source->table, source->table.lists[state].oldest);
}

static uint64_t keep_ms(const struct on_behalf_outcome *outcome) {
    switch (outcome->verdict) {
    case ON_BEHALF_GOOD:
        return KEEP_GOOD_MS;
    case ON_BEHALF_EXPIRED:
        return KEEP_EXPIRED_MS;
    case ON_BEHALF_UNAVAILABLE:
        return KEEP_UNAVAILABLE_MS;
    case ON_BEHALF_CLAIMS:
    case ON_BEHALF_REFUSED:
        break;
    }
    return KEEP_BAD_MS;
}

static void keep(struct on_behalf_exchange *exchange, const struct on_behalf_outcome *outcome) {
    struct on_behalf_source *source = exchange->source;
    const bool is_good = outcome->verdict == ON_BEHALF_GOOD;
    exchange->outcome = on_behalf_outcome_copy(outcome);
    exchange->forget_ms = clock_monotonic_ms() + scaled_ms(source, keep_ms(outcome));
    if (is_good && exchange->forget_ms > outcome->until_ms)
        exchange->forget_ms = outcome->until_ms;
    on_behalf_table_move(&source->table, exchange,
                         is_good ? ON_BEHALF_KEPT_GOOD : ON_BEHALF_KEPT_BAD);
    drop_oldest(source, ON_BEHALF_KEPT_GOOD, MAX_KEPT_GOOD);
    drop_oldest(source, ON_BEHALF_KEPT_BAD, MAX_KEPT_BAD);
    if (!loop_timer_is_set(&source->sweep))
        loop_timer_set(source->loop, &source->sweep, scaled_ms(source, SWEEP_MS));
}

/* Takes the outcome's references. */
static void finish(struct on_behalf_exchange *exchange, struct on_behalf_outcome outcome,
                   bool is_kept) {
    struct on_behalf_want *wants = exchange->wants;
    exchange->wants = NULL;
    exchange->call = NULL;
    secret_unref(exchange->assertion);
    exchange->assertion = NULL;
    if (is_kept)
        keep(exchange, &outcome);
    else
        on_behalf_table_drop(&exchange->source->table, exchange);
    answer_all(wants, &outcome);
    on_behalf_outcome_done(&outcome);
}

static void begin_pause(struct on_behalf_exchange *exchange,
                        const struct on_behalf_answer *answered) {
    struct on_behalf_source *source = exchange->source;
    const uint64_t min_ms = answered->is_own_fault ? OWN_FAULT_PAUSE_MIN_MS : PAUSE_MIN_MS;
    if (tenant_pauses_begin(&source->pauses, exchange->tenant, clock_monotonic_ms(), min_ms,
                            answered->retry_after_sec, source->second_ms, &answered->error))
        LOG_EVENT(LOG_WARNING, "identity", LOG_STR("tenant", exchange->tenant),
                  LOG_STR("what", "exchange failed"), LOG_STR("error", answered->error.text));
}

/* Monotonic time until which a token that lives `lifetime_sec` more may be used. */
static uint64_t usable_until_ms(const struct on_behalf_source *source, int64_t lifetime_sec) {
    int64_t margin_sec = lifetime_sec / 10;
    if (margin_sec > LIFETIME_MARGIN_SEC)
        margin_sec = LIFETIME_MARGIN_SEC;
    int64_t usable_sec = lifetime_sec - margin_sec;
    if (usable_sec > LIFETIME_MAX_SEC)
        usable_sec = LIFETIME_MAX_SEC;
    return clock_monotonic_ms() + scaled_ms(source, (uint64_t)usable_sec * 1000);
}

/* What is kept makes room in secret memory for the next try. */
static void on_no_memory(struct on_behalf_source *source, struct on_behalf_outcome *outcome) {
    outcome->verdict = ON_BEHALF_UNAVAILABLE;
    error_set(&outcome->error, STATUS_NO_MEMORY, "no secret memory left");
    drop_oldest(source, ON_BEHALF_KEPT_GOOD, 0);
}

static struct on_behalf_outcome outcome_of_token(struct on_behalf_source *source,
                                                 const struct token_answer *token) {
    struct on_behalf_outcome outcome = {.verdict = ON_BEHALF_GOOD};
    outcome.rendering = rendering_of_token(token->token, &outcome.error);
    outcome.until_ms = usable_until_ms(source, token->lifetime_sec);
    secret_unref(token->token);
    if (!outcome.rendering) {
        on_no_memory(source, &outcome);
    } else if (!rendering_credential(outcome.rendering)->is_available) {
        rendering_unref(outcome.rendering);
        outcome.rendering = NULL;
        outcome.verdict = ON_BEHALF_UNAVAILABLE;
    }
    return outcome;
}

/* Takes what `answered` owns. */
static void on_answer(struct on_behalf_exchange *exchange, struct on_behalf_answer *answered) {
    struct on_behalf_source *source = exchange->source;
    struct on_behalf_outcome outcome = {
        .verdict = answered->verdict, .claims = answered->claims, .error = answered->error};
    if (answered->is_for_all)
        begin_pause(exchange, answered);
    else if (tenant_pauses_end(&source->pauses, exchange->tenant))
        LOG_EVENT(LOG_INFO, "identity", LOG_STR("tenant", exchange->tenant),
                  LOG_STR("what", "recovered"));
    if (answered->verdict == ON_BEHALF_GOOD)
        outcome = outcome_of_token(source, &answered->token);
    finish(exchange, outcome, !answered->is_for_all);
}

static enum status build_request(const struct on_behalf_exchange *exchange,
                                 struct token_request *out_request, struct error *err) {
    const struct config *config = exchange->source->config;
    const struct form_field fields[] = {
        {"grant_type", SLICE("urn:ietf:params:oauth:grant-type:jwt-bearer")},
        {"requested_token_use", SLICE("on_behalf_of")},
        {"scope", slice_of_str(config->credentials[exchange->credential].scope)},
        {"assertion", secret_bytes(exchange->assertion)},
    };
    return entra_request_build(&config->identity, exchange->tenant, fields,
                               sizeof fields / sizeof *fields, out_request, err);
}

static void on_call_done(void *owner, const struct http_client_response *response);

static void start(struct on_behalf_exchange *exchange) {
    struct on_behalf_source *source = exchange->source;
    struct on_behalf_answer failed = {
        .verdict = ON_BEHALF_UNAVAILABLE, .is_for_all = true, .retry_after_sec = -1};
    struct token_request request;
    on_behalf_table_move(&source->table, exchange, ON_BEHALF_RUNNING);
    token_request_init(&request);
    if (build_request(exchange, &request, &failed.error) == STATUS_OK)
        exchange->call =
            token_request_send(&request, source->client, on_call_done, exchange, &failed.error);
    token_request_done(&request);
    secret_unref(exchange->assertion);
    exchange->assertion = NULL;
    if (!exchange->call)
        on_answer(exchange, &failed);
}

static bool may_start(const struct on_behalf_source *source) {
    return source->table.lists[ON_BEHALF_RUNNING].count < MAX_RUNNING && !source->is_closing;
}

static void start_queued(struct on_behalf_source *source) {
    struct on_behalf_exchange *exchange;
    while (may_start(source) && (exchange = source->table.lists[ON_BEHALF_QUEUED].oldest)) {
        const struct tenant_pause *pause =
            tenant_pauses_find(&source->pauses, exchange->tenant, clock_monotonic_ms());
        if (pause)
            finish(
                exchange,
                (struct on_behalf_outcome){.verdict = ON_BEHALF_UNAVAILABLE, .error = pause->error},
                false);
        else
            start(exchange);
    }
}

static void on_call_done(void *owner, const struct http_client_response *response) {
    struct on_behalf_exchange *exchange = owner;
    struct on_behalf_source *source = exchange->source;
    struct on_behalf_answer answered;
    on_behalf_answer_read(response, clock_wall_sec(), &answered);
    on_answer(exchange, &answered);
    start_queued(source);
}

static void on_sweep(struct loop_timer *timer) {
    struct on_behalf_source *source = timer->owner;
    const struct on_behalf_list *lists = source->table.lists;
    on_behalf_table_sweep(&source->table, clock_monotonic_ms());
    if (lists[ON_BEHALF_KEPT_GOOD].count + lists[ON_BEHALF_KEPT_BAD].count > 0)
        loop_timer_set(source->loop, &source->sweep, scaled_ms(source, SWEEP_MS));
}

/* NULL when none is to be had without asking Entra. What is kept beyond its time is dropped. */
static struct on_behalf_exchange *find_current(struct on_behalf_source *source,
                                               const unsigned char key[ON_BEHALF_KEY_BYTES],
                                               size_t credential) {
    struct on_behalf_exchange *exchange = on_behalf_table_find(&source->table, key, credential);
    const bool is_kept = exchange && (exchange->state == ON_BEHALF_KEPT_GOOD ||
                                      exchange->state == ON_BEHALF_KEPT_BAD);
    if (!is_kept || clock_monotonic_ms() < exchange->forget_ms)
        return exchange;
    on_behalf_table_drop(&source->table, exchange);
    return NULL;
}

static void begin_exchange(struct on_behalf_source *source, struct on_behalf_want *want,
                           const unsigned char key[ON_BEHALF_KEY_BYTES]) {
    const struct tenant_pause *pause =
        tenant_pauses_find(&source->pauses, want->tenant, clock_monotonic_ms());
    if (pause) {
        answer(want,
               (struct on_behalf_outcome){.verdict = ON_BEHALF_UNAVAILABLE, .error = pause->error});
        return;
    }
    struct on_behalf_exchange *exchange = NULL;
    if (source->table.lists[ON_BEHALF_QUEUED].count < MAX_QUEUED)
        exchange = on_behalf_table_add(&source->table, key, want);
    if (!exchange) {
        answer_unavailable(want, "too many exchanges at once");
        return;
    }
    exchange->source = source;
    add_want(exchange, want);
    start_queued(source);
}

struct on_behalf_source *on_behalf_source_new(struct loop *loop, struct http_client *client,
                                              const struct config *config, struct error *err) {
    azure_answer_init();
    struct on_behalf_source *source = calloc(1, sizeof *source);
    if (!source) {
        error_set(err, STATUS_NO_MEMORY, "no memory");
        return NULL;
    }
    source->loop = loop;
    source->client = client;
    source->config = config;
    source->second_ms = 1000;
    loop_timer_init(&source->sweep, on_sweep, source);
    return source;
}

static void end_all(struct on_behalf_source *source, enum on_behalf_state state) {
    struct on_behalf_exchange *exchange;
    while ((exchange = source->table.lists[state].oldest)) {
        struct on_behalf_outcome outcome = {.verdict = ON_BEHALF_UNAVAILABLE};
        error_set(&outcome.error, STATUS_DENIED, "shutting down");
        if (exchange->call)
            http_call_cancel(exchange->call);
        finish(exchange, outcome, false);
    }
}

void on_behalf_source_free(struct on_behalf_source *source) {
    if (!source)
        return;
    source->is_closing = true;
    for (int state = 0; state < ON_BEHALF_STATE_COUNT; state++)
        end_all(source, (enum on_behalf_state)state);
    loop_timer_cancel(source->loop, &source->sweep);
    tenant_pauses_done(&source->pauses);
    free(source);
}

void on_behalf_source_set_second_ms(struct on_behalf_source *source, uint32_t second_ms) {
    source->second_ms = second_ms;
}

void on_behalf_source_want(struct on_behalf_source *source, struct on_behalf_want *want) {
    unsigned char key[ON_BEHALF_KEY_BYTES];
    struct error why = {""};
    assert(source->config->credentials[want->credential].kind == CREDENTIAL_ON_BEHALF_OF);
    if (source->is_closing) {
        answer_unavailable(want, "shutting down");
    } else if (!client_proof_exists(&source->config->identity)) {
        answer_unavailable(want, "a managed identity cannot exchange callers' tokens: "
                                 "identity must be a workload or a client");
    } else if (client_proof_check(&source->config->identity, &why) != STATUS_OK) {
        answer_unavailable(want, why.text);
    } else if (strlen(want->tenant) >= ON_BEHALF_TENANT_SIZE ||
               !on_behalf_key(want->tenant, want->assertion, key)) {
        answer_unavailable(want, "the caller's token cannot be exchanged");
    } else {
        struct on_behalf_exchange *exchange = find_current(source, key, want->credential);
        if (!exchange)
            begin_exchange(source, want, key);
        else if (exchange->state == ON_BEHALF_QUEUED || exchange->state == ON_BEHALF_RUNNING)
            add_want(exchange, want);
        else
            answer(want, on_behalf_outcome_copy(&exchange->outcome));
    }
}
