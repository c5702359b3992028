/* Entra's error bodies: one row a case. Clients may branch on `error` only; the descriptions are
 * close to the real ones because people read them. */
#include "entra_error.h"

#include <stdlib.h>
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
    [ENTRA_BAD_ASSERTION] = {401, 700027, "invalid_client",
                             "The certificate with identifier used to sign the client assertion "
                             "is not registered on application"},
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
};

void entra_error(struct reply *reply, const struct request *request, enum entra_error error,
                 const char *about) {
    const struct error_row *row = &rows[error];
    char trace_id[GUID_SIZE];
    char correlation_id[GUID_SIZE];
    const char *asked_id = form_get(&request->query, "client-request-id");
    guid_random(trace_id);
    guid_random(correlation_id);
    if (!guid_is_valid(asked_id))
        asked_id = correlation_id;
    char timestamp[32];
    time_t now = time(NULL);
    struct tm parts;
    strftime(timestamp, sizeof(timestamp), "%Y-%m-%d %H:%M:%SZ", gmtime_r(&now, &parts));
    char *description = must_printf("AADSTS%d: %s%s%.200s. Trace ID: %s Correlation ID: %s "
                                    "Timestamp: %s",
                                    row->code, row->description, about ? " " : "",
                                    about ? about : "", trace_id, asked_id, timestamp);
    char *uri = must_printf("%s/error?code=%d", request->origin, row->code);
    reply_header(reply, "Cache-Control", "no-store, no-cache");
    reply_header(reply, "Pragma", "no-cache");
    reply_header(reply, "x-ms-request-id", "%s", trace_id);
    reply_json(reply, row->status,
               json_pack("{s:s, s:o, s:[i], s:s, s:s, s:s, s:s}", "error", row->error,
                         "error_description", json_lossy(description), "error_codes", row->code,
                         "timestamp", timestamp, "trace_id", trace_id, "correlation_id", asked_id,
                         "error_uri", uri));
    free(uri);
    free(description);
}
