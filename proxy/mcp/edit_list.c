#include "proxy/mcp/edit_list.h"

#include <stdlib.h>

enum { FIRST_EDITS = 16, KEPT_EDITS = 4096 };

void mcp_edit_list_done(struct mcp_edit_list *list) {
    free(list->items);
    mcp_edit_list_init(list);
}

void mcp_edit_list_clear(struct mcp_edit_list *list) {
    if (list->capacity > KEPT_EDITS) {
        mcp_edit_list_done(list);
    }
    list->count = 0;
    list->failed = false;
}

static bool grow(struct mcp_edit_list *list) {
    size_t capacity = list->capacity ? list->capacity * 2 : FIRST_EDITS;
    struct mcp_edit *items = realloc(list->items, capacity * sizeof *items);
    if (!items) {
        list->failed = true;
        return false;
    }
    list->items = items;
    list->capacity = capacity;
    return true;
}

void mcp_edit_list_add(struct mcp_edit_list *list, size_t begin, size_t end, struct slice put) {
    if (list->count == list->capacity && !grow(list)) {
        return;
    }
    list->items[list->count++] = (struct mcp_edit){begin, end, put};
}

bool mcp_edit_list_write(struct mcp_edit_list *list, struct slice text, struct buf *out) {
    return !list->failed && mcp_edits_write(list->items, list->count, text, out);
}
