/* One version of a secret in our hands. */
#ifndef BARKEEP_VAULT_HELD_VERSION_H
#define BARKEEP_VAULT_HELD_VERSION_H

#include "vault/vault_client.h"

/* Zero-initialise. */
struct held_version {
    struct secret *value; /* NULL: nothing is held */
    char version[KEY_VAULT_VERSION_SIZE];
    int64_t expires_sec; /* wall clock; 0 for never */
    bool has_hosts;      /* the tag barkeep-hosts is there */
    char hosts[KEY_VAULT_HOSTS_SIZE];
};

/* Takes what a good outcome brought. */
void held_version_set(struct held_version *held, const struct fetch_outcome *outcome);
void held_version_drop(struct held_version *held);
/* `to` holds nothing yet. */
void held_version_copy(struct held_version *to, const struct held_version *from);
/* What `to` held is dropped; `from` holds nothing afterwards. */
void held_version_move(struct held_version *to, struct held_version *from);

/* The same version with the same value. */
bool held_version_is(const struct held_version *held, const struct fetch_outcome *outcome);
bool held_version_has_hosts_of(const struct held_version *held,
                               const struct fetch_outcome *outcome);
/* The tag, NULL when there is none. */
const char *held_version_hosts(const struct held_version *held);

#endif
