/* A list as far as one caller may use what is on it: tools, prompts, resources and their templates.
 * Private to the filter. */
#ifndef BARKEEP_PROXY_MCP_LIST_FILTER_H
#define BARKEEP_PROXY_MCP_LIST_FILTER_H

#include "core/json_text.h"
#include "proxy/mcp/edit_list.h"
#include "proxy/mcp/filter.h"

/* Notes what has to go from the array at `list`, which is what `method` answers with, and adds up
 * how much in *in_out_hidden. Items that a message could not name do not stay either. Order stays.
 * `room` is for names that have to be unescaped. False without memory. */
bool mcp_list_filter(const struct mcp_view *view, const struct mcp_method *method,
                     const struct json_text *json, uint32_t list, struct buf *room,
                     struct mcp_edit_list *edits, uint64_t *in_out_hidden);

/* Puts `[]` in the place of a value, or of what a list holds. */
void mcp_list_empty(const struct json_text *json, uint32_t list, struct mcp_edit_list *edits,
                    uint64_t *in_out_hidden);

#endif
