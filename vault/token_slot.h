/* One token of one tenant for one resource, and those who want it. Private to azure_identity.c, and
 * to token_renewal.c, which fetches. */
#ifndef BARKEEP_VAULT_TOKEN_SLOT_H
#define BARKEEP_VAULT_TOKEN_SLOT_H

#include "vault/azure_identity.h"
#include "vault/backoff.h"

struct token_waiter;

struct token_slot {
    struct token_slot *next;
    struct azure_identity *identity;
    char *tenant; /* NULL: identity's own */
    char *resource;

    struct secret *token; /* NULL when there is none */
    uint64_t expires_ms;
    bool is_wanted;          /* somebody has asked for it, or watches it */
    bool is_doubted;         /* a service refused it: kept for want of a better one only */
    uint64_t invalidated_ms; /* when that was found last; 0 for never */
    uint64_t challenged_ms;  /* the same, with claims */
    char *claims;            /* what the next token is to be asked for with, or NULL */
    bool call_has_claims;    /* the call in flight asks with them */
    bool is_second_step;     /* the call in flight answers a challenge */

    struct http_call *call;
    struct loop_timer next_try; /* refresh or retry; not set while a call is in flight */
    struct loop_timer expiry;   /* set while there is a token */
    struct backoff backoff;
    struct error last_error;

    struct token_waiter *waiters; /* oldest first */
    struct azure_identity_watch *watches;
    struct azure_identity_watch *told_next; /* while they are told: who is next */
    bool watches_know_none;                 /* they were told that there is no token */
};

/* NULL without memory. Timers are the caller's to set up. */
struct token_slot *token_slot_new(struct azure_identity *identity, const char *tenant,
                                  const char *resource);
/* No one may wait any more. */
void token_slot_free(struct token_slot *slot);

bool token_slot_is_for(const struct token_slot *slot, const char *tenant, const char *resource);
/* True when there is one that has not expired, doubted or not. */
bool token_slot_has_token(struct token_slot *slot);
void token_slot_drop_token(struct token_slot *slot);
void token_slot_drop_claims(struct token_slot *slot);

/* False without memory. */
bool token_slot_add_waiter(struct token_slot *slot, azure_identity_on_token *on_token, void *owner);
void token_slot_forget(struct token_slot *slot, const void *owner);
void token_slot_add_watch(struct token_slot *slot, struct azure_identity_watch *watch);
/* True when it was there. */
bool token_slot_remove_watch(struct token_slot *slot, struct azure_identity_watch *watch);

/* Tells those who wait the token that is there, or last_error. */
void token_slot_tell_waiters(struct token_slot *slot);
/* The same for those who watch; that there is none is told once. */
void token_slot_tell_watches(struct token_slot *slot);

#endif
