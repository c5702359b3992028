/* A count-min sketch (Cormode and Muthukrishnan, 2005): each row hashes an address to one of its
 * counters, and the smallest of an address's counters is its number. Fixed memory, no entries to
 * make or to remove, nobody waits for anybody. The hash has a random key, so that nobody can aim at
 * another's counters. */
#include "proxy/peer_counts.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/siphash.h"

struct peer_counts {
    uint64_t key[2];
    _Atomic uint32_t rows[PEER_COUNT_ROWS][PEER_COUNT_COLUMNS];
};

struct peer_counts *peer_counts_new(void) {
    struct peer_counts *counts = calloc(1, sizeof *counts);
    if (counts && getrandom(counts->key, sizeof counts->key, 0) != sizeof counts->key) {
        free(counts);
        return NULL;
    }
    return counts;
}

void peer_counts_free(struct peer_counts *counts) {
    free(counts);
}

static bool is_ipv4(const struct client_address *address) {
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

struct peer_place peer_counts_place(const struct peer_counts *counts,
                                    const struct client_address *address) {
    struct siphash hash;
    struct peer_place place;
    siphash_begin(&hash, counts->key);
    siphash_add(&hash, address->bytes,
                is_ipv4(address) ? sizeof address->bytes : sizeof address->bytes / 2);
    uint64_t columns = siphash_end(&hash);
    for (size_t row = 0; row < PEER_COUNT_ROWS; row++) {
        place.columns[row] = (uint16_t)(columns >> (16 * row));
    }
    return place;
}

uint32_t peer_counts_add(struct peer_counts *counts, const struct peer_place *place) {
    uint32_t least = UINT32_MAX;
    for (size_t row = 0; row < PEER_COUNT_ROWS; row++) {
        uint32_t before = atomic_fetch_add_explicit(&counts->rows[row][place->columns[row]], 1,
                                                    memory_order_relaxed);
        least = before < least ? before : least;
    }
    return least + 1;
}

void peer_counts_remove(struct peer_counts *counts, const struct peer_place *place) {
    for (size_t row = 0; row < PEER_COUNT_ROWS; row++) {
        atomic_fetch_sub_explicit(&counts->rows[row][place->columns[row]], 1, memory_order_relaxed);
    }
}
