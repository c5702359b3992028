/* What a worker judges and serves by at one moment: configuration, rules, keys, credentials,
 * addresses, revocations. Immutable; the keeper publishes a new one whenever a part changes, and
 * every exchange pins the one it began with. */
#ifndef BARKEEP_PROXY_SNAPSHOT_H
#define BARKEEP_PROXY_SNAPSHOT_H

#include "auth/assertion.h"
#include "auth/key_set.h"
#include "auth/policy.h"
#include "auth/revocation.h"
#include "config/config.h"
#include "proxy/resolver.h"
#include "proxy/router.h"
#include "proxy/tls.h"
#include "proxy/tls_server.h"
#include "vault/secret_store.h"

/* The parts that change only when the configuration does. */
struct mcp_missing_tool;
struct mcp_pins;
struct mcp_seal;

struct ruleset {
    _Atomic uint32_t refs;
    struct config *config;
    struct policy *policy;
    struct router *router;
    struct tls_context **tls;               /* by route */
    struct tls_server **servers;            /* by entry of `listen` */
    const struct mcp_seal *seal;            /* of the process */
    struct mcp_pins **pins;                 /* by route; NULL where there are none */
    struct mcp_missing_tool *missing_tools; /* by route: how its servers say that there is none */
    size_t *places; /* by route: where it counts; the keeper fills them in before publishing */
};

/* Takes its own reference to `config`, and reads the files of certificates, keys, authorities and
 * pins it names. What is known of MCP servers under `former` (NULL: there is none) stays known.
 * NULL with err. */
struct ruleset *ruleset_new(struct config *config, const struct mcp_seal *seal,
                            const struct ruleset *former, struct error *err);
struct ruleset *ruleset_ref(struct ruleset *ruleset);
void ruleset_unref(struct ruleset *ruleset);

struct snapshot {
    _Atomic uint32_t refs;
    struct ruleset *rules;
    struct key_ring *ring;   /* NULL before the first one */
    struct cabinet *cabinet; /* NULL before the first one */
    struct address_book *addresses;
    struct assertion_signer *assertions; /* NULL when none are signed */
    struct revocation_list *revocations; /* NULL when nothing is revoked */
};

/* Holds what `parts` names (its count of references aside), with a reference of its own to each.
 * NULL without memory. */
struct snapshot *snapshot_new(const struct snapshot *parts);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is fine */

#endif
