/* The snapshot of all key sets that workers read: changed by copying, never in place. */
#include <stdatomic.h>
#include <stdlib.h>

#include "auth/key_set.h"

struct key_ring *key_ring_new(size_t tenant_count) {
    struct key_ring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return NULL;
    ring->refs = 1;
    ring->tenant_count = tenant_count;
    ring->slots = calloc(tenant_count ? tenant_count * 2 : 1, sizeof *ring->slots);
    if (!ring->slots) {
        free(ring);
        return NULL;
    }
    return ring;
}

struct key_ring *key_ring_copy(const struct key_ring *ring) {
    struct key_ring *copy = key_ring_new(ring->tenant_count);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < ring->tenant_count * 2; i++) {
        const struct key_ring_slot *from = &ring->slots[i];
        struct key_ring_slot *to = &copy->slots[i];
        to->fetched_wall_sec = from->fetched_wall_sec;
        to->keys = from->keys ? key_set_ref(from->keys) : NULL;
        to->issuer = from->issuer ? slice_strdup(slice_of_str(from->issuer)) : NULL;
        if (from->issuer && !to->issuer) {
            key_ring_unref(copy);
            return NULL;
        }
    }
    return copy;
}

struct key_ring *key_ring_ref(struct key_ring *ring) {
    atomic_fetch_add_explicit(&ring->refs, 1, memory_order_relaxed);
    return ring;
}

void key_ring_unref(struct key_ring *ring) {
    if (!ring || atomic_fetch_sub_explicit(&ring->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < ring->tenant_count * 2; i++) {
        key_set_unref(ring->slots[i].keys);
        free(ring->slots[i].issuer);
    }
    free(ring->slots);
    free(ring);
}

struct key_ring_slot *key_ring_slot(const struct key_ring *ring, size_t tenant, int version) {
    return &ring->slots[tenant * 2 + (size_t)(version - 1)];
}
