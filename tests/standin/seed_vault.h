/* The vaults' part of the seed. */
#ifndef BARKEEP_STANDIN_SEED_VAULT_H
#define BARKEEP_STANDIN_SEED_VAULT_H

#include "seed.h"

/* Out of the document's `vault_roles`, `vaults` and `default_vault`; the directory is there. */
enum status seed_read_vaults(struct seed *seed, struct error *err);

/* What `tenant` of an object says; the first tenant when it says nothing. */
const char *seed_tenant_of(const struct seed *seed, const json_t *object);
/* A tenant named must be one of ours. */
enum status seed_check_tenant(const struct seed *seed, const json_t *object, const char *path,
                              struct error *err);

#endif
