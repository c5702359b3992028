/* A text with some pieces put in the place of others: what is not named stays byte for byte. */
#ifndef BARKEEP_PROXY_MCP_REWRITE_H
#define BARKEEP_PROXY_MCP_REWRITE_H

#include "core/buf.h"

struct mcp_edit {
    size_t begin; /* bytes of the text that go */
    size_t end;
    struct slice put; /* instead; must live until the rewrite is written */
};

enum { MCP_EDITS_MAX = 64 };

/* Puts the edits in the order of their places and appends the text as edited. False when edits
 * overlap or lie beyond the text, or the buffer has no room. */
bool mcp_edits_write(struct mcp_edit *edits, size_t count, struct slice text, struct buf *out);

/* Edits may be added in any order and must not overlap. */
struct mcp_rewrite {
    struct mcp_edit edits[MCP_EDITS_MAX];
    size_t count;
    bool overflowed; /* too many: the text must not go on */
};

void mcp_rewrite_add(struct mcp_rewrite *rewrite, size_t begin, size_t end, struct slice put);
/* False when there were too many or no memory. */
bool mcp_rewrite_write(struct mcp_rewrite *rewrite, struct slice text, struct buf *out);

#endif
