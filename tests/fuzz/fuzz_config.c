/* Any bytes as a configuration: bounded time and memory, no crash, and never a configuration
 * together with an error. */
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"
#include "fuzz_target.h"

static void check_problems(const struct problem_list *problems) {
    char line[2048];
    for (size_t i = 0; i < problems->count; i++)
        problem_format("fuzz.yaml", &problems->items[i], line, sizeof line);
}

/* What other rooms take for granted: every index leads somewhere, every entry is about someone. */
static void check_entries(const struct config *config, const struct config_entries *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        const struct config_entry *entry = &entries->items[i];
        bool is_good =
            entry->label && entry->to_count > 0 &&
            (entry->role == CONFIG_NONE || entry->role < config->role_count) &&
            (entry->credential == CONFIG_NONE || entry->credential < config->credential_count);
        if (!is_good)
            abort();
    }
}

static bool is_whole(const struct config *config, const struct config_credential *credential) {
    switch (credential->kind) {
    case CREDENTIAL_BASIC:
        return credential->password < config->secret_count && credential->username.count > 0;
    case CREDENTIAL_BEARER:
        return credential->bearer < config->secret_count;
    case CREDENTIAL_HEADERS:
    case CREDENTIAL_QUERY:
    case CREDENTIAL_COOKIE:
        return credential->field_count > 0;
    case CREDENTIAL_ENTRA_TOKEN:
        return credential->scope && config->identity.kind != IDENTITY_NONE;
    case CREDENTIAL_ON_BEHALF_OF:
        return credential->scope && config->identity.kind != IDENTITY_NONE &&
               config->identity.kind != IDENTITY_MANAGED;
    case CREDENTIAL_CLIENT_CERTIFICATE:
        return credential->certificate < config->secret_count;
    }
    return false;
}

static void check_identity(const struct config_identity *identity) {
    bool is_client = identity->kind != IDENTITY_NONE && identity->kind != IDENTITY_MANAGED;
    bool is_good = !is_client || identity->client_id;
    is_good = is_good && (identity->kind != IDENTITY_WORKLOAD || identity->token_file);
    is_good = is_good && (identity->kind != IDENTITY_CLIENT_SECRET || identity->client_secret_file);
    is_good = is_good &&
              (identity->kind != IDENTITY_CLIENT_CERTIFICATE || identity->client_certificate_file);
    is_good =
        is_good && (identity->kind == IDENTITY_NONE || (identity->tenant && identity->authority));
    if (!is_good)
        abort();
}

static void check_route(const struct config *config, const struct config_route *route) {
    if (!route->name || !route->path || route->upstream_count == 0)
        abort();
    for (size_t i = 0; i < route->upstream_count; i++) {
        const struct config_upstream *upstream = &route->upstreams[i];
        bool has_place =
            upstream->is_unix ? upstream->unix_path != NULL : upstream->host && upstream->port > 0;
        if (!has_place || upstream->is_tls != route->upstreams[0].is_tls)
            abort();
    }
    size_t certificate = route->tls.certificate;
    if (certificate != CONFIG_NONE &&
        (certificate >= config->credential_count ||
         config->credentials[certificate].kind != CREDENTIAL_CLIENT_CERTIFICATE ||
         !route->upstreams[0].is_tls))
        abort();
    check_entries(config, &route->access);
    check_entries(config, &route->deny);
}

static void check_config(const struct config *config) {
    if (config->listen_count == 0 || config->route_count == 0 || config->role_count < 2 ||
        !config->entra.is_present || config->entra.tenants.count == 0)
        abort();
    for (size_t i = 0; i < config->secret_count; i++) {
        const struct config_secret *secret = &config->secrets[i];
        if (secret->vault >= config->vault_count || !secret->name || secret->refresh_sec == 0)
            abort();
    }
    for (size_t i = 0; i < config->vault_count; i++) {
        const struct config_vault *vault = &config->vaults[i];
        if (!vault->name || !vault->api_version || (!vault->url && !vault->directory))
            abort();
    }
    for (size_t i = 0; i < config->credential_count; i++) {
        if (!is_whole(config, &config->credentials[i]))
            abort();
    }
    check_identity(&config->identity);
    for (size_t i = 0; i < config->route_count; i++)
        check_route(config, &config->routes[i]);
    check_entries(config, &config->access);
    check_entries(config, &config->deny);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct problem_list problems = {0};
    struct config *config =
        config_parse("/etc/fuzz.yaml", slice_of((const char *)bytes, len), &problems);
    if ((config != NULL) != (problems.error_count == 0))
        abort();
    check_problems(&problems);
    if (config)
        check_config(config);
    config_unref(config);
    problem_list_done(&problems);
    return 0;
}
