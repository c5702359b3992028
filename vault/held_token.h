/* The token of barkeep's own identity that one entra_token credential puts into requests. */
#ifndef BARKEEP_VAULT_HELD_TOKEN_H
#define BARKEEP_VAULT_HELD_TOKEN_H

#include "vault/azure_identity.h"

/* Embed; zero-initialise. Members are for reading outside of held_token.c. */
struct held_token {
    struct azure_identity *identity;
    char *resource; /* the scope without "/.default" */
    /* When a token came or went, and when an asking has ended. */
    void (*on_settled)(struct held_token *token, bool is_changed);
    void *owner;

    struct secret *value;  /* NULL when there is none */
    struct secret *before; /* the one before it: not to be sent, but still not to come back */
    uint64_t change_count;
    struct error last_error;
    bool is_asking;
    bool is_watching;
    struct azure_identity_watch watch;
};

/* False without memory. `identity` NULL: there will never be one. */
bool held_token_init(struct held_token *token, struct azure_identity *identity, const char *scope);
void held_token_done(struct held_token *token);

/* From now on the newest token is held. */
void held_token_start(struct held_token *token);
/* Asks for one when there is none, or, with `was_refused`, for another than the one that is held
 * (the identity gets a new one once a minute at most). May settle before it returns. */
void held_token_ask(struct held_token *token, bool was_refused);

#endif
