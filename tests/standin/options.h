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

struct option_reader {
    const struct option_row *rows;
    int argc;
    char **argv;
    int next;
};

/* The next option: its index in `rows` (and its value, NULL for a flag), or -1 at the end, or -2
 * with the reason in `err`. Everything that is not an option is refused. */
int option_next(struct option_reader *reader, const char **out_value, struct error *err);

/* STATUS_INVALID names the option. */
enum status option_integer(const char *name, const char *value, int64_t min, int64_t max,
                           int64_t *out_number, struct error *err);

#endif
