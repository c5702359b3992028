/* The answer to a request for tokens in a user's name, whatever it was granted for. */
#ifndef BARKEEP_STANDIN_USER_TOKEN_H
#define BARKEEP_STANDIN_USER_TOKEN_H

#include "scope_wish.h"
#include "token_call.h"

struct user_token_order {
    const struct scope_wish *wish;
    const char *client_id;
    const char *client_auth; /* as in struct issue_order */
    const char *oid;
    const char *name;
    const char *upn;
    const char *nonce;         /* of the ID token; NULL: any */
    const char *refresh_token; /* NULL: none */
};

/* False: refused, because there is no such resource or scope. */
bool user_token_answer(const struct token_call *call, const struct user_token_order *order);

#endif
