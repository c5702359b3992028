/* The signing keys of one issuer: parsed from a JWKS document once, immutable afterwards, shared
 * between threads. azure.md A.2, A.3. */
#ifndef BARKEEP_AUTH_KEY_SET_H
#define BARKEEP_AUTH_KEY_SET_H

#include <openssl/types.h>

#include "core/slice.h"
#include "core/status.h"

#define KEY_SET_MAX_DOCUMENT_BYTES (512 * 1024)
#define KEY_SET_MAX_KEYS 200

struct verification_key {
    struct slice kid;
    struct slice
        issuer;    /* per-key issuer, perhaps with "{tenantid}"; empty when the document has none */
    EVP_PKEY *key; /* RSA, >= 2048 bits, public part only */
    EVP_PKEY_CTX *verifier;        /* of that key, for jws_verify_rs256() */
    unsigned char fingerprint[32]; /* SHA-256 over n and e: tells a replaced key under an old kid */
};

struct key_set;

/* Unusable keys (other kty, use other than sig, weak, private, duplicate kid, ...) are left out one
 * by one and counted; a malformed document is refused whole and err says why. The caller owns one
 * reference. */
struct key_set *key_set_parse(struct slice json, size_t *out_refused_keys, struct error *err);
struct key_set *key_set_ref(struct key_set *set); /* thread-safe */
void key_set_unref(struct key_set *set);          /* thread-safe; NULL is fine */

size_t key_set_count(const struct key_set *set);
/* True when both hold the same keys under the same kids for the same issuers. */
bool key_set_eq(const struct key_set *a, const struct key_set *b);
const struct verification_key *key_set_find(const struct key_set *set, struct slice kid);

/* Every key set barkeep holds: for each configured tenant the one of its v1 and of its v2 metadata.
 * An immutable snapshot; a refresh publishes a new ring that shares the unchanged sets. */
struct key_ring_slot {
    struct key_set *keys; /* NULL: not fetched yet, or staler than allowed */
    char *issuer;         /* expected iss, tenant filled in; NULL while unknown */
    int64_t fetched_wall_sec;
};

struct key_ring {
    _Atomic uint32_t refs;
    size_t tenant_count;
    struct key_ring_slot *slots; /* [tenant * 2 + (version - 1)] */
};

struct key_ring *key_ring_new(size_t tenant_count); /* all slots empty */
/* A copy whose slots share the key sets: to be changed before it is published. */
struct key_ring *key_ring_copy(const struct key_ring *ring);
struct key_ring *key_ring_ref(struct key_ring *ring); /* thread-safe */
void key_ring_unref(struct key_ring *ring);           /* thread-safe; NULL is fine */
struct key_ring_slot *key_ring_slot(const struct key_ring *ring, size_t tenant, int version);

#endif
