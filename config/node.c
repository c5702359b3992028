/* Walking the tree and saying where in it something stands. Paths are built from the nodes
 * themselves, so that no reader has to carry one along. */
#include "config/node.h"

#include <stdio.h>

#include "config/quote.h"

void node_append(struct node *child) {
    struct node *parent = child->parent;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

const struct node *node_find(const struct node *mapping, struct slice key) {
    for (const struct node *child = mapping->first; child; child = child->next) {
        if (slice_eq(child->key, key))
            return child;
    }
    return NULL;
}

size_t node_item_count(const struct node *node) {
    return node->kind == NODE_LIST ? node->count : 1;
}

const struct node *node_item_first(const struct node *node) {
    return node->kind == NODE_LIST ? node->first : node;
}

const struct node *node_item_next(const struct node *node, const struct node *item) {
    return node->kind == NODE_LIST ? item->next : NULL;
}

bool node_is_text(const struct node *node) {
    if (node->kind == NODE_STRING)
        return true;
    return node->is_interpolated && node->kind != NODE_BROKEN;
}

const char *node_kind_name(const struct node *node) {
    static const char *const NAMES[] = {
        [NODE_BROKEN] = "nothing", [NODE_NULL] = "nothing",      [NODE_BOOL] = "true or false",
        [NODE_INT] = "a number",   [NODE_FLOAT] = "a number",    [NODE_STRING] = "text",
        [NODE_LIST] = "a list",    [NODE_MAPPING] = "a mapping",
    };
    return NAMES[node->kind];
}

/* Returns the length written so far. The tree is at most 64 deep, and so is this. */
static size_t path_append(const struct node *node, char *out_path, size_t size) {
    if (!node->parent)
        return 0;
    size_t len = path_append(node->parent, out_path, size);
    if (len + 1 >= size)
        return len;
    if (node->parent->kind == NODE_LIST) {
        int written = snprintf(out_path + len, size - len, "[%u]", node->index);
        len += (size_t)written;
        return len < size ? len : size - 1;
    }
    if (len > 0)
        out_path[len++] = '.';
    return len + quote_escape(node->key, out_path + len, size - len);
}

void node_path(const struct node *node, char *out_path, size_t size) {
    out_path[0] = '\0';
    size_t len = path_append(node, out_path, size);
    out_path[len] = '\0';
}
