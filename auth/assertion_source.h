/* Where the key that signs assertions comes from and what becomes of it: made at start, or taken
 * from a vault and followed through its changes. Lives on the keeper's loop. */
#ifndef BARKEEP_AUTH_ASSERTION_SOURCE_H
#define BARKEEP_AUTH_ASSERTION_SOURCE_H

#include "auth/assertion.h"
#include "config/config.h"
#include "core/loop.h"

struct assertion_source;

/* `on_signer` gets a reference to each new signer; it is not called before this returns. With a key
 * from a vault there is nothing to sign with until assertion_source_take_key(). */
struct assertion_source *assertion_source_new(struct loop *loop, const struct config *config,
                                              void (*on_signer)(void *owner,
                                                                struct assertion_signer *signer),
                                              void *owner, struct error *err);
void assertion_source_free(struct assertion_source *source); /* NULL is fine */

/* Goes on signing with the key of `former` where both made theirs at start, or both have it from
 * the same secret; else that key is one that was. Keys that were stay as long as they would have.
 * `on_signer` is called. `former`, made for `former_config`, is read only; before the first
 * assertion_source_take_key(). */
void assertion_source_adopt(struct assertion_source *source, const struct config *config,
                            const struct assertion_source *former,
                            const struct config *former_config);

/* The signer of now: a reference for the caller. */
struct assertion_signer *assertion_source_signer(const struct assertion_source *source);

/* What the vault holds now, NULL for nothing. What is no key of ours changes nothing and is said
 * once; a new key signs at once, and the one before stays in the JWKS until the last assertion made
 * with it has expired. Its being gone from the vault ends signing. */
void assertion_source_take_key(struct assertion_source *source, struct secret *pem);

/* For the tests: how long an earlier key stays. */
void assertion_source_set_keep_ms(struct assertion_source *source, uint64_t keep_ms);

#endif
