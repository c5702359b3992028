/* A worker's question to the keeper on behalf of a parked exchange: fetch this key set, fetch this
 * credential, find out about this caller's groups, exchange its token. Travels as a message to the
 * keeper and back; the answer is in the snapshot that arrives before it, but for groups and
 * exchanged tokens, which come in the want. */
#ifndef BARKEEP_PROXY_WANT_H
#define BARKEEP_PROXY_WANT_H

#include "auth/group_source.h"
#include "auth/key_source.h"
#include "core/mailbox.h"
#include "vault/on_behalf_of.h"
#include "vault/secret_store.h"
#include "vault/token_relay.h"

struct exchange;
struct keeper;
struct worker;

/* Of secret memory: the rest is for what vaults hold, however many callers wait. */
enum { WANT_CALLERS_PERCENT_MAX = 75 };

enum want_kind { WANT_KEYS, WANT_CREDENTIAL, WANT_GROUPS, WANT_ON_BEHALF, WANT_SIGN_IN };

struct want {
    struct message message;
    enum want_kind kind;
    struct worker *worker;
    struct ruleset *rules;     /* what its indexes refer to: one reference */
    struct exchange *exchange; /* worker's thread only: who waits, through next_waiting */
    struct want *next;         /* worker's thread only: further ones that may be joined */
    struct key_want keys;
    struct credential_want credential;
    struct group_want groups;
    struct on_behalf_want on_behalf;
    struct token_relay_want sign_in;
    char tenant[37]; /* what on_behalf.tenant points to */
};

/* NULL without memory. The want frees itself when it comes back. Of one worker's wants for the same
 * set or credential only the first is posted, whoever comes later waits for it too. `generation` is
 * the one of the set that did not do. */
struct want *want_post_keys(struct exchange *exchange, size_t slot, uint64_t generation);
struct want *want_post_credential(struct exchange *exchange, size_t credential,
                                  uint64_t refused_generation);
/* An upstream refused a credential, and nobody waits for what comes of it. Of one generation this
 * is told once a second at most, and not while it is being asked about. */
void want_tell_refused(const struct exchange *exchange, size_t credential, uint64_t generation);
/* Exchanges the caller's token, of which it makes a copy. */
struct want *want_post_on_behalf(struct exchange *exchange, size_t credential, struct slice token);
/* Which of the groups that the rules name `identity` is in. Also NULL when it cannot be asked
 * about. */
struct want *want_post_groups(struct exchange *exchange, const struct identity *identity);
/* Brings the form of a client that signs in to the token endpoint at `url`, NUL-terminated. */
struct want *want_post_sign_in(struct exchange *exchange, struct slice url, struct slice form);
/* The exchange no longer waits. */
void want_abandon(struct want *want, struct exchange *exchange);

/* Sends it back without an answer: for the keeper, when it was made under former rules. */
void want_answer(struct want *want);
/* Keeper's side, in keeper.c: hands the want to whoever keeps what it asks for. */
void keeper_take_want(struct keeper *keeper, struct want *want);

#endif
