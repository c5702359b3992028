/* The cabinet's keeper: owns the vaults and the stored secrets of one configuration, renders
 * credentials when a secret of theirs changed, publishes, and answers those who wait.
 *
 * What lacks secret memory is tried again later, at a gap that doubles.
 *
 * Order of every turn: a secret settles, a new cabinet is published if anything changed, then the
 * wants that this decides are answered. So whoever is answered finds the newest cabinet. */
#include "vault/secret_store.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "vault/agreement.h"
#include "vault/azure_answer.h"
#include "vault/backoff.h"
#include "vault/cabinet.h"
#include "vault/secret_store_pace.h"
#include "vault/shelf.h"

#define MEMORY_RETRY_MIN_MS 10000
#define MEMORY_RETRY_MAX_MS 600000

struct secret_store {
    struct loop *loop;
    const struct config *config;
    void (*on_cabinet)(void *owner, struct cabinet *cabinet);
    void *owner;
    uint32_t second_ms;

    struct vault_client **vaults;  /* as config->vaults */
    struct stored_secret *secrets; /* as config->secrets */
    struct shelf *shelves;         /* as config->credentials; one more for the assertion key */
    struct shelf_views views;      /* filled for rendering */
    struct leak_unions leaks;
    struct loop_timer retry; /* of what lacked memory */
    struct backoff backoff;

    struct credential_want *wants;
    bool is_starting; /* the first cabinet waits for the files */
    bool is_closing;
    bool is_dirty; /* something changed since the last cabinet */
};

/* Each round that says so has dropped a version, so there is a last one. */
static enum leak_unions_outcome render_all(struct secret_store *store) {
    shelf_views_fill(&store->views, store->secrets, store->config->secret_count);
    for (size_t i = 0; i < store->config->credential_count; i++)
        if (!shelf_render(&store->shelves[i], store->secrets, &store->views))
            return LEAK_UNIONS_NO_MEMORY;
    return leak_unions_make(&store->leaks, store->shelves, store->secrets, &store->views);
}

static struct cabinet *collect(struct secret_store *store) {
    const size_t count = store->config->credential_count;
    struct rendering **renderings = calloc(count ? count : 1, sizeof *renderings);
    if (!renderings)
        return NULL;
    for (size_t i = 0; i < count; i++)
        renderings[i] = shelf_next(&store->shelves[i]);
    struct cabinet *cabinet = cabinet_new(renderings, count, &store->leaks);
    for (size_t i = 0; cabinet && i < count; i++)
        shelf_settle(&store->shelves[i]);
    free(renderings);
    return cabinet;
}

static struct cabinet *make_cabinet(struct secret_store *store) {
    enum leak_unions_outcome outcome;
    do
        outcome = render_all(store);
    while (outcome == LEAK_UNIONS_AGAIN);
    return outcome == LEAK_UNIONS_DONE ? collect(store) : NULL;
}

static bool lacks_memory(const struct secret_store *store) {
    for (size_t i = 0; i < store->config->credential_count; i++)
        if (store->shelves[i].lacks_memory)
            return true;
    for (size_t i = 0; i < store->leaks.count; i++)
        if (store->leaks.items[i].lacks_memory)
            return true;
    return false;
}

/* Memory comes back when workers let go of older cabinets, and nobody says so. */
static void pace_retries(struct secret_store *store, bool is_complete) {
    if (is_complete) {
        store->backoff = (struct backoff){0};
        loop_timer_cancel(store->loop, &store->retry);
        return;
    }
    const uint64_t delay_ms =
        backoff_next_ms(&store->backoff, MEMORY_RETRY_MIN_MS, MEMORY_RETRY_MAX_MS);
    loop_timer_set(store->loop, &store->retry, backoff_scale_ms(store->second_ms, delay_ms));
}

