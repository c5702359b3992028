/* Claims challenges: what a client that declared cp1 is told, so that its next token says more
 * (azure.md A.11). */
#ifndef BARKEEP_AUTH_CLAIMS_CHALLENGE_H
#define BARKEEP_AUTH_CLAIMS_CHALLENGE_H

#include <stdint.h>

#include "core/arena.h"

#define CLAIMS_CHALLENGE_SIZE 256

/* The value of `claims`: standard base64 of the request for an authentication context ("c1" to
 * "c99"), without any '='. */
void claims_challenge_acrs(struct slice acrs, char out_claims[CLAIMS_CHALLENGE_SIZE]);
/* The same of the request for a token issued at `not_before_sec` or later. */
void claims_challenge_nbf(int64_t not_before_sec, char out_claims[CLAIMS_CHALLENGE_SIZE]);

/* The same of a request that Entra sent, as JSON. NULL when the arena is exhausted or `json` is
 * longer than CLAIMS_JSON_MAX. */
enum { CLAIMS_JSON_MAX = 2048 };
const char *claims_challenge_encode(struct arena *arena, struct slice json);

/* The value of WWW-Authenticate. `authority` is the configured login host without trailing slash.
 * NULL when the arena is exhausted. */
const char *claims_challenge_header(struct arena *arena, const char *authority, const char *claims);

#endif
