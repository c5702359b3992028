/* Counts by name: how often, and when last. Born with a limit; names beyond it are counted
 * together.
 */
#ifndef BARKEEP_PROXY_TALLY_H
#define BARKEEP_PROXY_TALLY_H

#include "core/slice.h"

#define TALLY_TIME_SIZE 25

struct tally_row {
    char *key; /* NUL-terminated */
    uint64_t count;
    char last[TALLY_TIME_SIZE]; /* the latest time given, RFC 3339; "" without any */
};

struct tally {
    struct tally_row *rows;
    size_t count;
    size_t limit;
    uint32_t *places; /* hash table: row + 1 */
    size_t place_count;
    uint64_t beyond; /* counted without a row */
};

void tally_init(struct tally *tally, size_t limit);
void tally_done(struct tally *tally);
/* A time that is none is left out. */
void tally_add(struct tally *tally, const char *key, struct slice time);
/* NULL when it was never counted. */
const struct tally_row *tally_find(const struct tally *tally, const char *key);
/* Most frequent first, equal ones by name. tally_find() and tally_add() are over then. */
void tally_sort(struct tally *tally);

#endif
