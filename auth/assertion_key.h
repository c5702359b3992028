/* A P-256 key that signs assertions, and what the world may know of it. */
#ifndef BARKEEP_AUTH_ASSERTION_KEY_H
#define BARKEEP_AUTH_ASSERTION_KEY_H

#include "core/json_out.h"
#include "core/secret.h"
#include "core/status.h"

/* 32 bytes as base64url, and NUL. */
#define ASSERTION_KEY_TEXT_SIZE 44

struct assertion_public_key {
    char kid[ASSERTION_KEY_TEXT_SIZE]; /* RFC 7638 thumbprint */
    char x[ASSERTION_KEY_TEXT_SIZE];
    char y[ASSERTION_KEY_TEXT_SIZE];
};

struct assertion_key {
    struct secret *pem; /* PKCS#8 */
    struct assertion_public_key public_key;
};

/* A new one. */
enum status assertion_key_make(struct assertion_key *out_key, struct error *err);
/* From PEM, PKCS#8 or SEC1, unencrypted. STATUS_INVALID for everything but one P-256 private key;
 * err never quotes. */
enum status assertion_key_parse(struct slice pem, struct assertion_key *out_key, struct error *err);
void assertion_key_done(struct assertion_key *key); /* a zeroed one is fine */

/* Its entry in a JWKS (RFC 7517). */
void assertion_public_key_write(struct json_out *out, const struct assertion_public_key *key);

#endif
