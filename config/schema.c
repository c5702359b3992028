/* Reading a mapping by its table. A default goes through the very reader that a written value goes
 * through, so the table's text is the default in force and not a copy of it. */
#include "config/schema.h"

#include <assert.h>
#include <stdio.h>

#include "config/duration.h"
#include "config/problem.h"
#include "config/scalar.h"

enum {
    COMPARED_MAX = 16, /* unknown keys looked at for a missing one: nobody mistypes more of one
                          mapping */
    ROWS_MAX = 32,     /* of one table */
};

const struct schema_row *schema_find(const struct schema *schema, struct slice key) {
    if (key.len == 0)
        return NULL;
    for (const struct schema_row *row = schema->rows; row->key; row++) {
        if (row->key[0] == key.ptr[0] && slice_eq_str(key, row->key))
            return row;
    }
    return NULL;
}

static void list_keys(const struct schema *schema, char *out_text, size_t size) {
    size_t len = 0;
    out_text[0] = '\0';
    for (const struct schema_row *row = schema->rows; row->key && len < size; row++)
        len += (size_t)snprintf(out_text + len, size - len, "%s%s", len ? ", " : "", row->key);
}

/* The key that `mistyped` is near to; its ptr is NULL when there is none. */
static struct slice near_key(const struct schema *schema, struct slice mistyped) {
    struct suggestion suggestion;
    suggestion_init(&suggestion, mistyped);
    for (const struct schema_row *row = schema->rows; row->key; row++)
        suggestion_try(&suggestion, slice_of_str(row->key));
    return suggestion.best;
}

/* Whether an unknown key is about to be answered with "did you mean KEY?". */
static bool is_mistyped(const struct loader *loader, const struct schema *schema,
                        const struct node *mapping, const char *key) {
    size_t compared = 0;
    if (problem_list_is_full(loader->problems))
        return false;
    for (const struct node *node = mapping->first; node && compared < COMPARED_MAX;
         node = node->next) {
        if (schema_find(schema, node->key))
            continue;
        compared++;
        if (slice_eq_str(near_key(schema, node->key), key))
            return true;
    }
    return false;
}

static void refuse_key(struct loader *loader, const struct schema *schema,
                       const struct node *node) {
    char keys[256] = "";
    if (!problem_list_is_full(loader->problems)) {
        struct slice meant = near_key(schema, node->key);
        if (meant.ptr) {
            loader_key_error(loader, node, "unknown key, did you mean %s?", QUOTE(meant));
            return;
        }
        list_keys(schema, keys, sizeof keys);
    }
    loader_key_error(loader, node, "unknown key; %s takes: %s", schema->name, keys);
}

static void refuse_unknown_keys(struct loader *loader, const struct schema *schema,
                                const struct node *mapping) {
    for (const struct node *node = mapping->first; node; node = node->next) {
        if (!schema_find(schema, node->key))
            refuse_key(loader, schema, node);
    }
}

static void read_bool(struct loader *loader, const struct node *node, void *target) {
    if (node->kind == NODE_BOOL)
        *(bool *)target = scalar_bool(node->text);
    else
        loader_error(loader, node, "must be true or false, without quotes%s%s",
                     node->source.len ? ", got " : "", node->source.len ? QUOTE(node->source) : "");
}

static void read_count(struct loader *loader, const struct schema_row *row, const struct node *node,
                       void *target) {
    uint64_t value = 0;
    bool is_number = node->kind == NODE_INT && slice_parse_u64(node->text, row->max, &value);
    if (is_number && value >= row->min)
        *(uint32_t *)target = (uint32_t)value;
    else
        loader_error(loader, node, "must be a whole number from %llu to %llu%s%s",
                     (unsigned long long)row->min, (unsigned long long)row->max,
                     node->source.len ? ", got " : "", node->source.len ? QUOTE(node->source) : "");
}

