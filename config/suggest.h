/* "did you mean": the known word nearest to a mistyped one. */
#ifndef BARKEEP_CONFIG_SUGGEST_H
#define BARKEEP_CONFIG_SUGGEST_H

#include "core/slice.h"

/* Feed it every known word; `best` is the nearest one that is near enough, or NULL. */
struct suggestion {
    struct slice word;
    struct slice best;
    size_t distance;
};

void suggestion_init(struct suggestion *suggestion, struct slice mistyped);
void suggestion_try(struct suggestion *suggestion, struct slice known);

/* Insertions, deletions, substitutions and swaps of neighbours, letters compared without case.
 * SIZE_MAX when either word is longer than 64 bytes. */
size_t suggest_distance(struct slice a, struct slice b);

#endif
