/* The reference's rounds over words of eight bytes, little-endian, the length in the last one. */
#include "core/siphash.h"

#include <endian.h>
#include <string.h>

static uint64_t rotate(uint64_t word, int bits) {
    return word << bits | word >> (64 - bits);
}

static inline void mix(uint64_t v[4]) {
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void take_word(struct siphash *hash, uint64_t word) {
    hash->v[3] ^= word;
    mix(hash->v);
    mix(hash->v);
    hash->v[0] ^= word;
}

void siphash_begin(struct siphash *hash, const uint64_t key[2]) {
    *hash = (struct siphash){.v = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                                   key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u}};
}

/* Whole words first, wherever they begin; then what is left byte by byte. */
void siphash_add(struct siphash *hash, const void *bytes, size_t len) {
    const unsigned char *at = bytes;
    const unsigned char *end = at + len;
    unsigned shift = 8 * (hash->len & 7);
    hash->len += len;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        word = le64toh(word);
        take_word(hash, hash->pending | word << shift);
        hash->pending = shift ? word >> (64 - shift) : 0;
    }
    for (; at < end; at++) {
        hash->pending |= (uint64_t)*at << shift;
        shift = (shift + 8) % 64;
        if (shift == 0) {
            take_word(hash, hash->pending);
            hash->pending = 0;
        }
    }
}

uint64_t siphash_end(struct siphash *hash) {
    take_word(hash, hash->pending | hash->len << 56);
    hash->v[2] ^= 0xff;
    for (int round = 0; round < 4; round++) {
        mix(hash->v);
    }
    return hash->v[0] ^ hash->v[1] ^ hash->v[2] ^ hash->v[3];
}
