/* What two configurations agree on: whatever was got under the one is good under the other. */
#ifndef BARKEEP_VAULT_AGREEMENT_H
#define BARKEEP_VAULT_AGREEMENT_H

#include "config/config.h"

/* Both are asked for, and proven, in the same way. */
bool agreement_on_identity(const struct config_identity *a, const struct config_identity *b);
/* The same vault, whatever it is called. */
bool agreement_on_vault(const struct config_vault *a, const struct config_vault *b);
/* The same name and version in the same vault; by index into each one's secrets. */
bool agreement_on_secret(const struct config *a, size_t secret_of_a, const struct config *b,
                         size_t secret_of_b);

#endif
