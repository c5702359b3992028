/* Pages in a browser that call a server: whose they may be, and what they may send and see. */
#include "proxy/mcp/metadata.h"
#include "proxy/mcp/resource.h"

enum { ASKED_HEADERS_MAX = 64, HEADER_NAME_BYTES_MAX = 128 };

bool mcp_origin_is_allowed(const struct config_mcp *mcp, struct slice origin) {
    struct mcp_resource resource;
    if (mcp_resource_read(mcp, &resource) && slice_eq(origin, resource.origin)) {
        return true;
    }
    for (size_t i = 0; i < mcp->allowed_origins.count; i++) {
        if (slice_eq_str(origin, mcp->allowed_origins.items[i])) {
            return true;
        }
    }
    return false;
}

static bool is_token(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!is_letter && !(byte >= '0' && byte <= '9') && byte != '-' && byte != '_') {
            return false;
        }
    }
    return text.len > 0 && text.len <= HEADER_NAME_BYTES_MAX;
}

static bool is_parameter(struct slice name) {
    static const struct slice prefix = {"mcp-param-", 10};
    return name.len > prefix.len && slice_eq_nocase(slice_of(name.ptr, prefix.len), prefix) &&
           is_token(name);
}

/* Which they are depends on the tool: those that are asked for are allowed by name. */
static void write_parameters(struct buf *out, struct slice asked) {
    for (size_t i = 0; i < ASKED_HEADERS_MAX && asked.len; i++) {
        size_t comma = slice_index(asked, ',');
        struct slice name = slice_trim(slice_of(asked.ptr, comma));
        if (is_parameter(name)) {
            buf_append_str(out, ", ");
            buf_append_slice(out, name);
        }
        asked = slice_skip(asked, comma + 1);
    }
}

void mcp_write_cors(struct buf *out, struct slice origin) {
    buf_append_str(out, "Access-Control-Allow-Origin: ");
    buf_append_slice(out, origin);
    buf_append_str(out, "\r\nVary: Origin\r\n"
                        "Access-Control-Expose-Headers: mcp-session-id, mcp-protocol-version, "
                        "www-authenticate, x-request-id, retry-after\r\n");
}

void mcp_write_preflight(struct buf *out, struct slice origin, struct slice asked) {
    mcp_write_cors(out, origin);
    buf_append_str(out,
                   "Access-Control-Allow-Methods: GET, POST, DELETE\r\n"
                   "Access-Control-Allow-Headers: authorization, content-type, accept, "
                   "mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id");
    write_parameters(out, asked);
    buf_append_str(out, "\r\nAccess-Control-Max-Age: 600\r\n");
}
