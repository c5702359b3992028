/* How many connections each caller's address has, over all workers. */
#ifndef BARKEEP_PROXY_PEER_COUNTS_H
#define BARKEEP_PROXY_PEER_COUNTS_H

#include "proxy/client_address.h"

enum { PEER_COUNT_ROWS = 4, PEER_COUNT_COLUMNS = 65536 };

struct peer_counts;

/* Where one address counts. */
struct peer_place {
    uint16_t columns[PEER_COUNT_ROWS];
};

/* NULL without memory or random bytes. */
struct peer_counts *peer_counts_new(void);
void peer_counts_free(struct peer_counts *counts); /* NULL is fine */

/* Of an IPv6 address the first 64 bits count: the rest is its owner's to choose. `address` is an
 * IP. */
struct peer_place peer_counts_place(const struct peer_counts *counts,
                                    const struct client_address *address);

/* One more. Returns how many there are now, this one included: never too few; too many only when in
 * every row another address with more connections shares its place. From any thread. */
uint32_t peer_counts_add(struct peer_counts *counts, const struct peer_place *place);
/* One less: what was added once is removed once. */
void peer_counts_remove(struct peer_counts *counts, const struct peer_place *place);

#endif
