/* How much secret memory a configuration takes. */
#ifndef BARKEEP_PROXY_SECRET_HEAP_H
#define BARKEEP_PROXY_SECRET_HEAP_H

#include "config/config.h"

/* For everything the vaults hold, however many callers' tokens are there: a power of two. 0 without
 * memory to find out. */
size_t secret_heap_bytes(const struct config *config);

#endif
