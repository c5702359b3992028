/* SipHash-2-4 (Aumasson and Bernstein, 2012): a hash of short texts that nobody can steer who does
 * not know the key. For tables, not for signatures. */
#ifndef BARKEEP_CORE_SIPHASH_H
#define BARKEEP_CORE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash {
    uint64_t v[4];
    uint64_t pending; /* bytes that do not fill a word yet */
    uint64_t len;
};

void siphash_begin(struct siphash *hash, const uint64_t key[2]);
void siphash_add(struct siphash *hash, const void *bytes, size_t len);
uint64_t siphash_end(struct siphash *hash);

#endif
