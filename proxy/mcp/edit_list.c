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

static int compare_edits(const void *a, const void *b) {
    const struct mcp_edit *left = a, *right = b;
    return (left->begin > right->begin) - (left->begin < right->begin);
}

/* Most come in order already. */
static void sort(struct mcp_edit_list *list) {
    for (size_t i = 1; i < list->count; i++) {
        if (list->items[i].begin < list->items[i - 1].begin) {
            qsort(list->items, list->count, sizeof *list->items, compare_edits);
            return;
        }
    }
}

bool mcp_edit_list_write(struct mcp_edit_list *list, struct slice text, struct buf *out) {
    size_t at = 0;
    if (list->failed) {
        return false;
    }
    sort(list);
    for (size_t i = 0; i < list->count; i++) {
        const struct mcp_edit *edit = &list->items[i];
        if (edit->begin < at || edit->end < edit->begin || edit->end > text.len) {
            return false;
        }
        buf_append(out, text.ptr + at, edit->begin - at);
        buf_append_slice(out, edit->put);
        at = edit->end;
    }
    buf_append_slice(out, slice_skip(text, at));
    return buf_ok(out);
}
