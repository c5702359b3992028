/* What barkeep itself says to an MCP client: bodies of errors and denials. The four shapes of a
 * denial are the route's choice (contract section 7). */
#ifndef BARKEEP_PROXY_MCP_ANSWER_H
#define BARKEEP_PROXY_MCP_ANSWER_H

#include "core/buf.h"
#include "proxy/mcp/message.h"
#include "proxy/mcp/missing_tool.h"

struct mcp_denial {
    enum reason reason; /* no_role, denied, rate_limited ... */
    const char *request_id;
    bool exposes_reason; /* expose_reasons */
    const char *detail;
};

/* {"jsonrpc":"2.0","id":...,"error":{...}} for a refusal; `data` holds reason and request_id. */
void mcp_write_refusal(struct buf *out, const struct config_mcp *mcp,
                       const struct mcp_refusal *refusal, const struct mcp_denial *why);
/* The body for a denied request in the route's shape, and the HTTP status that goes with it. A
 * shape that does not fit the method (a tool result for what is no tool call) falls back to an
 * error. Of `hide` it is what a server says of a name that it does not have; of a tool in the form
 * that `missing` has learned. */
void mcp_write_denial(struct buf *out, const struct config_mcp *mcp,
                      const struct mcp_message *message, const struct mcp_denial *why,
                      const struct mcp_missing_tool *missing, int *out_http_status);

#endif
