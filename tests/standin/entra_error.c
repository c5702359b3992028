/* Entra's error bodies: one row a case. Clients may branch on `error` only; the descriptions are
 * close to the real ones because people read them. */
#include "entra_error.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "encoding.h"
#include "must.h"

struct error_row {
    unsigned status;
    int code;
    const char *error;
    const char *description;
};

static const struct error_row rows[] = {
    [ENTRA_WRONG_SECRET] = {401, 7000215, "invalid_client",
                            "Invalid client secret provided. Ensure the secret being sent in the "
                            "request is the client secret value, not the client secret ID, for a "
                            "secret added to app"},
    [ENTRA_NO_SECRET] = {401, 7000218, "invalid_client",
                         "The request body must contain the following parameter: "
                         "'client_assertion' or 'client_secret'"},
    [ENTRA_EXPIRED_SECRET] = {401, 7000222, "invalid_client",
                              "The provided client secret keys for the app are expired. Create new "
                              "keys, or consider using certificate credentials. App"},
    [ENTRA_ASSERTION_MALFORMED] = {400, 50027, "invalid_request",
                                   "JWT token is invalid or malformed"},
    [ENTRA_ASSERTION_TYPE] = {400, 900144, "invalid_request",
                              "The request body must contain the following parameter: "
                              "'client_assertion_type', as of RFC 7523"},
    [ENTRA_ASSERTION_CERTIFICATE] = {401, 700027, "invalid_client",
                                     "The certificate with identifier used to sign the client "
                                     "assertion is not registered on application"},
    [ENTRA_ASSERTION_SIGNATURE] = {401, 700027, "invalid_client",
                                   "Client assertion failed signature validation. Client"},
    [ENTRA_ASSERTION_AUDIENCE] = {401, 700023, "invalid_client",
                                  "Client assertion audience claim does not match Realm issuer:"},
    [ENTRA_ASSERTION_APP] = {401, 700021, "invalid_client",
                             "Client assertion application identifier doesn't match 'client_id' "
                             "parameter:"},
    [ENTRA_ASSERTION_TIME] = {401, 700024, "invalid_client",
                              "Client assertion is not within its valid time range. Client"},
    [ENTRA_NOT_FEDERATED] = {400, 70021, "invalid_request",
                             "No matching federated identity record found for presented assertion "
                             "of app"},
    [ENTRA_FEDERATED_ISSUER] = {400, 700211, "invalid_request",
                                "No matching federated identity record found for presented "
                                "assertion issuer"},
    [ENTRA_FEDERATED_AUDIENCE] = {400, 700212, "invalid_request",
                                  "No matching federated identity record found for presented "
                                  "assertion audience"},
    [ENTRA_FEDERATED_SUBJECT] = {400, 700213, "invalid_request",
                                 "No matching federated identity record found for presented "
                                 "assertion subject"},
    [ENTRA_UNKNOWN_APP] = {400, 700016, "unauthorized_client",
                           "Application was not found in the directory: identifier"},
    [ENTRA_DISABLED_APP] = {400, 7000112, "unauthorized_client", "Application is disabled:"},
    [ENTRA_UNKNOWN_TENANT] =
        {400, 90002, "invalid_request",
         "Tenant not found. Check to make sure you have the correct tenant ID:"},
    [ENTRA_UNKNOWN_TENANT_METADATA] = {400, 90002, "invalid_tenant",
                                       "Tenant not found. Check to make sure you have the correct "
                                       "tenant ID:"},
    [ENTRA_NO_TENANT] = {400, 50059, "invalid_request",
                         "No tenant-identifying information found in either the request or implied "
                         "by any provided credentials"},
    [ENTRA_PARAMETER_MISSING] = {400, 900144, "invalid_request",
                                 "The request body must contain the following parameter:"},
    [ENTRA_GRANT_TYPE] = {400, 70003, "unsupported_grant_type",
                          "The app requested an unsupported grant type"},
    [ENTRA_POST_ONLY] = {400, 900561, "invalid_request",
                         "The endpoint only accepts POST requests. Received a request with method"},
    [ENTRA_BAD_SCOPE] = {400, 70011, "invalid_scope",
                         "The provided request must include a 'scope' input parameter that ends in "
                         "/.default. Not valid:"},
    [ENTRA_SEVERAL_RESOURCES] = {400, 700022, "invalid_request",
                                 "The provided value for the input parameter scope names more than "
                                 "one resource"},
    [ENTRA_RESOURCE_ON_V2] = {400, 901002, "invalid_request",
                              "The 'resource' request parameter is not supported"},
    [ENTRA_UNKNOWN_RESOURCE] = {400, 500011, "invalid_resource",
                                "The resource principal was not found in the tenant:"},
    [ENTRA_UNKNOWN_SCOPE] = {400, 70011, "invalid_scope",
                             "The provided value for the input parameter 'scope' is not valid. The "
                             "resource has no scope"},
    [ENTRA_USER_ASSERTION] = {400, 50013, "invalid_grant", "Assertion failed validation:"},
    [ENTRA_USER_ASSERTION_TIME] = {400, 500133, "invalid_grant",
                                   "Assertion is not within its valid time range. Ensure that the "
                                   "access token is not expired "
                                   "before using it for user assertion, or request a new token"},
    [ENTRA_USER_ASSERTION_IS_APP] = {400, 700229, "invalid_grant",
                                     "The assertion is an app token; an access token of a user is "
                                     "needed"},
    [ENTRA_USER_ASSERTION_IS_ID] = {400, 240002, "unauthorized_client",
                                    "Input id_token cannot be used as "
                                    "'urn:ietf:params:oauth:grant-type:jwt-bearer' grant"},
    [ENTRA_NO_ON_BEHALF_OF] = {400, 7000114, "invalid_request",
                               "Application is not allowed to make application on-behalf-of calls"},
    [ENTRA_REDIRECT_URI] = {400, 50011, "invalid_request",
                            "The redirect URI specified in the request does not match the redirect "
                            "URIs configured for the application:"},
    [ENTRA_RESPONSE_TYPE] = {400, 700051, "unsupported_response_type",
                             "The response type is not enabled for the application:"},
    [ENTRA_NOBODY_SIGNED_IN] = {400, 50058, "login_required",
                                "A silent sign-in request was sent but no user is signed in"},
    [ENTRA_RESOURCE_OF_ANOTHER] = {400, 9010010, "invalid_target",
                                   "The resource parameter provided in the request doesn't match "
                                   "with the requested scopes"},
    [ENTRA_SCOPE_NOT_THERE] = {400, 650053, "invalid_client",
                               "The application asked for a scope that doesn't exist on the "
                               "resource:"},
    [ENTRA_CHALLENGE_METHOD] = {400, 501491, "invalid_request",
                                "Invalid code challenge or method of the code challenge:"},
    [ENTRA_GRANT_UNKNOWN] = {400, 70000, "invalid_grant",
                             "The provided authorization code or refresh token is not valid"},
    [ENTRA_GRANT_EXPIRED] = {400, 70008, "invalid_grant",
                             "The provided authorization code or refresh token has expired. Send a "
                             "new interactive authorization request for this user and resource"},
    [ENTRA_CODE_REDEEMED] = {400, 54005, "invalid_grant",
                             "OAuth2 Authorization code was already redeemed, please retry with a "
                             "new valid code or use an existing refresh token"},
    [ENTRA_CODE_REDIRECT_URI] = {400, 500112, "invalid_grant",
                                 "The reply address does not match the reply address provided when "
                                 "requesting the authorization code:"},
    [ENTRA_CODE_VERIFIER] = {400, 501481, "invalid_grant",
                             "The Code_Verifier does not match the code_challenge supplied in the "
                             "authorization request"},
    [ENTRA_PUBLIC_CLIENT] = {401, 700025, "invalid_client",
                             "Client is public so neither 'client_assertion' nor 'client_secret' "
                             "should be presented"},
    [ENTRA_CONSENT_REQUIRED] = {400, 65001, "invalid_grant",
                                "The user or administrator has not consented to use the "
                                "application. Send an interactive authorization request for this "
                                "user and resource"},
    [ENTRA_INTERACTION_REQUIRED] = {400, 50076, "interaction_required",
                                    "Due to a configuration change made by your administrator, or "
                                    "because you moved to a new location, you must use "
                                    "multi-factor authentication to access the resource"},
    [ENTRA_CONDITIONAL_ACCESS] = {400, 53003, "interaction_required",
                                  "Access has been blocked by Conditional Access policies. The "
                                  "access policy does not allow token issuance"},
    [ENTRA_GRANT_REVOKED] = {400, 50173, "invalid_grant",
                             "The provided grant has expired due to it being revoked, a fresh auth "
                             "token is needed"},
    [ENTRA_THROTTLED] = {429, 90055, "temporarily_unavailable",
                         "The request was throttled because of too many requests"},
    [ENTRA_UNAVAILABLE] = {503, 90033, "temporarily_unavailable",
                           "A transient error has occurred. Please try again"},
};

