/* Reference counting only: nothing in a snapshot changes after it was made. */
#include "proxy/snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "proxy/mcp/missing_tool.h"
#include "proxy/mcp/pins.h"

static bool shares_an_upstream(const struct config_route *a, const struct config_route *b) {
    for (size_t i = 0; i < a->upstream_count; i++) {
        for (size_t j = 0; j < b->upstream_count; j++) {
            if (strcmp(a->upstreams[i].text, b->upstreams[j].text) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* The route of the same name and server; CONFIG_NONE: there was none. */
static size_t ruleset_find_same(const struct ruleset *rules, const struct config_route *route) {
    for (size_t i = 0; rules && i < rules->config->route_count; i++) {
        const struct config_route *other = &rules->config->routes[i];
        if (strcmp(other->name, route->name) == 0 && shares_an_upstream(other, route)) {
            return i;
        }
    }
    return CONFIG_NONE;
}

/* False with err. */
static bool ruleset_load_pins(struct ruleset *rules, const struct ruleset *former,
                              struct error *err) {
    const struct config *config = rules->config;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_mcp *mcp = config->routes[i].mcp;
        if (!mcp_pins_are_in_force(mcp)) {
            continue;
        }
        size_t same = ruleset_find_same(former, &config->routes[i]);
        rules->pins[i] = mcp_pins_load_after(mcp->pins_file,
                                             same == CONFIG_NONE ? NULL : former->pins[same], err);
        if (!rules->pins[i]) {
            return false;
        }
    }
    return true;
}

static void ruleset_keep_forms(struct ruleset *rules, const struct ruleset *former) {
    for (size_t i = 0; i < rules->config->route_count; i++) {
        size_t same = ruleset_find_same(former, &rules->config->routes[i]);
        for (size_t era = 0; era < sizeof rules->missing_tools->form; era++) {
            atomic_init(&rules->missing_tools[i].form[era],
                        same == CONFIG_NONE
                            ? 0
                            : atomic_load_explicit(&former->missing_tools[same].form[era],
                                                   memory_order_relaxed));
        }
    }
}

static void ruleset_drop_pins(struct ruleset *rules) {
    for (size_t i = 0; rules->pins && i < rules->config->route_count; i++) {
        mcp_pins_unref(rules->pins[i]);
    }
    free(rules->pins);
}

struct ruleset *ruleset_new(struct config *config, const struct mcp_seal *seal,
                            const struct ruleset *former, struct error *err) {
    struct ruleset *rules = calloc(1, sizeof *rules);
    if (!rules) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        return NULL;
    }
    atomic_init(&rules->refs, 1);
    rules->config = config_ref(config);
    rules->policy = policy_new(config);
    rules->router = router_new(config);
    rules->seal = seal;
    rules->places = calloc(config->route_count + 1, sizeof *rules->places);
    rules->pins = calloc(config->route_count + 1, sizeof(struct mcp_pins *));
    rules->missing_tools = calloc(config->route_count + 1, sizeof *rules->missing_tools);
    if (!rules->policy || !rules->router || !rules->places || !rules->pins ||
        !rules->missing_tools) {
        error_set(err, STATUS_NO_MEMORY, "out of memory");
        ruleset_unref(rules);
        return NULL;
    }
    ruleset_keep_forms(rules, former);
    rules->tls = tls_contexts_new(config, err);
    rules->servers = rules->tls ? tls_servers_new(config, err) : NULL;
    if (!rules->servers || !ruleset_load_pins(rules, former, err)) {
        ruleset_unref(rules);
        return NULL;
    }
    return rules;
}

struct ruleset *ruleset_ref(struct ruleset *rules) {
    atomic_fetch_add_explicit(&rules->refs, 1, memory_order_relaxed);
    return rules;
}

void ruleset_unref(struct ruleset *rules) {
    if (!rules || atomic_fetch_sub_explicit(&rules->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    policy_free(rules->policy);
    router_free(rules->router);
    free(rules->places);
    free(rules->missing_tools);
    ruleset_drop_pins(rules);
    tls_contexts_free(rules->tls, rules->config->route_count);
    tls_servers_free(rules->servers, rules->config->listen_count);
    config_unref(rules->config);
    free(rules);
}

struct snapshot *snapshot_new(const struct snapshot *parts) {
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot) {
        return NULL;
    }
    atomic_init(&snapshot->refs, 1);
    snapshot->rules = ruleset_ref(parts->rules);
    snapshot->ring = parts->ring ? key_ring_ref(parts->ring) : NULL;
    snapshot->cabinet = parts->cabinet ? cabinet_ref(parts->cabinet) : NULL;
    snapshot->addresses = address_book_ref(parts->addresses);
    snapshot->assertions = parts->assertions ? assertion_signer_ref(parts->assertions) : NULL;
    snapshot->revocations = parts->revocations ? revocation_list_ref(parts->revocations) : NULL;
    return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot) {
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot) {
    if (!snapshot || atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    ruleset_unref(snapshot->rules);
    key_ring_unref(snapshot->ring);
    cabinet_unref(snapshot->cabinet);
    address_book_unref(snapshot->addresses);
    assertion_signer_unref(snapshot->assertions);
    revocation_list_unref(snapshot->revocations);
    free(snapshot);
}
