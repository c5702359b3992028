/* What the answers of some routes must not repeat: the values of every credential that these may
 * inject, now and before. An upstream may tell one caller what it got with another's request. */
#ifndef BARKEEP_VAULT_LEAK_UNION_H
#define BARKEEP_VAULT_LEAK_UNION_H

#include "vault/leak_set.h"
#include "vault/shelf.h"

/* Embed; zero-initialise. */
struct leak_union {
    size_t *credentials; /* indexes, ascending; owned */
    size_t credential_count;
    struct leak_set *set; /* NULL: there is nothing to look for, or it could not be made */
    bool is_made;         /* `set` has everything that the newest cabinet injects */
    bool lacks_memory;    /* it could not be made of what is held now */
    uint64_t made_of;     /* sum of the change counts of what it was made of */
    uint64_t tried_of;    /* the same of the last try */
    uint64_t told_of;     /* the same of the try whose lack of memory was logged */
};

/* Without a value or token of its own in what goes upstream there is nothing to look for. */
bool leak_union_looks_for(const struct config_credential *credential);

/* Makes the set anew if anything it is made of has changed. False without memory: then it is what
 * it was, and lacks_memory is set. */
bool leak_union_make(struct leak_union *leaks, const struct shelf *shelves,
                     const struct stored_secret *secrets, const struct shelf_views *views);
/* True when there is memory for what is held now without the versions before. */
bool leak_union_fits_alone(const struct leak_union *leaks, const struct shelf *shelves,
                           const struct shelf_views *views);
void leak_union_done(struct leak_union *leaks);

#endif
