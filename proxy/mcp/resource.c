#include "proxy/mcp/resource.h"

#include <stdio.h>

#include "config/host.h"
#include "config/url.h"
#include "core/request_path.h"

static bool write_origin(const struct url *url, struct mcp_resource *resource) {
    bool is_own_port = url->port == (url->is_https ? 443 : 80);
    bool has_brackets = host_is_ipv6(url->host);
    char port[8] = "";
    if (!is_own_port) {
        snprintf(port, sizeof port, ":%u", (unsigned)url->port);
    }
    int len = snprintf(resource->origin_bytes, sizeof resource->origin_bytes, "%s://%s%.*s%s%s",
                       url->is_https ? "https" : "http", has_brackets ? "[" : "",
                       SLICE_ARGS(url->host), has_brackets ? "]" : "", port);
    if (len < 0 || (size_t)len >= sizeof resource->origin_bytes) {
        return false;
    }
    for (int i = 0; i < len; i++) {
        char *byte = &resource->origin_bytes[i];
        *byte = *byte >= 'A' && *byte <= 'Z' ? (char)(*byte - 'A' + 'a') : *byte;
    }
    resource->origin = slice_of(resource->origin_bytes, (size_t)len);
    return true;
}

static bool write_path(const struct url *url, struct mcp_resource *resource) {
    struct request_path path;
    if (url->path.len == 0) {
        resource->path = SLICE("");
        return true;
    }
    if (url->path.len > sizeof resource->path_bytes ||
        request_path_canonical(url->path, resource->path_bytes, &path) != PATH_OK) {
        return false;
    }
    resource->path = path.text;
    return true;
}

bool mcp_resource_read(const struct config_mcp *mcp, struct mcp_resource *out_resource) {
    struct url url;
    if (!mcp || !mcp->resource || url_parse(slice_of_str(mcp->resource), &url)) {
        return false;
    }
    out_resource->host = url.host;
    return write_origin(&url, out_resource) && write_path(&url, out_resource);
}
