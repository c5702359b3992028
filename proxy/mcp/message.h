/* One message of a client, read strictly: the HTTP head and the JSON-RPC body have to say the same.
 * Pure: bytes in, message or refusal out. Facts: the protocol's revisions 2025-03-26 to 2026-07-28.
 */
#ifndef BARKEEP_PROXY_MCP_MESSAGE_H
#define BARKEEP_PROXY_MCP_MESSAGE_H

#include "config/config.h"
#include "core/arena.h"
#include "core/json_text.h"
#include "core/reason.h"
#include "proxy/h1_head.h"
#include "proxy/mcp/method.h"

enum mcp_kind { MCP_REQUEST, MCP_NOTIFICATION, MCP_RESPONSE };

struct mcp_message {
    struct json_text json;
    enum mcp_kind kind;
    enum mcp_era era;
    struct slice revision; /* what it claims, or its Mcp-Protocol-Version; empty: none said */
    const struct mcp_method *method; /* NULL for a response */
    struct slice id;                 /* as it stands in the text; empty: none */
    bool has_name;
    struct slice name; /* unescaped: tool, prompt, URI, task id, in completions what is completed */
    struct slice
        upstream_name;         /* the server's own, when `name` was sealed: mcp_request_prepare() */
    struct slice completes;    /* of completions: "prompts/get" or "resources/read"; empty: none */
    struct slice *listen_uris; /* resources that a subscription asks for; in the arena */
    size_t listen_count;
    uint32_t params;
    uint32_t arguments; /* of params; JSON_TEXT_NONE: none */
};

static inline bool mcp_message_is_call(const struct mcp_message *message) {
    return message->kind == MCP_REQUEST && message->method &&
           slice_eq(message->method->text, SLICE("tools/call"));
}

/* Own codes lie outside what JSON-RPC and the protocol reserve. */
enum {
    MCP_CODE_DENIED = -31001,
    MCP_CODE_NOT_FORWARDED = -31002,
    MCP_CODE_PARSE = -32700,
    MCP_CODE_INVALID_REQUEST = -32600,
    MCP_CODE_METHOD_NOT_FOUND = -32601,
    MCP_CODE_INVALID_PARAMS = -32602,
    MCP_CODE_SESSION = -32001,            /* what the SDKs say with 404 */
    MCP_CODE_RESOURCE_NOT_FOUND = -32002, /* to 2025-11-25 */
    MCP_CODE_HEADER_MISMATCH = -32020,
    MCP_CODE_UNSUPPORTED_VERSION = -32022,
};

struct mcp_refusal {
    enum reason reason; /* for the audit */
    int http_status;
    int code;                        /* JSON-RPC's */
    const char *message;             /* fixed text: nothing of the input */
    struct slice id;                 /* to answer to; empty: null */
    struct slice requested_revision; /* MCP_CODE_UNSUPPORTED_VERSION */
    unsigned supported; /* with it, of enum config_mcp_revision; 0: all that the route serves */
};

void mcp_message_init(struct mcp_message *message);
void mcp_message_done(struct mcp_message *message);

/* Judges the head of a POST before its body is read: media type, coding, Accept. False: refused. */
bool mcp_head_read(const struct h1_request *request, struct mcp_refusal *out_refusal);
/* The same for GET (a stream of what the server says by itself) and DELETE (the end of a session).
 */
bool mcp_session_head_read(const struct config_mcp *mcp, const struct h1_request *request,
                           struct mcp_refusal *out_refusal);
/* Judges the body against the head. What is unescaped lies in `arena`. False: refused. */
bool mcp_message_read(struct mcp_message *message, const struct config_mcp *mcp,
                      const struct h1_request *request, struct slice body, struct arena *arena,
                      struct mcp_refusal *out_refusal);

#endif
