/* What a reload compares: a digest of each part. Taken of what the tables make of the tree, so that
 * comments, the order of keys, quotes, 60s for 1m, one value for a list of one, and a default
 * written out change nothing. Lists keep their order: in `access` it decides. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "config/config_parts.h"
#include "config/duration.h"
#include "config/scalar.h"
#include "core/buf.h"

/* The file is at most 4 MiB, its variables 1 MiB; each value is written with its length. */
#define CANONICAL_MAX_BYTES ((size_t)16 << 20)

struct digestion {
    struct loader *loader;
    struct buf text;
    size_t part_cap;
};

static void write_value(struct digestion *digestion, const struct schema_row *row,
                        const struct node *node);

static void write_text(struct digestion *digestion, struct slice text) {
    buf_append_u64(&digestion->text, text.len);
    buf_append_char(&digestion->text, ':');
    buf_append_slice(&digestion->text, text);
}

static void write_number(struct digestion *digestion, uint64_t number) {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    write_text(digestion, slice_of_str(text));
}

static void write_scalar(struct digestion *digestion, const struct schema_row *row,
                         const struct node *node) {
    uint64_t number;
    struct slice text = node->text;
    enum schema_type type = row ? row->type : SCHEMA_OTHER;
    bool is_duration = type == SCHEMA_SECONDS || type == SCHEMA_MS;
    bool is_size = type == SCHEMA_BYTES || type == SCHEMA_BYTES_NONE;
    if (type == SCHEMA_BOOL || node->kind == NODE_BOOL)
        write_text(digestion, scalar_bool(text) ? SLICE("true") : SLICE("false"));
    else if ((is_duration && duration_parse(text, &number)) ||
             (is_size && size_parse(text, &number)))
        write_number(digestion, number);
    else
        write_text(digestion, text);
}

static bool is_container(const struct node *node) {
    return node->kind == NODE_LIST || node->kind == NODE_MAPPING;
}

/* Takes the end of the text off again when it says no more than `empty` does. */
static void drop_if(struct digestion *digestion, size_t start, size_t value, struct slice empty) {
    struct slice written = slice_skip(buf_slice(&digestion->text), value);
    if (slice_eq(written, empty))
        digestion->text.len = start;
}

/* What the default would be written as. */
static struct slice default_text(struct digestion *digestion, const struct schema_row *row,
                                 char *out_text, size_t size) {
    size_t start = digestion->text.len;
    const struct node node = {.kind = NODE_STRING, .text = slice_of_str(row->fallback)};
    write_value(digestion, row, &node);
    struct slice written = slice_skip(buf_slice(&digestion->text), start);
    digestion->text.len = start;
    if (written.len == 0 || written.len > size)
        return SLICE("");
    memcpy(out_text, written.ptr, written.len);
    return slice_of(out_text, written.len);
}

static void write_key(struct digestion *digestion, const struct schema *schema,
                      const struct node *node) {
    const struct schema_row *row = schema ? schema_find(schema, node->key) : NULL;
    char text[128];
    struct slice standard = SLICE("");
    if (row && row->fallback)
        standard = default_text(digestion, row, text, sizeof text);
    size_t start = digestion->text.len;
    write_text(digestion, node->key);
    size_t value = digestion->text.len;
    write_value(digestion, row, node);
    if (row && row->type == SCHEMA_MAPPING)
        standard = SLICE("{}");
    if (standard.len > 0)
        drop_if(digestion, start, value, standard);
}

