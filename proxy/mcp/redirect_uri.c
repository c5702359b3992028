#include "proxy/mcp/redirect_uri.h"

#include "config/host.h"

enum { REDIRECT_URI_BYTES_MAX = 2048 };

struct loopback {
    struct slice host;
    struct slice port; /* with its colon; empty: none */
    struct slice rest; /* path and query */
};

/* False when it is anything else than http on a loopback address. After the port comes a path, a
 * query or nothing: no user information, and no longer host. */
static bool read_loopback(struct slice uri, struct loopback *out_loopback) {
    static const struct slice hosts[] = {
        {"http://127.0.0.1", 16}, {"http://localhost", 16}, {"http://[::1]", 12}};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (!slice_starts_with(uri, hosts[i])) {
            continue;
        }
        struct loopback found = {.host = hosts[i], .rest = slice_skip(uri, hosts[i].len)};
        if (found.rest.len && found.rest.ptr[0] == ':') {
            size_t slash = slice_index(found.rest, '/');
            size_t query = slice_index(found.rest, '?');
            size_t end = slash < query ? slash : query;
            uint16_t port;
            found.port = slice_of(found.rest.ptr, end);
            found.rest = slice_skip(found.rest, end);
            if (!host_parse_port(slice_skip(found.port, 1), &port)) {
                return false;
            }
        }
        if (found.rest.len == 0 || found.rest.ptr[0] == '/' || found.rest.ptr[0] == '?') {
            *out_loopback = found;
            return true;
        }
    }
    return false;
}

/* One reading only: visible ASCII, no fragment, nothing that some take for a slash. */
static bool is_plain(struct slice uri) {
    for (size_t i = 0; i < uri.len; i++) {
        unsigned char byte = (unsigned char)uri.ptr[i];
        if (byte <= 0x20 || byte >= 0x7f || strchr("\"#<>\\^`{|}", byte)) {
            return false;
        }
    }
    return uri.len > 0 && uri.len <= REDIRECT_URI_BYTES_MAX;
}

static bool matches(struct slice listed, struct slice uri, const struct loopback *loopback) {
    struct loopback of_listed;
    if (slice_eq(listed, uri)) {
        return true;
    }
    return loopback && read_loopback(listed, &of_listed) && of_listed.port.len == 0 &&
           slice_eq(of_listed.host, loopback->host) && slice_eq(of_listed.rest, loopback->rest);
}

bool redirect_uri_is_allowed(const struct config_mcp_facade *facade, struct slice uri) {
    struct loopback loopback;
    bool is_loopback = read_loopback(uri, &loopback);
    if (!is_plain(uri)) {
        return false;
    }
    if (facade->redirect_uris.count == 0) {
        return is_loopback;
    }
    for (size_t i = 0; i < facade->redirect_uris.count; i++) {
        if (matches(slice_of_str(facade->redirect_uris.items[i]), uri,
                    is_loopback ? &loopback : NULL)) {
            return true;
        }
    }
    return false;
}
