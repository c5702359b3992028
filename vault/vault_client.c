/* Reads secrets from one vault. A fetch moves IDLE -> QUEUED -> TOKEN -> CALL -> IDLE; a 401 leads
 * back to TOKEN once, with the old token given up, and once more when it demands claims. */
#include "vault/vault_client.h"

#include <assert.h>
#include <stdlib.h>

#include "core/clock.h"
#include "vault/bearer_header.h"
#include "vault/secret_file.h"

#define MAX_IN_FLIGHT 8
#define TIMEOUT_MS 10000
#define MAX_URL_BYTES 4096
/* A value of 25 KiB may be escaped to six times that; tags and attributes stand beside it. A page
 * of a list is shorter. */
#define MAX_ANSWER_BYTES (256 * 1024)

struct vault_client {
    struct http_client *http;
    struct azure_identity *identity;
    const struct config_vault *config;
    struct vault_fetch *queue; /* oldest first */
    struct vault_fetch **queue_end;
    size_t in_flight;
    bool is_pumping;
    uint64_t hold_until_ms;
    uint64_t counts[VAULT_CLIENT_STATUS_LIMIT];
};

static const uint8_t phase_follows[] = {
    [FETCH_IDLE] = 1u << FETCH_QUEUED,
    [FETCH_QUEUED] = 1u << FETCH_TOKEN | 1u << FETCH_CALL | 1u << FETCH_IDLE,
    [FETCH_TOKEN] = 1u << FETCH_CALL | 1u << FETCH_IDLE,
    [FETCH_CALL] = 1u << FETCH_TOKEN | 1u << FETCH_IDLE,
};

static void pump(struct vault_client *client);
static void ask_for_token(struct vault_fetch *fetch);

static void enter(struct vault_fetch *fetch, enum fetch_phase phase) {
    assert(phase_follows[fetch->phase] & 1u << phase);
    fetch->phase = phase;
}

static void drop_token(struct vault_fetch *fetch) {
    secret_unref(fetch->token);
    fetch->token = NULL;
}

/* Ends a fetch that has left the queue. The fetch's owner may start it anew from on_done. */
static void finish(struct vault_fetch *fetch, const struct fetch_outcome *outcome) {
    struct vault_client *client = fetch->client;
    drop_token(fetch);
    enter(fetch, FETCH_IDLE);
    client->in_flight--;
    fetch->on_done(fetch, outcome);
    pump(client);
}

static void fail(struct vault_fetch *fetch, enum fetch_verdict verdict, const char *error) {
    finish(
        fetch,
        &(struct fetch_outcome){
            .verdict = verdict, .version = "", .retry_after_sec = -1, .code = "", .error = error});
}

static void count(struct vault_client *client, int http_status) {
    const bool is_known = http_status > 0 && http_status < VAULT_CLIENT_STATUS_LIMIT;
    client->counts[is_known ? http_status : 0]++;
}

static struct key_vault_question question_of(const struct vault_fetch *fetch) {
    const struct config_vault *config = fetch->client->config;
    return (struct key_vault_question){.vault_url = config->url,
                                       .api_version = config->api_version,
                                       .name = fetch->name,
                                       .version = fetch->version};
}

static enum fetch_verdict verdict_on(enum status status) {
    switch (status) {
    case STATUS_OK:
        return FETCH_GOOD;
    case STATUS_DENIED:
        return FETCH_BARRED;
    case STATUS_NO_MEMORY:
        return FETCH_FAILED;
    default:
        return FETCH_UNUSABLE;
    }
}

static void take_secret(struct vault_fetch *fetch, struct slice body) {
    struct key_vault_secret secret = {0};
    struct error err = {""};
    const struct key_vault_question question = question_of(fetch);
    const enum status status =
        key_vault_parse_secret(body, &question, clock_wall_sec(), &secret, &err);
    const struct fetch_outcome outcome = {
        .verdict = verdict_on(status),
        .value = secret.value,
        .version = secret.version,
        .hosts = secret.has_hosts ? secret.hosts : NULL,
        .expires_sec = secret.expires_sec,
        .valid_from_sec = secret.valid_from_sec,
        .retry_after_sec = -1,
        .code = "",
        .error = err.text,
    };
    finish(fetch, &outcome);
    secret_unref(secret.value);
}

static void take_page(struct vault_fetch *fetch, struct slice body) {
    char *page = NULL;
    struct error err = {""};
    const struct key_vault_question question = question_of(fetch);
    const enum status status =
        key_vault_parse_versions(body, &question, clock_wall_sec(), fetch->versions, &page, &err);
    finish(fetch, &(struct fetch_outcome){.verdict = verdict_on(status),
                                          .version = "",
                                          .retry_after_sec = -1,
                                          .code = "",
                                          .error = err.text,
                                          .next_page = page});
    free(page);
}

