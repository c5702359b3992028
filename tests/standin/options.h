/* Reads command lines: `--name value`, `--name=value`, and flags. */
#ifndef BARKEEP_STANDIN_OPTIONS_H
#define BARKEEP_STANDIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

struct option_row {
    const char *name; /* without dashes; NULL ends the table */
    bool takes_value;
};

/* Takes the option of that index in the table into `request`; `value` is NULL for a flag. */
typedef enum status option_take(void *request, int row, const char *value, struct error *err);

/* Hands every option to `take`, until one is refused. What is not an option is refused here. */
enum status options_read(const struct option_row *rows, int argc, char **argv, option_take *take,
                         void *request, struct error *err);

/* STATUS_INVALID names the option. */
enum status option_integer(const char *name, const char *value, int64_t min, int64_t max,
                           int64_t *out_number, struct error *err);

#endif
