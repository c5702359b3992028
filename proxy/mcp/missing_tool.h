/* What a server says of a tool that it does not have, for `denial: hide` to say the same. The
 * specification has one form and implementations have others: which one a server uses is learned
 * from calls that the rules allow and the server does not know. Only texts that stand in a table
 * count, so that nothing that one caller was told is repeated to another. */
#ifndef BARKEEP_PROXY_MCP_MISSING_TOOL_H
#define BARKEEP_PROXY_MCP_MISSING_TOOL_H

#include <stdatomic.h>

#include "core/buf.h"
#include "proxy/mcp/message.h"

/* What a server is written with, as far as its words show it. */
enum mcp_library {
    MCP_LIBRARY_OTHER,
    MCP_LIBRARY_TYPESCRIPT_1,
    MCP_LIBRARY_TYPESCRIPT_2,
    MCP_LIBRARY_COUNT
};

/* Of one route's servers, in each era; any thread may write it. Zero: nothing is known. */
struct mcp_missing_tool {
    atomic_uchar form[2]; /* by enum mcp_era */
};

/* `answer` is a server's to `asked`: when that is a call and the answer says that there is no such
 * tool, its form is known from now on. Until then any answer may show whose library wrote it. */
void mcp_missing_tool_learn(struct mcp_missing_tool *known, const struct mcp_message *asked,
                            const struct json_text *answer);
/* Appends the answer to the call `asked` that says so. */
void mcp_missing_tool_write(struct buf *out, const struct mcp_missing_tool *known,
                            const struct mcp_message *asked);
/* By the form that mcp_missing_tool_write() uses. */
enum mcp_library mcp_missing_tool_library(const struct mcp_missing_tool *known, enum mcp_era era);

#endif
