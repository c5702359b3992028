/* Where a call may go: https anywhere, plain http to the machine itself and to where Azure keeps
 * its metadata services. */
#include "core/http_destination.h"

#include <arpa/inet.h>
#include <curl/curl.h>

#define METADATA_SERVICE_HOST "169.254.169.254"

/* libcurl reads "0xa9fea9fe" as the same address, so the text of the URL is looked at too. */
static bool is_written_out(const char *url, struct slice host) {
    struct slice text = slice_of_str(url);
    if (!slice_starts_with(text, SLICE("http://")))
        return false;
    text = slice_skip(text, 7);
    if (!slice_starts_with(text, host))
        return false;
    struct slice rest = slice_skip(text, host.len);
    return rest.len == 0 || strchr("/:?", rest.ptr[0]);
}

/* 169.254.0.0/16 in inet_ntop()'s own spelling. */
static bool is_link_local(struct slice host) {
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 16 == 0xA9FE &&
           inet_ntop(AF_INET, &address, text, sizeof text) && slice_eq_str(host, text);
}

static bool is_allowed_link_local(const struct http_client_request *request, struct slice host) {
    const bool is_allowed =
        (request->allow_link_local && slice_eq_str(host, METADATA_SERVICE_HOST)) ||
        (request->allow_any_link_local && is_link_local(host));
    return is_allowed && is_written_out(request->url, host);
}

static enum status check_destination(const struct http_client_request *request, const char *scheme,
                                     const char *host, struct error *err) {
    if (strcmp(scheme, "https") == 0)
        return STATUS_OK;
    if (strcmp(scheme, "http") != 0)
        return error_set(err, STATUS_INVALID, "scheme %s is not accepted", scheme);
    if (http_host_is_loopback(slice_of_str(host)))
        return STATUS_OK;
    if (is_allowed_link_local(request, slice_of_str(host)))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "plain http is accepted for loopback hosts only, not %s",
                     host);
}

enum status http_destination_check(const struct http_client_request *request, char **out_host,
                                   struct error *err) {
    enum status status = STATUS_NO_MEMORY;
    char *scheme = NULL;
    char *host = NULL;
    CURLU *url = curl_url();
    if (!url)
        goto out;
    CURLUcode parsed = curl_url_set(url, CURLUPART_URL, request->url, CURLU_DISALLOW_USER);
    if (parsed != CURLUE_OK) {
        status = error_set(err, STATUS_INVALID, "bad URL: %s", curl_url_strerror(parsed));
        goto out;
    }
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        status = error_set(err, STATUS_INVALID, "bad URL: no scheme or host");
        goto out;
    }
    status = check_destination(request, scheme, host, err);
    if (status != STATUS_OK)
        goto out;
    *out_host = strdup(host);
    if (!*out_host)
        status = error_set(err, STATUS_NO_MEMORY, "no memory for an HTTP call");
out:
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(url);
    return status;
}