static void publish(struct secret_store *store) {
    struct cabinet *cabinet = make_cabinet(store);
    pace_retries(store, cabinet && !lacks_memory(store));
    if (!cabinet) {
        LOG_EVENT(LOG_ERROR, "secret", LOG_STR("what", "not published"),
                  LOG_STR("error", "no memory"));
        return;
    }
    store->is_dirty = false;
    store->on_cabinet(store->owner, cabinet);
}

static void on_retry(struct loop_timer *timer) {
    publish(timer->owner);
}

/* The rendering that an upstream refused is still the one that is published. */
static bool is_refused(const struct shelf *shelf, const struct credential_want *want) {
    return want->refused_generation && shelf_generation(shelf) == want->refused_generation;
}

/* A want waits only while everything that it lacks is on its way. */
static bool must_wait(const struct secret_store *store, const struct credential_want *want) {
    const struct shelf *shelf = &store->shelves[want->credential];
    bool is_waiting = false;
    if (shelf_has_token(shelf))
        return shelf->token.is_asking && (!shelf->token.value || is_refused(shelf, want));
    for (size_t i = 0; i < shelf->secret_count; i++) {
        const struct stored_secret *secret = &store->secrets[shelf->secrets[i]];
        const bool is_reading = stored_secret_is_reading(secret);
        if (!secret->current.value && !is_reading)
            return false;
        is_waiting |= is_reading && (!secret->current.value || is_refused(shelf, want));
    }
    return is_waiting;
}

/* on_done may bring new wants: they go onto a list of their own and are not looked at twice. */
static void answer_wants(struct secret_store *store) {
    struct credential_want *list = store->wants;
    store->wants = NULL;
    while (list) {
        struct credential_want *want = list;
        list = want->next;
        if (!store->is_closing && must_wait(store, want)) {
            want->next = store->wants;
            store->wants = want;
        } else {
            want->next = NULL;
            want->on_done(want);
        }
    }
}

static void on_settled(struct secret_store *store, bool is_changed) {
    store->is_dirty |= is_changed;
    if (store->is_starting)
        return;
    if (store->is_dirty)
        publish(store);
    answer_wants(store);
}

static void on_secret_settled(struct stored_secret *secret, bool is_changed) {
    on_settled(secret->owner, is_changed);
}

static void on_token_settled(struct held_token *token, bool is_changed) {
    on_settled(token->owner, is_changed);
}

/* Certificates and keys are PEM, and go into no request line. */
static bool takes_lines(const struct config *config, size_t secret) {
    if (config->assertion.has_key && config->assertion.key == secret)
        return true;
    for (size_t i = 0; i < config->credential_count; i++)
        if (config->credentials[i].kind == CREDENTIAL_CLIENT_CERTIFICATE &&
            config->credentials[i].certificate == secret)
            return true;
    return false;
}

static void init_secret(struct secret_store *store, size_t index) {
    const struct config_secret *config = &store->config->secrets[index];
    struct stored_secret *secret = &store->secrets[index];
    secret->config = config;
    secret->vault = store->vaults[config->vault];
    secret->loop = store->loop;
    secret->second_ms = &store->second_ms;
    secret->takes_lines = takes_lines(store->config, index);
    secret->on_settled = on_secret_settled;
    secret->owner = store;
    stored_secret_init(secret);
}

static void *array_of(size_t count, size_t size) {
    return calloc(count ? count : 1, size);
}

/* Its shelf is never rendered: nothing of it goes into a request. */
static bool shelve_assertion_key(struct secret_store *store) {
    const struct config *config = store->config;
    struct shelf *shelf = &store->shelves[secret_store_assertion_key(config)];
    if (!config->assertion.has_key)
        return true;
    shelf->secrets = calloc(1, sizeof *shelf->secrets);
    if (!shelf->secrets)
        return false;
    shelf->secrets[0] = config->assertion.key;
    shelf->secret_count = 1;
    return true;
}

