/* Reads a text in one pass, without recursion: the container that is open keeps the one around it
 * in `next`, which gets its meaning when it is closed, so that depth costs no memory of its own.
 * Every loop ends at the text's end or moves on by a byte; a name is looked at again once, when its
 * object closes. */
#include "core/json_text.h"

#include <endian.h>
#include <stdlib.h>

#include "core/json_names.h"
#include "core/utf8.h"

enum { FIRST_VALUES = 64 };

struct reader {
    struct json_text *json;
    const struct json_text_limits *limits;
    const char *at;
    const char *end;
    uint32_t open; /* the innermost container */
    uint32_t depth;
    enum status status;
};

static bool refuse_at(struct reader *reader, const char *at, const char *problem) {
    reader->json->problem = problem;
    reader->json->problem_at = (size_t)(at - reader->json->text.ptr);
    reader->status = STATUS_INVALID;
    return false;
}

static bool refuse(struct reader *reader, const char *problem) {
    return refuse_at(reader, reader->at, problem);
}

static bool fail_without_memory(struct reader *reader) {
    refuse(reader, "no memory");
    reader->status = STATUS_NO_MEMORY;
    return false;
}

static uint32_t position(const struct reader *reader, const char *at) {
    return (uint32_t)(at - reader->json->text.ptr);
}

static bool grow(struct reader *reader) {
    struct json_text *json = reader->json;
    uint32_t capacity = json->capacity ? json->capacity : FIRST_VALUES / 2;
    capacity = capacity > UINT32_MAX / 2 ? UINT32_MAX : capacity * 2;
    struct json_value *values = realloc(json->values, (size_t)capacity * sizeof *values);
    if (!values)
        return fail_without_memory(reader);
    json->values = values;
    json->capacity = capacity;
    return true;
}

/* From reader->at up to `end`. */
static bool add_value(struct reader *reader, enum json_text_kind kind, const char *end) {
    struct json_text *json = reader->json;
    if (json->count >= reader->limits->values || json->count == JSON_TEXT_NONE)
        return refuse(reader, "more values than allowed");
    if (json->count == json->capacity && !grow(reader))
        return false;
    uint32_t index = json->count++;
    json->values[index] = (struct json_value){.begin = position(reader, reader->at),
                                              .end = position(reader, end),
                                              .next = index + 1,
                                              .kind = kind};
    reader->at = end;
    return true;
}

/* The byte behind white space; 0, which stands nowhere outside of strings, at the end. */
static char peek(struct reader *reader) {
    const char *at = reader->at;
    while (at < reader->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    reader->at = at;
    return at < reader->end ? *at : '\0';
}

#define EACH_BYTE(byte) (0x0101010101010101U * (byte))

/* At the first byte that needs a look: a quote, a backslash, a control, what is not ASCII. Eight at
 * a time; a borrow spoils only bytes behind one that is found. */
static const char *skip_plain(const char *at, const char *end) {
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        word = le64toh(word);
        uint64_t quotes = (word ^ EACH_BYTE('"')) - EACH_BYTE(1);
        uint64_t backslashes = (word ^ EACH_BYTE('\\')) - EACH_BYTE(1);
        uint64_t controls = word - EACH_BYTE(0x20);
        uint64_t found = (quotes | backslashes | controls | word) & EACH_BYTE(0x80);
        if (found)
            return at + __builtin_ctzll(found) / 8;
    }
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' &&
           *at != '\\')
        at++;
    return at;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit of the `\uXXXX` at `at`, or -1. */
