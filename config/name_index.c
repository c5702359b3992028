/* Open addressing with linear probing, at most half full. */
#include "config/name_index.h"

#include <stdlib.h>

static size_t hash_of(struct slice name) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 1099511628211u;
    return (size_t)(hash ^ (hash >> 32));
}

/* The slot that holds `name`, or the free one where it belongs. */
static struct name_index_slot *slot_of(const struct name_index *index, struct slice name) {
    size_t mask = index->cap - 1;
    size_t at = hash_of(name) & mask;
    while (index->slots[at].name.ptr && !slice_eq(index->slots[at].name, name))
        at = (at + 1) & mask;
    return &index->slots[at];
}

static enum status grow(struct name_index *index) {
    struct name_index bigger = {.cap = index->cap ? index->cap * 2 : 16, .count = index->count};
    bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
    if (!bigger.slots)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < index->cap; i++) {
        if (index->slots[i].name.ptr)
            *slot_of(&bigger, index->slots[i].name) = index->slots[i];
    }
    free(index->slots);
    *index = bigger;
    return STATUS_OK;
}

void name_index_done(struct name_index *index) {
    free(index->slots);
    *index = (struct name_index){0};
}

size_t name_index_find(const struct name_index *index, struct slice name) {
    if (index->cap == 0)
        return NAME_INDEX_ABSENT;
    const struct name_index_slot *slot = slot_of(index, name);
    return slot->name.ptr ? slot->value : NAME_INDEX_ABSENT;
}

enum status name_index_add(struct name_index *index, struct slice name, size_t value) {
    if ((index->count + 1) * 2 > index->cap) {
        enum status status = grow(index);
        if (status != STATUS_OK)
            return status;
    }
    if (!name.ptr)
        name.ptr = "";
    *slot_of(index, name) = (struct name_index_slot){name, value};
    index->count++;
    return STATUS_OK;
}
