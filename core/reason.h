/* The reason codes of every refusal: one row is the code in responses, audit, metrics and
 * documentation. */
#ifndef BARKEEP_CORE_REASON_H
#define BARKEEP_CORE_REASON_H

/* X(enumerator, code, HTTP status, title) */
#define REASON_TABLE(X)                                                                            \
    X(REASON_NONE, "", 0, "")                                                                      \
    X(REASON_BAD_REQUEST, "bad_request", 400, "The request is malformed")                          \
    X(REASON_PATH_AMBIGUOUS, "path_ambiguous", 400, "The path can be read in more than one way")   \
    X(REASON_BODY_MALFORMED, "body_malformed", 400, "The request body is malformed")               \
    X(REASON_TOKEN_MISSING, "token_missing", 401, "A bearer token is required")                    \
    X(REASON_TOKEN_MALFORMED, "token_malformed", 401, "The token is malformed")                    \
    X(REASON_TOKEN_ALGORITHM, "token_algorithm", 401, "The token's algorithm is not accepted")     \
    X(REASON_TOKEN_KEY_UNKNOWN, "token_key_unknown", 401, "The token's signing key is unknown")    \
    X(REASON_TOKEN_SIGNATURE, "token_signature", 401, "The token's signature is wrong")            \
    X(REASON_TOKEN_EXPIRED, "token_expired", 401, "The token has expired")                         \
    X(REASON_TOKEN_NOT_YET_VALID, "token_not_yet_valid", 401, "The token is not valid yet")        \
    X(REASON_TOKEN_ISSUER, "token_issuer", 401, "The token's issuer is not accepted")              \
    X(REASON_TOKEN_TENANT, "token_tenant", 401, "The token's tenant is not accepted")              \
    X(REASON_TOKEN_AUDIENCE, "token_audience", 401, "The token is for another audience")           \
    X(REASON_TOKEN_KIND, "token_kind", 401, "The token is of a kind that is not accepted here")    \
    X(REASON_CLAIMS_REQUIRED, "claims_required", 401, "The token must say more about the sign-in") \
    X(REASON_NO_ROLE, "no_role", 403, "No role allows this")                                       \
    X(REASON_DENIED, "denied", 403, "A deny rule forbids this")                                    \
    X(REASON_GROUPS_UNKNOWN, "groups_unknown", 403, "The caller's groups are not known")           \
    X(REASON_ORIGIN_REFUSED, "origin_refused", 403, "Pages of this origin may not call this")      \
    X(REASON_NO_ROUTE, "no_route", 404, "No route leads there")                                    \
    X(REASON_METHOD_REFUSED, "method_refused", 405, "The method is not accepted")                  \
    X(REASON_HEAD_TIMEOUT, "head_timeout", 408, "The request did not arrive in time")              \
    X(REASON_BODY_TOO_LARGE, "body_too_large", 413, "The request body is too large")               \
    X(REASON_CONTENT_TYPE, "content_type", 415, "The body is of a kind that is not read here")     \
    X(REASON_WRONG_HOST, "wrong_host", 421, "The connection was made for another host")            \
    X(REASON_RATE_LIMITED, "rate_limited", 429, "Too many requests")                               \
    X(REASON_HEAD_TOO_LARGE, "head_too_large", 431, "The request head is too large")               \
    X(REASON_UPSTREAM_UNREACHABLE, "upstream_unreachable", 502, "The upstream cannot be reached")  \
    X(REASON_UPSTREAM_PROTOCOL, "upstream_protocol", 502, "The upstream's answer is malformed")    \
    X(REASON_UPSTREAM_TLS, "upstream_tls", 502, "No trusted TLS connection to the upstream")       \
    X(REASON_UPSTREAM_CREDENTIAL_REFUSED, "upstream_credential_refused", 502,                      \
      "The upstream refused the injected credential")                                              \
    X(REASON_KEYS_UNAVAILABLE, "keys_unavailable", 503,                                            \
      "The tenant's signing keys are unavailable")                                                 \
    X(REASON_SECRET_UNAVAILABLE, "secret_unavailable", 503,                                        \
      "The backend's credential is unavailable")                                                   \
    X(REASON_GROUPS_UNAVAILABLE, "groups_unavailable", 503,                                        \
      "The caller's groups cannot be looked up now")                                               \
    X(REASON_OVERLOADED, "overloaded", 503, "Too much work at once")                               \
    X(REASON_AUDIT_UNAVAILABLE, "audit_unavailable", 503, "The audit log cannot be written")       \
    X(REASON_DRAINING, "draining", 503, "The server is shutting down")                             \
    X(REASON_UPSTREAM_TIMEOUT, "upstream_timeout", 504, "The upstream did not answer in time")

enum reason {
#define X(enumerator, code, status, title) enumerator,
    REASON_TABLE(X)
#undef X
        REASON_COUNT
};

const char *reason_code(enum reason reason);
int reason_http_status(enum reason reason);
const char *reason_title(enum reason reason);

#endif
