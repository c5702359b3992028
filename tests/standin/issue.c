/* Access tokens for applications and managed identities. As in real ones, nbf and iat lie five
 * minutes back. */
#include "issue.h"

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

struct issued_token issue_token(const struct world *world, const struct resource *resource,
                                const struct issue_order *order) {
    int64_t now = clock_wall_sec();
    const json_t *roles =
        resource->client_id ? json_object_get(order->roles, resource->client_id) : NULL;
    struct claims_order claims_order = {
        .origin = world->origin,
        .tenant = order->tenant,
        .audience = resource->audience,
        .version = resource->token_version,
        .issued = now - BACKDATED_SEC,
        .not_before = now - BACKDATED_SEC,
        .expires = now + order->lifetime_sec,
        .client_id = order->client_id,
        .client_auth = order->client_auth,
        .oid = order->oid,
        .resource_id = resource->api ? NULL : order->resource_id,
        .roles = roles,
        .is_cae_capable = order->is_cae_capable,
    };
    json_t *claims = claims_make(&claims_order);
    struct issued_token token = {
        .text = must(token_sign(key_ring_at(world->keys, 0), TOKEN_RS256, resource->token_version,
                                claims, NULL)),
        .not_before = claims_order.not_before,
        .expires = claims_order.expires,
    };
    json_decref(claims);
    return token;
}