static int compare_keys(const void *left, const void *right) {
    struct slice a = (*(const struct node *const *)left)->key;
    struct slice b = (*(const struct node *const *)right)->key;
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static void write_mapping(struct digestion *digestion, const struct schema *schema,
                          const struct node *mapping) {
    const struct node **keys = loader_array(digestion->loader, mapping->count, sizeof *keys);
    size_t count = 0;
    for (const struct node *node = mapping->first; keys && node; node = node->next)
        keys[count++] = node;
    if (count > 1)
        qsort(keys, count, sizeof *keys, compare_keys);
    buf_append_str(&digestion->text, "{");
    for (size_t i = 0; i < count; i++)
        write_key(digestion, schema, keys[i]);
    buf_append_str(&digestion->text, "}");
}

static void write_item(struct digestion *digestion, const struct schema_row *row,
                       const struct node *node) {
    if (node->kind == NODE_MAPPING)
        write_mapping(digestion, row ? row->child : NULL, node);
    else if (node->kind == NODE_LIST)
        write_value(digestion, NULL, node);
    else
        write_scalar(digestion, row, node);
}

/* As deep as the tree, which is at most 64. */
static void write_value(struct digestion *digestion, const struct schema_row *row,
                        const struct node *node) {
    bool is_list = node->kind == NODE_LIST || (row && row->shape == SHAPE_ONE_OR_LIST);
    if (!is_list) {
        write_item(digestion, row, node);
        return;
    }
    buf_append_str(&digestion->text, "[");
    for (const struct node *item = node_item_first(node); item; item = node_item_next(node, item))
        write_item(digestion, row, item);
    buf_append_str(&digestion->text, "]");
}

/* The text since `start` becomes a part, unless it is what leaving the part out means. */
static void add_part(struct digestion *digestion, const char *path, size_t start) {
    struct config *config = digestion->loader->config;
    struct slice text = slice_skip(buf_slice(&digestion->text), start);
    if (!buf_ok(&digestion->text)) {
        digestion->loader->is_out_of_memory = true;
        return;
    }
    if (text.len > 0 && config->parts && config->part_count < digestion->part_cap) {
        struct config_part *part = &config->parts[config->part_count++];
        part->path = path;
        if (EVP_Digest(text.ptr, text.len, part->digest, NULL, EVP_sha256(), NULL) != 1)
            digestion->loader->is_out_of_memory = true;
    }
    digestion->text.len = start;
}

static void add_named(struct digestion *digestion, const struct schema_row *row,
                      const struct node *section) {
    const struct schema_row item = {.key = row->key, .type = row->type, .child = row->child};
    for (const struct node *node = section->first; node; node = node->next) {
        const struct node *name = node;
        if (section->kind == NODE_LIST)
            name = node_find(node, SLICE("name"));
        struct slice text = section->kind == NODE_LIST ? name->text : node->key;
        write_value(digestion, &item, node);
        add_part(digestion, LOADER_FORMAT(digestion->loader, "%s.%.*s", row->key, SLICE_ARGS(text)),
                 0);
    }
}

static int compare_parts(const void *left, const void *right) {
    const struct config_part *a = left;
    const struct config_part *b = right;
    return strcmp(a->path, b->path);
}

static bool is_named(const struct schema_row *row) {
    return row->shape == SHAPE_NAMED || row->child == &ROUTE_SCHEMA;
}

static size_t count_parts(const struct node *root) {
    size_t count = 0;
    for (const struct node *node = root->first; node; node = node->next) {
        const struct schema_row *row = schema_find(&CONFIG_SCHEMA, node->key);
        count += row && is_named(row) && is_container(node) ? node->count : 1;
    }
    return count;
}

void config_digest_parts(struct loader *loader) {
    struct config *config = loader->config;
    struct digestion digestion = {.loader = loader, .part_cap = count_parts(loader->root)};
    config->parts = loader_array(loader, digestion.part_cap, sizeof *config->parts);
    buf_init(&digestion.text, CANONICAL_MAX_BYTES);
    for (const struct node *node = loader->root->first; node; node = node->next) {
        const struct schema_row *row = schema_find(&CONFIG_SCHEMA, node->key);
        if (is_named(row)) {
            add_named(&digestion, row, node);
            continue;
        }
        write_key(&digestion, &CONFIG_SCHEMA, node);
        add_part(&digestion, row->key, 0);
    }
    if (config->part_count > 1)
        qsort(config->parts, config->part_count, sizeof *config->parts, compare_parts);
    buf_done(&digestion.text);
}
