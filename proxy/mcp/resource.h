/* A resource's URL taken apart: what pages, challenges and origins are made of. */
#ifndef BARKEEP_PROXY_MCP_RESOURCE_H
#define BARKEEP_PROXY_MCP_RESOURCE_H

#include "config/config.h"
#include "core/buf.h"

enum { MCP_ORIGIN_BYTES = 320, MCP_RESOURCE_PATH_BYTES = 1024 };

struct mcp_resource {
    struct slice origin; /* as browsers write it: lower case, no port that is the scheme's own */
    struct slice host;   /* without port and brackets, as configured */
    struct slice path;   /* canonical, without trailing slash; empty for "/" */
    char origin_bytes[MCP_ORIGIN_BYTES];
    char path_bytes[MCP_RESOURCE_PATH_BYTES];
};

/* False when the route has none, or one that no request can be for. `out_resource` points into
 * itself. */
bool mcp_resource_read(const struct config_mcp *mcp, struct mcp_resource *out_resource);

#endif
