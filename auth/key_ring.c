/* The snapshot of all key sets that workers read: changed by copying, never in place. */
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/key_set.h"

struct key_ring *key_ring_new(size_t slot_count) {
    struct key_ring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return NULL;
    ring->refs = 1;
    ring->slot_count = slot_count;
    ring->slots = calloc(slot_count ? slot_count : 1, sizeof *ring->slots);
    if (!ring->slots) {
        free(ring);
        return NULL;
    }
    return ring;
}

struct key_ring *key_ring_copy(const struct key_ring *ring) {
    struct key_ring *copy = key_ring_new(ring->slot_count);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < ring->slot_count; i++) {
        const struct key_ring_slot *from = &ring->slots[i];
        struct key_ring_slot *to = &copy->slots[i];
        *to = *from;
        to->keys = from->keys ? key_set_ref(from->keys) : NULL;
        to->issuer = from->issuer ? slice_strdup(slice_of_str(from->issuer)) : NULL;
        if (from->issuer && !to->issuer) {
            key_ring_unref(copy);
            return NULL;
        }
    }
    return copy;
}

bool key_ring_has_same_keys(const struct key_ring *a, const struct key_ring *b) {
    if (a->slot_count != b->slot_count)
        return false;
    for (size_t i = 0; i < a->slot_count; i++)
        if (a->slots[i].keys != b->slots[i].keys)
            return false;
    return true;
}

struct key_ring *key_ring_ref(struct key_ring *ring) {
    atomic_fetch_add_explicit(&ring->refs, 1, memory_order_relaxed);
    return ring;
}

void key_ring_unref(struct key_ring *ring) {
    if (!ring || atomic_fetch_sub_explicit(&ring->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < ring->slot_count; i++) {
        key_set_unref(ring->slots[i].keys);
        free(ring->slots[i].issuer);
    }
    free(ring->slots);
    free(ring);
}

struct key_ring_slot *key_ring_slot(const struct key_ring *ring, size_t slot) {
    return &ring->slots[slot];
}