static bool shelve(struct secret_store *store, size_t credential, struct azure_identity *identity) {
    struct shelf *shelf = &store->shelves[credential];
    shelf->token.on_settled = on_token_settled;
    shelf->token.owner = store;
    return shelf_init(shelf, &store->config->credentials[credential], identity);
}

static bool make_rooms(struct secret_store *store, struct http_client *client,
                       struct azure_identity *identity) {
    const struct config *config = store->config;
    store->vaults = array_of(config->vault_count, sizeof *store->vaults);
    store->secrets = array_of(config->secret_count, sizeof *store->secrets);
    store->shelves = array_of(config->credential_count + 1, sizeof *store->shelves);
    store->views.current = array_of(config->secret_count, sizeof *store->views.current);
    store->views.previous = array_of(config->secret_count, sizeof *store->views.previous);
    if (!store->vaults || !store->secrets || !store->shelves || !store->views.current ||
        !store->views.previous)
        return false;
    for (size_t i = 0; i < config->vault_count; i++)
        if (!(store->vaults[i] = vault_client_new(client, identity, &config->vaults[i])))
            return false;
    for (size_t i = 0; i < config->credential_count; i++)
        if (!shelve(store, i, identity))
            return false;
    for (size_t i = 0; i < config->secret_count; i++)
        init_secret(store, i);
    return leak_unions_init(&store->leaks, config) && shelve_assertion_key(store);
}

static void free_rooms(struct secret_store *store) {
    const struct config *config = store->config;
    for (size_t i = 0; store->shelves && i <= config->credential_count; i++)
        shelf_done(&store->shelves[i]);
    for (size_t i = 0; store->vaults && i < config->vault_count; i++)
        vault_client_free(store->vaults[i]);
    free(store->vaults);
    free(store->secrets);
    free(store->shelves);
    free(store->views.current);
    free(store->views.previous);
    leak_unions_done(&store->leaks);
    free(store);
}

struct secret_store *secret_store_new(struct loop *loop, struct http_client *client,
                                      struct azure_identity *identity, const struct config *config,
                                      void (*on_cabinet)(void *owner, struct cabinet *cabinet),
                                      void *owner, struct error *err) {
    azure_answer_init();
    struct secret_store *store = calloc(1, sizeof *store);
    if (!store) {
        error_set(err, STATUS_NO_MEMORY, "no memory");
        return NULL;
    }
    store->loop = loop;
    store->config = config;
    store->on_cabinet = on_cabinet;
    store->owner = owner;
    store->second_ms = 1000;
    loop_timer_init(&store->retry, on_retry, store);
    if (!make_rooms(store, client, identity)) {
        free_rooms(store);
        error_set(err, STATUS_NO_MEMORY, "no memory");
        return NULL;
    }
    return store;
}

void secret_store_free(struct secret_store *store) {
    if (!store)
        return;
    store->is_closing = true;
    answer_wants(store);
    loop_timer_cancel(store->loop, &store->retry);
    for (size_t i = 0; i < store->config->secret_count; i++)
        stored_secret_done(&store->secrets[i]);
    free_rooms(store);
}

void secret_store_set_second_ms(struct secret_store *store, uint32_t second_ms) {
    store->second_ms = second_ms;
}

static void adopt_vault(struct secret_store *store, size_t vault,
                        const struct secret_store *former) {
    const struct config_vault *config = &store->config->vaults[vault];
    for (size_t i = 0; i < former->config->vault_count; i++) {
        if (strcmp(former->config->vaults[i].name, config->name) == 0)
            vault_client_carry_counts(store->vaults[vault], former->vaults[i]);
        if (agreement_on_vault(&former->config->vaults[i], config))
            vault_client_carry_hold(store->vaults[vault], former->vaults[i]);
    }
}

static const struct stored_secret *find_former(const struct secret_store *store, size_t secret,
                                               const struct secret_store *former) {
    for (size_t i = 0; i < former->config->secret_count; i++)
        if (agreement_on_secret(store->config, secret, former->config, i))
            return &former->secrets[i];
    return NULL;
}

