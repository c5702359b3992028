/* Asking a text that has been read. Nothing here allocates; names are compared as they stand, their
 * escapes read on the way. */
#include "core/json_string.h"

#define INTEGER_MAX ((int64_t)1 << 53)

uint32_t json_text_first(const struct json_text *json, uint32_t container) {
    if (container == JSON_TEXT_NONE || json->values[container].count == 0)
        return JSON_TEXT_NONE;
    return container + 1;
}

uint32_t json_text_after(const struct json_text *json, uint32_t container, uint32_t value) {
    uint32_t next = json->values[value].next;
    return next < json->values[container].next ? next : JSON_TEXT_NONE;
}

bool json_text_is(const struct json_text *json, uint32_t value, struct slice text) {
    if (value == JSON_TEXT_NONE || json->values[value].kind != JSON_TEXT_STRING)
        return false;
    struct slice inside = json_string_inside(json, value);
    if (!json->values[value].has_escapes)
        return slice_eq(inside, text);
    return json_string_take(&inside, text) && inside.len == 0;
}

typedef bool (*names_value)(const struct json_text *json, uint32_t name, struct slice wanted);

static uint32_t find_member(const struct json_text *json, uint32_t object, struct slice wanted,
                            names_value is_wanted) {
    if (object == JSON_TEXT_NONE || json->values[object].kind != JSON_TEXT_OBJECT)
        return JSON_TEXT_NONE;
    uint32_t end = json->values[object].next;
    for (uint32_t name = object + 1; name < end; name = json->values[name + 1].next) {
        if (is_wanted(json, name, wanted))
            return name + 1;
    }
    return JSON_TEXT_NONE;
}

uint32_t json_text_member(const struct json_text *json, uint32_t object, struct slice name) {
    return find_member(json, object, name, json_text_is);
}

/* `token` of a pointer, in which ~0 is ~ and ~1 is /. */
static bool is_token(const struct json_text *json, uint32_t name, struct slice token) {
    struct slice inside = json_string_inside(json, name);
    while (token.len > 0) {
        size_t plain = slice_index(token, '~');
        if (!json_string_take(&inside, slice_of(token.ptr, plain)))
            return false;
        token = slice_skip(token, plain);
        if (token.len == 0)
            break;
        if (token.len < 2 || (token.ptr[1] != '0' && token.ptr[1] != '1') ||
            !json_string_take(&inside, token.ptr[1] == '0' ? SLICE("~") : SLICE("/")))
            return false;
        token = slice_skip(token, 2);
    }
    return inside.len == 0;
}

static uint32_t find_item(const struct json_text *json, uint32_t array, struct slice token) {
    uint64_t position;
    if (!slice_parse_u64(token, UINT32_MAX, &position) || position >= json->values[array].count)
        return JSON_TEXT_NONE;
    uint32_t item = array + 1;
    for (; position > 0; position--)
        item = json->values[item].next;
    return item;
}

uint32_t json_text_pointer(const struct json_text *json, uint32_t value, struct slice pointer) {
    while (pointer.len > 0 && value != JSON_TEXT_NONE) {
        if (pointer.ptr[0] != '/')
            return JSON_TEXT_NONE;
        pointer = slice_skip(pointer, 1);
        struct slice token = slice_of(pointer.ptr, slice_index(pointer, '/'));
        pointer = slice_skip(pointer, token.len);
        value = json->values[value].kind == JSON_TEXT_ARRAY
                    ? find_item(json, value, token)
                    : find_member(json, value, token, is_token);
    }
    return value;
}

struct slice json_text_bytes(const struct json_text *json, uint32_t value) {
    const struct json_value *found = &json->values[value];
    return slice_of(json->text.ptr + found->begin, found->end - found->begin);
}

struct slice json_text_unescape(const struct json_text *json, uint32_t value, char *out) {
    struct slice inside = json_string_inside(json, value);
    char room[4];
    size_t len = 0;
    while (inside.len > 0) {
        struct slice piece = json_string_piece(&inside, room);
        memcpy(out + len, piece.ptr, piece.len);
        len += piece.len;
    }
    return slice_of(out, len);
}

bool json_text_integer(const struct json_text *json, uint32_t value, int64_t *out_integer) {
    if (value == JSON_TEXT_NONE || json->values[value].kind != JSON_TEXT_NUMBER)
        return false;
    struct slice digits = json_text_bytes(json, value);
    bool is_negative = digits.ptr[0] == '-';
    uint64_t integer;
    if (!slice_parse_u64(slice_skip(digits, is_negative), INTEGER_MAX - 1, &integer))
        return false;
    *out_integer = is_negative ? -(int64_t)integer : (int64_t)integer;
    return true;
}
