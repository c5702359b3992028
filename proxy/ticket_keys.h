/* The keys that session tickets are sealed with: one set for all listeners and workers of the
 * process, so that a caller resumes wherever its next connection ends, also after a reload. They
 * change with time: a key that leaks late opens nothing old. */
#ifndef BARKEEP_PROXY_TICKET_KEYS_H
#define BARKEEP_PROXY_TICKET_KEYS_H

#include <stdbool.h>

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* How long tickets are taken; a key seals for TICKET_KEY_LIFE_SEC and opens for as long again. */
enum { TICKET_LIFE_SEC = 2 * 3600, TICKET_KEY_LIFE_SEC = 4 * 3600 };

/* Has `ssl_ctx` seal and open its tickets with them. False when there are no random bytes or no
 * memory for keys. */
bool ticket_keys_use(struct ssl_ctx_st *ssl_ctx);

#endif
