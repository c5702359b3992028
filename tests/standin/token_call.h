/* One request to a token endpoint, as those see it who answer it. */
#ifndef BARKEEP_STANDIN_TOKEN_CALL_H
#define BARKEEP_STANDIN_TOKEN_CALL_H

#include "entra_error.h"
#include "issue.h"

struct token_call {
    const struct request *request;
    struct reply *reply;
    struct world *world;
    struct form form;
    struct form basic; /* client_id and client_secret out of the Authorization header */
    const struct tenant *tenant;
    bool is_v2;
};

void token_refuse(const struct token_call *call, enum entra_error error, const char *about);
/* A field of the body; NULL when it is absent or empty. */
const char *token_field(const struct token_call *call, const char *name);
/* The same of the body or else of Basic. */
const char *token_credential(const struct token_call *call, const char *name);
/* Whether `claims` asks for access_token.xms_cc.values holding cp1. */
bool token_wants_cae(const struct token_call *call);
/* Takes `more` members, which may be NULL. */
void token_answer(const struct token_call *call, const struct issued_token *token,
                  const struct resource *resource, json_t *more);

/* Who proved to be which application, and how. */
struct proven_client {
    const struct app *app;
    const char *strength; /* azpacr: "1" secret, "2" assertion */
};

/* The application that the call names; NULL when it was refused. */
const struct app *client_find(const struct token_call *call);
/* False when the call was refused. azure.md C.1, C.3, C.4. */
bool client_prove(const struct token_call *call, struct proven_client *out_client);
/* The same for a call with a client_assertion. */
bool client_prove_by_assertion(const struct token_call *call, const struct app *app);

/* The exchange of a user's token for one of another resource. azure.md C.9. */
void on_behalf_of(struct token_call *call);

/* A code that authorize gave out becomes tokens, a refresh token fresh ones. v2 only. */
void redeem_code(struct token_call *call);
void redeem_refresh_token(struct token_call *call);

#endif
