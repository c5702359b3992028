/* On-behalf-of: a user's access token for the calling application becomes one for another resource.
 * azure.md C.9. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "claims.h"
#include "core/clock.h"
#include "encoding.h"
#include "must.h"
#include "token_call.h"
#include "token_check.h"
#include "user_token.h"

#define REFRESH_TOKEN_BYTES 240 /* nobody redeems it */

static bool refuse(const struct token_call *call, enum entra_error error, const char *about) {
    token_refuse(call, error, about);
    return false;
}

static bool read_wish(const struct token_call *call, struct scope_wish *wish) {
    struct entra_refusal refusal;
    const char *resource = token_field(call, "resource");
    if (call->is_v2 && resource)
        return refuse(call, ENTRA_RESOURCE_ON_V2, NULL);
    if (call->is_v2)
        return scope_wish_read(wish, token_field(call, "scope"), &refusal) ||
               refuse(call, refusal.error, refusal.about);
    if (!resource)
        return refuse(call, ENTRA_PARAMETER_MISSING, "'resource'");
    scope_wish_for_all(wish, resource);
    return true;
}

static bool is_issued_by(const struct token_call *call, const char *issuer) {
    char *v1 = issuer_v1(call->world->origin, call->tenant->id);
    char *v2 = issuer_v2(call->world->origin, call->tenant->id);
    bool is_ours = strcmp(issuer, v1) == 0 || strcmp(issuer, v2) == 0;
    free(v1);
    free(v2);
    return is_ours;
}

/* The client id, or one of the App ID URIs with or without a slash behind it. */
static bool is_audience(const struct app *app, const char *audience) {
    if (strcasecmp(audience, app->client_id) == 0)
        return true;
    for (size_t i = 0; i < json_array_size(app->uris); i++) {
        const char *uri = json_string_value(json_array_get(app->uris, i));
        size_t len = strlen(uri);
        if (strncmp(audience, uri, len) == 0 &&
            (!audience[len] || strcmp(audience + len, "/") == 0))
            return true;
    }
    return false;
}

static bool is_current(const json_t *claims) {
    int64_t now = clock_wall_sec();
    const json_t *not_before = json_object_get(claims, "nbf");
    return json_integer_value(json_object_get(claims, "exp")) > now &&
           (!not_before || json_integer_value(not_before) <= now);
}

static bool check_assertion(const struct token_call *call, const struct app *app,
                            const struct jws *jws) {
    const json_t *claims = jws->claims;
    bool is_access_token = *jws_text(claims, "azp") || *jws_text(claims, "appid");
    if (!token_signature_is_good(call->world->keys, jws))
        return refuse(call, ENTRA_USER_ASSERTION, "the signature is not good");
    if (!is_issued_by(call, jws_text(claims, "iss")))
        return refuse(call, ENTRA_USER_ASSERTION, "the issuer is another");
    if (!is_audience(app, jws_text(claims, "aud")))
        return refuse(call, ENTRA_USER_ASSERTION,
                      "the audience of the assertion is not the application");
    if (!is_access_token)
        return refuse(call, ENTRA_USER_ASSERTION_IS_ID, NULL);
    if (strcmp(jws_text(claims, "idtyp"), "app") == 0 || !*jws_text(claims, "scp"))
        return refuse(call, ENTRA_USER_ASSERTION_IS_APP, NULL);
    if (!is_current(claims))
        return refuse(call, ENTRA_USER_ASSERTION_TIME, NULL);
    return true;
}

/* A test's rule for the application or for the user. */
static bool is_ruled_out(const struct token_call *call, const struct app *app,
                         const json_t *claims) {
    const struct user *user = directory_user(&call->world->seed.directory, jws_text(claims, "oid"));
    return sign_in_rule_refuses(&app->rule, claims, call->request, call->reply) ||
           (user && sign_in_rule_refuses(&user->rule, claims, call->request, call->reply));
}

static const char *first_text(const json_t *claims, const char *name, const char *other_name,
                              const char *fallback) {
    const char *text = jws_text(claims, name);
    if (!*text)
        text = jws_text(claims, other_name);
    return *text ? text : fallback;
}

static void exchange(const struct token_call *call, const struct proven_client *client,
                     const struct scope_wish *wish, const json_t *claims) {
    char *refresh_token = wish->wants_refresh_token ? opaque_random(REFRESH_TOKEN_BYTES) : NULL;
    user_token_answer(
        call, &(struct user_token_order){
                  .wish = wish,
                  .client_id = client->app->client_id,
                  .client_auth = client->strength,
                  .oid = jws_text(claims, "oid"),
                  .name = first_text(claims, "name", "oid", "nobody"),
                  .upn = first_text(claims, "preferred_username", "upn", "nobody@fabrikam.example"),
                  .refresh_token = refresh_token,
              });
    free(refresh_token);
}

void on_behalf_of(struct token_call *call) {
    struct proven_client client;
    const char *use = token_field(call, "requested_token_use");
    const char *assertion = token_field(call, "assertion");
    if (!client_prove(call, &client))
        return;
    if (!use || strcmp(use, "on_behalf_of") != 0) {
        refuse(call, ENTRA_PARAMETER_MISSING, "'requested_token_use' of on_behalf_of");
        return;
    }
    if (!assertion) {
        refuse(call, ENTRA_PARAMETER_MISSING, "'assertion'");
        return;
    }
    struct jws jws;
    struct scope_wish wish = {0};
    if (!jws_parse(&jws, slice_of_str(assertion)))
        refuse(call, ENTRA_ASSERTION_MALFORMED, NULL);
    else if (check_assertion(call, client.app, &jws) && read_wish(call, &wish) &&
             !is_ruled_out(call, client.app, jws.claims))
        exchange(call, &client, &wish, jws.claims);
    scope_wish_done(&wish);
    jws_done(&jws);
}
