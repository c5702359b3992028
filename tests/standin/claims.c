/* The payload of Entra's tokens. Opaque claims are random and as long as the real ones, because
 * token size is part of what a proxy has to cope with. */
#include "claims.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "must.h"

char *issuer_v1(const char *origin, const char *tenant) {
    return must_printf("%s/%s/", origin, tenant);
}

char *issuer_v2(const char *origin, const char *tenant) {
    return must_printf("%s/%s/v2.0", origin, tenant);
}

static void put(json_t *claims, const char *name, const char *value) {
    if (value)
        json_object_set_new(claims, name, must(json_string(value)));
}

/* `prefix` and then random bytes in base64url. */
static void put_opaque(json_t *claims, const char *name, const char *prefix, size_t bytes) {
    char *tail = opaque_random(bytes);
    char *text = must_printf("%s%s", prefix, tail);
    put(claims, name, text);
    free(text);
    free(tail);
}

static void put_list(json_t *claims, const char *name, const json_t *list) {
    if (json_array_size(list) > 0)
        json_object_set_new(claims, name, must(json_deep_copy(list)));
}

/* A user's `sub` is the same for one API and different for the next. */
static void put_pairwise_subject(json_t *claims, const struct claims_order *order) {
    char *pair = must_printf("%s %s", order->oid, order->audience);
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t digest_len = 0;
    must_hold(EVP_Q_digest(NULL, "SHA256", NULL, pair, strlen(pair), digest, &digest_len) == 1);
    char *subject = base64url_encode(digest, digest_len);
    put(claims, "sub", subject);
    free(subject);
    free(pair);
}

/* azure.md A.10: the endpoint is on the retired Azure AD Graph, as in real tokens. */
static void put_overage(json_t *claims, const struct claims_order *order) {
    char *endpoint =
        must_printf("https://graph.windows.net/%s/%s/%s/getMemberObjects", order->tenant,
                    order->name ? "users" : "servicePrincipals", order->oid);
    json_object_set_new(claims, "_claim_names", must(json_pack("{s:s}", "groups", "src1")));
    json_object_set_new(claims, "_claim_sources",
                        must(json_pack("{s:{s:s}}", "src1", "endpoint", endpoint)));
    free(endpoint);
}

static void put_user(json_t *claims, const struct claims_order *order) {
    put(claims, "name", order->name);
    put_pairwise_subject(claims, order);
    if (order->version == 2) {
        put(claims, "preferred_username", order->upn);
    } else {
        const char *space = strchr(order->name, ' ');
        char *given = must_printf("%.*s", (int)strcspn(order->name, " "), order->name);
        put(claims, "given_name", given);
        put(claims, "family_name", space ? space + 1 : NULL);
        put(claims, "unique_name", order->upn);
        put(claims, "upn", order->upn);
        put(claims, "ipaddr", "203.0.113.7");
        put(claims, "acr", "1");
        json_object_set_new(claims, "amr", must(json_pack("[s]", "pwd")));
        free(given);
    }
    char session[GUID_SIZE];
    guid_random(session);
    put(claims, "sid", session);
    if (!order->is_id_token) {
        json_object_set_new(claims, "acct", must(json_integer(0)));
        put(claims, "scp", order->scopes);
    }
}

static void put_app(json_t *claims, const struct claims_order *order) {
    put(claims, "idtyp", "app");
    put(claims, "sub", order->oid);
    put(claims, "xms_mirid", order->resource_id);
    if (order->version == 1) {
        char *issuer = issuer_v1(order->origin, order->tenant);
        put(claims, "idp", issuer);
        free(issuer);
    }
}

static void put_client(json_t *claims, const struct claims_order *order) {
    bool is_v1 = order->version == 1;
    if (order->is_id_token) { /* an ID token's client is its audience, azure.md A.9 */
        if (order->nonce)
            put(claims, "nonce", order->nonce);
        else
            put_opaque(claims, "nonce", "", 24);
        return;
    }
    put(claims, is_v1 ? "appid" : "azp", order->client_id);
    put(claims, is_v1 ? "appidacr" : "azpacr", order->client_auth);
}

static void put_groups(json_t *claims, const struct claims_order *order) {
    if (order->has_overage)
        put_overage(claims, order);
    else
        put_list(claims, "groups", order->groups);
}

json_t *claims_make(const struct claims_order *order) {
    bool is_v1 = order->version == 1;
    char *issuer =
        is_v1 ? issuer_v1(order->origin, order->tenant) : issuer_v2(order->origin, order->tenant);
    json_t *claims =
        must(json_pack("{s:s, s:s, s:I, s:I, s:I}", "aud", order->audience, "iss", issuer, "iat",
                       (json_int_t)order->issued, "nbf", (json_int_t)order->not_before, "exp",
                       (json_int_t)order->expires));
    free(issuer);
    put_opaque(claims, "aio", "AXQAi/8ZAAAA", 72);
    put_client(claims, order);
    put_groups(claims, order);
    put_opaque(claims, "xms_ftd", "", 32);
    put(claims, "oid", order->oid);
    put_opaque(claims, "rh", "1.AUoA", 36);
    put_list(claims, "roles", order->roles);
    if (order->name)
        put_user(claims, order);
    else
        put_app(claims, order);
    put(claims, "tid", order->tenant);
    put_opaque(claims, "uti", "", 16);
    put(claims, "ver", is_v1 ? "1.0" : "2.0");
    if (order->is_cae_capable)
        json_object_set_new(claims, "xms_cc", must(json_pack("[s]", "cp1")));
    return claims;
}
