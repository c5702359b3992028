/* An immutable array of renderings, and of what is looked for. Cabinets share what did not change,
 * so that publishing costs a pointer a credential and route. */
#include "vault/cabinet.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct route_leaks {
    struct leak_set *set; /* NULL: nothing is looked for */
    bool is_missing;      /* something is to be, and cannot */
};

struct cabinet {
    atomic_size_t refs;
    struct route_leaks *routes;
    size_t route_count;
    size_t count;
    struct rendering *renderings[];
};

static void take_leaks(struct cabinet *cabinet, const struct leak_unions *unions) {
    for (size_t i = 0; i < cabinet->route_count; i++) {
        const struct leak_union *leaks = leak_unions_of(unions, i);
        if (leaks && leaks->set)
            cabinet->routes[i].set = leak_set_ref(leaks->set);
        cabinet->routes[i].is_missing = leaks && !leaks->is_made;
    }
}

struct cabinet *cabinet_new(struct rendering *const *renderings, size_t count,
                            const struct leak_unions *unions) {
    const size_t route_count = unions->config->route_count;
    struct cabinet *cabinet = calloc(1, sizeof *cabinet + count * sizeof *renderings);
    struct route_leaks *routes = calloc(route_count ? route_count : 1, sizeof *routes);
    if (!cabinet || !routes) {
        free(cabinet);
        free(routes);
        return NULL;
    }
    atomic_init(&cabinet->refs, 1);
    cabinet->routes = routes;
    cabinet->route_count = route_count;
    take_leaks(cabinet, unions);
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
    for (size_t i = 0; i < cabinet->route_count; i++)
        leak_set_unref(cabinet->routes[i].set);
    free(cabinet->routes);
    free(cabinet);
}

const struct rendered_credential *cabinet_credential(const struct cabinet *cabinet,
                                                     size_t credential) {
    assert(credential < cabinet->count);
    return rendering_credential(cabinet->renderings[credential]);
}

bool cabinet_leaks(const struct cabinet *cabinet, size_t route, const struct leak_set **out_leaks) {
    assert(route < cabinet->route_count);
    const struct route_leaks *leaks = &cabinet->routes[route];
    if (leaks->is_missing)
        return false;
    *out_leaks = leaks->set;
    return true;
}
