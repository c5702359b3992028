/* Any bytes as a configuration: bounded time and memory, no crash, and never a configuration
 * together with an error. */
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

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

static void check_credential(const struct config *config,
                             const struct config_credential *credential) {
    bool is_basic = credential->kind == CREDENTIAL_BASIC;
    bool is_bearer = credential->kind == CREDENTIAL_BEARER;
    if (is_basic && (credential->password >= config->secret_count || !credential->username.count))
        abort();
    if (is_bearer && credential->bearer >= config->secret_count)
        abort();
    if (!is_basic && !is_bearer && credential->header_count == 0)
        abort();
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
    for (size_t i = 0; i < config->credential_count; i++)
        check_credential(config, &config->credentials[i]);
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        if (!route->name || !route->path || route->upstream_count == 0)
            abort();
        check_entries(config, &route->access);
        check_entries(config, &route->deny);
    }
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
