/* A worker's question to the keeper on behalf of a parked exchange: fetch this key set, fetch this
 * credential. Travels as a message to the keeper and back; the answer is in the snapshot that
 * arrives before it. */
#ifndef BARKEEP_PROXY_WANT_H
#define BARKEEP_PROXY_WANT_H

#include "auth/key_source.h"
#include "core/mailbox.h"
#include "vault/secret_store.h"

struct exchange;
struct keeper;
struct worker;

enum want_kind { WANT_KEYS, WANT_CREDENTIAL };

struct want {
    struct message message;
    enum want_kind kind;
    struct worker *worker;
    struct exchange *exchange; /* worker's thread only; NULL when nobody waits any more */
    struct key_want keys;
    struct credential_want credential;
};

/* NULL without memory. The want frees itself when it comes back. */
struct want *want_post_keys(struct worker *worker, struct exchange *exchange, size_t tenant,
                            int version);
struct want *want_post_credential(struct worker *worker, struct exchange *exchange,
                                  size_t credential);
/* The exchange no longer waits. */
void want_abandon(struct want *want);

/* Keeper's side, in keeper.c: hands the want to the key source or the secret store. */
void keeper_take_want(struct keeper *keeper, struct want *want);

#endif
