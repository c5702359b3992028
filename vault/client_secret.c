/* The client credentials grant with a secret in the form. */
#include "vault/client_secret.h"

#include "vault/secret_file.h"

#define TIMEOUT_MS 10000

static const char *const form_headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                           "Accept: application/json", NULL};

static void append_field(struct buf *body, const char *name, struct slice value) {
    if (body->len > 0)
        buf_append_char(body, '&');
    buf_append_str(body, name);
    buf_append_char(body, '=');
    http_form_encode(body, value);
}

static void build_url(struct buf *url, const struct config_identity *config, const char *tenant) {
    buf_append_str(url, config->authority);
    buf_append_char(url, '/');
    http_form_encode(url, slice_of_str(tenant ? tenant : config->tenant));
    buf_append_str(url, "/oauth2/v2.0/token");
    buf_append_char(url, '\0');
}

/* Reserved in full before the secret goes in: a growing buffer would leave copies behind. */
static void build_body(struct buf *body, const struct config_identity *config, const char *resource,
                       struct slice secret) {
    buf_reserve(body, 256 + 3 * (strlen(config->client_id) + strlen(resource) + secret.len));
    append_field(body, "grant_type", SLICE("client_credentials"));
    append_field(body, "client_id", slice_of_str(config->client_id));
    append_field(body, "scope", slice_of_str(resource));
    buf_append_str(body, "%2F.default");
    append_field(body, "client_secret", secret);
}

enum status client_secret_request(const struct config_identity *config, const char *tenant,
                                  const char *resource, struct token_request *out_request,
                                  struct error *err) {
    struct secret *secret = NULL;
    struct error why = {""};
    const enum status status = secret_file_read(config->client_secret_file, &secret, &why);
    if (status != STATUS_OK)
        return error_set(err, status, "client secret file %s: %s", config->client_secret_file,
                         why.text);
    build_url(&out_request->url, config, tenant);
    build_body(&out_request->body, config, resource, secret_bytes(secret));
    secret_unref(secret);
    if (!buf_ok(&out_request->url) || !buf_ok(&out_request->body))
        return error_set(err, STATUS_LIMIT, "the token request is too long");
    out_request->method = "POST";
    out_request->headers = form_headers;
    out_request->timeout_ms = TIMEOUT_MS;
    return STATUS_OK;
}
