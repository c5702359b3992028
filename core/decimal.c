/* A decimal is its digits without the zeros at both ends, and where the point stands. */
#include "core/decimal.h"

#include <stdio.h>
#include <stdlib.h>

static size_t skip_digits(struct slice text, size_t at) {
    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9')
        at++;
    return at;
}

static bool is_at(struct slice text, size_t at, char byte) {
    return at < text.len && text.ptr[at] == byte;
}

/* Where each part of a number ends. */
struct shape {
    size_t whole; /* where it begins, behind the sign */
    size_t whole_end;
    size_t fraction_end; /* whole_end when there is none */
    size_t exponent;     /* behind the letter; the text's length when there is none */
};

static bool read_shape(struct slice text, struct shape *out_shape) {
    struct shape shape;
    shape.whole = is_at(text, 0, '-') ? 1 : 0;
    shape.whole_end = skip_digits(text, shape.whole);
    bool has_leading_zero = is_at(text, shape.whole, '0') && shape.whole_end > shape.whole + 1;
    if (shape.whole_end == shape.whole || has_leading_zero)
        return false;
    size_t at = shape.fraction_end = shape.whole_end;
    if (is_at(text, at, '.')) {
        shape.fraction_end = skip_digits(text, at + 1);
        if (shape.fraction_end == at + 1)
            return false;
        at = shape.fraction_end;
    }
    shape.exponent = text.len;
    if (is_at(text, at, 'e') || is_at(text, at, 'E')) {
        shape.exponent = at + 1;
        at += is_at(text, at + 1, '+') || is_at(text, at + 1, '-') ? 2 : 1;
        size_t end = skip_digits(text, at);
        if (end == at)
            return false;
        at = end;
    }
    *out_shape = shape;
    return at == text.len;
}

bool decimal_is_number(struct slice text) {
    struct shape shape;
    return read_shape(text, &shape);
}

static bool read_exponent(struct slice text, int32_t *out_exponent) {
    bool is_negative = is_at(text, 0, '-');
    int32_t value = 0;
    struct slice digits = slice_skip(text, is_negative || is_at(text, 0, '+') ? 1 : 0);
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = slice_skip(digits, 1);
    if (digits.len > 4)
        return false;
    for (size_t i = 0; i < digits.len; i++)
        value = value * 10 + (digits.ptr[i] - '0');
    *out_exponent = is_negative ? -value : value;
    return true;
}

/* Digits run on over the point; zeros in front move it, zeros behind are dropped. */
static bool add_digits(struct decimal *decimal, struct slice digits, bool is_fraction) {
    for (size_t i = 0; i < digits.len; i++) {
        bool is_leading = decimal->digit_count == 0 && digits.ptr[i] == '0';
        if (!is_fraction && !is_leading)
            decimal->point++;
        if (is_fraction && is_leading)
            decimal->point--;
        if (is_leading)
            continue;
        if (decimal->digit_count == DECIMAL_DIGITS_MAX)
            return false;
        decimal->digits[decimal->digit_count++] = digits.ptr[i];
    }
    return true;
}

bool decimal_parse(struct slice text, struct decimal *out_decimal) {
    struct shape shape;
    int32_t exponent = 0;
    if (text.len > 4 * DECIMAL_DIGITS_MAX || !read_shape(text, &shape) ||
        !read_exponent(slice_skip(text, shape.exponent), &exponent))
        return false;
    struct decimal decimal = {.is_negative = shape.whole == 1};
    struct slice whole = slice_of(text.ptr + shape.whole, shape.whole_end - shape.whole);
    size_t fraction = shape.fraction_end > shape.whole_end ? shape.whole_end + 1 : shape.whole_end;
    if (!add_digits(&decimal, whole, false) ||
        !add_digits(&decimal, slice_of(text.ptr + fraction, shape.fraction_end - fraction), true))
        return false;
    while (decimal.digit_count > 0 && decimal.digits[decimal.digit_count - 1] == '0')
        decimal.digit_count--;
    if (decimal.digit_count == 0)
        decimal = (struct decimal){0};
    else
        decimal.point += exponent;
    *out_decimal = decimal;
    return true;
}

static int compare_size(const struct decimal *a, const struct decimal *b) {
    if (a->digit_count == 0 || b->digit_count == 0)
        return (a->digit_count > 0) - (b->digit_count > 0);
    if (a->point != b->point)
        return a->point < b->point ? -1 : 1;
    size_t common = a->digit_count < b->digit_count ? a->digit_count : b->digit_count;
    int order = memcmp(a->digits, b->digits, common);
    return order != 0 ? order
                      : (a->digit_count > b->digit_count) - (a->digit_count < b->digit_count);
}

int decimal_compare(const struct decimal *a, const struct decimal *b) {
    if (a->is_negative != b->is_negative)
        return a->is_negative ? -1 : 1;
    return a->is_negative ? compare_size(b, a) : compare_size(a, b);
}

bool decimal_is_safe(const struct decimal *decimal) {
    static const struct decimal LARGEST = {
        .point = 16, .digit_count = 16, .digits = "9007199254740991"};
    return compare_size(decimal, &LARGEST) <= 0;
}

/* So short that no other number as short has the same double. */
static bool is_short(const struct decimal *decimal) {
    return decimal->digit_count <= 15 && decimal->point > -290 && decimal->point < 290;
}

/* Written without a point, which locales differ in. */
static double nearest_double(const struct decimal *decimal) {
    char text[DECIMAL_DIGITS_MAX + 32];
    if (decimal->digit_count == 0)
        return 0;
    (void)snprintf(text, sizeof text, "%s%.*se%d", decimal->is_negative ? "-" : "",
                   (int)decimal->digit_count, decimal->digits,
                   (int)decimal->point - (int)decimal->digit_count);
    return strtod(text, NULL);
}

bool decimal_reads_alike(const struct decimal *a, const struct decimal *b) {
    if (decimal_compare(a, b) == 0)
        return true;
    if (is_short(a) && is_short(b))
        return false;
    return nearest_double(a) == nearest_double(b);
}
