/* One sentence for each part of a rule. Secrets are named, as VAULT/NAME in braces, never read. */
#include "proxy/rule_words.h"

#include "config/network.h"
#include "core/buf.h"

enum { WORDS_BYTES_MAX = 1 << 20 };

static const char *const credential_kinds[] = {
    [CREDENTIAL_BASIC] = "basic",
    [CREDENTIAL_BEARER] = "bearer",
    [CREDENTIAL_HEADERS] = "headers",
    [CREDENTIAL_QUERY] = "query",
    [CREDENTIAL_COOKIE] = "cookie",
    [CREDENTIAL_ENTRA_TOKEN] = "entra_token",
    [CREDENTIAL_ON_BEHALF_OF] = "on_behalf_of",
    [CREDENTIAL_CLIENT_CERTIFICATE] = "client_certificate",
};

/* The finished text, moved into the arena. */
static const char *take(struct arena *arena, struct buf *words) {
    const char *text = buf_ok(words) ? arena_strdup_slice(arena, buf_slice(words)) : NULL;
    buf_done(words);
    return text;
}

static void say_list(struct buf *words, const char *key, const struct config_strings *list,
                     bool *in_out_is_first) {
    if (list->count == 0) {
        return;
    }
    buf_append_str(words, *in_out_is_first ? "" : " and ");
    *in_out_is_first = false;
    buf_append_str(words, key);
    for (size_t i = 0; i < list->count; i++) {
        buf_append_str(words, i ? " or " : " ");
        buf_append_str(words, list->items[i]);
    }
}

static void say_principal(struct buf *words, const struct config_principal *principal) {
    bool is_first = true;
    say_list(words, "user", &principal->users, &is_first);
    say_list(words, "group", &principal->groups, &is_first);
    say_list(words, "app", &principal->apps, &is_first);
    say_list(words, "app_role", &principal->app_roles, &is_first);
    say_list(words, "scope", &principal->scopes, &is_first);
    say_list(words, "tenant", &principal->tenants, &is_first);
    if (is_first) {
        buf_append_str(words, "everyone with a valid token");
    }
}

const char *rule_words_principals(struct arena *arena, const struct config_entry *entry) {
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    for (size_t i = 0; i < entry->to_count; i++) {
        buf_append_str(&words, i ? "; " : "");
        say_principal(&words, &entry->to[i]);
    }
    return take(arena, &words);
}

static void say_actions(struct buf *words, const struct config_action *actions, size_t count) {
    for (size_t i = 0; i < count; i++) {
        buf_append_str(words, i ? ", " : "");
        buf_append_str(words, actions[i].text);
    }
}

static void say_role(struct buf *words, const struct config_role *role) {
    buf_append_str(words, role->name);
    buf_append_str(words, ": ");
    say_actions(words, role->actions, role->action_count);
    if (role->not_action_count) {
        buf_append_str(words, " except ");
        say_actions(words, role->not_actions, role->not_action_count);
    }
}

const char *rule_words_actions(struct arena *arena, const struct config *config,
                               const struct config_entry *entry) {
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    if (entry->role != CONFIG_NONE) {
        say_role(&words, &config->roles[entry->role]);
    } else if (entry->action_count) {
        say_actions(&words, entry->actions, entry->action_count);
    } else {
        buf_append_str(&words, "everything");
    }
    return take(arena, &words);
}

const char *rule_words_conditions(struct arena *arena, const struct config_entry *entry) {
    const struct config_condition *when = &entry->when;
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    for (size_t i = 0; i < when->clients.count; i++) {
        struct network_text text;
        buf_append_str(&words, i ? " or " : "client ");
        buf_append_str(&words, network_format(&when->clients.items[i], &text));
    }
    for (size_t i = 0; i < when->acrs.count; i++) {
        buf_append_str(&words, i ? " or " : words.len ? ", acrs " : "acrs ");
        buf_append_str(&words, when->acrs.items[i]);
    }
    if (when->mfa) {
        buf_append_str(&words, words.len ? ", mfa" : "mfa");
    }
    return take(arena, &words);
}

