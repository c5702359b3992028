/* From a name to its place in an array, in constant time: a file with thousands of roles, routes or
 * keys must not cost the square of their number. */
#ifndef BARKEEP_CONFIG_NAME_INDEX_H
#define BARKEEP_CONFIG_NAME_INDEX_H

#include "core/slice.h"
#include "core/status.h"

struct name_index_slot {
    struct slice name; /* borrowed; ptr NULL in free slots */
    size_t value;
};

/* Zero-initialise. */
struct name_index {
    struct name_index_slot *slots;
    size_t cap; /* a power of two */
    size_t count;
};

void name_index_done(struct name_index *index);

#define NAME_INDEX_ABSENT SIZE_MAX
/* The value kept for `name`, or NAME_INDEX_ABSENT. */
size_t name_index_find(const struct name_index *index, struct slice name);
/* `name` must not be there yet and must outlive the index. STATUS_NO_MEMORY or STATUS_OK. */
enum status name_index_add(struct name_index *index, struct slice name, size_t value);

#endif
