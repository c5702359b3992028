/* One of Entra's signing keys: an RSA pair known by the thumbprint of its certificate. azure.md
 * A.2. */
#ifndef BARKEEP_STANDIN_SIGNING_KEY_H
#define BARKEEP_STANDIN_SIGNING_KEY_H

#include <jansson.h> /* JSON values are the stand-in's documents and cross its headers */

#include "core/slice.h"
#include "core/status.h"

struct signing_key;

/* Reads a private key and its certificate. NULL with the reason in `err`. */
struct signing_key *signing_key_parse(const char *pem, struct error *err);
void signing_key_free(struct signing_key *key);

/* base64url(SHA-1(certificate)), 27 characters; kid and x5t are the same. */
const char *signing_key_id(const struct signing_key *key);
const char *signing_key_private_pem(const struct signing_key *key);
/* For tokens that claim HS256 over the public key. The caller frees. */
char *signing_key_public_pem(const struct signing_key *key);

/* The JWK; `issuer` NULL leaves that member out (v1 key document). The caller owns it. */
json_t *signing_key_jwk(const struct signing_key *key, const char *issuer);

/* RS256 over the bytes as they are. */
bool signing_key_verify(const struct signing_key *key, struct slice text,
                        const unsigned char *signature, size_t signature_len);

#endif
