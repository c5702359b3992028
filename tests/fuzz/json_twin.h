/* One text before core/json_text and before jansson, which was written by others: both accept or
 * both refuse, and both see the same values. They differ in two things: jansson refuses numbers
 * that no double holds, and passes over a NUL byte behind a number (2.14), which is never accepted
 * here.
 */
#ifndef BARKEEP_TESTS_FUZZ_JSON_TWIN_H
#define BARKEEP_TESTS_FUZZ_JSON_TWIN_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/json_canonical.h"

static const struct json_text_limits twin_limits = {200, 1u << 22};

static inline bool twin_same_string(const struct json_text *json, uint32_t value,
                                    const json_t *twin) {
    struct slice expected = slice_of(json_string_value(twin), json_string_length(twin));
    char *room = malloc(json_text_bytes(json, value).len);
    bool is_same = room && slice_eq(json_text_unescape(json, value, room), expected) &&
                   json_text_is(json, value, expected);
    free(room);
    return is_same;
}

static inline bool twin_same_number(const struct json_text *json, uint32_t value,
                                    const json_t *twin) {
    struct slice bytes = json_text_bytes(json, value);
    struct buf canonical;
    buf_init(&canonical, 64);
    bool is_same = json_canonical_write(json, value, &canonical);
    buf_append_char(&canonical, '\0');
    is_same = is_same && buf_ok(&canonical) && strtod(canonical.ptr, NULL) == json_real_value(twin);
    int64_t integer;
    if (is_same && json_text_integer(json, value, &integer))
        is_same = (double)integer == json_real_value(twin) && bytes.len <= 17;
    buf_done(&canonical);
    return is_same;
}

static inline bool twin_same(const struct json_text *json, uint32_t value, json_t *twin);

static inline bool twin_same_array(const struct json_text *json, uint32_t array, json_t *twin) {
    uint32_t item = json_text_first(json, array);
    if (json->values[array].count != json_array_size(twin))
        return false;
    for (size_t i = 0; i < json_array_size(twin); i++) {
        if (item == JSON_TEXT_NONE || !twin_same(json, item, json_array_get(twin, i)))
            return false;
        item = json_text_after(json, array, item);
    }
    return item == JSON_TEXT_NONE;
}

/* jansson keeps the order of members. */
static inline bool twin_same_object(const struct json_text *json, uint32_t object, json_t *twin) {
    uint32_t name = json_text_first(json, object);
    const char *key;
    json_t *member;
    if (json->values[object].count != json_object_size(twin))
        return false;
    json_object_foreach(twin, key, member) {
        if (name == JSON_TEXT_NONE || !json_text_is(json, name, slice_of_str(key)) ||
            json_text_member(json, object, slice_of_str(key)) != name + 1 ||
            !twin_same(json, name + 1, member))
            return false;
        name = json_text_after(json, object, name + 1);
    }
    return name == JSON_TEXT_NONE;
}

static inline bool twin_same(const struct json_text *json, uint32_t value, json_t *twin) {
    switch (json_text_kind(json, value)) {
    case JSON_TEXT_NULL:
        return json_is_null(twin);
    case JSON_TEXT_FALSE:
        return json_is_false(twin);
    case JSON_TEXT_TRUE:
        return json_is_true(twin);
    case JSON_TEXT_NUMBER:
        return json_is_real(twin) && twin_same_number(json, value, twin);
    case JSON_TEXT_STRING:
        return json_is_string(twin) && twin_same_string(json, value, twin);
    case JSON_TEXT_ARRAY:
        return json_is_array(twin) && twin_same_array(json, value, twin);
    case JSON_TEXT_OBJECT:
        return json_is_object(twin) && twin_same_object(json, value, twin);
    }
    return false;
}

/* What is accepted and written anew is accepted again, equal, and written no other way. */
static inline bool twin_canonical_stays(const struct json_text *json) {
    struct buf first, second;
    struct json_text again;
    buf_init(&first, json->text.len * 8 + 64);
    buf_init(&second, json->text.len * 8 + 64);
    json_text_init(&again);
    bool stays = json_canonical_write(json, 0, &first) &&
                 json_text_read(&again, buf_slice(&first), &twin_limits) == STATUS_OK &&
                 json_canonical_write(&again, 0, &second) &&
                 slice_eq(buf_slice(&first), buf_slice(&second));
    json_text_done(&again);
    buf_done(&first);
    buf_done(&second);
    return stays;
}

/* NULL when both agree, else what they do not agree upon. */
static inline const char *twin_difference(struct slice text, bool *out_is_accepted) {
    struct json_text json;
    json_error_t error = {0};
    const char *difference = NULL;
    json_text_init(&json);
    bool is_accepted = json_text_read(&json, text, &twin_limits) == STATUS_OK;
    *out_is_accepted = is_accepted;
    bool is_limited = json.problem && strstr(json.problem, "than allowed");
    json_t *twin = json_loadb(text.ptr, text.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL |
                                  JSON_DECODE_INT_AS_REAL,
                              &error);
    bool has_nul = slice_index(text, '\0') < text.len;
    if (is_accepted && has_nul)
        difference = "a NUL byte was accepted";
    else if (is_accepted && !twin && json_error_code(&error) != json_error_numeric_overflow)
        difference = "refused by jansson alone";
    else if (!is_accepted && twin && !is_limited && !has_nul)
        difference = json.problem;
    else if (is_accepted && twin && !twin_same(&json, 0, twin))
        difference = "not the same values";
    else if (is_accepted && !twin_canonical_stays(&json))
        difference = "the canonical form does not stay";
    else if (is_accepted && !json_text_equal(&json, 0, &json, 0))
        difference = "not equal to itself";
    json_decref(twin);
    json_text_done(&json);
    return difference;
}

#endif
