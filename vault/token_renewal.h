/* How the token of a slot is fetched and renewed. Private to azure_identity.c, whose slots these
 * are.
 */
#ifndef BARKEEP_VAULT_TOKEN_RENEWAL_H
#define BARKEEP_VAULT_TOKEN_RENEWAL_H

#include "vault/managed_identity.h"
#include "vault/token_slot.h"

struct azure_identity {
    struct loop *loop;
    struct http_client *client;
    const struct config *config;
    struct managed_identity managed; /* managed identity only */
    struct token_slot *slots;
    size_t slot_count;
    uint32_t second_ms;
};

/* Sets the slot's timers up. */
void token_renewal_init(struct token_slot *slot);
/* Asks for a token now; none is being asked for. Waiters and watches may be told before it returns.
 */
void token_renewal_start(struct token_slot *slot);
/* What is asked for now is not waited for. Idempotent; the timers stay. */
void token_renewal_cancel(struct token_slot *slot);

#endif
