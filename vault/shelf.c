/* Rendering one credential, with the versions before behind it while any of its secrets has one. */
#include "vault/shelf.h"

#include <stdlib.h>

#include "core/log.h"

static struct secret_view view_of(const struct stored_secret *secret,
                                  const struct held_version *held) {
    return (struct secret_view){
        .vault = vault_client_name(secret->vault),
        .name = secret->config->name,
        .version = held->version,
        .value = held->value,
        .hosts = held_version_hosts(held),
    };
}

/* An older version has tags of its own; without that tag the newer one's bounds hold for it too. */
static struct secret_view previous_view_of(const struct stored_secret *secret) {
    struct secret_view view = view_of(secret, &secret->previous);
    if (!view.hosts)
        view.hosts = held_version_hosts(&secret->current);
    return view;
}

static uint64_t change_sum(const struct shelf *shelf, const struct stored_secret *secrets) {
    uint64_t sum = shelf->token.change_count;
    for (size_t i = 0; i < shelf->secret_count; i++)
        sum += secrets[shelf->secrets[i]].change_count;
    return sum;
}

static uint64_t current_sum(const struct shelf *shelf, const struct stored_secret *secrets) {
    uint64_t sum = shelf->token.change_count;
    for (size_t i = 0; i < shelf->secret_count; i++)
        sum += secrets[shelf->secrets[i]].current_count;
    return sum;
}

static bool has_values(const struct shelf *shelf, const struct stored_secret *secrets) {
    for (size_t i = 0; i < shelf->secret_count; i++)
        if (!secrets[shelf->secrets[i]].current.value)
            return false;
    return shelf->secret_count > 0;
}

static bool has_previous(const struct shelf *shelf, const struct stored_secret *secrets) {
    for (size_t i = 0; i < shelf->secret_count; i++)
        if (secrets[shelf->secrets[i]].previous.value)
            return true;
    return false;
}

/* Tokens of callers are exchanged elsewhere: such a shelf stays empty. */
static struct rendering *render_current(const struct shelf *shelf, const struct shelf_views *views,
                                        struct error *err) {
    if (shelf_has_token(shelf))
        return rendering_of_token(shelf->token.value, err);
    if (shelf->config->kind == CREDENTIAL_ON_BEHALF_OF)
        return rendering_of_token(NULL, err);
    return rendering_new(shelf->config, views->current, err);
}

/* What cannot be rendered of the versions before is not missed. */
static bool add_previous(const struct shelf *shelf, const struct shelf_views *views,
                         struct rendering *rendering) {
    struct rendering *previous = rendering_new(shelf->config, views->previous, NULL);
    if (!previous)
        return false;
    if (rendering_credential(previous)->is_available)
        rendering_set_previous(rendering, previous);
    rendering_unref(previous);
    return true;
}

static void log_unusable(const struct shelf *shelf, const struct stored_secret *secrets,
                         const char *error) {
    for (size_t i = 0; i < shelf->secret_count; i++) {
        const struct stored_secret *secret = &secrets[shelf->secrets[i]];
        LOG_EVENT(LOG_WARNING, "secret", LOG_STR("credential", shelf->config->name),
                  LOG_STR("vault", vault_client_name(secret->vault)),
                  LOG_STR("name", secret->config->name),
                  LOG_STR("version", secret->current.version), LOG_STR("what", "unusable"),
                  LOG_STR("error", error));
    }
}

bool shelf_init(struct shelf *shelf, const struct config_credential *config,
                struct azure_identity *identity) {
    shelf->config = config;
    if (!credential_secrets(config, &shelf->secrets, &shelf->secret_count))
        return false;
    return config->kind != CREDENTIAL_ENTRA_TOKEN ||
           held_token_init(&shelf->token, identity, config->scope);
}

void shelf_done(struct shelf *shelf) {
    held_token_done(&shelf->token);
    rendering_unref(shelf->rendering);
    free(shelf->secrets);
    *shelf = (struct shelf){0};
}

bool shelf_has_token(const struct shelf *shelf) {
    return shelf->token.resource != NULL;
}

void shelf_views_fill(struct shelf_views *views, const struct stored_secret *secrets,
                      size_t count) {
    for (size_t i = 0; i < count; i++) {
        views->current[i] = view_of(&secrets[i], &secrets[i].current);
        views->previous[i] =
            secrets[i].previous.value ? previous_view_of(&secrets[i]) : views->current[i];
    }
}

bool shelf_render(struct shelf *shelf, const struct stored_secret *secrets,
                  const struct shelf_views *views) {
    const uint64_t changes = change_sum(shelf, secrets), current = current_sum(shelf, secrets);
    if (shelf->rendering && shelf->rendered_changes == changes)
        return true;
    struct error err = {""};
    struct rendering *rendering = render_current(shelf, views, &err);
    if (!rendering)
        return false;
    const bool is_available = rendering_credential(rendering)->is_available;
    if (!is_available && has_values(shelf, secrets))
        log_unusable(shelf, secrets, err.text);
    if (is_available && has_previous(shelf, secrets) && !add_previous(shelf, views, rendering)) {
        rendering_unref(rendering);
        return false;
    }
    if (shelf->rendering && shelf->rendered_current == current)
        rendering_set_generation(rendering, shelf->rendering);
    rendering_unref(shelf->rendering);
    shelf->rendering = rendering;
    shelf->rendered_changes = changes;
    shelf->rendered_current = current;
    return true;
}

uint64_t shelf_generation(const struct shelf *shelf) {
    return shelf->rendering ? rendering_credential(shelf->rendering)->generation : 0;
}