const char *rule_words_rate(struct arena *arena, const struct config_rate *rate) {
    bool is_whole = rate->window_ms % 1000 == 0;
    return arena_printf(arena, "%u in %u%s per %s, at most %u at once", rate->requests,
                        is_whole ? rate->window_ms / 1000 : rate->window_ms, is_whole ? "s" : "ms",
                        rate->is_per_client ? "client" : "identity", rate->burst);
}

static void say_secret(struct buf *words, const struct config *config, size_t index) {
    const struct config_secret *secret = &config->secrets[index];
    buf_printf(words, "{%s/%s%s%s}", config->vaults[secret->vault].name, secret->name,
               secret->version ? "/" : "", secret->version ? secret->version : "");
}

/* What is written beside a secret may be half of one: only the names of secrets are told. */
static void say_template_secrets(struct buf *words, const struct config *config,
                                 const struct config_template *template) {
    bool is_first = true;
    for (size_t i = 0; i < template->count; i++) {
        if (template->parts[i].secret != CONFIG_NONE) {
            buf_append_str(words, is_first ? " with " : ", ");
            say_secret(words, config, template->parts[i].secret);
            is_first = false;
        }
    }
}

static void say_fields(struct buf *words, const struct config *config,
                       const struct config_credential *credential, const char *what) {
    for (size_t i = 0; i < credential->field_count; i++) {
        buf_printf(words, "%s%s %s", i ? "; " : "", what, credential->fields[i].name);
        say_template_secrets(words, config, &credential->fields[i].value);
    }
}

static void say_basic(struct buf *words, const struct config *config,
                      const struct config_credential *credential) {
    const struct config_template *username = &credential->username;
    buf_append_str(words, "header Authorization: Basic, username ");
    for (size_t i = 0; i < username->count; i++) {
        if (username->parts[i].secret == CONFIG_NONE) {
            buf_append_slice(words, username->parts[i].literal);
        } else {
            say_secret(words, config, username->parts[i].secret);
        }
    }
    buf_append_str(words, ", password ");
    say_secret(words, config, credential->password);
}

const char *rule_words_placement(struct arena *arena, const struct config *config,
                                 const struct config_credential *credential) {
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    switch (credential->kind) {
    case CREDENTIAL_BASIC:
        say_basic(&words, config, credential);
        break;
    case CREDENTIAL_BEARER:
        buf_append_str(&words, "header Authorization: Bearer ");
        say_secret(&words, config, credential->bearer);
        break;
    case CREDENTIAL_HEADERS:
        say_fields(&words, config, credential, "header");
        break;
    case CREDENTIAL_QUERY:
        say_fields(&words, config, credential, "query parameter");
        break;
    case CREDENTIAL_COOKIE:
        say_fields(&words, config, credential, "cookie");
        break;
    case CREDENTIAL_ENTRA_TOKEN:
        buf_printf(&words, "header Authorization: Bearer, barkeep's own token for %s",
                   credential->scope);
        break;
    case CREDENTIAL_ON_BEHALF_OF:
        buf_printf(&words, "header Authorization: Bearer, the caller's token exchanged for %s",
                   credential->scope);
        break;
    case CREDENTIAL_CLIENT_CERTIFICATE:
        buf_append_str(&words, "TLS client certificate ");
        say_secret(&words, config, credential->certificate);
        break;
    }
    return take(arena, &words);
}

const char *rule_words_credential_kind(enum config_credential_kind kind) {
    return credential_kinds[kind];
}

const char *rule_words_upstreams(struct arena *arena, const struct config_route *route) {
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    for (size_t i = 0; i < route->upstream_count; i++) {
        buf_append_str(&words, i ? ", " : "");
        buf_append_str(&words, route->upstreams[i].text);
    }
    return take(arena, &words);
}
