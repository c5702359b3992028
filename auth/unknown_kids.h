/* One worker's memory of key ids that a fresh look did not find: a client that keeps sending a
 * token of a withdrawn key must not cause a look each time one may be made again. Of fixed size;
 * the newer of two that fall together stays. */
#ifndef BARKEEP_AUTH_UNKNOWN_KIDS_H
#define BARKEEP_AUTH_UNKNOWN_KIDS_H

#include <stdbool.h>

#include "core/slice.h"

struct unknown_kids;

struct unknown_kids *unknown_kids_new(void); /* NULL without memory */
void unknown_kids_free(struct unknown_kids *kids);

/* `generation` is the one of the slot's set: a newer set is looked at anew. */
bool unknown_kids_has(const struct unknown_kids *kids, size_t slot, const char *kid,
                      uint64_t generation);
/* Slots mean something else from now on. */
void unknown_kids_clear(struct unknown_kids *kids);
void unknown_kids_add(struct unknown_kids *kids, size_t slot, const char *kid, uint64_t generation);

#endif
