/* Header values that repeat what stands in the body (Mcp-Name, Mcp-Param-*, 2026-07-28): as they
 * are, or as =?base64?...?= when a field cannot carry them. */
#ifndef BARKEEP_PROXY_MCP_MIRROR_H
#define BARKEEP_PROXY_MCP_MIRROR_H

#include "core/arena.h"
#include "core/buf.h"

/* What `value` stands for; it may point into `value`, else it lies in the arena. False when it is
 * neither plain visible ASCII nor canonical base64 of UTF-8, or without memory. */
bool mcp_mirror_read(struct slice value, struct arena *arena, struct slice *out_text);
/* Appends `text` in the form that mcp_mirror_read() takes back. */
void mcp_mirror_write(struct buf *out, struct slice text);

#endif
