/* The arithmetic of key_slot.h, in one place. */
#include "auth/key_slot.h"

size_t key_slot_count(const struct config_entra *entra) {
    return entra->tenants.count * 2 + entra->issuer_count;
}

size_t key_slot_of_tenant(size_t tenant, int version) {
    return tenant * 2 + (size_t)(version - 1);
}

size_t key_slot_of_issuer(const struct config_entra *entra, size_t issuer) {
    return entra->tenants.count * 2 + issuer;
}

struct key_slot key_slot_at(const struct config_entra *entra, size_t slot) {
    size_t first_issuer = entra->tenants.count * 2;
    if (slot >= first_issuer)
        return (struct key_slot){.tenant = CONFIG_NONE, .issuer = slot - first_issuer};
    return (struct key_slot){
        .tenant = slot / 2, .version = (int)(slot % 2) + 1, .issuer = CONFIG_NONE};
}

const char *key_slot_tenant(const struct config_entra *entra, size_t slot) {
    struct key_slot key_slot = key_slot_at(entra, slot);
    return key_slot.issuer == CONFIG_NONE ? entra->tenants.items[key_slot.tenant]
                                          : entra->issuers[key_slot.issuer].tenant;
}

bool key_slot_is_used(const struct config_entra *entra, size_t slot) {
    switch (key_slot_at(entra, slot).version) {
    case 1:
        return entra->accepts_v1;
    case 2:
        return entra->accepts_v2;
    default:
        return true;
    }
}

static bool is_same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_same_issuer(const struct config_issuer *a, const struct config_issuer *b) {
    return is_same(a->metadata, b->metadata) && is_same(a->issuer, b->issuer) &&
           is_same(a->tenant, b->tenant);
}

static bool is_same_authority(const struct config_entra *a, const struct config_entra *b) {
    return a->cloud == b->cloud && a->authority_is_override == b->authority_is_override &&
           is_same(a->authority, b->authority) && is_same(a->metadata_appid, b->metadata_appid);
}

bool key_slot_is_same(const struct config_entra *a, size_t slot_of_a, const struct config_entra *b,
                      size_t slot_of_b) {
    struct key_slot one = key_slot_at(a, slot_of_a), other = key_slot_at(b, slot_of_b);
    if (one.version != other.version)
        return false;
    if (one.issuer != CONFIG_NONE)
        return is_same_issuer(&a->issuers[one.issuer], &b->issuers[other.issuer]);
    return is_same_authority(a, b) &&
           is_same(a->tenants.items[one.tenant], b->tenants.items[other.tenant]);
}
