/* For tests only: shortens every wait of a store. */
#ifndef BARKEEP_VAULT_SECRET_STORE_PACE_H
#define BARKEEP_VAULT_SECRET_STORE_PACE_H

#include "vault/secret_store.h"

/* How long a second of refresh, max_stale, back-off and Retry-After lasts. 1000 unless set. Set it
 * before secret_store_start(). */
void secret_store_set_second_ms(struct secret_store *store, uint32_t second_ms);

#endif