static bool read_duration(struct loader *loader, const struct schema_row *row,
                          const struct node *node, uint64_t *out_ms) {
    struct quantity_text least = {""}, most = {""};
    uint64_t ms = 0;
    if (!duration_parse(node->text, &ms)) {
        loader_error(loader, node,
                     "must be a duration: a whole number with ms, s, m or h, such as %s%s%s",
                     row->fallback ? row->fallback : "1s", node->source.len ? "; got " : "",
                     node->source.len ? QUOTE(node->source) : "");
        return false;
    }
    if (ms < row->min || ms > row->max) {
        loader_error(loader, node, "must be from %s to %s, got %s",
                     duration_format(row->min, &least), duration_format(row->max, &most),
                     QUOTE(node->source));
        return false;
    }
    *out_ms = ms;
    return true;
}

static void read_seconds(struct loader *loader, const struct schema_row *row,
                         const struct node *node, void *target) {
    uint64_t ms = 0;
    if (!read_duration(loader, row, node, &ms))
        return;
    if (ms % 1000 != 0)
        loader_error(loader, node, "must be whole seconds, got %s", QUOTE(node->source));
    else
        *(uint32_t *)target = (uint32_t)(ms / 1000);
}

static void read_ms(struct loader *loader, const struct schema_row *row, const struct node *node,
                    void *target) {
    uint64_t ms = 0;
    if (read_duration(loader, row, node, &ms))
        *(uint32_t *)target = (uint32_t)ms;
}

static bool read_size(struct loader *loader, const struct schema_row *row, const struct node *node,
                      uint64_t *out_bytes) {
    struct quantity_text least = {""}, most = {""};
    uint64_t bytes = 0;
    if (!size_parse(node->text, &bytes)) {
        loader_error(loader, node,
                     "must be a size: a whole number of bytes, or with KiB, MiB or GiB%s%s",
                     node->source.len ? "; got " : "", node->source.len ? QUOTE(node->source) : "");
        return false;
    }
    if (bytes < row->min || bytes > row->max) {
        loader_error(loader, node, "must be from %s to %s, got %s", size_format(row->min, &least),
                     size_format(row->max, &most), QUOTE(node->source));
        return false;
    }
    *out_bytes = bytes;
    return true;
}

static void read_bytes(struct loader *loader, const struct schema_row *row, const struct node *node,
                       void *target) {
    uint64_t bytes = 0;
    if (read_size(loader, row, node, &bytes))
        *(uint32_t *)target = (uint32_t)bytes;
}

static void read_bytes_or_none(struct loader *loader, const struct schema_row *row,
                               const struct node *node, void *target) {
    if (slice_eq_str(node->text, "none"))
        *(uint64_t *)target = UINT64_MAX;
    else
        read_size(loader, row, node, target);
}

static void refuse_word(struct loader *loader, const struct schema_row *row,
                        const struct node *node) {
    struct suggestion suggestion;
    suggestion_init(&suggestion, node->text);
    for (struct slice rest = slice_of_str(row->choices); rest.len > 0;) {
        struct slice choice = slice_of(rest.ptr, slice_index(rest, '|'));
        suggestion_try(&suggestion, choice);
        rest = slice_skip(rest, choice.len + 1);
    }
    if (suggestion.best.ptr && node->source.len)
        loader_error(loader, node, "must be one of %s, got %s, did you mean %s?", row->choices,
                     QUOTE(node->source), QUOTE(suggestion.best));
    else
        loader_error(loader, node, "must be one of %s%s%s", row->choices,
                     node->source.len ? ", got " : "", node->source.len ? QUOTE(node->source) : "");
}

/* The position of the word among the choices. False after a problem. */
static bool read_word(struct loader *loader, const struct schema_row *row, const struct node *node,
                      unsigned *out_position) {
    struct slice rest = slice_of_str(row->choices);
    for (unsigned position = 0; rest.len > 0; position++) {
        struct slice choice = slice_of(rest.ptr, slice_index(rest, '|'));
        if (slice_eq(choice, node->text) && node_is_text(node)) {
            *out_position = position;
            return true;
        }
        rest = slice_skip(rest, choice.len + 1);
    }
    refuse_word(loader, row, node);
    return false;
}

