/* A number is its significant digits and where the point stands among them; that is what numbers
 * are compared by. To become a double it is spelled anew as an integer with an exponent, so that
 * no locale's idea of a point has a say, and back with printf, whose point is passed over. */
#include "core/json_number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    EXPONENT_DIGITS_MAX = 17,
    /* A double and the middle between two have at most 768 significant digits: what follows can
     * only say that there is more. */
    DOUBLE_DIGITS_MAX = 800,
    SHORTEST_MAX = 17,
    /* 10^-323 is more than what lies between two subnormals. */
    SUBNORMAL_POINT = -323
};

/* 0.DDD * 10^point, where DDD are the bytes from `digits` on without those that are no digits;
 * the first and the last are not 0. Zero has none. */
struct decimal {
    bool is_negative;
    bool is_huge; /* its exponent has too many digits: `point` is not right */
    struct slice digits;
    int64_t point;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t mantissa_len(struct slice number) {
    size_t len = 0;
    while (len < number.len && (number.ptr[len] | 0x20) != 'e')
        len++;
    return len;
}

/* Of "e+05". */
static int64_t exponent_of(struct slice spelled, bool *out_is_huge) {
    *out_is_huge = false;
    spelled = slice_skip(spelled, 1);
    bool is_negative = slice_starts_with(spelled, SLICE("-"));
    while (spelled.len > 1 && (!is_digit(spelled.ptr[0]) || spelled.ptr[0] == '0'))
        spelled = slice_skip(spelled, 1);
    if (spelled.len > EXPONENT_DIGITS_MAX) {
        *out_is_huge = true;
        spelled.len = EXPONENT_DIGITS_MAX;
    }
    int64_t value = 0;
    for (size_t i = 0; i < spelled.len; i++)
        value = value * 10 + (spelled.ptr[i] - '0');
    return is_negative ? -value : value;
}

static struct decimal decimal_of(struct slice number) {
    struct decimal decimal = {.is_negative = number.ptr[0] == '-'};
    size_t len = mantissa_len(number);
    decimal.point = exponent_of(slice_skip(number, len), &decimal.is_huge);
    struct slice digits = slice_skip(slice_of(number.ptr, len), decimal.is_negative);
    decimal.point += (int64_t)slice_index(digits, '.');
    while (digits.len > 0 && (digits.ptr[0] == '0' || digits.ptr[0] == '.')) {
        decimal.point -= digits.ptr[0] == '0';
        digits = slice_skip(digits, 1);
    }
    while (digits.len > 0 &&
           !(is_digit(digits.ptr[digits.len - 1]) && digits.ptr[digits.len - 1] != '0'))
        digits.len--;
    decimal.digits = digits;
    return decimal;
}

static bool take_digit(struct slice *digits, char *out_digit) {
    while (digits->len > 0 && !is_digit(digits->ptr[0]))
        *digits = slice_skip(*digits, 1);
    if (digits->len == 0)
        return false;
    *out_digit = digits->ptr[0];
    *digits = slice_skip(*digits, 1);
    return true;
}

static bool same_digits(struct slice a, struct slice b) {
    char digit_a, digit_b;
    while (take_digit(&a, &digit_a)) {
        if (!take_digit(&b, &digit_b) || digit_a != digit_b)
            return false;
    }
    return !take_digit(&b, &digit_b);
}

bool json_number_equal(struct slice a, struct slice b) {
    if (slice_eq(a, b))
        return true;
    struct decimal of_a = decimal_of(a), of_b = decimal_of(b);
    if (of_a.digits.len == 0 || of_b.digits.len == 0)
        return of_a.digits.len == of_b.digits.len;
    return !of_a.is_huge && !of_b.is_huge && of_a.is_negative == of_b.is_negative &&
           of_a.point == of_b.point && same_digits(of_a.digits, of_b.digits);
}

static double double_of(const struct decimal *decimal) {
    char spelled[DOUBLE_DIGITS_MAX + 32];
    struct slice rest = decimal->digits;
    int len = 0;
    while (len < DOUBLE_DIGITS_MAX && take_digit(&rest, &spelled[len]))
        len++;
    if (rest.len > 0)
        spelled[len++] = '1';
    int64_t exponent = decimal->point - len;
    /* Far beyond what any double has, near enough for strtod(). */
    exponent = exponent > 100000 ? 100000 : exponent < -100000 ? -100000 : exponent;
    (void)snprintf(spelled + len, sizeof spelled - (size_t)len, "e%d", (int)exponent);
    return strtod(spelled, NULL);
}

/* Digits without zeros at their end, and the point's place as in struct decimal. */
struct shortest {
    char digits[SHORTEST_MAX + 1];
    int len;
    int point;
};

static void drop_zeros(struct shortest *shortest) {
    while (shortest->len > 1 && shortest->digits[shortest->len - 1] == '0')
        shortest->len--;
}

/* The nearest of so many digits. */
static void print_digits(double value, int digits, struct shortest *out) {
    char printed[SHORTEST_MAX + 16];
    (void)snprintf(printed, sizeof printed, "%.*e", digits - 1, value);
    const char *at = printed;
    for (out->len = 0; *at != 'e'; at++) {
        if (is_digit(*at) && out->len < SHORTEST_MAX)
            out->digits[out->len++] = *at;
    }
    out->point = (int)strtol(at + 1, NULL, 10) + 1;
    drop_zeros(out);
}

static double shortest_value(const struct shortest *shortest) {
    char spelled[SHORTEST_MAX + 16];
    (void)snprintf(spelled, sizeof spelled, "%.*se%d", shortest->len, shortest->digits,
                   shortest->point - shortest->len);
    return strtod(spelled, NULL);
}

/* One more in the last of `digits` places. */
static void step_up(struct shortest *shortest, int digits) {
    while (shortest->len < digits)
        shortest->digits[shortest->len++] = '0';
    while (shortest->len > 0 && shortest->digits[shortest->len - 1] == '9')
        shortest->len--;
    if (shortest->len == 0) {
        shortest->digits[shortest->len++] = '1';
        shortest->point++;
    } else {
        shortest->digits[shortest->len - 1]++;
    }
}

/* As print_digits(), from the 17 digits of `value` where they tell: they do not when what is cut
 * off is 5, which may have been a little more or less. */
static void round_digits(double value, const struct shortest *seventeen, int digits,
                         struct shortest *out) {
    *out = *seventeen;
    if (out->len <= digits)
        return;
    if (out->len == digits + 1 && out->digits[digits] == '5') {
        print_digits(value, digits, out);
        return;
    }
    out->len = digits;
    if (seventeen->digits[digits] >= '5')
        step_up(out, digits);
    drop_zeros(out);
}

/* The fewest digits that read back as `value`, which is positive and finite. With 15 digits, and
 * among subnormals with one for each power of ten above the smallest, there is at most one that
 * does: it is the nearest, and shorter forms are the same without zeros. Below a power of two
 * doubles stand closer than above: there the nearest of 16 may be lost and the next one be found.
 */
static void find_shortest(double value, struct shortest *out) {
    struct shortest seventeen;
    print_digits(value, SHORTEST_MAX, &seventeen);
    int digits = DBL_DIG, exponent;
    if (value < DBL_MIN)
        digits = seventeen.point > SUBNORMAL_POINT ? seventeen.point - SUBNORMAL_POINT : 1;
    bool is_power_of_two = frexp(value, &exponent) == 0.5;
    for (; digits < SHORTEST_MAX; digits++) {
        round_digits(value, &seventeen, digits, out);
        if (shortest_value(out) == value)
            return;
        if (!is_power_of_two)
            continue;
        step_up(out, digits);
        if (shortest_value(out) == value)
            return;
    }
    *out = seventeen;
}

static void append_zeros(struct buf *out, int count) {
    for (int i = 0; i < count; i++)
        buf_append_char(out, '0');
}

/* Number::toString of ECMA-262, steps 6 to 10. */
static void write_layout(const struct shortest *shortest, struct buf *out) {
    int len = shortest->len, point = shortest->point;
    const char *digits = shortest->digits;
    if (point > 21 || point < -5) {
        buf_append(out, digits, 1);
        if (len > 1)
            buf_append_char(out, '.');
        buf_append(out, digits + 1, (size_t)len - 1);
        buf_printf(out, "e%+d", point - 1);
    } else if (point <= 0) {
        buf_append_str(out, "0.");
        append_zeros(out, -point);
        buf_append(out, digits, (size_t)len);
    } else if (point >= len) {
        buf_append(out, digits, (size_t)len);
        append_zeros(out, point - len);
    } else {
        buf_append(out, digits, (size_t)point);
        buf_append_char(out, '.');
        buf_append(out, digits + point, (size_t)(len - point));
    }
}

static void write_beyond_double(const struct decimal *decimal, struct slice number,
                                struct buf *out) {
    if (decimal->is_huge) {
        buf_append_slice(out, slice_skip(number, decimal->is_negative));
        return;
    }
    struct slice rest = decimal->digits;
    char digit;
    for (size_t i = 0; take_digit(&rest, &digit); i++) {
        if (i == 1)
            buf_append_char(out, '.');
        buf_append_char(out, digit);
    }
    buf_printf(out, "e+%lld", (long long)(decimal->point - 1));
}

/* At most 15 digits and nothing else: its own shortest form. */
static bool is_plain(struct slice number) {
    if (number.len > DBL_DIG || number.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < number.len; i++) {
        if (!is_digit(number.ptr[i]))
            return false;
    }
    return true;
}

/* Decimals of so few digits are all different doubles: what is written is what is read. */
static bool is_its_own_shortest(const struct decimal *decimal) {
    struct slice digits = decimal->digits;
    size_t len = digits.len - (slice_index(digits, '.') < digits.len);
    return len <= DBL_DIG && !decimal->is_huge && decimal->point <= DBL_MAX_10_EXP &&
           decimal->point > DBL_MIN_10_EXP;
}

static void copy_digits(const struct decimal *decimal, struct shortest *out) {
    struct slice rest = decimal->digits;
    out->point = (int)decimal->point;
    out->len = 0;
    while (take_digit(&rest, &out->digits[out->len]))
        out->len++;
}

void json_number_write(struct slice number, struct buf *out) {
    if (is_plain(number)) {
        buf_append_slice(out, number);
        return;
    }
    struct decimal decimal = decimal_of(number);
    bool is_own = decimal.digits.len > 0 && is_its_own_shortest(&decimal);
    double value = is_own ? 1 : decimal.digits.len > 0 ? double_of(&decimal) : 0;
    if (value == 0) {
        buf_append_char(out, '0');
        return;
    }
    if (decimal.is_negative)
        buf_append_char(out, '-');
    if (isinf(value)) {
        write_beyond_double(&decimal, number, out);
        return;
    }
    struct shortest shortest;
    if (is_own)
        copy_digits(&decimal, &shortest);
    else
        find_shortest(value, &shortest);
    write_layout(&shortest, out);
}
