/* What a token endpoint answers: the metadata service's strings and Entra's numbers alike.
 * azure.md C.1, C.2, C.5. */
#ifndef BARKEEP_VAULT_TOKEN_ANSWER_H
#define BARKEEP_VAULT_TOKEN_ANSWER_H

#include "core/secret.h"

struct token_answer {
    struct secret *token; /* visible ASCII; the caller unrefs */
    int64_t lifetime_sec; /* from now; at least 1 */
};

/* Reads a 200. `wall_sec` is now. When both expires_on and expires_in are there the earlier one
 * counts. STATUS_INVALID for anything that is not a usable, unexpired bearer token. */
enum status token_answer_parse(struct slice body, int64_t wall_sec, struct token_answer *out_answer,
                               struct error *err);

/* Puts a refusal into words: "HTTP 401: invalid_client (AADSTS7000215)". Of the body only the error
 * code and the AADSTS number are repeated. */
void token_answer_refusal(struct slice body, int http_status, struct error *out_text);
/* True when the answer says that its token is that of `client_id`. */
bool token_answer_is_of(struct slice body, const char *client_id);
/* True when a refusal says that it will pass (azure.md C.2), whatever its HTTP status. */
bool token_answer_is_temporary(struct slice body);

#endif
