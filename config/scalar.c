/* The regular expressions of YAML 1.2 section 10.3.2, written out. */
#include "config/scalar.h"

static bool is_one_of(struct slice text, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (text.len > 0 && text.ptr[0] == words[i][0] && slice_eq_str(text, words[i]))
            return true;
    }
    return false;
}

#define IS_ONE_OF(text, ...)                                                                       \
    is_one_of((text), (const char *const[]){__VA_ARGS__},                                          \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

static bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t run_of(struct slice text, bool (*is)(char)) {
    size_t n = 0;
    while (n < text.len && is(text.ptr[n]))
        n++;
    return n;
}

static bool is_all(struct slice text, bool (*is)(char)) {
    return text.len > 0 && run_of(text, is) == text.len;
}

static struct slice without_sign(struct slice text) {
    bool is_signed = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    return is_signed ? slice_skip(text, 1) : text;
}

static bool is_int(struct slice text) {
    if (slice_starts_with(text, SLICE("0o")))
        return is_all(slice_skip(text, 2), is_octal);
    if (slice_starts_with(text, SLICE("0x")))
        return is_all(slice_skip(text, 2), is_hex);
    return is_all(without_sign(text), is_digit);
}

static bool is_exponent(struct slice text) {
    if (text.len == 0)
        return true;
    if (text.ptr[0] != 'e' && text.ptr[0] != 'E')
        return false;
    return is_all(without_sign(slice_skip(text, 1)), is_digit);
}

static bool is_float(struct slice text) {
    if (IS_ONE_OF(text, ".nan", ".NaN", ".NAN"))
        return true;
    text = without_sign(text);
    if (IS_ONE_OF(text, ".inf", ".Inf", ".INF"))
        return true;
    size_t whole = run_of(text, is_digit);
    text = slice_skip(text, whole);
    size_t fraction = 0;
    if (text.len > 0 && text.ptr[0] == '.') {
        text = slice_skip(text, 1);
        fraction = run_of(text, is_digit);
        text = slice_skip(text, fraction);
    }
    return whole + fraction > 0 && is_exponent(text);
}

/* Nearly all text begins as nothing else does. */
static bool may_be_other_than_text(char first) {
    return is_digit(first) || strchr("nNtTfF~.+-", first);
}

enum node_kind scalar_kind(struct slice plain) {
    if (plain.len > 0 && !may_be_other_than_text(plain.ptr[0]))
        return NODE_STRING;
    if (plain.len == 0 || IS_ONE_OF(plain, "null", "Null", "NULL", "~"))
        return NODE_NULL;
    if (IS_ONE_OF(plain, "true", "True", "TRUE", "false", "False", "FALSE"))
        return NODE_BOOL;
    if (is_int(plain))
        return NODE_INT;
    return is_float(plain) ? NODE_FLOAT : NODE_STRING;
}

bool scalar_bool(struct slice plain) {
    return IS_ONE_OF(plain, "true", "True", "TRUE");
}
