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

#define KEY_SET_MAX_REFUSALS 8

struct key_refusal {
    char kid[64];    /* made printable, cut off; "" when there is none */
    const char *why; /* a fixed text */
};

struct key_refusals {
    size_t count;                                   /* all of them */
    struct key_refusal items[KEY_SET_MAX_REFUSALS]; /* the first ones */
};

/* Unusable keys (other kty, use other than sig, weak, private, duplicate kid, ...) are left out one
 * by one and counted; a malformed document is refused whole and err says why. The caller owns one
 * reference. */
struct key_set *key_set_parse(struct slice json, size_t *out_refused_keys, struct error *err);
/* The same, telling which keys were left out and why. Keys that name another cloud than
 * `cloud_instance` (the metadata's cloud_instance_name; NULL: it states none) are left out too:
 * azure.md A.2. */
struct key_set *key_set_parse_of_cloud(struct slice json, const char *cloud_instance,
                                       struct key_refusals *out_refusals, struct error *err);
struct key_set *key_set_ref(struct key_set *set); /* thread-safe */
void key_set_unref(struct key_set *set);          /* thread-safe; NULL is fine */

size_t key_set_count(const struct key_set *set);
/* True when both hold the same keys under the same kids for the same issuers. */
bool key_set_eq(const struct key_set *a, const struct key_set *b);
const struct verification_key *key_set_find(const struct key_set *set, struct slice kid);
/* In the order of their kids' lengths and bytes. */
const struct verification_key *key_set_at(const struct key_set *set, size_t index);

/* Every key set barkeep holds, by slot (key_slot.h). An immutable snapshot; a refresh publishes a
 * new ring that shares the unchanged sets. */
struct key_ring_slot {
    struct key_set *keys; /* NULL: not fetched yet, or staler than allowed */
    char *issuer;         /* expected iss, tenant filled in; NULL while unknown */
    int64_t fetched_wall_sec;
    uint64_t generation;      /* changes with every good fetch */
    uint64_t closed_until_ms; /* monotonic: before it, asking for a fresh look is of no use */
};

struct key_ring {
    _Atomic uint32_t refs;
    size_t slot_count;
    struct key_ring_slot *slots;
};

struct key_ring *key_ring_new(size_t slot_count); /* all slots empty */
/* A copy whose slots share the key sets: to be changed before it is published. */
struct key_ring *key_ring_copy(const struct key_ring *ring);
/* True when both hold the same sets, whatever else differs. */
bool key_ring_has_same_keys(const struct key_ring *a, const struct key_ring *b);
struct key_ring *key_ring_ref(struct key_ring *ring); /* thread-safe */
void key_ring_unref(struct key_ring *ring);           /* thread-safe; NULL is fine */
struct key_ring_slot *key_ring_slot(const struct key_ring *ring, size_t slot);

#endif
