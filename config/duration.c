/* Quantities with units. One whole number, one unit, no signs, no fractions, no sums: there is one
 * way to write each, and it cannot overflow. */
#include "config/duration.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first: formatting takes the first that divides. */
static const struct unit DURATIONS[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit SIZES[] = {
    {"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"", 1}};

static bool quantity_parse(struct slice text, const struct unit *units, size_t count,
                           uint64_t *out_value) {
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    for (size_t i = 0; i < count; i++) {
        uint64_t number = 0;
        if (!slice_eq_str(slice_skip(text, digits), units[i].name))
            continue;
        if (!slice_parse_u64(slice_of(text.ptr, digits), UINT64_MAX / units[i].factor, &number))
            return false;
        *out_value = number * units[i].factor;
        return true;
    }
    return false;
}

static const char *quantity_format(uint64_t value, const struct unit *units, size_t count,
                                   struct quantity_text *out_text) {
    size_t i = 0;
    while (i + 1 < count && (value == 0 || value % units[i].factor != 0))
        i++;
    snprintf(out_text->text, sizeof out_text->text, "%" PRIu64 "%s", value / units[i].factor,
             units[i].name);
    return out_text->text;
}

bool duration_parse(struct slice text, uint64_t *out_ms) {
    if (slice_eq_str(text, "0")) { /* nothing has no unit */
        *out_ms = 0;
        return true;
    }
    return quantity_parse(text, DURATIONS, sizeof DURATIONS / sizeof *DURATIONS, out_ms);
}

bool size_parse(struct slice text, uint64_t *out_bytes) {
    return quantity_parse(text, SIZES, sizeof SIZES / sizeof *SIZES, out_bytes);
}

const char *duration_format(uint64_t ms, struct quantity_text *out_text) {
    if (ms == 0)
        return "0s";
    return quantity_format(ms, DURATIONS, sizeof DURATIONS / sizeof *DURATIONS, out_text);
}

const char *size_format(uint64_t bytes, struct quantity_text *out_text) {
    return quantity_format(bytes, SIZES, sizeof SIZES / sizeof *SIZES, out_text);
}
