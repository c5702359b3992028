/* Strict reading of one JSON text (RFC 8259 with the bounds of RFC 7493): what another reader might
 * take differently is refused, nothing is repaired or copied. A text becomes a flat list of values
 * in the order of their first bytes, each pointing into it. jansson keeps reading what comes from
 * Azure and from files; this reads what is judged and sent on byte for byte. */
#ifndef BARKEEP_CORE_JSON_TEXT_H
#define BARKEEP_CORE_JSON_TEXT_H

#include "core/slice.h"
#include "core/status.h"

enum json_text_kind {
    JSON_TEXT_NULL,
    JSON_TEXT_FALSE,
    JSON_TEXT_TRUE,
    JSON_TEXT_NUMBER,
    JSON_TEXT_STRING,
    JSON_TEXT_ARRAY,
    JSON_TEXT_OBJECT
};

/* Index of no value. */
#define JSON_TEXT_NONE UINT32_MAX

/* In an object each member is two values: its name (a string), then its value. */
struct json_value {
    uint32_t begin; /* its bytes in the text: quotes, brackets and all */
    uint32_t end;
    uint32_t next;  /* index behind it and all it holds */
    uint32_t count; /* items of an array, members of an object */
    enum json_text_kind kind;
    bool has_escapes; /* of strings */
};

struct json_text_limits {
    uint32_t depth;  /* of arrays and objects within each other */
    uint32_t values; /* names counted too */
};

struct json_text {
    struct slice text;         /* the caller's; must outlive what is asked of it */
    struct json_value *values; /* values[0] is the whole */
    uint32_t count;
    uint32_t capacity;
    const char *problem; /* why it was refused: a fixed text, nothing of the input */
    size_t problem_at;   /* at which byte */
};

void json_text_init(struct json_text *json);
/* Frees the list; it may be used again. */
void json_text_done(struct json_text *json);

/* STATUS_OK, STATUS_INVALID (see `problem`), STATUS_NO_MEMORY. Refused are: duplicate names in one
 * object as they read unescaped, invalid UTF-8 and surrogates alone (raw or escaped), NUL in a
 * name, a byte order mark, anything but white space around the one value, numbers outside JSON's
 * grammar, more than the limits. Time is linear in the text, whatever names it repeats. The list is
 * reused by the next read. */
enum status json_text_read(struct json_text *json, struct slice text,
                           const struct json_text_limits *limits);

/* Value of the member called `name`, unescaped; JSON_TEXT_NONE when `object` is none or has none.
 */
uint32_t json_text_member(const struct json_text *json, uint32_t object, struct slice name);
/* First name of an object, first item of an array; JSON_TEXT_NONE when empty or neither. */
uint32_t json_text_first(const struct json_text *json, uint32_t container);
/* The value behind `value` in `container`; of a member's name that is its value. NONE at the end.
 */
uint32_t json_text_after(const struct json_text *json, uint32_t container, uint32_t value);
/* RFC 6901, from `value`. NONE when there is nothing. */
uint32_t json_text_pointer(const struct json_text *json, uint32_t value, struct slice pointer);

/* As it stands in the text. */
struct slice json_text_bytes(const struct json_text *json, uint32_t value);
static inline enum json_text_kind json_text_kind(const struct json_text *json, uint32_t value) {
    return json->values[value].kind;
}
/* A string that reads `text` when unescaped. */
bool json_text_is(const struct json_text *json, uint32_t value, struct slice text);
/* The string unescaped into `out`, which has room for json_text_bytes().len bytes. */
struct slice json_text_unescape(const struct json_text *json, uint32_t value, char *out);
/* A number without fraction or exponent within +-(2^53 - 1). */
bool json_text_integer(const struct json_text *json, uint32_t value, int64_t *out_integer);
/* Equal as JSON values: 1.0 is 1 (all digits count; exponents beyond 17 digits only as they are
 * spelled), members in any order, no coercion between kinds. False without memory. */
bool json_text_equal(const struct json_text *a, uint32_t of_a, const struct json_text *b,
                     uint32_t of_b);

#endif
