/* What leak_set.c makes and leak_scan.c searches with.
 *
 * A needle is a form, or an even part of one that is longer than LEAK_NEEDLE_MAX. The search looks
 * at one gram (four bytes) of the stream in every `stride` bytes. Wherever a needle lies, one of
 * the grams at its first `stride` offsets is among those looked at, so it is enough to know these.
 */
#ifndef BARKEEP_VAULT_LEAK_INDEX_H
#define BARKEEP_VAULT_LEAK_INDEX_H

#include <stdatomic.h>

#include "core/secret.h"
#include "vault/leak_set.h"

enum {
    LEAK_NEEDLE_MAX = LEAK_KEPT_MAX + 1,
    LEAK_GRAM_BYTES = 4,
    LEAK_STRIDE_MAX = 8,
    LEAK_STRIDE_BITS = 3,
    LEAK_FILTER_PER_BUCKET_BITS = 6, /* as a power of two */
};

struct leak_needle {
    uint32_t at; /* in `bytes` */
    uint16_t len;
    uint16_t shared; /* bytes at the front that the needle before has too */
};

/* Needles that share their head: their first stride + 3 bytes. */
struct leak_group {
    uint32_t first;  /* needle */
    uint16_t period; /* of the first `run` bytes of the first needle; 0: they do not repeat */
    uint16_t run;
};

/* Everything pointed to is in `memory`. */
struct leak_set {
    atomic_size_t refs;
    struct secret *memory;
    const struct leak_needle *needles; /* in order of their bytes, no two alike */
    const struct leak_group *groups; /* in the same order; one more, whose first is behind the last
                                        needle */
    /* Group and offset (the lower bits) of each gram, those of a bucket from the highest offset to
     * the lowest. */
    const uint32_t *entries;
    const uint32_t *buckets;  /* the first entry of each; one more than there are */
    const uint32_t *filter;   /* a bit for each hash that a gram has */
    const uint32_t *initials; /* a bit for each byte that a needle begins with */
    const char *bytes;
    uint32_t needle_count;
    uint32_t group_count;
    uint32_t stride;
    unsigned hash_bits; /* the filter has 1 << hash_bits bits */
};

static inline uint32_t leak_gram_hash(const struct leak_set *set, const char *bytes) {
    uint32_t gram;
    memcpy(&gram, bytes, sizeof gram);
    return gram * UINT32_C(0x9E3779B1) >> (32 - set->hash_bits);
}

static inline uint32_t leak_bit(const uint32_t *bits, uint32_t number) {
    return bits[number >> 5] >> (number & 31) & 1;
}

#endif
