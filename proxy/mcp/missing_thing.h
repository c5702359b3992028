/* What a server says of a prompt or a resource that it does not have, for `denial: hide` to say the
 * same: as the specification has it, or as the library does that the server is known to be written
 * with. */
#ifndef BARKEEP_PROXY_MCP_MISSING_THING_H
#define BARKEEP_PROXY_MCP_MISSING_THING_H

#include "core/buf.h"
#include "proxy/mcp/message.h"
#include "proxy/mcp/missing_tool.h"

/* Does `asked` name a prompt, a resource or what of them is to be completed? */
bool mcp_names_thing(const struct mcp_message *asked);
/* Appends the answer to such a message that says that there is none of that name. */
void mcp_missing_thing_write(struct buf *out, enum mcp_library library,
                             const struct mcp_message *asked);

#endif
