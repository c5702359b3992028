/* The Authorization field that shows one of our tokens to a service. */
#ifndef BARKEEP_VAULT_BEARER_HEADER_H
#define BARKEEP_VAULT_BEARER_HEADER_H

#include "core/secret.h"

/* "Authorization: Bearer TOKEN", built in secret memory, the terminating NUL included. NULL without
 * secret memory. The caller unrefs. */
struct secret *bearer_header_new(const struct secret *token);

#endif
