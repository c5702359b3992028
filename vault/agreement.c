/* Every member that decides what is asked, or of whom, is compared; names for it are not. */
#include "vault/agreement.h"

static bool is_same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool agreement_on_identity(const struct config_identity *a, const struct config_identity *b) {
    return a->kind == b->kind && is_same(a->managed_client_id, b->managed_client_id) &&
           is_same(a->client_id, b->client_id) && is_same(a->token_file, b->token_file) &&
           is_same(a->client_secret_file, b->client_secret_file) &&
           is_same(a->client_certificate_file, b->client_certificate_file) &&
           is_same(a->tenant, b->tenant) && is_same(a->authority, b->authority) &&
           is_same(a->endpoint, b->endpoint);
}

bool agreement_on_vault(const struct config_vault *a, const struct config_vault *b) {
    return a->kind == b->kind && is_same(a->url, b->url) &&
           is_same(a->api_version, b->api_version) && is_same(a->directory, b->directory) &&
           is_same(a->resource, b->resource);
}

bool agreement_on_secret(const struct config *a, size_t secret_of_a, const struct config *b,
                         size_t secret_of_b) {
    const struct config_secret *one = &a->secrets[secret_of_a], *other = &b->secrets[secret_of_b];
    return is_same(one->name, other->name) && is_same(one->version, other->version) &&
           agreement_on_vault(&a->vaults[one->vault], &b->vaults[other->vault]);
}
