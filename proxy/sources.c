/* The order of making follows what each part needs of the one before; the order of ending is the
 * other way round. */
#include "proxy/sources.h"

#include <stdlib.h>

#include "proxy/mcp/facade.h"

/* The keeper's thread alone makes sources. */
static uint64_t last_id;

static void changed(struct sources *sources) {
    if (sources->is_started) {
        sources->ground.on_change(sources->ground.owner, sources);
    }
}

static void on_ring(void *owner, struct key_ring *ring) {
    struct sources *sources = owner;
    key_ring_unref(sources->ring);
    sources->ring = ring;
    changed(sources);
}

static void on_signer(void *owner, struct assertion_signer *signer) {
    struct sources *sources = owner;
    assertion_signer_unref(sources->assertions);
    sources->assertions = signer;
    changed(sources);
}

/* A secret has changed: perhaps the one that signs. */
static void on_cabinet(void *owner, struct cabinet *cabinet) {
    struct sources *sources = owner;
    const struct config_assertion *assertion = &sources->config->assertion;
    cabinet_unref(sources->cabinet);
    sources->cabinet = cabinet;
    if (assertion->has_key) {
        assertion_source_take_key(sources->assertion_source,
                                  secret_store_value(sources->secrets, assertion->key));
    }
    changed(sources);
}

/* An empty list is as good as none, and cheaper to ask. */
static void take_revocations(struct sources *sources, struct revocation_list *list) {
    bool is_empty = revocation_list_count(list) == 0;
    revocation_list_unref(sources->revocations);
    sources->revocations = is_empty ? NULL : list;
    if (is_empty) {
        revocation_list_unref(list);
    }
}

static void on_revocations(void *owner, struct revocation_list *list) {
    struct sources *sources = owner;
    take_revocations(sources, list);
    changed(sources);
}

void sources_take_addresses(struct sources *sources, struct address_book *addresses) {
    address_book_unref(sources->addresses);
    sources->addresses = addresses;
    changed(sources);
}

static enum status make_keys(struct sources *sources, struct error *err) {
    sources->keys = key_source_new(sources->ground.loop, sources->ground.client, sources->config,
                                   on_ring, sources, err);
    if (!sources->keys) {
        return STATUS_IO;
    }
    sources->ring = key_source_ring(sources->keys);
    return STATUS_OK;
}

static enum status read_revocations(struct sources *sources, struct error *err) {
    struct revocation_list *list;
    const char *file = sources->config->revoked_file;
    if (!file) {
        return STATUS_OK;
    }
    sources->revocation_source =
        revocation_source_new(sources->ground.loop, file, on_revocations, sources, &list, err);
    if (!sources->revocation_source) {
        return STATUS_INVALID;
    }
    take_revocations(sources, list);
    return STATUS_OK;
}

static enum status make_assertions(struct sources *sources, struct error *err) {
    if (!config_uses_assertions(sources->config)) {
        return STATUS_OK;
    }
    sources->assertion_source =
        assertion_source_new(sources->ground.loop, sources->config, on_signer, sources, err);
    if (!sources->assertion_source) {
        return STATUS_NO_MEMORY;
    }
    sources->assertions = assertion_source_signer(sources->assertion_source);
    return STATUS_OK;
}

static enum status make_identity(struct sources *sources, struct error *err) {
    if (sources->config->identity.kind == IDENTITY_NONE) {
        return STATUS_OK;
    }
    sources->identity =
        azure_identity_new(sources->ground.loop, sources->ground.client, sources->config, err);
    return sources->identity ? STATUS_OK : STATUS_INVALID;
}

static enum status make_on_behalf(struct sources *sources, struct error *err) {
    if (!config_uses_on_behalf_of(sources->config)) {
        return STATUS_OK;
    }
    sources->on_behalf =
        on_behalf_source_new(sources->ground.loop, sources->ground.client, sources->config, err);
    return sources->on_behalf ? STATUS_OK : STATUS_INVALID;
}

static bool has_facade(const struct config *config) {
    for (size_t i = 0; i < config->route_count; i++) {
        if (facade_is_on(config, i)) {
            return true;
        }
    }
    return false;
}

static enum status make_relay(struct sources *sources, struct error *err) {
    if (!has_facade(sources->config)) {
        return STATUS_OK;
    }
    sources->relay = token_relay_new(sources->ground.client);
    return sources->relay ? STATUS_OK : error_set(err, STATUS_NO_MEMORY, "out of memory");
}

