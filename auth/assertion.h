/* Signs what upstreams are told of a caller: X-Barkeep-Assertion, an ES256 JWT (RFC 7519) of five
 * minutes at most, and the JWKS that verifies it. contract section 6. */
#ifndef BARKEEP_AUTH_ASSERTION_H
#define BARKEEP_AUTH_ASSERTION_H

#include "auth/assertion_key.h"
#include "auth/caller_view.h"
#include "core/buf.h"

#define ASSERTION_LIFETIME_SEC 300

/* Immutable; a snapshot holds one. */
struct assertion_signer;

/* `key` NULL: there is none to sign with now, but assertions of earlier ones are still about.
 * `earlier` are their public halves; everything is copied. The caller owns one reference; NULL
 * without memory. */
struct assertion_signer *assertion_signer_new(const struct assertion_key *key, const char *issuer,
                                              const struct assertion_public_key *earlier,
                                              size_t earlier_count);
struct assertion_signer *assertion_signer_ref(struct assertion_signer *signer); /* thread-safe */
void assertion_signer_unref(struct assertion_signer *signer); /* thread-safe; NULL is fine */

/* "" when there is no key to sign with. */
const char *assertion_signer_kid(const struct assertion_signer *signer);
/* The document at /.well-known/barkeep/jwks.json: the key in use, then the earlier ones. */
struct slice assertion_signer_jwks(const struct assertion_signer *signer);

/* Appends an assertion made at `now_sec` and says when it expires: after ASSERTION_LIFETIME_SEC,
 * but not later than the caller's token. `groups` is there only when they are known (else
 * `hasgroups` is true, as in Entra's own tokens). STATUS_LIMIT when it would be longer than
 * CALLER_VIEW_MAX_HEADER_BYTES, STATUS_NOT_FOUND without a key. Thread-safe. */
enum status assertion_append(struct buf *out, const struct assertion_signer *signer,
                             const struct caller_view *view, int64_t now_sec,
                             int64_t *out_expires_sec);

#endif
