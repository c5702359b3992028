/* Where a secret may go: its tag barkeep-hosts, written by who keeps the vault. contract section 4.
 */
#ifndef BARKEEP_VAULT_SECRET_HOSTS_H
#define BARKEEP_VAULT_SECRET_HOSTS_H

#include "core/arena.h"
#include "vault/secret_store.h"

/* Reads "host[:port] ..." into `arena`. A tag that is empty, malformed in any item, or too long
 * names no host at all: what cannot be understood must not widen. False without memory. */
bool secret_hosts_read(const char *tag, struct arena *arena, struct rendered_hosts *out_hosts);

/* `host` without brackets. */
bool secret_hosts_hold(const struct rendered_hosts *hosts, struct slice host, uint16_t port);

#endif
