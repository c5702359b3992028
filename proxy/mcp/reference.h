/* What a message refers to beside its own name, and what the rules are asked about it: resources
 * that it listens to, what it completes. */
#ifndef BARKEEP_PROXY_MCP_REFERENCE_H
#define BARKEEP_PROXY_MCP_REFERENCE_H

#include "proxy/mcp/message.h"

/* The reference at `index`, from 0. False: there are no more. */
bool mcp_reference_at(const struct mcp_message *message, size_t index,
                      struct policy_mcp *out_asked);

#endif
