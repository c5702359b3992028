/* What the answers about one secret and about a list of versions have in common. Private to
 * key_vault*.c. */
#ifndef BARKEEP_VAULT_KEY_VAULT_PARTS_H
#define BARKEEP_VAULT_KEY_VAULT_PARTS_H

#include "vault/azure_answer.h"
#include "vault/key_vault.h"

struct key_vault_attributes {
    bool is_enabled;
    int64_t not_before_sec;
    int64_t expires_sec; /* INT64_MAX: never */
    int64_t created_sec;
};

/* The version that the member "id" names, lower case, when it is one of secret `name`. */
enum status key_vault_read_id(const struct azure_answer *answer, const char *name,
                              char out_version[KEY_VAULT_VERSION_SIZE], struct error *err);
enum status key_vault_read_attributes(const struct azure_answer *answer,
                                      struct key_vault_attributes *out_attributes,
                                      struct error *err);
/* Why a version may not be used at `wall_sec`; NULL when it may. */
const char *key_vault_objection(const struct key_vault_attributes *attributes, int64_t wall_sec);
/* When a version that may not be used at `wall_sec` may be; 0 for never. */
int64_t key_vault_valid_from(const struct key_vault_attributes *attributes, int64_t wall_sec);

#endif
