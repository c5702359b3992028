/* What an allowed message looks like on its way to the server: mirrored headers written anew from
 * the body, capabilities for what the route does not pass taken out, sealed names opened. */
#ifndef BARKEEP_PROXY_MCP_REQUEST_H
#define BARKEEP_PROXY_MCP_REQUEST_H

#include "proxy/mcp/message.h"
#include "proxy/mcp/rewrite.h"
#include "proxy/mcp/seal.h"

/* True for the fields of a request that are never copied but written anew: Mcp-Method, Mcp-Name,
 * Mcp-Protocol-Version, Mcp-Session-Id, Last-Event-ID, Accept, Content-Type, Cookie, Origin; of a
 * modern message Mcp-Param-* were compared with the body where they mirror it and pass once. */
bool mcp_field_is_ours(struct slice name);
/* The event that a GET's Last-Event-ID names, as the server calls it; empty without one. False: it
 * is none that this holder was given. The server it is of becomes the holder's. */
bool mcp_event_id_open(const struct h1_request *request, const struct mcp_seal *seal,
                       struct mcp_holder *holder, struct arena *arena, struct slice *out_id);
/* Appends "Name: value\r\n" lines, of a POST for its message, NULL for GET and DELETE. `session`
 * and `event_id` are the upstream's own, empty for none. */
bool mcp_write_fields(struct buf *out, const struct mcp_message *message, struct slice session,
                      struct slice event_id, const struct h1_request *request);

/* Prepares the body: edits for capabilities, for sealed task ids and request ids, and for a sealed
 * request state. False: a sealed name that does not open, see *out_refusal. A task's own id lands
 * in `message->upstream_name`. Of MCP_SEALED_REQUEST and MCP_SEALED_STATE the sealed text is JSON
 * as the server wrote it: a number, or a string with its quotes. The
 * server that the names are of becomes the holder's. */
bool mcp_request_prepare(struct mcp_message *message, const struct config_mcp *mcp,
                         const struct mcp_seal *seal, struct mcp_holder *holder,
                         struct arena *arena, struct mcp_rewrite *out_rewrite,
                         struct mcp_refusal *out_refusal);

#endif
