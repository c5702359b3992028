/* Edits are kept as they come and put in order once, when the text is written. */
#include "proxy/mcp/rewrite.h"

#include <stdlib.h>

void mcp_rewrite_add(struct mcp_rewrite *rewrite, size_t begin, size_t end, struct slice put) {
    if (rewrite->count == MCP_EDITS_MAX) {
        rewrite->overflowed = true;
        return;
    }
    rewrite->edits[rewrite->count++] = (struct mcp_edit){begin, end, put};
}

static int compare_edits(const void *a, const void *b) {
    const struct mcp_edit *left = a, *right = b;
    if (left->begin != right->begin) {
        return left->begin < right->begin ? -1 : 1;
    }
    return (left->end > right->end) - (left->end < right->end);
}

/* Most come in order already. */
static void sort(struct mcp_edit *edits, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (compare_edits(&edits[i - 1], &edits[i]) > 0) {
            qsort(edits, count, sizeof *edits, compare_edits);
            return;
        }
    }
}

bool mcp_edits_write(struct mcp_edit *edits, size_t count, struct slice text, struct buf *out) {
    size_t at = 0;
    sort(edits, count);
    for (size_t i = 0; i < count; i++) {
        const struct mcp_edit *edit = &edits[i];
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

bool mcp_rewrite_write(struct mcp_rewrite *rewrite, struct slice text, struct buf *out) {
    return !rewrite->overflowed && mcp_edits_write(rewrite->edits, rewrite->count, text, out);
}
