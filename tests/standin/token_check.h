/* What the vault thinks of a bearer token. azure.md D.3, D.4. */
#ifndef BARKEEP_STANDIN_TOKEN_CHECK_H
#define BARKEEP_STANDIN_TOKEN_CHECK_H

#include "core/status.h"
#include "jws.h"
#include "key_ring.h"

struct token_expectation {
    const struct key_ring *keys;
    const char *issuer;
    const char *audience;
    const char *other_audience; /* equally good; may be NULL */
};

/* The claims (caller owns) of a good RS256 token. Otherwise NULL, and `err` is the text that goes
 * into the vault's answer. */
json_t *token_check(struct slice token, const struct token_expectation *expected,
                    struct error *err);

/* RS256 by one of the published keys. */
bool token_signature_is_good(const struct key_ring *keys, const struct jws *jws);

#endif
