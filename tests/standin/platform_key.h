/* The key of every foreign issuer that applications trust: a cluster's, a forge's. azure.md C.4. */
#ifndef BARKEEP_STANDIN_PLATFORM_KEY_H
#define BARKEEP_STANDIN_PLATFORM_KEY_H

#include "signing_key.h"
#include "state.h"

/* The one in the state directory, made when there is none. NULL with the reason; the caller frees.
 */
struct signing_key *platform_key_open(struct state *state, struct error *err);

#endif
