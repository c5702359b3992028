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

uint64_t shelf_changes(const struct shelf *shelf, const struct stored_secret *secrets) {
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

bool shelf_has_previous(const struct shelf *shelf, const struct stored_secret *secrets) {
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

/* Once for each change, however often it is tried again. */
static void log_unusable(struct shelf *shelf, const struct stored_secret *secrets, const char *what,
                         const char *error) {
    const uint64_t changes = shelf_changes(shelf, secrets);
    if (shelf->told_changes == changes)
        return;
    shelf->told_changes = changes;
    for (size_t i = 0; i < shelf->secret_count; i++) {
        const struct stored_secret *secret = &secrets[shelf->secrets[i]];
        LOG_EVENT(LOG_WARNING, "secret", LOG_STR("credential", shelf->config->name),
                  LOG_STR("vault", vault_client_name(secret->vault)),
                  LOG_STR("name", secret->config->name),
                  LOG_STR("version", secret->current.version), LOG_STR("what", what),
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
    rendering_unref(shelf->next);
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

static void drop_next(struct shelf *shelf) {
    rendering_unref(shelf->next);
    shelf->next = NULL;
}

static bool rendering_stays_good(const struct shelf *shelf, const struct shelf_views *views) {
    return shelf->rendering && rendering_holds(shelf->rendering, views->current, views->previous);
}

bool shelf_may_hold_back(const struct shelf *shelf, const struct shelf_views *views) {
    return !shelf->next || rendering_stays_good(shelf, views);
}

static bool previous_holds(const struct shelf *shelf, const struct shelf_views *views) {
    struct rendering *previous = rendering_previous(shelf->rendering);
    return !previous || rendering_holds(previous, views->current, views->previous);
}

bool shelf_hold_back(struct shelf *shelf, const struct shelf_views *views) {
    drop_next(shelf);
    if (!shelf->rendering || previous_holds(shelf, views))
        return true;
    shelf->next = rendering_without_previous(shelf->rendering);
    shelf->next_changes = shelf->rendered_changes;
    shelf->next_current = shelf->rendered_current;
    return shelf->next != NULL;
}

/* What lacked memory may have it now. */
static bool is_up_to_date(const struct shelf *shelf, uint64_t changes) {
    return shelf->rendering && shelf->rendered_changes == changes &&
           !rendering_lacks_memory(shelf->rendering);
}

bool shelf_render(struct shelf *shelf, const struct stored_secret *secrets,
                  const struct shelf_views *views) {
    const uint64_t changes = shelf_changes(shelf, secrets), current = current_sum(shelf, secrets);
    struct error err = {""};
    drop_next(shelf);
    shelf->lacks_memory = false;
    if (is_up_to_date(shelf, changes))
        return true;
    struct rendering *rendering = render_current(shelf, views, &err);
    if (!rendering)
        return false;
    const bool is_available = rendering_credential(rendering)->is_available;
    shelf->lacks_memory = rendering_lacks_memory(rendering);
    const bool stays = shelf->lacks_memory && rendering_stays_good(shelf, views);
    if (!is_available && has_values(shelf, secrets))
        log_unusable(shelf, secrets, stays ? "held_back" : "unusable", err.text);
    if (stays) {
        rendering_unref(rendering);
        return shelf_hold_back(shelf, views);
    }
    if (is_available && shelf_has_previous(shelf, secrets) &&
        !add_previous(shelf, views, rendering)) {
        rendering_unref(rendering);
        return false;
    }
    if (shelf->rendering && shelf->rendered_current == current)
        rendering_set_generation(rendering, shelf->rendering);
    shelf->next = rendering;
    shelf->next_changes = changes;
    shelf->next_current = current;
    return true;
}

struct rendering *shelf_next(const struct shelf *shelf) {
    return shelf->next ? shelf->next : shelf->rendering;
}

void shelf_settle(struct shelf *shelf) {
    if (!shelf->next)
        return;
    rendering_unref(shelf->rendering);
    shelf->rendering = shelf->next;
    shelf->rendered_changes = shelf->next_changes;
    shelf->rendered_current = shelf->next_current;
    shelf->next = NULL;
}

uint64_t shelf_generation(const struct shelf *shelf) {
    return shelf->rendering ? rendering_credential(shelf->rendering)->generation : 0;
}