static void read_row(struct loader *loader, const struct schema_row *row, const struct node *node,
                     void *target) {
    unsigned position = 0;
    struct slice text;
    if (node->kind == NODE_BROKEN)
        return;
    switch (row->type) {
    case SCHEMA_TEXT:
        if (loader_read_text(loader, node, "text", &text))
            *(const char **)target = loader_copy(loader, text);
        return;
    case SCHEMA_BOOL:
        read_bool(loader, node, target);
        return;
    case SCHEMA_COUNT:
        read_count(loader, row, node, target);
        return;
    case SCHEMA_COUNT_NONE:
        if (slice_eq_str(node->text, "none"))
            *(uint32_t *)target = UINT32_MAX;
        else
            read_count(loader, row, node, target);
        return;
    case SCHEMA_SECONDS:
        read_seconds(loader, row, node, target);
        return;
    case SCHEMA_MS:
        read_ms(loader, row, node, target);
        return;
    case SCHEMA_BYTES:
        read_bytes(loader, row, node, target);
        return;
    case SCHEMA_BYTES_NONE:
        read_bytes_or_none(loader, row, node, target);
        return;
    case SCHEMA_CHOICE:
        if (read_word(loader, row, node, &position))
            *(unsigned *)target = position;
        return;
    case SCHEMA_SWITCH:
        if (read_word(loader, row, node, &position))
            *(bool *)target = position == 1;
        return;
    case SCHEMA_MAPPING:
        schema_read(loader, row->child, node, target);
        return;
    case SCHEMA_OTHER:
        row->read(loader, node, target);
        return;
    }
}

static void read_absent(struct loader *loader, const struct schema_row *row,
                        const struct node *mapping, void *target);

void schema_read_defaults(struct loader *loader, const struct schema *schema,
                          const struct node *node, void *target) {
    for (const struct schema_row *row = schema->rows; row->key; row++)
        read_absent(loader, row, node, (char *)target + row->offset);
}

static void read_absent(struct loader *loader, const struct schema_row *row,
                        const struct node *mapping, void *target) {
    if (row->type == SCHEMA_MAPPING) {
        schema_read_defaults(loader, row->child, mapping, target);
        return;
    }
    if (!row->fallback)
        return;
    struct slice text = slice_of_str(row->fallback);
    struct node node = {.kind = scalar_kind(text),
                        .is_plain = true,
                        .position = mapping->position,
                        .parent = (struct node *)mapping,
                        .key = slice_of_str(row->key),
                        .text = text,
                        .source = text};
    read_row(loader, row, &node, target);
}

/* `node` is what stands under the row's key, or NULL. */
static void read_key(struct loader *loader, const struct schema *schema,
                     const struct schema_row *row, const struct node *mapping,
                     const struct node *node, void *target) {
    if (!node && row->is_required) {
        if (!is_mistyped(loader, schema, mapping, row->key))
            loader_missing(loader, mapping, row->key, row->summary);
    } else if (!node)
        read_absent(loader, row, mapping, target);
    else if (node->kind == NODE_NULL && !node->is_interpolated)
        loader_key_error(loader, node, "has no value; write %s, or leave the key out",
                         row->summary);
    else
        read_row(loader, row, node, target);
}

/* The value of each row, NULL where there is none. False when there are keys without a row. */
static bool sort_values(const struct schema *schema, const struct node *mapping,
                        const struct node *out_values[ROWS_MAX]) {
    bool are_known = true;
    memset(out_values, 0, ROWS_MAX * sizeof *out_values);
    for (const struct node *node = mapping->first; node; node = node->next) {
        const struct schema_row *row = schema_find(schema, node->key);
        assert(!row || row - schema->rows < ROWS_MAX);
        if (row)
            out_values[row - schema->rows] = node;
        else
            are_known = false;
    }
    return are_known;
}

bool schema_read(struct loader *loader, const struct schema *schema, const struct node *mapping,
                 void *target) {
    if (mapping->kind == NODE_BROKEN)
        return false;
    if (mapping->kind != NODE_MAPPING) {
        char keys[256];
        list_keys(schema, keys, sizeof keys);
        loader_error(loader, mapping, "must be a mapping (%s takes: %s), got %s", schema->name,
                     keys, node_kind_name(mapping));
        return false;
    }
    const struct node *values[ROWS_MAX];
    bool are_known = sort_values(schema, mapping, values);
    for (size_t i = 0; schema->rows[i].key; i++) {
        const struct schema_row *row = &schema->rows[i];
        read_key(loader, schema, row, mapping, values[i], (char *)target + row->offset);
    }
    if (!are_known)
        refuse_unknown_keys(loader, schema, mapping);
    return true;
}
