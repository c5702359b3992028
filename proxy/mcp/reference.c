/* Whoever may not read a resource may not hear of it either, and whoever may not get a prompt may
 * not learn what would complete it. */
#include "proxy/mcp/reference.h"

static void ask_about(struct slice method, struct slice name, struct policy_mcp *out_asked) {
    *out_asked = (struct policy_mcp){.method = method,
                                     .gate = POLICY_MCP_NAME,
                                     .has_name = true,
                                     .name = name,
                                     .arguments = JSON_TEXT_NONE};
}

bool mcp_reference_at(const struct mcp_message *message, size_t index,
                      struct policy_mcp *out_asked) {
    if (index < message->listen_count) {
        ask_about(SLICE("resources/read"), message->listen_uris[index], out_asked);
        return true;
    }
    if (index == message->listen_count && message->completes.len) {
        ask_about(message->completes, message->name, out_asked);
        return true;
    }
    return false;
}
