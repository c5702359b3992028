#include "vault/entra_request.h"

#include "vault/client_proof.h"

#define TIMEOUT_MS 10000
#define MAX_SCOPE_BYTES 1024

static void build_url(struct buf *url, const struct config_identity *config, const char *tenant) {
    struct slice authority = slice_of_str(config->authority);
    while (slice_ends_with(authority, SLICE("/")))
        authority.len--;
    buf_append_slice(url, authority);
    buf_append_char(url, '/');
    http_form_encode(url, slice_of_str(tenant ? tenant : config->tenant));
    buf_append_str(url, "/oauth2/v2.0/token");
    buf_append_char(url, '\0');
}

static size_t size_of(const struct form_field *fields, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += strlen(fields[i].name) + 2 + http_form_size(fields[i].value);
    return size;
}

/* Reserved in full before anything secret goes in: a growing buffer would leave copies behind. */
static void build_body(struct buf *body, const struct form_field *fields, size_t count,
                       const struct client_proof *proof) {
    buf_reserve(body, size_of(fields, count) + client_proof_form_bytes(proof));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_char(body, '&');
        buf_append_str(body, fields[i].name);
        buf_append_char(body, '=');
        http_form_encode(body, fields[i].value);
    }
    client_proof_append(proof, body);
}

enum status entra_request_build(const struct config_identity *config, const char *tenant,
                                const struct form_field *fields, size_t field_count,
                                struct token_request *out_request, struct error *err) {
    struct client_proof proof;
    enum status status = client_proof_check(config, err);
    if (status != STATUS_OK)
        return status;
    build_url(&out_request->url, config, tenant);
    if (!buf_ok(&out_request->url))
        return error_set(err, STATUS_LIMIT, "the token endpoint's URL is too long");
    status = client_proof_make(config, out_request->url.ptr, &proof, err);
    if (status != STATUS_OK)
        return status;
    build_body(&out_request->body, fields, field_count, &proof);
    client_proof_done(&proof);
    if (!buf_ok(&out_request->body))
        return error_set(err, STATUS_LIMIT, "the token request is too long");
    out_request->method = "POST";
    out_request->headers[0] = "Content-Type: application/x-www-form-urlencoded";
    out_request->headers[1] = "Accept: application/json";
    out_request->timeout_ms = TIMEOUT_MS;
    return STATUS_OK;
}

enum status entra_request_own_token(const struct config_identity *config, const char *tenant,
                                    const char *resource, const char *claims,
                                    struct token_request *out_request, struct error *err) {
    struct buf scope;
    buf_init(&scope, MAX_SCOPE_BYTES);
    buf_append_str(&scope, resource);
    buf_append_str(&scope, "/.default");
    const struct form_field fields[] = {
        {"grant_type", SLICE("client_credentials")},
        {"scope", buf_slice(&scope)},
        {"claims", slice_of_str(claims)},
    };
    enum status status = STATUS_LIMIT;
    if (buf_ok(&scope))
        status = entra_request_build(config, tenant, fields, claims ? 3 : 2, out_request, err);
    else
        error_set(err, status, "the resource's name is too long");
    buf_done(&scope);
    return status;
}
