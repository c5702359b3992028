/* Access token, perhaps ID token and refresh token, for one resource. azure.md C.9. */
#include "user_token.h"

#include <stdlib.h>
#include <string.h>

#include "encoding.h"
#include "must.h"

#define LIFETIME_SEC 4799
#define LONG_LIFETIME_SEC (24 * 60 * 60 - 1) /* for clients that can be told of revocation */

/* MSAL's account: {"uid": OID, "utid": TENANT} in base64url. */
static void put_client_info(json_t *more, const struct token_call *call, const char *oid) {
    const char *asked = token_field(call, "client_info");
    if (!asked || strcmp(asked, "1") != 0)
        return;
    json_t *account = must(json_pack("{s:s, s:s}", "uid", oid, "utid", call->tenant->id));
    char *text = must(json_dumps(account, JSON_COMPACT));
    char *encoded = base64url_encode(text, strlen(text));
    json_object_set_new(more, "client_info", must(json_string(encoded)));
    free(encoded);
    free(text);
    json_decref(account);
}

static json_t *make_extras(const struct token_call *call, const struct user_token_order *order,
                           const json_t *scopes, const struct issue_order *issue) {
    char *prefix = must_printf("%s/", order->wish->resource_name);
    char *scope = scope_names_join(scopes, prefix);
    json_t *more = must(json_pack("{s:s}", "scope", scope));
    free(scope);
    free(prefix);
    put_client_info(more, call, order->oid);
    if (order->refresh_token)
        json_object_set_new(more, "refresh_token", must(json_string(order->refresh_token)));
    if (order->wish->wants_id_token) {
        struct issued_token token = issue_id_token(call->world, issue);
        json_object_set_new(more, "id_token", must(json_string(token.text)));
        free(token.text);
    }
    return more;
}

static void answer(const struct token_call *call, const struct user_token_order *order,
                   const struct resource *resource, const json_t *scopes) {
    bool is_capable = token_wants_cae(call);
    char *scp = scope_names_join(scopes, "");
    struct issue_order issue = {
        .tenant = call->tenant->id,
        .client_id = order->client_id,
        .oid = order->oid,
        .name = order->name,
        .upn = order->upn,
        .scopes = scp,
        .client_auth = order->client_auth,
        .nonce = order->nonce,
        .is_cae_capable = is_capable,
        .lifetime_sec = is_capable ? LONG_LIFETIME_SEC : LIFETIME_SEC,
    };
    struct issued_token token = issue_token(call->world, resource, &issue);
    token_answer(call, &token, resource, make_extras(call, order, scopes, &issue));
    free(token.text);
    free(scp);
}

bool user_token_answer(const struct token_call *call, const struct user_token_order *order) {
    struct resource resource;
    struct entra_refusal refusal;
    if (!issue_find_resource(call->world, order->wish->resource_name, &resource)) {
        token_refuse(call, ENTRA_UNKNOWN_RESOURCE, order->wish->resource_name);
        return false;
    }
    json_t *scopes = scope_wish_grant(order->wish, &resource, &refusal);
    if (!scopes) {
        token_refuse(call, refusal.error, refusal.about);
        return false;
    }
    answer(call, order, &resource, scopes);
    json_decref(scopes);
    return true;
}