void secret_store_adopt(struct secret_store *store, const struct secret_store *former) {
    const struct config *config = store->config;
    const bool is_other_identity =
        !agreement_on_identity(&config->identity, &former->config->identity);
    for (size_t i = 0; i < config->vault_count; i++)
        adopt_vault(store, i, former);
    for (size_t i = 0; i < config->secret_count; i++) {
        const struct stored_secret *found = find_former(store, i, former);
        const bool is_file = config->vaults[config->secrets[i].vault].kind == VAULT_FILE;
        if (found)
            stored_secret_adopt(&store->secrets[i], found, is_file || is_other_identity);
    }
}

void secret_store_start(struct secret_store *store) {
    const struct config *config = store->config;
    store->is_starting = true;
    for (size_t i = 0; i < config->secret_count; i++)
        if (!stored_secret_is_waiting(&store->secrets[i]))
            stored_secret_read(&store->secrets[i]);
    for (size_t i = 0; i < config->credential_count; i++)
        if (shelf_has_token(&store->shelves[i]))
            held_token_start(&store->shelves[i].token);
    store->is_starting = false;
    publish(store);
    answer_wants(store);
}

/* Everything of it that is missing or was refused is asked for. */
static void ask_for(struct secret_store *store, const struct credential_want *want) {
    struct shelf *shelf = &store->shelves[want->credential];
    const bool was_refused = is_refused(shelf, want);
    if (shelf_has_token(shelf))
        held_token_ask(&shelf->token, was_refused);
    for (size_t i = 0; i < shelf->secret_count; i++) {
        struct stored_secret *secret = &store->secrets[shelf->secrets[i]];
        if (!secret->current.value && !stored_secret_is_backing_off(secret))
            stored_secret_read(secret);
        else if (was_refused)
            stored_secret_reread(secret);
    }
}

void secret_store_want(struct secret_store *store, struct credential_want *want) {
    if (!store->is_closing)
        ask_for(store, want);
    want->next = NULL;
    if (store->is_closing || !must_wait(store, want)) {
        want->on_done(want);
        return;
    }
    want->next = store->wants;
    store->wants = want;
}

bool secret_store_count_searched(const struct config *config, size_t *out_count) {
    struct leak_unions unions = {0};
    size_t count = 0;
    const bool is_done = leak_unions_init(&unions, config);
    for (size_t i = 0; i < unions.count; i++)
        count += unions.items[i].credential_count;
    leak_unions_done(&unions);
    if (is_done)
        *out_count = count;
    return is_done;
}

struct secret *secret_store_value(const struct secret_store *store, size_t secret) {
    return store->secrets[secret].current.value;
}

size_t secret_store_state_count(const struct secret_store *store) {
    return store->config->secret_count;
}

void secret_store_state(const struct secret_store *store, size_t index,
                        struct secret_state *out_state) {
    const struct stored_secret *secret = &store->secrets[index];
    *out_state = (struct secret_state){
        .vault = vault_client_name(secret->vault),
        .name = secret->config->name,
        .is_ready = secret->current.value != NULL,
        .age_sec =
            secret->was_read ? (int64_t)((clock_monotonic_ms() - secret->good_ms) / 1000) : -1,
        .last_error = secret->last_error.text,
    };
}

void secret_store_each_request_count(const struct secret_store *store,
                                     void (*on_count)(void *owner, const char *vault, int status,
                                                      uint64_t count),
                                     void *owner) {
    for (size_t i = 0; i < store->config->vault_count; i++) {
        for (int status = 0; status < VAULT_CLIENT_STATUS_LIMIT; status++) {
            const uint64_t count = vault_client_count(store->vaults[i], status);
            if (count > 0)
                on_count(owner, store->config->vaults[i].name, status, count);
        }
    }
}
