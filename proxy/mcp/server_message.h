/* One message of the server: what of it one caller gets. Private to the filter. */
#ifndef BARKEEP_PROXY_MCP_SERVER_MESSAGE_H
#define BARKEEP_PROXY_MCP_SERVER_MESSAGE_H

#include "core/arena.h"
#include "core/json_text.h"
#include "proxy/mcp/edit_list.h"
#include "proxy/mcp/filter.h"

enum mcp_server_verdict {
    MCP_SERVER_PASSES,    /* byte for byte */
    MCP_SERVER_EDITED,    /* as mcp_server_message_write() has it */
    MCP_SERVER_HELD_BACK, /* a request or notification that is not for the client */
    MCP_SERVER_MALFORMED,
    MCP_SERVER_NO_MEMORY
};

/* What reads one message after the other. */
struct mcp_server_message {
    const struct mcp_view *view;
    struct json_text json;
    struct mcp_edit_list edits;
    struct arena arena; /* what is put in */
    struct buf room;    /* a name unescaped */
    bool is_answer;     /* what was judged last answers a request of the client's */
    struct mcp_filter_counts counts;
};

void mcp_server_message_init(struct mcp_server_message *message, const struct mcp_view *view);
void mcp_server_message_done(struct mcp_server_message *message);

/* `text` must last until it was written. */
enum mcp_server_verdict mcp_server_message_judge(struct mcp_server_message *message,
                                                 struct slice text);
/* Appends it as edited. False when it does not fit. */
bool mcp_server_message_write(struct mcp_server_message *message, struct buf *out);

#endif
