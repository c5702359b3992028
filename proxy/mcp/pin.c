/* Every member counts, known or not: what a server may say tomorrow is part of what was approved
 * today. Only for title, description and icons, and for the words inside of schemas, is it known
 * that no machine acts on them; models do. */
#include "proxy/mcp/pin.h"

#include <stdlib.h>

#include "core/json_canonical.h"
#include "proxy/mcp/pin_shape.h"

static bool is_schema(struct slice field) {
    return slice_eq(field, SLICE("inputSchema")) || slice_eq(field, SLICE("outputSchema"));
}

static bool is_words(struct slice field) {
    return slice_eq(field, SLICE("title")) || slice_eq(field, SLICE("description")) ||
           slice_eq(field, SLICE("icons"));
}

int mcp_pin_order(struct slice a, struct slice b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_fields(const void *a, const void *b) {
    return mcp_pin_order(((const struct mcp_pin_field *)a)->name,
                         ((const struct mcp_pin_field *)b)->name);
}

static int compare_name_with_pin(const void *name, const void *pin) {
    return mcp_pin_order(*(const struct slice *)name, ((const struct mcp_pin *)pin)->name);
}

const struct mcp_pin *mcp_pin_find(const struct mcp_pin *pins, size_t count, struct slice name) {
    return count ? bsearch(&name, pins, count, sizeof *pins, compare_name_with_pin) : NULL;
}

/* Unescaped, in the arena; ptr is NULL when it is none, empty, too long, or without memory. With a
 * NUL it could not be a member's name in the file. */
static struct slice read_name(const struct json_text *json, uint32_t string, struct arena *arena) {
    const struct slice none = {0};
    if (string == JSON_TEXT_NONE || json_text_kind(json, string) != JSON_TEXT_STRING) {
        return none;
    }
    size_t size = json_text_bytes(json, string).len;
    /* an escape is six times as long as what it stands for, at most */
    char *room = size <= 6 * PIN_NAME_BYTES_MAX + 2 ? arena_alloc(arena, size) : NULL;
    struct slice name = room ? json_text_unescape(json, string, room) : none;
    bool is_name = name.len > 0 && name.len <= PIN_NAME_BYTES_MAX && !memchr(name.ptr, 0, name.len);
    return is_name ? name : none;
}

static enum status read_field(const struct json_text *json, uint32_t name, struct arena *arena,
                              struct mcp_pin_field *field, struct error *err) {
    field->name = read_name(json, name, arena);
    if (!field->name.ptr) {
        return error_set(err, STATUS_INVALID,
                         "the name of a member has to be of 1 to %d bytes, none of them NUL",
                         PIN_NAME_BYTES_MAX);
    }
    if (!json_canonical_digest(json, name + 1, field->digest) ||
        (is_schema(field->name) && !mcp_pin_shape(json, name + 1, field->shape))) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    return STATUS_OK;
}

enum status mcp_pin_read(const struct json_text *json, uint32_t tool, struct arena *arena,
                         struct mcp_pin *out_pin, struct error *err) {
    struct mcp_pin pin = {.name =
                              read_name(json, json_text_member(json, tool, SLICE("name")), arena)};
    if (!pin.name.ptr) {
        return error_set(
            err, STATUS_INVALID,
            "a tool has to be an object with a name of 1 to %d bytes, none of them NUL",
            PIN_NAME_BYTES_MAX);
    }
    size_t count = json->values[tool].count;
    if (count > PIN_FIELDS_MAX) {
        return error_set(err, STATUS_INVALID, "a tool has more than %d members", PIN_FIELDS_MAX);
    }
    pin.fields = arena_array(arena, count, sizeof *pin.fields);
    if (!pin.fields || !json_canonical_digest(json, tool, pin.digest)) {
        return error_set(err, STATUS_NO_MEMORY, "out of memory");
    }
    enum status status = STATUS_OK;
    for (uint32_t name = json_text_first(json, tool); name != JSON_TEXT_NONE && status == STATUS_OK;
         name = json_text_after(json, tool, name + 1)) {
        status = read_field(json, name, arena, &pin.fields[pin.field_count++], err);
    }
    if (status == STATUS_OK) {
        qsort(pin.fields, pin.field_count, sizeof *pin.fields, compare_fields);
        *out_pin = pin;
    }
    return status;
}

static void add_change(struct mcp_pin_changes *changes, struct slice field,
                       enum mcp_pin_difference difference) {
    changes->items[changes->count++] = (struct mcp_pin_change){field, difference};
    bool is_of_words =
        difference == PIN_FIELD_WORDS || (difference != PIN_FIELD_CHANGED && is_words(field));
    if (!is_of_words) {
        changes->verdict = MCP_PIN_CHANGED;
    } else if (changes->verdict == MCP_PIN_SAME) {
        changes->verdict = MCP_PIN_WORDS_CHANGED;
    }
}

static void compare_field(const struct mcp_pin_field *approved, const struct mcp_pin_field *listed,
                          struct mcp_pin_changes *changes) {
    if (strcmp(approved->digest, listed->digest) == 0) {
        return;
    }
    bool has_same_shape = *approved->shape && strcmp(approved->shape, listed->shape) == 0;
    add_change(changes, listed->name,
               has_same_shape || is_words(listed->name) ? PIN_FIELD_WORDS : PIN_FIELD_CHANGED);
}

void mcp_pin_compare(const struct mcp_pin *approved, const struct mcp_pin *listed,
                     struct mcp_pin_changes *out_changes) {
    size_t i = 0, j = 0;
    out_changes->count = 0;
    out_changes->verdict = MCP_PIN_SAME;
    while (i < approved->field_count || j < listed->field_count) {
        int order = i == approved->field_count ? 1
                    : j == listed->field_count
                        ? -1
                        : mcp_pin_order(approved->fields[i].name, listed->fields[j].name);
        if (order < 0) {
            add_change(out_changes, approved->fields[i++].name, PIN_FIELD_GONE);
        } else if (order > 0) {
            add_change(out_changes, listed->fields[j++].name, PIN_FIELD_ADDED);
        } else {
            compare_field(&approved->fields[i++], &listed->fields[j++], out_changes);
        }
    }
    /* a file whose digests belong to different definitions approves neither */
    if (out_changes->count == 0 && strcmp(approved->digest, listed->digest) != 0) {
        out_changes->verdict = MCP_PIN_CHANGED;
    }
}
