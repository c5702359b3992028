#include "vault/imds.h"

#include <stdlib.h>

#include "vault/endpoint_url.h"

#define DEFAULT_ENDPOINT "http://169.254.169.254"
#define TIMEOUT_MS 10000

static const char *chosen_endpoint(const struct config_identity *config) {
    if (config->endpoint)
        return config->endpoint;
    const char *from_environment = getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    return from_environment && from_environment[0] ? from_environment : DEFAULT_ENDPOINT;
}

char *imds_endpoint(const struct config_identity *config, struct error *err) {
    struct slice url = slice_of_str(chosen_endpoint(config));
    while (slice_ends_with(url, SLICE("/")))
        url.len--;
    if (!endpoint_url_may_be_asked(url, ENDPOINT_METADATA)) {
        error_set(err, STATUS_INVALID,
                  "identity: the metadata endpoint must be https, or http on the loopback or "
                  "169.254.169.254");
        return NULL;
    }
    char *endpoint = slice_strdup(url);
    if (!endpoint)
        error_set(err, STATUS_NO_MEMORY, "no memory");
    return endpoint;
}

enum status imds_request(const char *endpoint, const struct config_identity *config,
                         const char *resource, struct token_request *out_request,
                         struct error *err) {
    struct buf *url = &out_request->url;
    buf_append_str(url, endpoint);
    buf_append_str(url, "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=");
    http_form_encode(url, slice_of_str(resource));
    const enum status status = token_request_end_url(out_request, config->managed_client_id,
                                                     "the metadata service's URL", err);
    if (status != STATUS_OK)
        return status;
    out_request->headers[0] = "Metadata: true";
    out_request->timeout_ms = TIMEOUT_MS;
    out_request->allow_link_local = endpoint_url_is_metadata_service(slice_of_str(endpoint));
    return STATUS_OK;
}
