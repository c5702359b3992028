/* What the vault thinks of a bearer token. Not libjwt, which is lenient where this has to be strict
 * (HS256 keyed with a public key, junk in base64): the answers here judge the proxy. */
#include "token_check.h"

#include <stdlib.h>

#include "core/clock.h"
#include "encoding.h"

#define CLOCK_SKEW_SEC 300

static json_t *decode_object(struct slice text) {
    size_t len = 0;
    unsigned char *bytes = base64url_decode(text, &len);
    json_t *value =
        bytes ? json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    free(bytes);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

static const char *text_of(const json_t *object, const char *member) {
    const char *text = json_string_value(json_object_get(object, member));
    return text ? text : "";
}

static bool signature_is_good(const struct key_ring *keys, const json_t *header,
                              struct slice signed_text, struct slice signature) {
    const struct signing_key *key = key_ring_find(keys, text_of(header, "kid"));
    if (!key || strcmp(text_of(header, "alg"), "RS256") != 0)
        return false;
    size_t len = 0;
    unsigned char *bytes = base64url_decode(signature, &len);
    bool is_good = bytes && signing_key_verify(key, signed_text, bytes, len);
    free(bytes);
    return is_good;
}

static enum status check_claims(const json_t *claims, const struct token_expectation *expected,
                                struct error *err) {
    const json_t *expires = json_object_get(claims, "exp");
    const json_t *not_before = json_object_get(claims, "nbf");
    const char *audience = text_of(claims, "aud");
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
    if (strcmp(text_of(claims, "iss"), expected->issuer) != 0)
        return error_set(err, STATUS_DENIED,
                         "AKV10032: Invalid issuer. Expected one of %s, found %.200s.",
                         expected->issuer, text_of(claims, "iss"));
    return STATUS_OK;
}

json_t *token_check(struct slice token, const struct token_expectation *expected,
                    struct error *err) {
    size_t header_len = slice_index(token, '.');
    struct slice rest = slice_skip(token, header_len + 1);
    size_t payload_len = slice_index(rest, '.');
    struct slice signature = slice_skip(rest, payload_len + 1);
    json_t *header = decode_object(slice_of(token.ptr, header_len));
    json_t *claims = decode_object(slice_of(rest.ptr, payload_len));
    enum status status;
    if (!header || !claims)
        status = error_set(err, STATUS_DENIED,
                           "[BearerReadAccessTokenFailed] Error validating token: malformed.");
    else if (!signature_is_good(expected->keys, header,
                                slice_of(token.ptr, (size_t)(signature.ptr - token.ptr) - 1),
                                signature))
        status = error_set(err, STATUS_DENIED,
                           "AKV10046: Unable to resolve the key used for signature validation.");
    else
        status = check_claims(claims, expected, err);
    json_decref(header);
    if (status == STATUS_OK)
        return claims;
    json_decref(claims);
    return NULL;
}
