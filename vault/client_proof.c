#include "vault/client_proof.h"

#include "core/clock.h"
#include "core/http_client.h"
#include "vault/client_assertion.h"
#include "vault/file_bytes.h"
#include "vault/secret_file.h"

#define MAX_PEM_BYTES (size_t)(64 * 1024)
#define FIELD_NAMES_BYTES 256

static const char assertion_type[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/* The file that the configured kind reads, and its name in messages. */
static const char *file_of(const struct config_identity *config, const char **out_what) {
    switch (config->kind) {
    case IDENTITY_CLIENT_SECRET:
        *out_what = "client secret file";
        return config->client_secret_file;
    case IDENTITY_CLIENT_CERTIFICATE:
        *out_what = "client certificate file";
        return config->client_certificate_file;
    case IDENTITY_WORKLOAD:
        *out_what = "federated token file";
        return config->token_file;
    case IDENTITY_MANAGED:
    case IDENTITY_NONE:
        break;
    }
    *out_what = "file";
    return NULL;
}

bool client_proof_exists(const struct config_identity *config) {
    return config->kind != IDENTITY_MANAGED && config->kind != IDENTITY_NONE;
}

enum status client_proof_check(const struct config_identity *config, struct error *err) {
    const char *what;
    if (!client_proof_exists(config))
        return error_set(err, STATUS_INVALID, "identity: no application is configured");
    if (!file_of(config, &what) || !config->client_id || !config->tenant || !config->authority)
        return error_set(err, STATUS_INVALID,
                         "identity: authority, tenant, client id and %s are needed", what);
    return STATUS_OK;
}

static enum status sign_assertion(const struct config_identity *config, const char *token_url,
                                  struct secret **out_jwt, struct error *err) {
    struct secret *pem = NULL;
    enum status status =
        file_bytes_read_path(config->client_certificate_file, MAX_PEM_BYTES, &pem, err);
    if (status == STATUS_OK)
        status = client_assertion_sign(secret_bytes(pem), config->client_id, token_url,
                                       clock_wall_sec(), out_jwt, err);
    secret_unref(pem);
    return status;
}

enum status client_proof_make(const struct config_identity *config, const char *token_url,
                              struct client_proof *out_proof, struct error *err) {
    const char *what;
    const char *path = file_of(config, &what);
    struct client_proof proof = {.client_id = config->client_id,
                                 .is_assertion = config->kind != IDENTITY_CLIENT_SECRET};
    struct error why = {""};
    enum status status = client_proof_check(config, err);
    if (status != STATUS_OK)
        return status;
    if (config->kind == IDENTITY_CLIENT_CERTIFICATE)
        status = sign_assertion(config, token_url, &proof.value, &why);
    else
        status = secret_file_read(path, &proof.value, &why);
    if (status != STATUS_OK)
        return error_set(err, status, "%s %s: %s", what, path, why.text);
    *out_proof = proof;
    return STATUS_OK;
}

void client_proof_done(struct client_proof *proof) {
    secret_unref(proof->value);
    proof->value = NULL;
}

size_t client_proof_form_bytes(const struct client_proof *proof) {
    return FIELD_NAMES_BYTES + 3 * strlen(proof->client_id) +
           http_form_size(secret_bytes(proof->value));
}

void client_proof_append(const struct client_proof *proof, struct buf *body) {
    buf_append_str(body, "&client_id=");
    http_form_encode(body, slice_of_str(proof->client_id));
    if (proof->is_assertion) {
        buf_append_str(body, "&client_assertion_type=");
        http_form_encode(body, slice_of_str(assertion_type));
    }
    buf_append_str(body, proof->is_assertion ? "&client_assertion=" : "&client_secret=");
    http_form_encode(body, secret_bytes(proof->value));
}
