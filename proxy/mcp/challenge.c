/* WWW-Authenticate as MCP clients read it: one challenge, Bearer first, for the SDKs split the
 * value at spaces and find fields by a plain pattern. Nothing of the request gets into it. */
#include "proxy/mcp/metadata.h"
#include "proxy/mcp/resource.h"
#include "proxy/mcp/scopes.h"

enum { SCOPES_BYTES_MAX = 2048 };

/* The canonical path is visible ASCII; what it may still hold is kept out of the quotes. */
static void write_quotable(struct buf *out, struct slice text) {
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte > 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
            buf_append_char(out, (char)byte);
        } else {
            const char escape[] = {'%', hex[byte >> 4], hex[byte & 0xf]};
            buf_append(out, escape, sizeof escape);
        }
    }
}

static void write_field(struct buf *out, bool *is_first, const char *name, struct slice value) {
    buf_append_str(out, *is_first ? " " : ", ");
    buf_append_str(out, name);
    buf_append_str(out, "=\"");
    buf_append_slice(out, value);
    buf_append_char(out, '"');
    *is_first = false;
}

static void write_metadata_url(struct buf *out, bool *is_first,
                               const struct mcp_resource *resource) {
    struct buf url;
    buf_init(&url, MCP_ORIGIN_BYTES + 3 * MCP_RESOURCE_PATH_BYTES + 64);
    write_quotable(&url, resource->origin);
    buf_append_str(&url, MCP_RESOURCE_WELL_KNOWN);
    write_quotable(&url, resource->path);
    if (buf_ok(&url)) {
        write_field(out, is_first, "resource_metadata", buf_slice(&url));
    } else {
        out->failed = true;
    }
    buf_done(&url);
}

static void write_sign_in(struct buf *out, const struct mcp_resource *resource, bool token_came,
                          struct slice scopes) {
    bool is_first = true;
    buf_append_str(out, "Bearer");
    if (resource) {
        write_metadata_url(out, &is_first, resource);
    }
    if (token_came) {
        write_field(out, &is_first, "error", SLICE("invalid_token"));
    }
    if (scopes.len) {
        write_field(out, &is_first, "scope", scopes);
    }
}

static void write_step_up(struct buf *out, const struct mcp_resource *resource,
                          struct slice scopes) {
    bool is_first = true;
    buf_append_str(out, "Bearer");
    write_field(out, &is_first, "error", SLICE("insufficient_scope"));
    if (scopes.len) {
        write_field(out, &is_first, "scope", scopes);
    }
    if (resource) {
        write_metadata_url(out, &is_first, resource);
    }
    write_field(out, &is_first, "error_description",
                SLICE("The token does not carry what this operation needs"));
}

void mcp_write_challenge(struct buf *out, const struct config *config, size_t route, int status,
                         bool token_came, struct slice scopes) {
    struct mcp_resource resource;
    bool has_resource = mcp_resource_read(config->routes[route].mcp, &resource);
    if (status == 401) {
        write_sign_in(out, has_resource ? &resource : NULL, token_came, scopes);
    } else if (status == 403) {
        write_step_up(out, has_resource ? &resource : NULL, scopes);
    }
}

static void write_list(struct buf *out, const struct config *config, size_t route,
                       const struct mcp_scopes *scopes) {
    for (size_t i = 0; i < scopes->count; i++) {
        buf_append_str(out, i ? " " : "");
        mcp_write_scope(out, config, route, scopes->items[i]);
    }
}

void mcp_write_scopes(struct buf *out, const struct config *config, size_t route,
                      struct slice method, struct slice name) {
    struct mcp_scopes scopes, all;
    if (!config->routes[route].mcp->resource ||
        !mcp_scopes_for(config, route, method, name, &scopes)) {
        return;
    }
    mcp_scopes_of_route(config, route, &all);
    if (all.count == 0) {
        mcp_write_scope(out, config, route, MCP_SCOPE_DEFAULT);
    }
    write_list(out, config, route, &scopes);
}

void mcp_write_all_scopes(struct buf *out, const struct config *config, size_t route) {
    struct mcp_scopes all;
    struct buf text;
    if (!config->routes[route].mcp->resource) {
        return;
    }
    buf_init(&text, SCOPES_BYTES_MAX);
    mcp_scopes_of_route(config, route, &all);
    if (all.count == 0) {
        mcp_write_scope(&text, config, route, MCP_SCOPE_DEFAULT);
    }
    write_list(&text, config, route, &all);
    if (buf_ok(&text)) {
        buf_append_slice(out, buf_slice(&text));
    }
    buf_done(&text);
}
