/* The services of the platform speak plain http on addresses of this machine: a header that they
 * want keeps forged requests out, and nothing but such an address is ever asked without TLS. */
#include "vault/endpoint_url.h"

#include "core/http_client.h"

#define METADATA_SERVICE "169.254.169.254"

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

/* Nothing that would make the URL mean another host or eat what we append. */
static bool has_only_plain_bytes(struct slice url) {
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= 0x20 || url.ptr[i] >= 0x7f || strchr("@?#\\\"", url.ptr[i]))
            return false;
    return true;
}

/* 169.254.a.b in plain decimal. */
static bool is_link_local(struct slice host) {
    const struct slice prefix = SLICE("169.254.");
    struct slice rest = slice_skip(host, prefix.len);
    const size_t dot = slice_index(rest, '.');
    uint64_t number;
    return slice_starts_with(host, prefix) &&
           slice_parse_u64(slice_of(rest.ptr, dot), 255, &number) &&
           slice_parse_u64(slice_skip(rest, dot + 1), 255, &number);
}

bool endpoint_url_is_metadata_service(struct slice url) {
    return slice_starts_with(url, SLICE("http://")) && slice_eq_str(host_of(url), METADATA_SERVICE);
}

bool endpoint_url_may_be_asked(struct slice url, enum endpoint_reach reach) {
    const struct slice host = host_of(url);
    if (host.len == 0 || !has_only_plain_bytes(url))
        return false;
    if (slice_starts_with(url, SLICE("https://")))
        return true;
    if (!slice_starts_with(url, SLICE("http://")))
        return false;
    return http_host_is_loopback(host) || endpoint_url_is_metadata_service(url) ||
           (reach == ENDPOINT_LINK_LOCAL && is_link_local(host));
}
