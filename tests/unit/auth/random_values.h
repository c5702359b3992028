/* Random values of arguments, and random ways to write them as JSON. What expressions, numbers and
 * texts mean stands beside them, for models to go by. */
#ifndef BARKEEP_TESTS_RANDOM_VALUES_H
#define BARKEEP_TESTS_RANDOM_VALUES_H

#include "random_source.h"

enum value_kind {
    VALUE_NULL,
    VALUE_FALSE,
    VALUE_TRUE,
    VALUE_NUMBER,
    VALUE_TEXT,
    VALUE_LIST,
    VALUE_OBJECT
};

enum { ITEMS_MAX = 5, TEXT_BYTES = 256 * 1024 };

struct value {
    enum value_kind kind;
    struct slice text; /* VALUE_TEXT, unescaped; VALUE_NUMBER, as it is written */
    int thousandths;   /* VALUE_NUMBER, as a double is */
    int hair;          /* how the digits differ from that: less, not, more */
    bool is_in_doubt;  /* readers take it differently */
    size_t count;
    const char *names[ITEMS_MAX];
    const struct value *items[ITEMS_MAX];
};

static const struct {
    const char *text;
    int thousandths;
    bool is_in_doubt;
    int hair;
} numbers[] = {
    {"5", 5000, false, 0},
    {"5.0", 5000, false, 0},
    {"50e-1", 5000, false, 0},
    {"0.5E+1", 5000, false, 0},
    {"0", 0, false, 0},
    {"-0", 0, false, 0},
    {"-0.0e7", 0, false, 0},
    {"1.5", 1500, false, 0},
    {"-1", -1000, false, 0},
    {"-1e0", -1000, false, 0},
    {"10", 10000, false, 0},
    {"4.999", 4999, false, 0},
    {"5.001", 5001, false, 0},
    {"1E400", 0, true, 0},
    {"10000000000000000000000", 0, true, 0},
    {"9007199254740993", 0, true, 0},
    {"5.0000000000000000001", 5000, false, 1},
    {"4.9999999999999999999e0", 5000, false, -1},
    {"149999999999999999999999E-23", 1500, false, -1},
    {"1E-400", 0, false, 1},
};

static bool begins_a_select(struct slice text) {
    return slice_starts_with(text, SLICE("SELECT "));
}

static bool has_drop(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (slice_starts_with(slice_skip(text, i), SLICE("DROP")))
            return true;
    return false;
}

static bool has_no_semicolon(struct slice text) {
    return slice_index(text, ';') == text.len;
}

static size_t characters_of(struct slice text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static bool is_one_character(struct slice text) {
    return characters_of(text) == 1;
}

static bool is_sales(struct slice text) {
    return slice_eq_str(text, "sales") || slice_eq_str(text, "s");
}

enum { EXPRESSIONS = 5 };

static const struct {
    const char *text;
    bool (*finds)(struct slice text);
} expressions[EXPRESSIONS] = {
    {"^SELECT ", begins_a_select}, {"DROP", has_drop},       {"^[^;]*$", has_no_semicolon},
    {"^.$", is_one_character},     {"^(sale)?s$", is_sales},
};

static inline struct slice make_text(void) {
    static const struct slice texts[] = {
        {"", 0},
        {"sales", 5},
        {"Sales", 5},
        {"s", 1},
        {"5", 1},
        {"SELECT 1", 8},
        {"SELECT\n1", 8},
        {"x\nSELECT 1", 10},
        {"SELECT 1;DROP", 13},
        {"\n", 1},
        {"\xc3\xa4", 2},
        {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 8},
        {"sales\n", 6},
        {"true", 4},
        {"s\0x", 3},
    };
    if (!one_in(30))
        return texts[below(COUNT(texts))];
    char *longest = make(8194, 1);
    memset(longest, 'a', 8194);
    return slice_of(longest, one_in(2) ? 8192 : 8193);
}

static inline const struct value *make_value(size_t depth) {
    static const char *const names[] = {"a", "b", "t~n", "s/h", "", "t~0n", "~1", "01"};
    struct value *value = make(1, sizeof *value);
    value->kind = (enum value_kind)below(depth ? VALUE_OBJECT + 1 : VALUE_TEXT + 1);
    if (value->kind == VALUE_NUMBER) {
        size_t which = below(COUNT(numbers));
        value->text = slice_of_str(numbers[which].text);
        value->thousandths = numbers[which].thousandths;
        value->is_in_doubt = numbers[which].is_in_doubt;
        value->hair = numbers[which].hair;
    } else if (value->kind == VALUE_TEXT) {
        value->text = make_text();
    } else if (value->kind >= VALUE_LIST) {
        size_t first = one_in(2) ? 0 : below(COUNT(names));
        value->count = below(ITEMS_MAX);
        for (size_t i = 0; i < value->count; i++) {
            value->names[i] = names[(first + i) % COUNT(names)];
            value->items[i] = make_value(depth - 1);
        }
    }
    return value;
}

static inline const struct value *make_arguments(void) {
    const struct value *value;
    do
        value = make_value(3);
    while (value->kind != VALUE_OBJECT);
    return value;
}

/* A JSON text while it is written. */
struct spelling {
    char *bytes;
    size_t len;
};

static inline void put(struct spelling *out, const char *bytes, size_t len) {
    assert_true(out->len + len <= TEXT_BYTES);
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

static inline void spell_text(struct spelling *out, struct slice text) {
    char escape[8];
    bool is_long = text.len > 100;
    put(out, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte == '/' && one_in(3))
            put(out, "\\/", 2);
        else if (byte == '\n' && one_in(2))
            put(out, "\\n", 2);
        else if (byte < ' ' || (byte < 0x80 && !is_long && one_in(12)))
            put(out, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", byte));
        else if (byte == 0xf0 && one_in(2)) {
            put(out, one_in(2) ? "\\uD83D\\ude00" : "\\ud83d\\uDE00", 12);
            i += 3;
        } else
            put(out, text.ptr + i, 1);
    }
    put(out, "\"", 1);
}

static inline void spell_value(struct spelling *out, const struct value *value) {
    static const char *const plain[] = {"null", "false", "true"};
    if (value->kind <= VALUE_TRUE)
        put(out, plain[value->kind], strlen(plain[value->kind]));
    else if (value->kind == VALUE_NUMBER)
        put(out, value->text.ptr, value->text.len);
    else if (value->kind == VALUE_TEXT)
        spell_text(out, value->text);
    if (value->kind < VALUE_LIST)
        return;
    put(out, value->kind == VALUE_LIST ? "[" : "{", 1);
    for (size_t i = 0; i < value->count; i++) {
        put(out, " ,", i ? 2 : one_in(2));
        if (value->kind == VALUE_OBJECT) {
            spell_text(out, slice_of_str(value->names[i]));
            put(out, ": ", 2);
        }
        spell_value(out, value->items[i]);
    }
    put(out, value->kind == VALUE_LIST ? "]" : "}", 1);
}

/* Until the next one is. */
static inline struct slice spell(const struct value *value) {
    static char bytes[TEXT_BYTES];
    struct spelling out = {bytes, 0};
    spell_value(&out, value);
    return slice_of(out.bytes, out.len);
}

#endif
