/* Scheme, host, port and path; user information, query and fragment have no place in any URL that
 * a configuration names, and each is a known way to make two readers see two hosts. */
#include "config/url.h"

#include "config/host.h"

static bool take_scheme(struct slice *text, struct url *url) {
    bool is_http = slice_eq_nocase(slice_of(text->ptr, text->len < 7 ? 0 : 7), SLICE("http://"));
    url->is_https = slice_eq_nocase(slice_of(text->ptr, text->len < 8 ? 0 : 8), SLICE("https://"));
    *text = slice_skip(*text, url->is_https ? 8 : 7);
    return is_http || url->is_https;
}

static struct slice without_trailing_slash(struct slice path) {
    return path.len > 0 && path.ptr[path.len - 1] == '/' ? slice_of(path.ptr, path.len - 1) : path;
}

static bool has_byte(struct slice text, char byte) {
    return slice_index(text, byte) != text.len;
}

static const char *parse_authority(struct url *url) {
    struct slice port;
    if (url->authority.len == 0)
        return "has no host";
    if (!host_split(url->authority, &url->host, &port))
        return "needs host:port, with an IPv6 address in brackets";
    if (!host_is_valid(url->host))
        return "has a malformed host name or address";
    url->port = url->is_https ? 443 : 80;
    if (port.len > 0 && !host_parse_port(port, &url->port))
        return "has a malformed port: it must be 1-65535";
    return NULL;
}

const char *url_parse(struct slice text, struct url *out_url) {
    struct url url = {0};
    if (!take_scheme(&text, &url))
        return "must begin with https:// or http://";
    if (has_byte(text, '\\') || has_byte(text, ' '))
        return "must not hold spaces or backslashes";
    if (has_byte(text, '?'))
        return "must not have a query (`?`)";
    if (has_byte(text, '#'))
        return "must not have a fragment (`#`)";
    size_t slash = slice_index(text, '/');
    url.authority = slice_of(text.ptr, slash);
    url.path = without_trailing_slash(slice_skip(text, slash));
    if (has_byte(url.authority, '@'))
        return "must not hold a user name or password; credentials come from vaults";
    const char *wrong = parse_authority(&url);
    if (!wrong)
        *out_url = url;
    return wrong;
}
