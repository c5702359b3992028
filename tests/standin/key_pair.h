/* A private key of the vault and what it can do. azure.md D.10. */
#ifndef BARKEEP_STANDIN_KEY_PAIR_H
#define BARKEEP_STANDIN_KEY_PAIR_H

#include <jansson.h>
#include <stdbool.h>

#include "core/slice.h"
#include "core/status.h"

struct key_pair;

/* What key to make: `type` "RSA" with `bits` 2048, 3072 or 4096, or "EC" with `curve` "P-256",
 * "P-384", "P-521". 0 and NULL are the first of these. */
struct key_order {
    const char *type;
    int64_t bits;
    const char *curve;
};

/* STATUS_INVALID when there are no such keys. */
enum status key_order_check(const struct key_order *order, struct error *err);
/* NULL with the reason in `err`. */
struct key_pair *key_pair_make(const struct key_order *order, struct error *err);
/* NULL is fine. */
void key_pair_free(struct key_pair *key);

bool key_pair_is_rsa(const struct key_pair *key);
/* PKCS#8; the caller frees. */
char *key_pair_pem(const struct key_pair *key);
/* Puts kty and the public part's members (n, e or crv, x, y) into `jwk`. */
void key_pair_describe(const struct key_pair *key, json_t *jwk);

/* Bytes on the heap. */
struct octets {
    unsigned char *bytes;
    size_t len;
};

/* Signs a digest made by the caller: RS, PS and ES 256, 384, 512; ECDSA gives r and s side by
 * side. STATUS_INVALID with the vault's words when `alg` does not fit the key or the digest. */
enum status key_pair_sign(const struct key_pair *key, const char *alg, struct slice digest,
                          struct octets *out_signature, struct error *err);
enum status key_pair_verify(const struct key_pair *key, const char *alg, struct slice digest,
                            struct slice signature, bool *out_is_good, struct error *err);
/* RSA-OAEP-256, RSA-OAEP and RSA1_5, which also wrap and unwrap. */
enum status key_pair_encrypt(const struct key_pair *key, const char *alg, struct slice plain,
                             struct octets *out_cipher, struct error *err);
enum status key_pair_decrypt(const struct key_pair *key, const char *alg, struct slice cipher,
                             struct octets *out_plain, struct error *err);

#endif
