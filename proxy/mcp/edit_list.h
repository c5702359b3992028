/* Edits of a text as many as there are, in the order of their places: what a long list loses does
 * not fit a struct mcp_rewrite. */
#ifndef BARKEEP_PROXY_MCP_EDIT_LIST_H
#define BARKEEP_PROXY_MCP_EDIT_LIST_H

#include "proxy/mcp/rewrite.h"

struct mcp_edit_list {
    struct mcp_edit *items;
    size_t count;
    size_t capacity;
    bool failed; /* memory ran out: the text must not go on */
};

static inline void mcp_edit_list_init(struct mcp_edit_list *list) {
    *list = (struct mcp_edit_list){0};
}
void mcp_edit_list_done(struct mcp_edit_list *list);
/* Empties without freeing, but for what only a very long text needed. */
void mcp_edit_list_clear(struct mcp_edit_list *list);

/* In any order; they must not overlap. Failure is sticky. */
void mcp_edit_list_add(struct mcp_edit_list *list, size_t begin, size_t end, struct slice put);
/* Appends the text as edited. False without memory, beyond the buffer's limit, or when edits
 * overlap. */
bool mcp_edit_list_write(struct mcp_edit_list *list, struct slice text, struct buf *out);

#endif
