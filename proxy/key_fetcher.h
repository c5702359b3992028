/* Key sets for a command that judges one token and ends: from the state folder, or fetched on a
 * loop of its own, each set once, in bounded time. */
#ifndef BARKEEP_PROXY_KEY_FETCHER_H
#define BARKEEP_PROXY_KEY_FETCHER_H

#include "auth/key_source.h"

struct key_fetcher;

/* `is_offline`: only what the folder `state` has is used, and nothing is fetched or written.
 * `config` must outlive it. NULL with err. */
struct key_fetcher *key_fetcher_new(const struct config *config, bool is_offline,
                                    struct error *err);
void key_fetcher_free(struct key_fetcher *fetcher); /* NULL is fine */

/* The keys that are there now; valid until the next fetch. */
const struct key_ring *key_fetcher_ring(const struct key_fetcher *fetcher);
/* Fetches one set, unless it was tried before. True when the ring may hold more than it did. */
bool key_fetcher_fetch(struct key_fetcher *fetcher, size_t slot);
/* Why the set is not there; "" when it is. Valid until the next fetch. */
const char *key_fetcher_problem(const struct key_fetcher *fetcher, size_t slot);

#endif