static enum fetch_verdict verdict_of(int http_status, const char *code) {
    if (http_status == 403)
        return strcmp(code, KEY_VAULT_SECRET_DISABLED) == 0 ? FETCH_BARRED : FETCH_DENIED;
    if (http_status == 404)
        return FETCH_MISSING;
    return FETCH_FAILED;
}

static void take_refusal(struct vault_fetch *fetch, const struct http_client_response *response) {
    struct error err = {""};
    const char *code = key_vault_refusal(response->body, response->http_status, &err);
    finish(fetch, &(struct fetch_outcome){.verdict = verdict_of(response->http_status, code),
                                          .version = "",
                                          .retry_after_sec = response->retry_after_sec,
                                          .code = code,
                                          .error = err.text});
}

/* True when a request with another token follows: once for a refused token, and once more when the
 * vault demands claims of it. */
static bool tries_another_token(struct vault_fetch *fetch,
                                const struct http_client_response *response) {
    const char *resource = fetch->client->config->resource;
    struct azure_identity *identity = fetch->client->identity;
    struct slice claims;
    key_vault_refusal(response->body, response->http_status, &fetch->refusal);
    if (key_vault_demands_claims(response->www_authenticate, &claims)) {
        if (fetch->was_challenged)
            return false;
        fetch->was_challenged = true;
        azure_identity_challenge(identity, NULL, resource, claims);
    } else {
        if (fetch->has_new_token || fetch->was_challenged)
            return false;
        fetch->has_new_token = true;
        azure_identity_invalidate(identity, NULL, resource);
    }
    ask_for_token(fetch);
    return true;
}

static void on_answer(void *owner, const struct http_client_response *response) {
    struct vault_fetch *fetch = owner;
    struct vault_client *client = fetch->client;
    fetch->call = NULL;
    if (response->status != STATUS_OK) {
        count(client, 0);
        fail(fetch, response->status == STATUS_LIMIT ? FETCH_UNUSABLE : FETCH_FAILED,
             response->error.text);
        return;
    }
    count(client, response->http_status);
    if (response->http_status == 200 && fetch->versions)
        take_page(fetch, response->body);
    else if (response->http_status == 200)
        take_secret(fetch, response->body);
    else if (response->http_status != 401 || !tries_another_token(fetch, response))
        take_refusal(fetch, response);
}

static struct http_call *send_request(struct vault_fetch *fetch, const struct secret *header,
                                      struct error *err) {
    struct vault_client *client = fetch->client;
    const char *const headers[] = {secret_bytes(header).ptr, "Accept: application/json", NULL};
    const struct key_vault_question question = question_of(fetch);
    struct buf url;
    buf_init(&url, MAX_URL_BYTES);
    if (fetch->versions)
        key_vault_append_versions_url(&url, &question, fetch->page);
    else
        key_vault_append_url(&url, &question);
    struct http_call *call = NULL;
    if (buf_ok(&url)) {
        const struct http_client_request request = {
            .method = "GET",
            .url = url.ptr,
            .headers = headers,
            .timeout_ms = TIMEOUT_MS,
            .max_body_bytes = MAX_ANSWER_BYTES,
        };
        call = http_client_send(client->http, &request, on_answer, fetch, err);
    } else {
        error_set(err, STATUS_LIMIT, "the secret's URL is too long");
    }
    buf_done(&url);
    return call;
}

static void send_with_token(struct vault_fetch *fetch, struct secret *token) {
    struct error err = {""};
    drop_token(fetch);
    fetch->token = secret_ref(token);
    struct secret *header = bearer_header_new(token);
    if (header)
        fetch->call = send_request(fetch, header, &err);
    else
        error_set(&err, STATUS_NO_MEMORY, "no secret memory left");
    secret_unref(header);
    if (fetch->call)
        enter(fetch, FETCH_CALL);
    else
        fail(fetch, FETCH_FAILED, err.text);
}

/* After a 401 the identity may still hold the very token that was refused: it is renewed once a
 * minute at most. Sending it again would be one more refusal. */
static void on_token(void *owner, struct secret *token, const struct error *err) {
    struct vault_fetch *fetch = owner;
    if (!token)
        fail(fetch, FETCH_FAILED, err->text);
    else if ((fetch->has_new_token || fetch->was_challenged) && fetch->token &&
             secret_eq(token, fetch->token))
        fail(fetch, FETCH_FAILED, fetch->refusal.text);
    else
        send_with_token(fetch, token);
}

static void ask_for_token(struct vault_fetch *fetch) {
    struct vault_client *client = fetch->client;
    enter(fetch, FETCH_TOKEN);
    if (client->identity)
        azure_identity_get(client->identity, NULL, client->config->resource, on_token, fetch);
    else
        fail(fetch, FETCH_FAILED, "no identity is configured");
}

