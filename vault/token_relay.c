/* Only JSON passes, of a status that a token endpoint answers a client with: redirects, pages of
 * something between and the authority's own troubles do not. */
#include "vault/token_relay.h"

#include <stdlib.h>

#include "core/log.h"

#define TIMEOUT_MS 8000
#define MAX_URL_BYTES 4096
#define MAX_FORM_BYTES (64 * 1024)

struct token_relay {
    struct http_client *client;
    struct token_relay_want *wants;
    size_t count;
};

void token_relay_want_init(struct token_relay_want *want) {
    *want = (struct token_relay_want){.trouble = REASON_OVERLOADED};
    buf_init(&want->url, MAX_URL_BYTES);
    buf_init(&want->form, MAX_FORM_BYTES);
    buf_init(&want->answer, TOKEN_RELAY_ANSWER_BYTES_MAX);
}

void token_relay_want_done(struct token_relay_want *want) {
    buf_done(&want->url);
    buf_wipe(&want->form);
    buf_wipe(&want->answer);
}

static void leave(struct token_relay_want *want) {
    struct token_relay *relay = want->relay;
    if (want->previous)
        want->previous->next = want->next;
    else
        relay->wants = want->next;
    if (want->next)
        want->next->previous = want->previous;
    relay->count--;
    want->relay = NULL;
    want->call = NULL;
    want->next = want->previous = NULL;
}

static bool is_json(struct slice type) {
    struct slice media = slice_trim(slice_of(type.ptr, slice_index(type, ';')));
    return slice_eq_nocase(media, SLICE("application/json"));
}

static bool may_pass(const struct http_client_response *response) {
    const int status = response->http_status;
    return response->status == STATUS_OK && is_json(response->content_type) &&
           (status == 200 || status == 400 || status == 401 || status == 429);
}

static enum reason trouble_of(enum status status) {
    switch (status) {
    case STATUS_OK: /* it came, and is none that clients get */
    case STATUS_LIMIT:
        return REASON_UPSTREAM_PROTOCOL;
    case STATUS_TIMEOUT:
        return REASON_UPSTREAM_TIMEOUT;
    case STATUS_NO_MEMORY:
        return REASON_OVERLOADED;
    default:
        return REASON_UPSTREAM_UNREACHABLE;
    }
}

/* The answer itself may repeat what was sent: only its status is anybody's business. */
static void log_failure(const struct http_client_response *response) {
    LOG_EVENT(LOG_WARNING, "identity", LOG_STR("what", "sign-in not passed on"),
              LOG_INT("status", response->http_status),
              LOG_STR("error", response->status == STATUS_OK ? "not an answer that clients get"
                                                             : "no answer"));
}

static void on_answer(void *owner, const struct http_client_response *response) {
    struct token_relay_want *want = owner;
    leave(want);
    want->answered_status = response->status == STATUS_OK ? response->http_status : 0;
    if (may_pass(response) && buf_reserve(&want->answer, response->body.len)) {
        buf_append_slice(&want->answer, response->body);
        want->http_status = response->http_status;
    } else {
        want->trouble = trouble_of(response->status);
        log_failure(response);
    }
    want->on_done(want);
}

static struct http_call *send(struct token_relay *relay, struct token_relay_want *want) {
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json", NULL};
    struct error err;
    const struct http_client_request request = {.method = "POST",
                                                .url = want->url.ptr,
                                                .headers = headers,
                                                .body = buf_slice(&want->form),
                                                .timeout_ms = TIMEOUT_MS,
                                                .max_body_bytes = TOKEN_RELAY_ANSWER_BYTES_MAX};
    if (!buf_ok(&want->url) || !buf_ok(&want->form))
        return NULL;
    return http_client_send(relay->client, &request, on_answer, want, &err);
}

struct token_relay *token_relay_new(struct http_client *client) {
    struct token_relay *relay = calloc(1, sizeof *relay);
    if (relay)
        relay->client = client;
    return relay;
}

void token_relay_free(struct token_relay *relay) {
    if (!relay)
        return;
    while (relay->wants) {
        struct token_relay_want *want = relay->wants;
        http_call_cancel(want->call);
        leave(want);
        want->on_done(want);
    }
    free(relay);
}

void token_relay_take(struct token_relay *relay, struct token_relay_want *want) {
    struct http_call *call = relay->count < TOKEN_RELAY_MAX ? send(relay, want) : NULL;
    buf_wipe(&want->form);
    if (!call) {
        want->on_done(want);
        return;
    }
    want->relay = relay;
    want->call = call;
    want->previous = NULL;
    want->next = relay->wants;
    if (relay->wants)
        relay->wants->previous = want;
    relay->wants = want;
    relay->count++;
}
