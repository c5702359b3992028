/* An immutable array of renderings. Cabinets share the renderings that did not change, so that
 * publishing costs a pointer a credential. */
#include "vault/cabinet.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct cabinet {
    atomic_size_t refs;
    size_t count;
    struct rendering *renderings[];
};

struct cabinet *cabinet_new(struct rendering *const *renderings, size_t count) {
    struct cabinet *cabinet = calloc(1, sizeof *cabinet + count * sizeof *renderings);
    if (!cabinet)
        return NULL;
    atomic_init(&cabinet->refs, 1);
    cabinet->count = count;
    for (size_t i = 0; i < count; i++)
        cabinet->renderings[i] = rendering_ref(renderings[i]);
    return cabinet;
}

struct cabinet *cabinet_ref(struct cabinet *cabinet) {
    atomic_fetch_add_explicit(&cabinet->refs, 1, memory_order_relaxed);
    return cabinet;
}

void cabinet_unref(struct cabinet *cabinet) {
    if (!cabinet || atomic_fetch_sub_explicit(&cabinet->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < cabinet->count; i++)
        rendering_unref(cabinet->renderings[i]);
    free(cabinet);
}

const struct rendered_credential *cabinet_credential(const struct cabinet *cabinet,
                                                     size_t credential) {
    assert(credential < cabinet->count);
    return rendering_credential(cabinet->renderings[credential]);
}
