/* Numbers of JSON texts compared as the decimals that they are: no rounding, no locale. */
#ifndef BARKEEP_CORE_DECIMAL_H
#define BARKEEP_CORE_DECIMAL_H

#include "core/slice.h"

enum { DECIMAL_DIGITS_MAX = 64 };

struct decimal {
    bool is_negative;
    int32_t point; /* digits before the point; negative: zeros behind it */
    size_t digit_count;
    char digits[DECIMAL_DIGITS_MAX]; /* neither first nor last is '0'; none at all: zero */
};

/* True for JSON's grammar of numbers (RFC 8259 6). */
bool decimal_is_number(struct slice text);
/* False for what is no number, has more digits than fit, or an exponent beyond four digits. */
bool decimal_parse(struct slice text, struct decimal *out_decimal);
/* Negative, zero, positive. */
int decimal_compare(const struct decimal *a, const struct decimal *b);
/* Do readers that round to doubles take both for the same number (RFC 8259 6)? */
bool decimal_reads_alike(const struct decimal *a, const struct decimal *b);
/* Is it within +-(2^53 - 1), which every reader takes for the same number? */
bool decimal_is_safe(const struct decimal *decimal);

#endif