static int escaped_unit(const char *at, const char *end) {
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    int unit = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Behind the escape at `at`; NULL when refused. */
static const char *read_escape(struct reader *reader, const char *at, bool is_name) {
    if (reader->end - at >= 2 && at[1] != 'u') {
        if (at[1] != '\0' && strchr("\"\\/bfnrt", at[1]))
            return at + 2;
        refuse_at(reader, at, "an escape that JSON does not have");
        return NULL;
    }
    int unit = escaped_unit(at, reader->end);
    const char *problem = NULL;
    if (unit < 0)
        problem = "an escape without its four hex digits";
    else if (unit == 0 && is_name)
        problem = "NUL in a name";
    else if (unit >= 0xDC00 && unit <= 0xDFFF)
        problem = "a surrogate alone";
    if (problem) {
        refuse_at(reader, at, problem);
        return NULL;
    }
    if (unit < 0xD800 || unit > 0xDBFF)
        return at + 6;
    int second = escaped_unit(at + 6, reader->end);
    if (second >= 0xDC00 && second <= 0xDFFF)
        return at + 12;
    refuse_at(reader, at, "a surrogate alone");
    return NULL;
}

/* Behind the code points at `at` that are not ASCII; NULL when refused. */
static const char *read_beyond_ascii(struct reader *reader, const char *at) {
    while (at < reader->end && (unsigned char)*at >= 0x80) {
        uint32_t code_point;
        size_t len = utf8_decode(slice_of(at, (size_t)(reader->end - at)), &code_point);
        if (len == 0) {
            refuse_at(reader, at, "bytes that are not UTF-8");
            return NULL;
        }
        at += len;
    }
    return at;
}

/* reader->at is at the opening quote. */
static bool read_string(struct reader *reader, bool is_name) {
    bool has_escapes = false;
    const char *at = skip_plain(reader->at + 1, reader->end);
    while (at < reader->end && *at != '"') {
        if (*at == '\\') {
            has_escapes = true;
            at = read_escape(reader, at, is_name);
        } else if ((unsigned char)*at < 0x20) {
            return refuse_at(reader, at, "a control character in a string");
        } else {
            at = read_beyond_ascii(reader, at);
        }
        if (!at)
            return false;
        at = skip_plain(at, reader->end);
    }
    if (at == reader->end)
        return refuse_at(reader, at, "a string without an end");
    if (!add_value(reader, JSON_TEXT_STRING, at + 1))
        return false;
    reader->json->values[reader->json->count - 1].has_escapes = has_escapes;
    return true;
}

static const char *skip_digits(const char *at, const char *end) {
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

static bool read_number(struct reader *reader) {
    const char *end = reader->end, *at = reader->at;
    if (*at == '-')
        at++;
    const char *integer = at;
    at = skip_digits(at, end);
    if (at == integer || (*integer == '0' && at - integer > 1))
        return refuse(reader, "a number that JSON does not have");
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = skip_digits(at, end);
        if (at == fraction)
            return refuse(reader, "a number that JSON does not have");
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const char *exponent = at;
        at = skip_digits(at, end);
        if (at == exponent)
            return refuse(reader, "a number that JSON does not have");
    }
    return add_value(reader, JSON_TEXT_NUMBER, at);
}

static bool read_word(struct reader *reader, enum json_text_kind kind, struct slice word) {
    if (!slice_starts_with(slice_of(reader->at, (size_t)(reader->end - reader->at)), word))
        return refuse(reader, "not a value");
    return add_value(reader, kind, reader->at + word.len);
}

/* All but arrays and objects. */
static bool read_scalar(struct reader *reader, char first) {
    switch (first) {
    case '"':
        return read_string(reader, false);
    case 't':
        return read_word(reader, JSON_TEXT_TRUE, SLICE("true"));
    case 'f':
        return read_word(reader, JSON_TEXT_FALSE, SLICE("false"));
    case 'n':
        return read_word(reader, JSON_TEXT_NULL, SLICE("null"));
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return read_number(reader);
    default:
        return refuse(reader, reader->at == reader->end ? "the text ends early" : "not a value");
    }
}

/* A member's name and the colon. */
static bool read_name(struct reader *reader) {
    if (peek(reader) != '"')
        return refuse(reader, "no name where one is due");
    if (!read_string(reader, true))
        return false;
    if (peek(reader) != ':')
        return refuse(reader, "no colon behind a name");
    reader->at++;
    return true;
}

static bool open_container(struct reader *reader, enum json_text_kind kind) {
    if (reader->depth >= reader->limits->depth)
        return refuse(reader, "deeper than allowed");
    if (!add_value(reader, kind, reader->at + 1))
        return false;
    uint32_t index = reader->json->count - 1;
    reader->json->values[index].next = reader->open;
    reader->open = index;
    reader->depth++;
    return true;
}

static bool close_container(struct reader *reader) {
    struct json_text *json = reader->json;
    uint32_t index = reader->open, duplicate = 0;
    struct json_value *container = &json->values[index];
    reader->open = container->next;
    reader->depth--;
    reader->at++;
    container->next = json->count;
    container->end = position(reader, reader->at);
    if (container->kind != JSON_TEXT_OBJECT)
        return true;
    enum status status = json_names_differ(json, index, &duplicate);
    if (status == STATUS_INVALID)
        return refuse_at(reader, json->text.ptr + json->values[duplicate].begin,
                         "a name twice in one object");
    return status == STATUS_OK || fail_without_memory(reader);
}

/* Behind a value: closes what ends there, up to where the next value begins or the text ends. */
static bool go_to_next_value(struct reader *reader) {
    struct json_text *json = reader->json;
    while (reader->open != JSON_TEXT_NONE) {
        struct json_value *container = &json->values[reader->open];
        bool is_object = container->kind == JSON_TEXT_OBJECT;
        container->count++;
        char c = peek(reader);
        if (c == ',') {
            reader->at++;
            return !is_object || read_name(reader);
        }
        if (c != (is_object ? '}' : ']'))
            return refuse(reader, reader->at == reader->end ? "the text ends early"
                                                            : "no comma behind a value");
        if (!close_container(reader))
            return false;
    }
    return true;
}

/* Behind an opening bracket. `out_is_empty` when it was closed again. */
static bool go_to_first_value(struct reader *reader, bool is_object, bool *out_is_empty) {
    *out_is_empty = peek(reader) == (is_object ? '}' : ']');
    if (*out_is_empty)
        return close_container(reader);
    return !is_object || read_name(reader);
}

static bool read_values(struct reader *reader) {
    do {
        char c = peek(reader);
        if (c == '{' || c == '[') {
            bool is_empty;
            if (!open_container(reader, c == '{' ? JSON_TEXT_OBJECT : JSON_TEXT_ARRAY) ||
                !go_to_first_value(reader, c == '{', &is_empty))
                return false;
            if (!is_empty)
                continue;
        } else if (!read_scalar(reader, c)) {
            return false;
        }
        if (!go_to_next_value(reader))
            return false;
    } while (reader->open != JSON_TEXT_NONE);
    return true;
}

static bool read_all(struct reader *reader) {
    struct slice text = reader->json->text;
    if (text.len >= UINT32_MAX)
        return refuse(reader, "longer than 4 GiB");
    if (slice_starts_with(text, SLICE("\xEF\xBB\xBF")))
        return refuse(reader, "a byte order mark");
    if (!read_values(reader))
        return false;
    peek(reader);
    return reader->at == reader->end || refuse(reader, "more than one value");
}

void json_text_init(struct json_text *json) {
    *json = (struct json_text){0};
}

void json_text_done(struct json_text *json) {
    free(json->values);
    json_text_init(json);
}

enum status json_text_read(struct json_text *json, struct slice text,
                           const struct json_text_limits *limits) {
    json->text = text.ptr ? text : SLICE("");
    json->count = 0;
    json->problem = NULL;
    json->problem_at = 0;
    struct reader reader = {.json = json,
                            .limits = limits,
                            .at = json->text.ptr,
                            .end = json->text.ptr + json->text.len,
                            .open = JSON_TEXT_NONE,
                            .status = STATUS_OK};
    if (!read_all(&reader))
        json->count = 0;
    return reader.status;
}
