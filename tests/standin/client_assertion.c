/* Client assertions: an application's own, signed with a registered certificate (it names its
 * thumbprint), or a foreign issuer's, which the application trusts. azure.md C.3, C.4. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "must.h"
#include "platform_key.h"
#include "token_call.h"

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define CLOCK_SKEW_SEC 300
#define MAX_LIFETIME_SEC 600
#define MAX_AHEAD_SEC 60 /* that a clock runs ahead of ours must not make 10 minutes too long */

static bool refuse(const struct token_call *call, enum entra_error error, const char *about) {
    token_refuse(call, error, about);
    return false;
}

static bool is_current(const json_t *claims) {
    const json_t *expires = json_object_get(claims, "exp");
    const json_t *not_before = json_object_get(claims, "nbf");
    int64_t now = clock_wall_sec();
    return json_is_integer(expires) && json_integer_value(expires) + CLOCK_SKEW_SEC > now &&
           (!not_before || (json_is_integer(not_before) &&
                            json_integer_value(not_before) - CLOCK_SKEW_SEC <= now));
}

static bool is_short_lived(const json_t *claims) {
    return json_integer_value(json_object_get(claims, "exp")) <=
           clock_wall_sec() + MAX_LIFETIME_SEC + MAX_AHEAD_SEC;
}

static bool is_url(const char *audience, const char *origin, const char *tenant, const char *path) {
    char *url = must_printf("%s/%s/%s", origin, tenant, path);
    bool is_same = strcmp(url, audience) == 0;
    free(url);
    return is_same;
}

/* Either token endpoint of the tenant, by id or by the name it was asked by, on the issuer's origin
 * or on the one asked. */
static bool names_token_endpoint(const struct token_call *call, const char *audience) {
    const char *const origins[] = {call->world->origin, call->request->origin};
    const char *const tenants[] = {call->tenant->id, call->request->segments[0]};
    static const char *const paths[] = {"oauth2/v2.0/token", "oauth2/token"};
    for (size_t i = 0; i < 8; i++)
        if (is_url(audience, origins[i & 1], tenants[i >> 1 & 1], paths[i >> 2]))
            return true;
    return false;
}

static bool check_own(const struct token_call *call, const struct app *app, const struct jws *jws) {
    const struct app_certificate *named = NULL;
    for (size_t i = 0; i < app->certificate_count && !named; i++)
        if (app_certificate_is_named(app->certificates[i], jws->header))
            named = app->certificates[i];
    const char *audience = jws_text(jws->claims, "aud");
    const char *subject = jws_text(jws->claims, "sub");
    if (!named)
        return refuse(call, ENTRA_ASSERTION_CERTIFICATE, app->client_id);
    if (!app_certificate_signed(named, jws))
        return refuse(call, ENTRA_ASSERTION_SIGNATURE, app->client_id);
    if (!names_token_endpoint(call, audience))
        return refuse(call, ENTRA_ASSERTION_AUDIENCE, audience);
    if (strcasecmp(jws_text(jws->claims, "iss"), app->client_id) != 0 ||
        strcasecmp(subject, app->client_id) != 0)
        return refuse(call, ENTRA_ASSERTION_APP, subject);
    if (!is_current(jws->claims) || !is_short_lived(jws->claims))
        return refuse(call, ENTRA_ASSERTION_TIME, app->client_id);
    return true;
}

/* The platform's RS256 signature. */
static bool platform_signed(const struct token_call *call, const struct jws *jws) {
    struct signing_key *key = platform_key_open(&call->world->state, NULL);
    bool is_good = key && jws->signature && strcmp(jws_text(jws->header, "alg"), "RS256") == 0 &&
                   strcmp(jws_text(jws->header, "kid"), signing_key_id(key)) == 0 &&
                   signing_key_verify(key, jws->signed_text, jws->signature, jws->signature_len);
    signing_key_free(key);
    return is_good;
}

/* How many of issuer, audience and subject (in that order) the best record matches. Compared with
 * regard to case, as Entra does. */
static int best_match(const json_t *records, const json_t *claims) {
    static const char *const members[][2] = {
        {"issuer", "iss"}, {"audience", "aud"}, {"subject", "sub"}};
    int best = 0;
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        int matched = 0;
        while (matched < 3 && strcmp(jws_text(record, members[matched][0]),
                                     jws_text(claims, members[matched][1])) == 0)
            matched++;
        if (matched > best)
            best = matched;
    }
    return best;
}

/* One audience may stand alone or in a list, as in a cluster's tokens. */
static void unwrap_audience(json_t *claims) {
    json_t *audience = json_object_get(claims, "aud");
    if (json_array_size(audience) == 1)
        json_object_set(claims, "aud", json_array_get(audience, 0));
}

static bool check_federated(const struct token_call *call, const struct app *app,
                            const struct jws *jws) {
    if (json_array_size(app->federated) == 0)
        return refuse(call, ENTRA_NOT_FEDERATED, app->client_id);
    unwrap_audience(jws->claims);
    int matched = best_match(app->federated, jws->claims);
    if (matched == 0)
        return refuse(call, ENTRA_FEDERATED_ISSUER, jws_text(jws->claims, "iss"));
    if (matched == 1)
        return refuse(call, ENTRA_FEDERATED_AUDIENCE, jws_text(jws->claims, "aud"));
    if (matched == 2)
        return refuse(call, ENTRA_FEDERATED_SUBJECT, jws_text(jws->claims, "sub"));
    if (!platform_signed(call, jws))
        return refuse(call, ENTRA_ASSERTION_SIGNATURE, app->client_id);
    if (!is_current(jws->claims))
        return refuse(call, ENTRA_ASSERTION_TIME, app->client_id);
    return true;
}

bool client_prove_by_assertion(const struct token_call *call, const struct app *app) {
    const char *type = token_field(call, "client_assertion_type");
    if (!type || strcmp(type, ASSERTION_TYPE) != 0)
        return refuse(call, ENTRA_ASSERTION_TYPE, NULL);
    struct jws jws;
    bool is_proven = false;
    if (!jws_parse(&jws, slice_of_str(token_field(call, "client_assertion"))))
        refuse(call, ENTRA_ASSERTION_MALFORMED, NULL);
    else if (json_object_get(jws.header, "x5t") || json_object_get(jws.header, "x5t#S256"))
        is_proven = check_own(call, app, &jws);
    else
        is_proven = check_federated(call, app, &jws);
    jws_done(&jws);
    return is_proven;
}
