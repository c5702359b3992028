/* The methods of the Model Context Protocol that are known, of all revisions from 2025-03-26 to
 * 2026-07-28: whatever is not in this table is not forwarded. */
#ifndef BARKEEP_PROXY_MCP_METHOD_H
#define BARKEEP_PROXY_MCP_METHOD_H

#include "auth/policy.h"

enum mcp_era { MCP_LEGACY, MCP_MODERN }; /* to 2025-11-25 with handshake; from 2026-07-28 without */

/* Who may send it: some methods go both ways. */
enum mcp_direction { MCP_FROM_CLIENT = 1, MCP_FROM_SERVER = 2, MCP_FROM_EITHER = 3 };

struct mcp_method {
    struct slice text; /* "tools/call" */
    enum mcp_direction direction;
    bool is_notification;
    bool in_legacy, in_modern;
    enum policy_mcp_gate gate;
    struct slice name_member; /* of params: "name", "uri", "taskId"; empty: none */
    bool mirrors_name;        /* Mcp-Name repeats it (2026-07-28) */
    struct slice list_member; /* POLICY_MCP_LIST: of result: "tools", "resourceTemplates" */
    struct slice
        item_member; /* POLICY_MCP_LIST: what an item is called by: "name", "uri", "uriTemplate" */
    struct slice uses; /* POLICY_MCP_LIST: "tools/call" */
};

static inline bool mcp_method_is_from(const struct mcp_method *method, enum mcp_direction side) {
    return ((unsigned)method->direction & (unsigned)side) != 0;
}
/* NULL when it is not known. Exact bytes. */
const struct mcp_method *mcp_method_find(struct slice text);
/* The list method that answers with this member of `result`, NULL: none. */
const struct mcp_method *mcp_method_of_list_member(struct slice member);

#endif
