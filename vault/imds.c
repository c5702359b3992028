/* The metadata service speaks plain http on a link-local address: the header it wants keeps forged
 * requests out, and nothing but its own address and the loopback is ever asked without TLS. */
#include "vault/imds.h"

#include <stdlib.h>

#define DEFAULT_ENDPOINT "http://169.254.169.254"
#define TIMEOUT_MS 10000

static const char *const imds_headers[] = {"Metadata: true", NULL};

/* The authority of an absolute URL without its port, or empty. */
static struct slice host_of(struct slice url) {
    const size_t colon = slice_index(url, ':');
    struct slice rest = slice_skip(url, colon);
    if (!slice_starts_with(rest, SLICE("://")))
        return SLICE("");
    rest = slice_skip(rest, 3);
    rest.len = slice_index(rest, '/');
    if (slice_starts_with(rest, SLICE("[")))
        return slice_of(rest.ptr, slice_index(rest, ']') + (slice_index(rest, ']') < rest.len));
    return slice_of(rest.ptr, slice_index(rest, ':'));
}

static bool is_link_local(struct slice url) {
    return slice_starts_with(url, SLICE("http://")) &&
           slice_eq_str(host_of(url), "169.254.169.254");
}

/* Nothing that would make the URL mean another host or eat the path we append. */
static bool has_only_plain_bytes(struct slice url) {
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= 0x20 || url.ptr[i] >= 0x7f || strchr("@?#\\\"", url.ptr[i]))
            return false;
    return true;
}

static bool may_be_asked(struct slice url) {
    const struct slice host = host_of(url);
    if (host.len == 0 || !has_only_plain_bytes(url))
        return false;
    if (slice_starts_with(url, SLICE("https://")))
        return true;
    return slice_starts_with(url, SLICE("http://")) &&
           (http_host_is_loopback(host) || is_link_local(url));
}

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
    if (!may_be_asked(url)) {
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
    if (config->managed_client_id) {
        buf_append_str(url, "&client_id=");
        http_form_encode(url, slice_of_str(config->managed_client_id));
    }
    buf_append_char(url, '\0');
    if (!buf_ok(url))
        return error_set(err, STATUS_LIMIT, "the metadata service's URL is too long");
    out_request->headers = imds_headers;
    out_request->timeout_ms = TIMEOUT_MS;
    out_request->allow_link_local = is_link_local(slice_of_str(endpoint));
    return STATUS_OK;
}
