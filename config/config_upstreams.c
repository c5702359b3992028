#define _GNU_SOURCE /* memmem */
/* `upstream`: where a route's requests go. */
#include "config/config_parts.h"

#include <sys/un.h>

#include "config/host.h"
#include "config/url.h"

#define UNIX_PATH_MAX_BYTES (sizeof((struct sockaddr_un *)NULL)->sun_path - 1)

static void read_unix(struct loader *loader, const struct node *node, struct slice path,
                      struct config_upstream *upstream) {
    if (path.len == 0 || path.ptr[0] != '/' || path.len > UNIX_PATH_MAX_BYTES) {
        loader_error(loader, node,
                     "a unix socket needs an absolute path of at most %zu bytes: unix:/path",
                     UNIX_PATH_MAX_BYTES);
        return;
    }
    upstream->is_unix = true;
    upstream->is_loopback = true;
    upstream->unix_path = loader_copy(loader, path);
    upstream->host_header = "localhost";
    upstream->base_path = "";
}

static const char *host_header_of(struct loader *loader, const struct url *url) {
    bool is_v6 = host_is_ipv6(url->host);
    const char *open = is_v6 ? "[" : "";
    const char *close = is_v6 ? "]" : "";
    if (url->port == (url->is_https ? 443 : 80))
        return LOADER_FORMAT(loader, "%s%.*s%s", open, SLICE_ARGS(url->host), close);
    return LOADER_FORMAT(loader, "%s%.*s%s:%u", open, SLICE_ARGS(url->host), close, url->port);
}

static void read_http(struct loader *loader, const struct node *node, struct slice text,
                      struct config_upstream *upstream) {
    struct url url;
    if (!memmem(text.ptr, text.len, "://", 3)) {
        loader_error(
            loader, node,
            "an upstream is written http://HOST:PORT, https://HOST:PORT or unix:/path, got "
            "%s",
            QUOTE(node->source));
        return;
    }
    const char *wrong = url_parse(text, &url);
    if (wrong) {
        loader_error(loader, node, "the upstream %s", wrong);
        return;
    }
    if (url.path.len > 0) {
        upstream->base_path = config_read_path(loader, node, url.path, false);
        if (!upstream->base_path)
            return;
    } else {
        upstream->base_path = "";
    }
    upstream->is_tls = url.is_https;
    upstream->host = loader_copy(loader, url.host);
    upstream->port = url.port;
    upstream->host_header = host_header_of(loader, &url);
    upstream->is_loopback = host_is_loopback(url.host);
}

static void read_upstream(struct loader *loader, const struct node *node,
                          struct config_upstream *upstream) {
    struct slice text;
    if (!loader_read_text(loader, node, "a URL: http://host:port, https://host/base or unix:/path",
                          &text))
        return;
    upstream->text = loader_copy(loader, text);
    if (slice_starts_with(text, SLICE("unix:")))
        read_unix(loader, node, slice_skip(text, 5), upstream);
    else
        read_http(loader, node, text, upstream);
}

void config_read_upstreams(struct loader *loader, const struct node *node, void *target) {
    struct config_route *route = target;
    if (node->kind == NODE_LIST && node->count == 0) {
        loader_error(loader, node, "is an empty list; name at least one upstream");
        return;
    }
    if (node_item_count(node) > CONFIG_UPSTREAMS_MAX) {
        loader_error(loader, node, "holds %zu upstreams; a route has at most %d",
                     node_item_count(node), CONFIG_UPSTREAMS_MAX);
        return;
    }
    route->upstreams = loader_array(loader, node_item_count(node), sizeof *route->upstreams);
    if (!route->upstreams)
        return;
    for (const struct node *item = node_item_first(node); item; item = node_item_next(node, item))
        read_upstream(loader, item, &route->upstreams[route->upstream_count++]);
}
