/* Holding a token: the identity renews it and says so; asking is for those who wait. A token is
 * held until the identity says that it ran out. */
#include "vault/held_token.h"

#include <stdlib.h>

static void take(struct held_token *token, struct secret *value, const struct error *err) {
    bool is_changed = true;
    if (value && token->value)
        is_changed = !secret_eq(value, token->value);
    else if (!value && !token->value)
        is_changed = false;
    struct secret *held = value ? secret_ref(value) : NULL;
    if (is_changed && token->value) {
        secret_unref(token->before);
        token->before = secret_ref(token->value);
    }
    secret_unref(token->value);
    token->value = held;
    token->change_count += is_changed;
    error_set(&token->last_error, STATUS_IO, "%s", err ? err->text : "");
    token->on_settled(token, is_changed);
}

static void on_renewed(void *owner, struct secret *value, const struct error *err) {
    take(owner, value, err);
}

/* Whether an older token still does is not for a failed asking to say. */
static void on_asked(void *owner, struct secret *value, const struct error *err) {
    struct held_token *token = owner;
    token->is_asking = false;
    take(token, value ? value : token->value, err);
}

bool held_token_init(struct held_token *token, struct azure_identity *identity, const char *scope) {
    struct slice resource = slice_of_str(scope);
    if (slice_ends_with(resource, SLICE("/.default")))
        resource.len -= sizeof "/.default" - 1;
    token->identity = identity;
    token->resource = slice_strdup(resource);
    error_set(&token->last_error, STATUS_NOT_FOUND,
              identity ? "not asked for yet" : "no identity is configured");
    return token->resource != NULL;
}

void held_token_done(struct held_token *token) {
    if (token->is_asking)
        azure_identity_forget(token->identity, token);
    if (token->is_watching)
        azure_identity_unwatch(token->identity, &token->watch);
    secret_unref(token->value);
    secret_unref(token->before);
    free(token->resource);
    *token = (struct held_token){0};
}

void held_token_start(struct held_token *token) {
    if (!token->identity)
        return;
    token->is_watching = true;
    token->watch = (struct azure_identity_watch){
        .resource = token->resource, .on_token = on_renewed, .owner = token};
    azure_identity_watch(token->identity, &token->watch);
}

void held_token_ask(struct held_token *token, bool was_refused) {
    if (!token->identity || token->is_asking || (token->value && !was_refused))
        return;
    token->is_asking = true;
    if (was_refused)
        azure_identity_invalidate(token->identity, NULL, token->resource);
    azure_identity_get(token->identity, NULL, token->resource, on_asked, token);
}
