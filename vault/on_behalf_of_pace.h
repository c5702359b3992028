/* For tests only: shortens every wait of a source. */
#ifndef BARKEEP_VAULT_ON_BEHALF_OF_PACE_H
#define BARKEEP_VAULT_ON_BEHALF_OF_PACE_H

#include "vault/on_behalf_of.h"

/* How long a second of token lifetime, memory, pause and Retry-After lasts. 1000 unless set. */
void on_behalf_source_set_second_ms(struct on_behalf_source *source, uint32_t second_ms);

#endif
