/* Tokens of barkeep's own identity: one slot per tenant and resource, and what is asked of them.
 * token_renewal fetches. */
#include "vault/azure_identity.h"

#include <stdlib.h>

#include "core/clock.h"
#include "vault/agreement.h"
#include "vault/azure_answer.h"
#include "vault/azure_identity_pace.h"
#include "vault/claims_request.h"
#include "vault/client_proof.h"
#include "vault/token_renewal.h"

#define MAX_SLOTS 256
#define INVALIDATE_GAP_MS 60000

static void end_slot(struct token_slot *slot) {
    loop_timer_cancel(slot->identity->loop, &slot->next_try);
    loop_timer_cancel(slot->identity->loop, &slot->expiry);
    token_renewal_cancel(slot);
    token_slot_drop_token(slot);
    error_set(&slot->last_error, STATUS_DENIED, "shutting down");
    token_slot_tell_waiters(slot);
    token_slot_free(slot);
}

static struct token_slot *add_slot(struct azure_identity *identity, const char *tenant,
                                   const char *resource) {
    struct token_slot *slot = NULL;
    if (identity->slot_count < MAX_SLOTS)
        slot = token_slot_new(identity, tenant, resource);
    if (!slot)
        return NULL;
    token_renewal_init(slot);
    slot->next = identity->slots;
    identity->slots = slot;
    identity->slot_count++;
    return slot;
}

static struct token_slot *find_slot(struct azure_identity *identity, const char *tenant,
                                    const char *resource) {
    struct token_slot *slot = identity->slots;
    while (slot && !token_slot_is_for(slot, tenant, resource))
        slot = slot->next;
    return slot;
}

/* NULL for identity's own, under whichever name it was asked for. */
static const char *foreign_tenant(const struct azure_identity *identity, const char *tenant) {
    const char *own = identity->config->identity.tenant;
    return tenant && own && strcmp(tenant, own) == 0 ? NULL : tenant;
}

/* A token is renewed as long as it is wanted, even if its time for that has passed meanwhile. */
static void note_wanted(struct token_slot *slot) {
    slot->is_wanted = true;
    if (slot->token && !slot->call && !loop_timer_is_set(&slot->next_try))
        loop_timer_set(slot->identity->loop, &slot->next_try, 0);
}

/* NULL and the reason when there is none for this tenant, or no room. */
static struct token_slot *want_slot(struct azure_identity *identity, const char *tenant,
                                    const char *resource, struct error *err) {
    tenant = foreign_tenant(identity, tenant);
    if (tenant && identity->config->identity.kind == IDENTITY_MANAGED) {
        error_set(err, STATUS_DENIED,
                  "a managed identity has no tokens of another tenant: %s (identity.tenant names "
                  "its own; {client: {id, secret_file}} can be consented in several)",
                  tenant);
        return NULL;
    }
    struct token_slot *slot = find_slot(identity, tenant, resource);
    if (!slot)
        slot = add_slot(identity, tenant, resource);
    if (slot)
        note_wanted(slot);
    else
        error_set(err, STATUS_NO_MEMORY, "no room for another token");
    return slot;
}

static bool is_backing_off(const struct token_slot *slot) {
    return !slot->call && slot->backoff.failures > 0 && !slot->waiters &&
           loop_timer_is_set(&slot->next_try);
}

/* A call is on its way after this, or will be when the back-off is over, or has failed. */
static void make_sure_of_call(struct token_slot *slot) {
    if (!slot->call && (slot->backoff.failures == 0 || !loop_timer_is_set(&slot->next_try)))
        token_renewal_start(slot);
}

struct azure_identity *azure_identity_new(struct loop *loop, struct http_client *client,
                                          const struct config *config, struct error *err) {
    azure_answer_init();
    const struct config_identity *kind = &config->identity;
    if (kind->kind == IDENTITY_NONE) {
        error_set(err, STATUS_INVALID, "identity: none is configured");
        return NULL;
    }
    if (client_proof_exists(kind) && client_proof_check(kind, err) != STATUS_OK)
        return NULL;
    struct azure_identity *identity = calloc(1, sizeof *identity);
    if (!identity) {
        error_set(err, STATUS_NO_MEMORY, "no memory");
        return NULL;
    }
    *identity = (struct azure_identity){
        .loop = loop, .client = client, .config = config, .second_ms = 1000};
    if (kind->kind == IDENTITY_MANAGED &&
        managed_identity_init(&identity->managed, kind, err) != STATUS_OK) {
        free(identity);
        return NULL;
    }
    return identity;
}

void azure_identity_free(struct azure_identity *identity) {
    if (!identity)
        return;
    while (identity->slots) {
        struct token_slot *slot = identity->slots;
        identity->slots = slot->next;
        end_slot(slot);
    }
    managed_identity_done(&identity->managed);
    free(identity);
}

