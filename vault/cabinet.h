/* The cabinet's maker's side; its readers see secret_store.h only. */
#ifndef BARKEEP_VAULT_CABINET_H
#define BARKEEP_VAULT_CABINET_H

#include "vault/leak_unions.h"

/* Takes a reference to each of the `count` renderings, and to what is looked for. NULL without
 * memory. */
struct cabinet *cabinet_new(struct rendering *const *renderings, size_t count,
                            const struct leak_unions *unions);

#endif
