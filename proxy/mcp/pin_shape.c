/* Only where a schema is known to stand are its words left out. What a keyword that is not known
 * holds, and what is data (`enum`, `const`, `default`), counts byte for byte: to err is to call a
 * change of words one of the schema. */
#include "proxy/mcp/pin_shape.h"

#include "core/buf.h"
#include "core/json_canonical.h"

enum { DEPTH_MAX = 64 }; /* of schemas in schemas; what is deeper counts with its words */

enum place {
    AT_VALUE,        /* as it is */
    AT_SCHEMA,       /* or a list of them */
    AT_NAMED_SCHEMAS /* an object whose members are schemas, whatever they are called */
};

static const struct {
    struct slice keyword;
    enum place place;
} KEYWORDS[] = {
    {{"properties", 10}, AT_NAMED_SCHEMAS},
    {{"patternProperties", 17}, AT_NAMED_SCHEMAS},
    {{"$defs", 5}, AT_NAMED_SCHEMAS},
    {{"definitions", 11}, AT_NAMED_SCHEMAS},
    {{"dependentSchemas", 16}, AT_NAMED_SCHEMAS},
    {{"items", 5}, AT_SCHEMA},
    {{"prefixItems", 11}, AT_SCHEMA},
    {{"additionalItems", 15}, AT_SCHEMA},
    {{"unevaluatedItems", 16}, AT_SCHEMA},
    {{"contains", 8}, AT_SCHEMA},
    {{"additionalProperties", 20}, AT_SCHEMA},
    {{"unevaluatedProperties", 21}, AT_SCHEMA},
    {{"propertyNames", 13}, AT_SCHEMA},
    {{"allOf", 5}, AT_SCHEMA},
    {{"anyOf", 5}, AT_SCHEMA},
    {{"oneOf", 5}, AT_SCHEMA},
    {{"not", 3}, AT_SCHEMA},
    {{"if", 2}, AT_SCHEMA},
    {{"then", 4}, AT_SCHEMA},
    {{"else", 4}, AT_SCHEMA},
};

static enum place place_of(const struct json_text *json, uint32_t name) {
    for (size_t i = 0; i < sizeof KEYWORDS / sizeof *KEYWORDS; i++) {
        if (json_text_is(json, name, KEYWORDS[i].keyword)) {
            return KEYWORDS[i].place;
        }
    }
    return AT_VALUE;
}

static bool is_words(const struct json_text *json, uint32_t name) {
    if (json_text_is(json, name, SLICE("examples"))) {
        return true;
    }
    return json_text_kind(json, name + 1) == JSON_TEXT_STRING &&
           (json_text_is(json, name, SLICE("title")) ||
            json_text_is(json, name, SLICE("description")) ||
            json_text_is(json, name, SLICE("$comment")));
}

static void write_value(const struct json_text *json, uint32_t value, enum place place,
                        unsigned depth, struct buf *out);

static void write_members(const struct json_text *json, uint32_t object, enum place place,
                          unsigned depth, struct buf *out) {
    char separator = '{';
    for (uint32_t name = json_text_first(json, object); name != JSON_TEXT_NONE;
         name = json_text_after(json, object, name + 1)) {
        if (place == AT_SCHEMA && is_words(json, name)) {
            continue;
        }
        buf_append_char(out, separator);
        buf_append_slice(out, json_text_bytes(json, name));
        buf_append_char(out, ':');
        write_value(json, name + 1, place == AT_SCHEMA ? place_of(json, name) : AT_SCHEMA,
                    depth + 1, out);
        separator = ',';
    }
    buf_append_str(out, separator == '{' ? "{}" : "}");
}

static void write_items(const struct json_text *json, uint32_t array, unsigned depth,
                        struct buf *out) {
    char separator = '[';
    for (uint32_t item = json_text_first(json, array); item != JSON_TEXT_NONE;
         item = json_text_after(json, array, item)) {
        buf_append_char(out, separator);
        write_value(json, item, AT_SCHEMA, depth + 1, out);
        separator = ',';
    }
    buf_append_str(out, separator == '[' ? "[]" : "]");
}

/* Valid JSON, for it only leaves members out. */
static void write_value(const struct json_text *json, uint32_t value, enum place place,
                        unsigned depth, struct buf *out) {
    enum json_text_kind kind = json_text_kind(json, value);
    if (place != AT_VALUE && depth < DEPTH_MAX && kind == JSON_TEXT_OBJECT) {
        write_members(json, value, place, depth, out);
    } else if (place == AT_SCHEMA && depth < DEPTH_MAX && kind == JSON_TEXT_ARRAY) {
        write_items(json, value, depth, out);
    } else {
        buf_append_slice(out, json_text_bytes(json, value));
    }
}

bool mcp_pin_shape(const struct json_text *json, uint32_t schema, char out_hex[PIN_DIGEST_SIZE]) {
    /* What was within its reader's limits stays within them. */
    const struct json_text_limits limits = {.depth = UINT32_MAX, .values = UINT32_MAX};
    struct json_text shape;
    struct buf text;
    json_text_init(&shape);
    buf_init(&text, json_text_bytes(json, schema).len + 1);
    write_value(json, schema, AT_SCHEMA, 0, &text);
    bool is_done = buf_ok(&text) &&
                   json_text_read(&shape, buf_slice(&text), &limits) == STATUS_OK &&
                   json_canonical_digest(&shape, 0, out_hex);
    json_text_done(&shape);
    buf_done(&text);
    return is_done;
}