/* What the call in flight was to bring is asked for again. */
static void adopt_next_try(struct token_slot *slot, const struct token_slot *former) {
    const uint64_t now_ms = loop_now_ms(slot->identity->loop);
    const uint64_t due_ms = loop_timer_is_set(&former->next_try) ? former->next_try.due_ms : now_ms;
    loop_timer_set(slot->identity->loop, &slot->next_try, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void adopt_slot(struct azure_identity *identity, const struct token_slot *former) {
    const uint64_t now_ms = clock_monotonic_ms();
    const bool has_token = former->token && former->expires_ms > now_ms;
    if (!has_token && !former->is_wanted)
        return;
    struct token_slot *slot = add_slot(identity, former->tenant, former->resource);
    if (!slot)
        return;
    slot->backoff = former->backoff;
    slot->last_error = former->last_error;
    slot->invalidated_ms = former->invalidated_ms;
    slot->challenged_ms = former->challenged_ms;
    slot->claims = former->claims ? slice_strdup(slice_of_str(former->claims)) : NULL;
    if (has_token) {
        slot->token = secret_ref(former->token);
        slot->expires_ms = former->expires_ms;
        slot->is_doubted = former->is_doubted;
        loop_timer_set(identity->loop, &slot->expiry, slot->expires_ms - now_ms);
    }
    if (has_token || slot->backoff.failures > 0)
        adopt_next_try(slot, former);
}

void azure_identity_adopt(struct azure_identity *identity, const struct azure_identity *former) {
    if (!agreement_on_identity(&identity->config->identity, &former->config->identity))
        return;
    for (const struct token_slot *slot = former->slots; slot; slot = slot->next)
        adopt_slot(identity, slot);
}

void azure_identity_set_second_ms(struct azure_identity *identity, uint32_t second_ms) {
    identity->second_ms = second_ms;
}

void azure_identity_get(struct azure_identity *identity, const char *tenant, const char *resource,
                        azure_identity_on_token *on_token, void *owner) {
    struct error err = {""};
    struct token_slot *slot = want_slot(identity, tenant, resource, &err);
    if (!slot) {
        on_token(owner, NULL, &err);
        return;
    }
    const bool has_token = token_slot_has_token(slot);
    if (has_token && (!slot->is_doubted || is_backing_off(slot))) {
        struct secret *held = secret_ref(slot->token);
        on_token(owner, held, NULL);
        secret_unref(held);
        return;
    }
    if (is_backing_off(slot)) {
        on_token(owner, NULL, &slot->last_error);
        return;
    }
    if (!token_slot_add_waiter(slot, on_token, owner)) {
        error_set(&err, STATUS_NO_MEMORY, "no memory");
        on_token(owner, NULL, &err);
        return;
    }
    make_sure_of_call(slot);
}

void azure_identity_forget(struct azure_identity *identity, void *owner) {
    for (struct token_slot *slot = identity->slots; slot; slot = slot->next)
        token_slot_forget(slot, owner);
}

void azure_identity_watch(struct azure_identity *identity, struct azure_identity_watch *watch) {
    struct error err = {""};
    struct token_slot *slot = want_slot(identity, watch->tenant, watch->resource, &err);
    watch->next = NULL;
    if (!slot) {
        watch->on_token(watch->owner, NULL, &err);
        return;
    }
    token_slot_add_watch(slot, watch);
    if (token_slot_has_token(slot)) {
        struct secret *held = secret_ref(slot->token);
        watch->on_token(watch->owner, held, NULL);
        secret_unref(held);
        return;
    }
    if (slot->watches_know_none)
        watch->on_token(watch->owner, NULL, &slot->last_error);
    else
        make_sure_of_call(slot);
}

void azure_identity_unwatch(struct azure_identity *identity, struct azure_identity_watch *watch) {
    struct token_slot *slot = identity->slots;
    while (slot && !token_slot_remove_watch(slot, watch))
        slot = slot->next;
}

/* True at most once a minute. `last_ms` is when it was last, 0 for never. */
static bool may_be_repeated(const struct token_slot *slot, uint64_t *last_ms) {
    const uint64_t now_ms = clock_monotonic_ms();
    if (*last_ms != 0 &&
        now_ms - *last_ms < backoff_scale_ms(slot->identity->second_ms, INVALIDATE_GAP_MS))
        return false;
    *last_ms = now_ms;
    return true;
}

void azure_identity_invalidate(struct azure_identity *identity, const char *tenant,
                               const char *resource) {
    struct token_slot *slot = find_slot(identity, foreign_tenant(identity, tenant), resource);
    if (slot && slot->token && may_be_repeated(slot, &slot->invalidated_ms))
        slot->is_doubted = true;
}

/* The call in flight asks without the claims: its token would be refused again. */
static void take_claims(struct token_slot *slot, char *request) {
    token_slot_drop_claims(slot);
    slot->claims = request;
    slot->is_doubted = slot->token != NULL;
    if (!slot->call)
        return;
    token_renewal_cancel(slot);
    token_renewal_start(slot);
}

bool azure_identity_challenge(struct azure_identity *identity, const char *tenant,
                              const char *resource, struct slice claims) {
    struct token_slot *slot = find_slot(identity, foreign_tenant(identity, tenant), resource);
    char *request = NULL;
    if (slot && client_proof_exists(&identity->config->identity))
        request = claims_request_of(claims);
    if (!request) {
        azure_identity_invalidate(identity, tenant, resource);
        return false;
    }
    if (may_be_repeated(slot, &slot->challenged_ms)) {
        may_be_repeated(slot, &slot->invalidated_ms);
        take_claims(slot, request);
    } else {
        free(request);
    }
    return true;
}
