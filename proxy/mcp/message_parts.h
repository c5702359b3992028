/* What the files that read a message have in common. Private to message*.c and request.c. */
#ifndef BARKEEP_PROXY_MCP_MESSAGE_PARTS_H
#define BARKEEP_PROXY_MCP_MESSAGE_PARTS_H

#include "proxy/mcp/message.h"

#define MCP_META_REVISION SLICE("io.modelcontextprotocol/protocolVersion")
#define MCP_META_CAPABILITIES SLICE("io.modelcontextprotocol/clientCapabilities")
#define MCP_META_TASK SLICE("io.modelcontextprotocol/related-task")
#define MCP_MODERN_REVISION SLICE("2026-07-28")
/* What a server takes for the revision of a message that says none. */
#define MCP_SILENT_REVISION SLICE("2025-03-26")

enum {
    MCP_ID_BYTES_MAX = 4096, /* a sealed id is longer than the one it stands for */
    MCP_NAME_BYTES_MAX = 256,
    MCP_URI_BYTES_MAX = 2048,
    MCP_TASK_BYTES_MAX = 4096,
    MCP_LISTEN_URIS_MAX = 256,
    MCP_EVENT_ID_BYTES_MAX = 1536, /* sealed, as sessions are */
};

/* A field that may come once: its value, empty and false in *out_is_there when it did not come.
 * False when it came more than once. */
bool mcp_field_once(const struct h1_request *request, struct slice name, bool *out_is_there,
                    struct slice *out_value);

/* Fills in what is said to a client. Always false. */
bool mcp_refuse(struct mcp_refusal *out_refusal, struct slice id, int http_status, int code,
                const char *message);

/* message_names.c: names as the protocol has them, and none that only look so. */
enum mcp_members {
    MCP_MEMBERS_TOP,
    MCP_MEMBERS_PARAMS,
    MCP_MEMBERS_META,
    MCP_MEMBERS_CAPABILITIES,
    MCP_MEMBERS_REF,
    MCP_MEMBERS_LISTEN,
    MCP_MEMBERS_TASK,
    MCP_MEMBERS_RESULT /* what a filter looks for in it */
};
/* True when a member of `object` is called what one of the protocol's is called but for its case,
 * as readers that fold case (Go's encoding/json) would take it. JSON_TEXT_NONE has no members. */
bool mcp_has_look_alike(const struct json_text *json, uint32_t object, enum mcp_members members);
/* Tools and prompts: visible ASCII, spaces only between. */
bool mcp_name_is_plain(struct slice name);
/* One reading only: visible ASCII, lower-case scheme, no backslash, no dot segment in any spelling.
 */
bool mcp_uri_is_plain(struct slice uri);
bool mcp_task_is_plain(struct slice id);

/* message_head.c: the fields that say again what the body says. `method` is the body's, empty for a
 * response. False: refused. */
bool mcp_mirrors_agree(const struct mcp_message *message, struct slice method,
                       const struct h1_request *request, struct arena *arena,
                       struct mcp_refusal *out_refusal);
/* A legacy revision, said in a field or not at all, has to be among the route's. */
bool mcp_legacy_revision_is_served(const struct config_mcp *mcp, bool is_said,
                                   struct slice revision);

#endif
