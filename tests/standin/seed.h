/* The world at start: a JSON document (SEED.md) becomes the directory and the vaults. */
#ifndef BARKEEP_STANDIN_SEED_H
#define BARKEEP_STANDIN_SEED_H

#include "directory.h"
#include "vault.h"

struct seed {
    json_t *document; /* the directory's strings live here */
    struct directory directory;
    struct vault_set vaults;
};

/* Sections that `text` leaves out are those of the default seed; NULL is the default seed as a
 * whole. Unknown members, wrong types and dangling names are STATUS_INVALID with their path. */
enum status seed_parse(const char *text, struct seed *out_seed, struct error *err);
void seed_done(struct seed *seed);

/* azure.md A.6's tenant in JSON. */
extern const char default_seed[];

#endif
