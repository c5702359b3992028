/* What a service's claims challenge asks of the next token. azure.md D.3. */
#ifndef BARKEEP_VAULT_CLAIMS_REQUEST_H
#define BARKEEP_VAULT_CLAIMS_REQUEST_H

#include "core/slice.h"

/* The value of the form field `claims`: what `challenge` (base64 or base64url, padded or not, as it
 * stands in WWW-Authenticate) holds, written anew, and with it that barkeep understands such
 * challenges (xms_cc: cp1). NULL when it is not one JSON object within 4 KiB, or without memory.
 * The caller frees. */
char *claims_request_of(struct slice challenge);

#endif
