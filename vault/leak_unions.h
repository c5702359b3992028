/* The searches of all routes: one for each choice of credentials that a route may inject. */
#ifndef BARKEEP_VAULT_LEAK_UNIONS_H
#define BARKEEP_VAULT_LEAK_UNIONS_H

#include "vault/leak_union.h"

/* Embed; zero-initialise. */
struct leak_unions {
    const struct config *config;
    struct leak_union *items;
    size_t count;
    size_t *of_routes; /* as config->routes; CONFIG_NONE: nothing is looked for */
};

/* False without memory. `config` must outlive it. */
bool leak_unions_init(struct leak_unions *unions, const struct config *config);
void leak_unions_done(struct leak_unions *unions);

enum leak_unions_outcome {
    LEAK_UNIONS_DONE,
    LEAK_UNIONS_AGAIN, /* versions before were dropped: render without them and come back */
    LEAK_UNIONS_NO_MEMORY,
};

/* After rendering. Where secret memory does not suffice for a search, the versions before are
 * dropped if that helps; else its credentials stay what they are in the newest cabinet while that
 * may be; else the routes have no search and are to send nothing. Each is logged. */
enum leak_unions_outcome leak_unions_make(struct leak_unions *unions, struct shelf *shelves,
                                          struct stored_secret *secrets,
                                          const struct shelf_views *views);
/* NULL: nothing is looked for in answers of this route. */
const struct leak_union *leak_unions_of(const struct leak_unions *unions, size_t route);

#endif