/* What every error document says of the request it answers. */
struct error_trailer {
    char trace_id[GUID_SIZE];
    char correlation_id[GUID_SIZE];
    char timestamp[32];
};

static void make_trailer(struct error_trailer *trailer, const struct request *request) {
    const char *asked_id = form_get(&request->query, "client-request-id");
    guid_random(trailer->trace_id);
    guid_random(trailer->correlation_id);
    if (guid_is_valid(asked_id))
        memcpy(trailer->correlation_id, asked_id, GUID_SIZE);
    time_t now = time(NULL);
    struct tm parts;
    strftime(trailer->timestamp, sizeof(trailer->timestamp), "%Y-%m-%d %H:%M:%SZ",
             gmtime_r(&now, &parts));
}

static char *describe(const struct error_row *row, const struct error_trailer *trailer,
                      const char *about) {
    return must_printf("AADSTS%d: %s%s%.200s. Trace ID: %s Correlation ID: %s Timestamp: %s",
                       row->code, row->description, about ? " " : "", about ? about : "",
                       trailer->trace_id, trailer->correlation_id, trailer->timestamp);
}

static json_t *error_document(const struct error_row *row, const struct error_trailer *trailer,
                              const char *origin, const char *about) {
    char *description = describe(row, trailer, about);
    char *uri = must_printf("%s/error?code=%d", origin, row->code);
    json_t *document =
        must(json_pack("{s:s, s:o, s:[i], s:s, s:s, s:s, s:s}", "error", row->error,
                       "error_description", json_lossy(description), "error_codes", row->code,
                       "timestamp", trailer->timestamp, "trace_id", trailer->trace_id,
                       "correlation_id", trailer->correlation_id, "error_uri", uri));
    free(uri);
    free(description);
    return document;
}

