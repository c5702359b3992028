/* Tokens of the endpoints. As in real ones, nbf and iat lie five
 * minutes back. */
#include "issue.h"

#include <string.h>

#include "core/clock.h"
#include "must.h"
#include "token_sign.h"

#define BACKDATED_SEC 300

bool issue_find_resource(const struct world *world, const char *name,
                         struct resource *out_resource) {
    const struct vault_set *vaults = &world->seed.vaults;
    for (size_t i = 0; i < vaults->count; i++)
        if (directory_resource(&world->seed.directory, name, vaults->vaults[i].resource,
                               out_resource))
            return true;
    return directory_resource(&world->seed.directory, name, NULL, out_resource);
}

bool issue_resource_is(const struct world *world, const char *name,
                       const struct resource *resource) {
    struct resource named;
    if (!name)
        return true;
    if (!issue_find_resource(world, name, &named))
        return false;
    return named.api == resource->api &&
           (named.api || strcmp(named.audience, resource->audience) == 0);
}

static struct claims_order order_claims(const struct world *world,
                                        const struct issue_order *order) {
    int64_t now = clock_wall_sec();
    int64_t lifetime_sec =
        world->token_lifetime_sec ? world->token_lifetime_sec : order->lifetime_sec;
    return (struct claims_order){
        .origin = world->origin,
        .tenant = order->tenant,
        .issued = now - BACKDATED_SEC,
        .not_before = now - BACKDATED_SEC,
        .expires = now + lifetime_sec,
        .client_id = order->client_id,
        .client_auth = order->client_auth,
        .oid = order->oid,
        .name = order->name,
        .upn = order->upn,
        .scopes = order->scopes,
        .nonce = order->nonce,
        .is_cae_capable = order->is_cae_capable,
    };
}

static struct issued_token sign(const struct world *world, const struct claims_order *order) {
    json_t *claims = claims_make(order);
    struct issued_token token = {
        .text = must(
            token_sign(key_ring_at(world->keys, 0), TOKEN_RS256, order->version, claims, NULL)),
        .not_before = order->not_before,
        .expires = order->expires,
        .lifetime_sec = order->expires - order->issued - BACKDATED_SEC,
    };
    json_decref(claims);
    return token;
}

struct issued_token issue_token(const struct world *world, const struct resource *resource,
                                const struct issue_order *order) {
    struct claims_order claims_order = order_claims(world, order);
    claims_order.audience = resource->audience;
    claims_order.version = resource->token_version;
    claims_order.resource_id = resource->api ? NULL : order->resource_id;
    if (resource->client_id)
        claims_order.roles = json_object_get(order->roles, resource->client_id);
    return sign(world, &claims_order);
}

struct issued_token issue_id_token(const struct world *world, const struct issue_order *order) {
    struct claims_order claims_order = order_claims(world, order);
    claims_order.audience = order->client_id;
    claims_order.version = 2;
    claims_order.is_id_token = true;
    return sign(world, &claims_order);
}
