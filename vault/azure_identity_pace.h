/* For tests only: shortens every wait of an identity. */
#ifndef BARKEEP_VAULT_AZURE_IDENTITY_PACE_H
#define BARKEEP_VAULT_AZURE_IDENTITY_PACE_H

#include "vault/azure_identity.h"

/* How long a second of token lifetime, back-off and Retry-After lasts. 1000 unless set. */
void azure_identity_set_second_ms(struct azure_identity *identity, uint32_t second_ms);

#endif
