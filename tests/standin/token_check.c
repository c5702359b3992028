/* What the vault thinks of a bearer token. */
#include "token_check.h"

#include "core/clock.h"
#include "jws.h"

#define CLOCK_SKEW_SEC 300

bool token_signature_is_good(const struct key_ring *keys, const struct jws *jws) {
    const struct signing_key *key = key_ring_find(keys, jws_text(jws->header, "kid"));
    return key && jws->signature && strcmp(jws_text(jws->header, "alg"), "RS256") == 0 &&
           signing_key_verify(key, jws->signed_text, jws->signature, jws->signature_len);
}

static enum status check_claims(const json_t *claims, const struct token_expectation *expected,
                                struct error *err) {
    const json_t *expires = json_object_get(claims, "exp");
    const json_t *not_before = json_object_get(claims, "nbf");
    const char *audience = jws_text(claims, "aud");
    int64_t now = clock_wall_sec();
    if (!json_is_integer(expires) || json_integer_value(expires) + CLOCK_SKEW_SEC <= now)
        return error_set(err, STATUS_DENIED,
                         "[TokenExpired] Error validating token: the token is "
                         "expired.");
    if (json_is_integer(not_before) && json_integer_value(not_before) - CLOCK_SKEW_SEC > now)
        return error_set(err, STATUS_DENIED,
                         "[TokenNotYetValid] Error validating token: not valid yet.");
    if (strcmp(audience, expected->audience) != 0 &&
        (!expected->other_audience || strcmp(audience, expected->other_audience) != 0))
        return error_set(err, STATUS_DENIED,
                         "AKV10022: Invalid audience. Expected %s, found: %.200s.",
                         expected->audience, audience);
    if (strcmp(jws_text(claims, "iss"), expected->issuer) != 0)
        return error_set(err, STATUS_DENIED,
                         "AKV10032: Invalid issuer. Expected one of %s, found %.200s.",
                         expected->issuer, jws_text(claims, "iss"));
    return STATUS_OK;
}

json_t *token_check(struct slice token, const struct token_expectation *expected,
                    struct error *err) {
    struct jws jws;
    enum status status;
    if (!jws_parse(&jws, token))
        status = error_set(err, STATUS_DENIED,
                           "[BearerReadAccessTokenFailed] Error validating token: malformed.");
    else if (!token_signature_is_good(expected->keys, &jws))
        status = error_set(err, STATUS_DENIED,
                           "AKV10046: Unable to resolve the key used for signature validation.");
    else
        status = check_claims(jws.claims, expected, err);
    json_t *claims = status == STATUS_OK ? json_incref(jws.claims) : NULL;
    jws_done(&jws);
    return claims;
}
