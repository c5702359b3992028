#include "vault/app_service.h"

#include <stdlib.h>

#include "vault/endpoint_url.h"

#define TIMEOUT_MS 10000

static const char *environment(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

bool app_service_is_here(void) {
    return environment("IDENTITY_ENDPOINT")[0] && environment("IDENTITY_HEADER")[0];
}

enum status app_service_request(const struct config_identity *config, const char *resource,
                                struct token_request *out_request, struct error *err) {
    const char *endpoint = environment("IDENTITY_ENDPOINT");
    struct buf *url = &out_request->url;
    struct error why = {""};
    if (!endpoint_url_may_be_asked(slice_of_str(endpoint), ENDPOINT_LINK_LOCAL))
        return error_set(err, STATUS_INVALID,
                         "IDENTITY_ENDPOINT must be https, or http on the loopback or a "
                         "link-local address (169.254.0.0/16)");
    buf_append_str(url, endpoint);
    buf_append_str(url, "?resource=");
    http_form_encode(url, slice_of_str(resource));
    buf_append_str(url, "&api-version=2019-08-01");
    enum status status = token_request_end_url(out_request, config->managed_client_id,
                                               "the URL of IDENTITY_ENDPOINT", err);
    if (status != STATUS_OK)
        return status;
    status = token_request_set_secret_header(
        out_request, "X-IDENTITY-HEADER: ", slice_of_str(environment("IDENTITY_HEADER")), &why);
    if (status != STATUS_OK)
        return error_set(err, status, "IDENTITY_HEADER: %s", why.text);
    out_request->timeout_ms = TIMEOUT_MS;
    out_request->allow_any_link_local = true;
    return STATUS_OK;
}