static void read_vault(struct vault_fetch *fetch) {
    if (!key_vault_is_name(fetch->name) ||
        (fetch->version && !key_vault_is_version(fetch->version)))
        fail(fetch, FETCH_UNUSABLE, "no secret of Key Vault has such a name or version");
    else if (vault_client_held_ms(fetch->client) > 0)
        fail(fetch, FETCH_FAILED, "the vault asked to be left alone for a while");
    else
        ask_for_token(fetch);
}

static void read_file(struct vault_fetch *fetch) {
    struct error why = {""};
    struct error err = {""};
    struct secret *value = NULL;
    const char *directory = fetch->client->config->directory;
    const enum status status = secret_file_read_at(directory, fetch->name, &value, &why);
    if (status != STATUS_OK)
        error_set(&err, status, "%.160s/%.120s: %.200s", directory, fetch->name, why.text);
    const enum fetch_verdict verdict = status == STATUS_OK          ? FETCH_GOOD
                                       : status == STATUS_NOT_FOUND ? FETCH_MISSING
                                       : status == STATUS_DENIED    ? FETCH_DENIED
                                       : status == STATUS_NO_MEMORY ? FETCH_FAILED
                                                                    : FETCH_UNUSABLE;
    finish(fetch, &(struct fetch_outcome){.verdict = verdict,
                                          .value = value,
                                          .version = "",
                                          .retry_after_sec = -1,
                                          .code = "",
                                          .error = err.text});
    secret_unref(value);
}

/* Not re-entered: a fetch that ends at once comes back here through finish(), and the outermost
 * call carries on. */
static void pump(struct vault_client *client) {
    if (client->is_pumping)
        return;
    client->is_pumping = true;
    while (client->queue && client->in_flight < MAX_IN_FLIGHT) {
        struct vault_fetch *fetch = client->queue;
        client->queue = fetch->next;
        if (!client->queue)
            client->queue_end = &client->queue;
        client->in_flight++;
        if (client->config->kind == VAULT_FILE)
            read_file(fetch);
        else
            read_vault(fetch);
    }
    client->is_pumping = false;
}

static void unqueue(struct vault_client *client, struct vault_fetch *fetch) {
    struct vault_fetch **at = &client->queue;
    while (*at != fetch)
        at = &(*at)->next;
    *at = fetch->next;
    if (!*at)
        client->queue_end = at;
}

struct vault_client *vault_client_new(struct http_client *http, struct azure_identity *identity,
                                      const struct config_vault *config) {
    struct vault_client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->http = http;
    client->identity = identity;
    client->config = config;
    client->queue_end = &client->queue;
    return client;
}

void vault_client_free(struct vault_client *client) {
    free(client);
}

const char *vault_client_name(const struct vault_client *client) {
    return client->config->name;
}

bool vault_client_has_versions(const struct vault_client *client) {
    return client->config->kind == VAULT_KEY_VAULT;
}

void vault_client_fetch(struct vault_client *client, struct vault_fetch *fetch) {
    enter(fetch, FETCH_QUEUED);
    fetch->client = client;
    fetch->next = NULL;
    fetch->has_new_token = false;
    fetch->was_challenged = false;
    *client->queue_end = fetch;
    client->queue_end = &fetch->next;
    pump(client);
}

void vault_client_cancel(struct vault_client *client, struct vault_fetch *fetch) {
    if (fetch->phase == FETCH_IDLE)
        return;
    if (fetch->phase == FETCH_QUEUED) {
        unqueue(client, fetch);
    } else {
        client->in_flight--;
        if (fetch->phase == FETCH_TOKEN)
            azure_identity_forget(client->identity, fetch);
        else
            http_call_cancel(fetch->call);
        fetch->call = NULL;
        drop_token(fetch);
    }
    enter(fetch, FETCH_IDLE);
}

void vault_client_hold(struct vault_client *client, uint64_t until_ms) {
    if (until_ms > client->hold_until_ms)
        client->hold_until_ms = until_ms;
}

uint64_t vault_client_held_ms(const struct vault_client *client) {
    const uint64_t now_ms = clock_monotonic_ms();
    return client->hold_until_ms > now_ms ? client->hold_until_ms - now_ms : 0;
}

uint64_t vault_client_count(const struct vault_client *client, int http_status) {
    return client->counts[http_status];
}

void vault_client_carry_hold(struct vault_client *client, const struct vault_client *former) {
    vault_client_hold(client, former->hold_until_ms);
}

void vault_client_carry_counts(struct vault_client *client, const struct vault_client *former) {
    for (int status = 0; status < VAULT_CLIENT_STATUS_LIMIT; status++)
        client->counts[status] += former->counts[status];
}
