/* Metadata is read anew before every look at the keys: it is small, and a moved jwks_uri is then
 * noticed when the keys are. */
#include "auth/key_fetch.h"

static void finish(struct key_fetch *fetch, const struct key_fetch_result *result) {
    fetch->call = NULL;
    fetch->on_done(fetch, result);
}

/* What kept an answer from being one, in words; STATUS_OK when it is a 200. */
static enum status check_answer(const struct http_client_response *response, const char *what,
                                struct key_fetch_result *result) {
    result->retry_after_sec = response->retry_after_sec;
    if (response->status != STATUS_OK)
        result->status =
            error_set(&result->error, response->status, "%s: %.400s", what, response->error.text);
    else if (response->http_status == 404)
        result->status = error_set(&result->error, STATUS_NOT_FOUND,
                                   "%s: the authority has no such document (404)", what);
    else if (response->http_status != 200)
        result->status = error_set(&result->error, STATUS_IO, "%s: the authority answered %d", what,
                                   response->http_status);
    else
        result->status = STATUS_OK;
    return result->status;
}

static void on_keys(void *owner, const struct http_client_response *response) {
    struct key_fetch *fetch = owner;
    struct key_fetch_result result = {.issuer = fetch->metadata.issuer};
    if (check_answer(response, "keys", &result) == STATUS_OK) {
        result.keys = key_set_parse(response->body, &result.refused_keys, &result.error);
        if (!result.keys)
            result.status = STATUS_INVALID;
    }
    if (result.keys && key_set_count(result.keys) == 0) {
        key_set_unref(result.keys);
        result.keys = NULL;
        result.status =
            error_set(&result.error, STATUS_INVALID,
                      "the key document has no usable key (%zu refused)", result.refused_keys);
    }
    finish(fetch, &result);
}

static enum status send_get(struct key_fetch *fetch, const char *url, size_t max_body_bytes,
                            http_client_on_done *on_done, struct error *err) {
    const struct http_client_request request = {
        .method = "GET",
        .url = url,
        .max_body_bytes = max_body_bytes,
    };
    fetch->call = http_client_send(fetch->client, &request, on_done, fetch, err);
    return fetch->call ? STATUS_OK : STATUS_IO;
}

static void on_metadata(void *owner, const struct http_client_response *response) {
    struct key_fetch *fetch = owner;
    struct key_fetch_result result = {.retry_after_sec = -1};
    if (check_answer(response, "metadata", &result) == STATUS_OK)
        result.status = metadata_parse(response->body, fetch->entra, fetch->tenant, fetch->version,
                                       &fetch->metadata, &result.error);
    if (result.status == STATUS_OK)
        result.status = send_get(fetch, fetch->metadata.jwks_uri, KEY_SET_MAX_DOCUMENT_BYTES,
                                 on_keys, &result.error);
    if (result.status != STATUS_OK)
        finish(fetch, &result);
}

void key_fetch_init(struct key_fetch *fetch, struct http_client *client,
                    const struct config_entra *entra, size_t tenant, int version) {
    fetch->client = client;
    fetch->entra = entra;
    fetch->tenant = tenant;
    fetch->version = version;
}

void key_fetch_start(struct key_fetch *fetch) {
    struct key_fetch_result result = {.status = STATUS_INVALID, .retry_after_sec = -1};
    char url[METADATA_URL_SIZE];
    if (metadata_url(fetch->entra, fetch->tenant, fetch->version, url))
        result.status =
            send_get(fetch, url, METADATA_MAX_DOCUMENT_BYTES, on_metadata, &result.error);
    else
        error_set(&result.error, STATUS_INVALID, "the metadata's address is too long");
    if (result.status != STATUS_OK)
        finish(fetch, &result);
}

bool key_fetch_is_running(const struct key_fetch *fetch) {
    return fetch->call != NULL;
}

void key_fetch_cancel(struct key_fetch *fetch) {
    if (fetch->call)
        http_call_cancel(fetch->call);
    fetch->call = NULL;
}
