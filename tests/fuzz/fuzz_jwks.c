/* Any bytes as a key document and as a metadata document: bounded, and what is taken is fit for
 * use. */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>

#include "auth/key_set.h"
#include "auth/metadata.h"
#include "fuzz_target.h"

static const char *tenants[] = {"3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"};

static const struct config_entra entra = {
    .tenants = {tenants, 1},
    .cloud = CLOUD_PUBLIC,
    .authority = "https://login.microsoftonline.com",
};

static void check_key(const struct verification_key *key) {
    if (!key)
        return;
    if (EVP_PKEY_get_bits(key->key) < 2048 || EVP_PKEY_get_bits(key->key) > 8192 ||
        !key->verifier || key->kid.len == 0)
        abort();
}

static void read_keys(struct slice json) {
    struct error err = {{0}};
    size_t refused = 0;
    struct key_set *set = key_set_parse(json, &refused, &err);
    if ((set == NULL) != (err.text[0] != '\0'))
        abort();
    if (!set)
        return;
    if (key_set_count(set) + refused > KEY_SET_MAX_KEYS || !key_set_eq(set, set))
        abort();
    check_key(key_set_find(set, SLICE("key-1")));
    check_key(key_set_find(set, SLICE("key-2")));
    key_set_unref(set);
}

static void read_metadata(struct slice json) {
    struct metadata metadata;
    struct error err = {{0}};
    for (int version = 1; version <= 2; version++) {
        if (metadata_parse(json, &entra, key_slot_of_tenant(0, version), &metadata, &err) !=
            STATUS_OK)
            continue;
        if (!issuer_names_tenant(slice_of_str(metadata.issuer), tenants[0]) ||
            !slice_eq_nocase(slice_of(metadata.jwks_uri, 4), SLICE("http")))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct slice json = slice_of((const char *)bytes, len);
    read_keys(json);
    read_metadata(json);
    return 0;
}
