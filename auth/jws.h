/* Compact JWS (RFC 7515 7.1) with RS256, payload-agnostic: key and bytes in, verdict out. Judges no
 * claim. */
#ifndef BARKEEP_AUTH_JWS_H
#define BARKEEP_AUTH_JWS_H

#include <openssl/types.h>

#include "core/slice.h"
#include "core/status.h"

struct jws_parts {
    struct slice header; /* base64url text of the three segments */
    struct slice payload;
    struct slice signature;
    struct slice signing_input; /* header "." payload */
};

/* Exactly three non-empty segments of the base64url alphabet, none with a length of 1 mod 4, no
 * padding, canonical trailing bits. */
enum status jws_split(struct slice token, struct jws_parts *out_parts);

/* Strict base64url (RFC 4648 5, no padding, canonical trailing bits). `out_bytes` has room for
 * base64url_decoded_size(text.len). */
size_t base64url_decoded_size(size_t text_len);
enum status base64url_decode(struct slice text, unsigned char *out_bytes, size_t *out_len);

/* What verifying with one key needs, made ready once: looking the algorithm up for every token
 * would cost a lock that all threads share and a fifth of the verification. NULL without memory or
 * when `key` is not RSA. The caller frees it with EVP_PKEY_CTX_free(). */
EVP_PKEY_CTX *jws_rs256_verifier_new(EVP_PKEY *key);

/* RSASSA-PKCS1-v1_5 with SHA-256 over signing_input. The key is RSA of at least 2048 bits (see
 * key_set). Thread-safe: `verifier` is only copied. */
bool jws_verify_rs256(const struct jws_parts *parts, const EVP_PKEY_CTX *verifier);

#endif
