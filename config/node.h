/* The configuration file as a tree: what was written, where, and under which key. It holds no
 * meaning; schema.c and the config_*.c files give it one. Lives in the arena it was built in. */
#ifndef BARKEEP_CONFIG_NODE_H
#define BARKEEP_CONFIG_NODE_H

#include "config/config.h"
#include "core/slice.h"

enum node_kind {
    NODE_BROKEN, /* already reported: readers pass over it in silence */
    NODE_NULL,
    NODE_BOOL,
    NODE_INT,
    NODE_FLOAT,
    NODE_STRING,
    NODE_LIST,
    NODE_MAPPING,
};

struct node {
    enum node_kind kind;
    bool is_plain;        /* a scalar without quotes */
    bool is_interpolated; /* holds the value of a variable: a string, whatever it looks like */
    struct config_position position;
    struct config_position key_position; /* of the key, in mappings */
    struct node *parent;                 /* NULL for the root */
    struct slice key;                    /* in mappings */
    uint32_t index;                      /* in lists */
    uint32_t count;                      /* of what is in a list or mapping */
    struct slice text;                   /* scalars, without quotes; NUL-terminated */
    struct slice source;                 /* scalars as written, before variables were put in */
    struct node *first;                  /* lists and mappings, in file order */
    struct node *last;
    struct node *next;
};

/* Links `child` as the last one of its parent. */
void node_append(struct node *child);

/* The value under `key`, or NULL. */
const struct node *node_find(const struct node *mapping, struct slice key);

/* A value that may be one thing or a list of them, walked alike. */
size_t node_item_count(const struct node *node);
const struct node *node_item_first(const struct node *node);
const struct node *node_item_next(const struct node *node, const struct node *item);

/* True for strings, and for any scalar that a variable was put into. */
bool node_is_text(const struct node *node);

/* "a list", "a number": for messages. */
const char *node_kind_name(const struct node *node);

/* "routes[0].access[1].to.group", shortened to fit; "" for the root. */
void node_path(const struct node *node, char *out_path, size_t size);

#endif
