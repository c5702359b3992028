/* The grants of people who signed in at authorize: a code, once, and refresh tokens, which are
 * answered with a new one each time while the old one stays good, as Entra ID's do. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "encoding.h"
#include "must.h"
#include "user_token.h"

static bool refuse(const struct token_call *call, enum entra_error error, const char *about) {
    token_refuse(call, error, about);
    return false;
}

/* NULL when the call was refused. */
static struct grant *find_grant(const struct token_call *call, enum grant_kind kind,
                                const char *name) {
    const char *text = token_field(call, name);
    const struct app *app = client_find(call);
    if (!app)
        return NULL;
    struct grant *grant = text ? sign_ins_find(&call->world->sign_ins, kind, text) : NULL;
    if (!text)
        refuse(call, ENTRA_PARAMETER_MISSING, kind == GRANT_CODE ? "'code'" : "'refresh_token'");
    else if (!grant || grant->app != app)
        refuse(call, ENTRA_GRANT_UNKNOWN, NULL);
    else
        return grant;
    return NULL;
}

/* A public client has nothing to prove and must not try to. */
static bool admit(const struct token_call *call, const struct grant *grant,
                  const char **out_strength) {
    struct proven_client client = {.strength = "0"};
    if (!grant->is_public && !client_prove(call, &client))
        return false;
    if (grant->is_public &&
        (token_credential(call, "client_secret") || token_field(call, "client_assertion")))
        return refuse(call, ENTRA_PUBLIC_CLIENT, NULL);
    *out_strength = client.strength;
    return true;
}

static bool verifies(const struct grant *grant, const char *verifier) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len = 0;
    if (!grant->code_challenge)
        return !verifier;
    if (!verifier || grant->is_plain)
        return verifier && strcmp(verifier, grant->code_challenge) == 0;
    must_hold(EVP_Q_digest(NULL, "SHA256", NULL, verifier, strlen(verifier), digest, &len) == 1);
    char *challenge = base64url_encode(digest, len);
    bool is_good = strcmp(challenge, grant->code_challenge) == 0;
    free(challenge);
    return is_good;
}

static bool judge_code(const struct token_call *call, const struct grant *grant) {
    const char *redirect_uri = token_field(call, "redirect_uri");
    if (grant->is_redeemed)
        return refuse(call, ENTRA_CODE_REDEEMED, NULL);
    if (!redirect_uri)
        return refuse(call, ENTRA_PARAMETER_MISSING, "'redirect_uri'");
    if (strcmp(redirect_uri, grant->redirect_uri) != 0)
        return refuse(call, ENTRA_CODE_REDIRECT_URI, redirect_uri);
    return verifies(grant, token_field(call, "code_verifier")) ||
           refuse(call, ENTRA_CODE_VERIFIER, NULL);
}

static bool judge_resource(const struct token_call *call, const struct scope_wish *wish) {
    struct resource resource;
    if (!issue_find_resource(call->world, wish->resource_name, &resource))
        return refuse(call, ENTRA_UNKNOWN_RESOURCE, wish->resource_name);
    return issue_resource_is(call->world, token_field(call, "resource"), &resource) ||
           refuse(call, ENTRA_RESOURCE_OF_ANOTHER, NULL);
}

/* A test's rule for the application or for the user. */
static bool is_ruled_out(const struct token_call *call, const struct grant *grant) {
    return sign_in_rule_refuses(&grant->app->rule, NULL, call->request, call->reply) ||
           sign_in_rule_refuses(&grant->user->rule, NULL, call->request, call->reply);
}

static const char *new_refresh_token(const struct token_call *call, const struct grant *grant,
                                     const char *scope) {
    const struct grant fresh = {.kind = GRANT_REFRESH,
                                .app = grant->app,
                                .user = grant->user,
                                .is_public = grant->is_public,
                                .scope = must_strdup(scope)};
    return sign_ins_add(&call->world->sign_ins, &fresh)->text;
}

/* A new grant may take the place of the old one: what is still needed is copied. */
static void answer(const struct token_call *call, const struct grant *grant, const char *strength,
                   const struct scope_wish *wish, const char *scope) {
    bool is_refreshed = grant->kind == GRANT_REFRESH || wish->wants_refresh_token;
    char *nonce = grant->nonce ? must_strdup(grant->nonce) : NULL;
    struct user_token_order order = {
        .wish = wish,
        .client_id = grant->app->client_id,
        .client_auth = strength,
        .oid = grant->user->oid,
        .name = grant->user->name,
        .upn = grant->user->upn,
        .nonce = nonce,
    };
    order.refresh_token = is_refreshed ? new_refresh_token(call, grant, scope) : NULL;
    user_token_answer(call, &order);
    free(nonce);
}

static void redeem(struct token_call *call, enum grant_kind kind, const char *name) {
    struct scope_wish wish = {0};
    struct entra_refusal refusal;
    const char *strength;
    sign_ins_note(&call->world->sign_ins, "token", &call->form);
    struct grant *grant = find_grant(call, kind, name);
    if (!grant || !admit(call, grant, &strength) ||
        (kind == GRANT_CODE && !judge_code(call, grant)))
        return;
    const char *asked = token_field(call, "scope");
    char *scope = must_strdup(asked ? asked : grant->scope);
    if (grant->expires <= clock_wall_sec()) {
        refuse(call, ENTRA_GRANT_EXPIRED, NULL);
    } else if (!scope_wish_read(&wish, scope, &refusal)) {
        refuse(call, refusal.error, refusal.about);
    } else if (judge_resource(call, &wish) && !is_ruled_out(call, grant)) {
        grant->is_redeemed = kind == GRANT_CODE;
        answer(call, grant, strength, &wish, scope);
    }
    scope_wish_done(&wish);
    free(scope);
}

void redeem_code(struct token_call *call) {
    redeem(call, GRANT_CODE, "code");
}

void redeem_refresh_token(struct token_call *call) {
    redeem(call, GRANT_REFRESH, "refresh_token");
}
