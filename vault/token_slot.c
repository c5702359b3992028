#include "vault/token_slot.h"

#include <stdlib.h>

#include "core/clock.h"

struct token_waiter {
    struct token_waiter *next;
    azure_identity_on_token *on_token;
    void *owner;
};

struct token_slot *token_slot_new(struct azure_identity *identity, const char *tenant,
                                  const char *resource) {
    struct token_slot *slot = calloc(1, sizeof *slot);
    if (!slot)
        return NULL;
    slot->identity = identity;
    slot->resource = slice_strdup(slice_of_str(resource));
    slot->tenant = tenant ? slice_strdup(slice_of_str(tenant)) : NULL;
    if (!slot->resource || (tenant && !slot->tenant)) {
        token_slot_free(slot);
        return NULL;
    }
    return slot;
}

void token_slot_free(struct token_slot *slot) {
    token_slot_drop_token(slot);
    token_slot_drop_claims(slot);
    free(slot->tenant);
    free(slot->resource);
    free(slot);
}

bool token_slot_is_for(const struct token_slot *slot, const char *tenant, const char *resource) {
    bool is_of_tenant = tenant ? slot->tenant && strcmp(slot->tenant, tenant) == 0 : !slot->tenant;
    return is_of_tenant && strcmp(slot->resource, resource) == 0;
}

bool token_slot_has_token(struct token_slot *slot) {
    if (slot->token && clock_monotonic_ms() >= slot->expires_ms)
        token_slot_drop_token(slot);
    return slot->token != NULL;
}

void token_slot_drop_token(struct token_slot *slot) {
    secret_unref(slot->token);
    slot->token = NULL;
    slot->is_doubted = false;
}

void token_slot_drop_claims(struct token_slot *slot) {
    free(slot->claims);
    slot->claims = NULL;
}

bool token_slot_add_waiter(struct token_slot *slot, azure_identity_on_token *on_token,
                           void *owner) {
    struct token_waiter *waiter = calloc(1, sizeof *waiter);
    if (!waiter)
        return false;
    waiter->on_token = on_token;
    waiter->owner = owner;
    struct token_waiter **end = &slot->waiters;
    while (*end)
        end = &(*end)->next;
    *end = waiter;
    return true;
}

void token_slot_forget(struct token_slot *slot, const void *owner) {
    struct token_waiter **at = &slot->waiters;
    while (*at) {
        struct token_waiter *waiter = *at;
        if (waiter->owner != owner) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        free(waiter);
    }
}

void token_slot_add_watch(struct token_slot *slot, struct azure_identity_watch *watch) {
    watch->next = slot->watches;
    slot->watches = watch;
}

bool token_slot_remove_watch(struct token_slot *slot, struct azure_identity_watch *watch) {
    struct azure_identity_watch **at = &slot->watches;
    while (*at && *at != watch)
        at = &(*at)->next;
    if (!*at)
        return false;
    *at = watch->next;
    if (slot->told_next == watch)
        slot->told_next = watch->next;
    watch->next = NULL;
    return true;
}

/* Waiters are taken off one by one: a callback may forget others, or ask for another resource. Here
 * a new get() is always answered at once, so this ends. */
void token_slot_tell_waiters(struct token_slot *slot) {
    struct secret *held = token_slot_has_token(slot) ? secret_ref(slot->token) : NULL;
    while (slot->waiters) {
        struct token_waiter *waiter = slot->waiters;
        slot->waiters = waiter->next;
        waiter->on_token(waiter->owner, held, held ? NULL : &slot->last_error);
        free(waiter);
    }
    secret_unref(held);
}

/* A callback may take its own or any other watch away. */
void token_slot_tell_watches(struct token_slot *slot) {
    struct secret *held = token_slot_has_token(slot) ? secret_ref(slot->token) : NULL;
    if (!held && slot->watches_know_none)
        return;
    slot->watches_know_none = held == NULL;
    for (struct azure_identity_watch *watch = slot->watches; watch; watch = slot->told_next) {
        slot->told_next = watch->next;
        watch->on_token(watch->owner, held, held ? NULL : &slot->last_error);
    }
    slot->told_next = NULL;
    secret_unref(held);
}