static enum status make_groups(struct sources *sources, struct error *err) {
    sources->groups = group_source_new(sources->ground.client, sources->identity, sources->config,
                                       sources->rules->policy, err);
    return sources->groups ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status make_secrets(struct sources *sources, struct error *err) {
    sources->secrets =
        secret_store_new(sources->ground.loop, sources->ground.client, sources->identity,
                         sources->config, on_cabinet, sources, err);
    return sources->secrets ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status make_addresses(struct sources *sources, const struct sources *former,
                                  struct error *err) {
    sources->resolver =
        resolver_new(sources->config, former ? former->resolver : NULL, sources->ground.mailbox,
                     sources->id, sources->ground.on_book, &sources->addresses, err);
    return sources->resolver ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status make_all(struct sources *sources, const struct sources *former,
                            struct error *err) {
    static enum status (*const steps[])(struct sources *, struct error *) = {
        make_keys,      read_revocations, make_assertions, make_identity,
        make_on_behalf, make_relay,       make_groups,     make_secrets,
    };
    sources->rules =
        ruleset_new(sources->config, sources->ground.seal, former ? former->rules : NULL, err);
    enum status status = sources->rules ? STATUS_OK : STATUS_INVALID;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == STATUS_OK; i++) {
        status = steps[i](sources, err);
    }
    return status == STATUS_OK ? make_addresses(sources, former, err) : status;
}

struct sources *sources_new(const struct sources_ground *ground, struct config *config,
                            const struct sources *former, struct error *err) {
    struct sources *sources = calloc(1, sizeof *sources);
    if (!sources) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    sources->ground = *ground;
    sources->id = ++last_id;
    sources->config = config_ref(config);
    if (make_all(sources, former, err) != STATUS_OK) {
        sources_free(sources);
        return NULL;
    }
    return sources;
}

void sources_free(struct sources *sources) {
    if (!sources) {
        return;
    }
    sources->is_started = false;
    if (sources->keys) {
        key_source_free(sources->keys);
    }
    group_source_free(sources->groups);
    if (sources->on_behalf) {
        on_behalf_source_free(sources->on_behalf);
    }
    token_relay_free(sources->relay);
    secret_store_free(sources->secrets);
    azure_identity_free(sources->identity);
    resolver_free(sources->resolver);
    revocation_source_free(sources->revocation_source);
    assertion_source_free(sources->assertion_source);
    assertion_signer_unref(sources->assertions);
    cabinet_unref(sources->cabinet);
    key_ring_unref(sources->ring);
    address_book_unref(sources->addresses);
    revocation_list_unref(sources->revocations);
    ruleset_unref(sources->rules);
    config_unref(sources->config);
    free(sources);
}

void sources_start(struct sources *sources) {
    key_source_start(sources->keys);
    secret_store_start(sources->secrets);
    sources->is_started = true;
}

struct snapshot *sources_snapshot(const struct sources *sources) {
    const struct snapshot parts = {.rules = sources->rules,
                                   .ring = sources->ring,
                                   .cabinet = sources->cabinet,
                                   .addresses = sources->addresses,
                                   .assertions = sources->assertions,
                                   .revocations = sources->revocations};
    return snapshot_new(&parts);
}

void sources_take_want(struct sources *sources, struct want *want) {
    switch (want->kind) {
    case WANT_KEYS:
        key_source_want(sources->keys, &want->keys);
        break;
    case WANT_GROUPS:
        group_source_want(sources->groups, &want->groups);
        break;
    case WANT_CREDENTIAL:
        secret_store_want(sources->secrets, &want->credential);
        break;
    case WANT_ON_BEHALF:
        on_behalf_source_want(sources->on_behalf, &want->on_behalf);
        break;
    case WANT_SIGN_IN:
        token_relay_take(sources->relay, &want->sign_in);
        break;
    }
}

void sources_adopt(struct sources *sources, const struct sources *former) {
    key_source_adopt(sources->keys, former->keys);
    if (sources->identity && former->identity) {
        azure_identity_adopt(sources->identity, former->identity);
    }
    group_source_adopt(sources->groups, former->groups);
    secret_store_adopt(sources->secrets, former->secrets);
    if (sources->assertion_source && former->assertion_source) {
        assertion_source_adopt(sources->assertion_source, sources->config, former->assertion_source,
                               former->config);
    }
}
