/* Which key set is meant. Every tenant has one for v1 and one for v2 tokens, every static issuer
 * has one; a slot is the place of a set in the ring: tenant * 2 + (version - 1), then the issuers.
 */
#ifndef BARKEEP_AUTH_KEY_SLOT_H
#define BARKEEP_AUTH_KEY_SLOT_H

#include "config/config.h"

struct key_slot {
    size_t tenant; /* in entra.tenants, or CONFIG_NONE */
    int version;   /* 1 or 2; 0 for a static issuer, whose tokens are of one form */
    size_t issuer; /* in entra.issuers, or CONFIG_NONE */
};

size_t key_slot_count(const struct config_entra *entra);
size_t key_slot_of_tenant(size_t tenant, int version);
size_t key_slot_of_issuer(const struct config_entra *entra, size_t issuer);
/* `slot` is below key_slot_count(). */
struct key_slot key_slot_at(const struct config_entra *entra, size_t slot);
/* The GUID of the tenant that the set's tokens speak for. */
const char *key_slot_tenant(const struct config_entra *entra, size_t slot);
/* False for the version of tokens that the configuration does not accept. */
bool key_slot_is_used(const struct config_entra *entra, size_t slot);
/* True when both are the same set, of keys and of issuers to be expected: only then is what was got
 * for the one good for the other. */
bool key_slot_is_same(const struct config_entra *a, size_t slot_of_a, const struct config_entra *b,
                      size_t slot_of_b);

#endif
