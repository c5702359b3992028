/* One worker's memory of tokens that callers' tokens were exchanged for: no lock, bounded, each
 * kept until it runs out. */
#ifndef BARKEEP_PROXY_ON_BEHALF_SHELF_H
#define BARKEEP_PROXY_ON_BEHALF_SHELF_H

#include <stdint.h>

#include "vault/credential.h"

struct on_behalf_shelf;

struct on_behalf_shelf *on_behalf_shelf_new(void);
void on_behalf_shelf_free(struct on_behalf_shelf *shelf); /* NULL is fine */

/* A reference for the caller to what the token with `digest` was exchanged for, or NULL. */
struct rendering *on_behalf_shelf_find(struct on_behalf_shelf *shelf,
                                       const unsigned char digest[32], size_t credential,
                                       uint64_t now_ms);
/* Takes a reference of its own; none while secret memory is scarce and there is no older entry to
 * replace. */
void on_behalf_shelf_insert(struct on_behalf_shelf *shelf, const unsigned char digest[32],
                            size_t credential, struct rendering *rendering, uint64_t now_ms,
                            uint64_t until_ms);
/* The configuration has changed: its indexes mean something else. */
void on_behalf_shelf_clear(struct on_behalf_shelf *shelf);
/* The upstream refused it: another is asked for the next time, unless this one is only a moment
 * old. */
void on_behalf_shelf_doubt(struct on_behalf_shelf *shelf, const unsigned char digest[32],
                           size_t credential, uint64_t now_ms);

#endif