/* Either of the last two may be NULL. */
static void add_challenge(json_t *document, const char *suberror, const json_t *claims) {
    if (suberror)
        json_object_set_new(document, "suberror", must(json_string(suberror)));
    if (claims) {
        char *text = must(json_dumps(claims, JSON_COMPACT));
        json_object_set_new(document, "claims", must(json_string(text)));
        free(text);
    }
}

static void send_error(struct reply *reply, const struct error_row *row,
                       const struct error_trailer *trailer, json_t *document) {
    reply_header(reply, "Cache-Control", "no-store, no-cache");
    reply_header(reply, "Pragma", "no-cache");
    reply_header(reply, "x-ms-request-id", "%s", trailer->trace_id);
    reply_json(reply, row->status, document);
}

void entra_error(struct reply *reply, const struct request *request, enum entra_error error,
                 const char *about) {
    struct error_trailer trailer;
    make_trailer(&trailer, request);
    send_error(reply, &rows[error], &trailer,
               error_document(&rows[error], &trailer, request->origin, about));
}

void entra_error_challenge(struct reply *reply, const struct request *request,
                           enum entra_error error, const char *suberror, const json_t *claims) {
    struct error_trailer trailer;
    make_trailer(&trailer, request);
    json_t *document = error_document(&rows[error], &trailer, request->origin, NULL);
    add_challenge(document, suberror, claims);
    send_error(reply, &rows[error], &trailer, document);
}

/* Entra ID shows a page to people; that it comes as 400 is an assumption. Plain text needs no
 * escaping. */
void entra_error_page(struct reply *reply, const struct request *request,
                      const struct entra_refusal *refusal) {
    struct error_trailer trailer;
    make_trailer(&trailer, request);
    char *description = describe(&rows[refusal->error], &trailer, refusal->about);
    reply_header(reply, "x-ms-request-id", "%s", trailer.trace_id);
    reply_text(reply, 400, "text/plain; charset=utf-8", description);
    free(description);
}

void entra_error_redirect(struct reply *reply, const struct request *request,
                          const struct entra_refusal *refusal, const char *redirect_uri,
                          const char *state) {
    const struct error_row *row = &rows[refusal->error];
    struct error_trailer trailer;
    make_trailer(&trailer, request);
    char *description = describe(row, &trailer, refusal->about);
    char *uri = must_printf("%s/error?code=%d", request->origin, row->code);
    reply_redirect(reply, redirect_uri,
                   (const struct reply_parameter[]){{"error", row->error},
                                                    {"error_description", description},
                                                    {"error_uri", uri},
                                                    {"state", state},
                                                    {NULL, NULL}});
    free(uri);
    free(description);
}
