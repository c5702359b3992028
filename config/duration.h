/* `250ms`, `5s`, `10m`, `24h`; `64KiB`, `1MiB`, `4096`. */
#ifndef BARKEEP_CONFIG_DURATION_H
#define BARKEEP_CONFIG_DURATION_H

#include "core/slice.h"

/* One whole number and one unit. False on anything else and when the result does not fit. */
bool duration_parse(struct slice text, uint64_t *out_ms);
/* The same with KiB, MiB, GiB, or no unit for bytes. */
bool size_parse(struct slice text, uint64_t *out_bytes);

/* The shortest such spelling of a value, for messages: 90000 -> "90s". */
struct quantity_text {
    char text[32];
};
const char *duration_format(uint64_t ms, struct quantity_text *out_text);
const char *size_format(uint64_t bytes, struct quantity_text *out_text);

#endif
