/* What the commands share: options, reading a configuration, reading small files. */
#ifndef BARKEEP_PROXY_COMMAND_LINE_H
#define BARKEEP_PROXY_COMMAND_LINE_H

#include <stdio.h>

#include "config/config.h"
#include "core/buf.h"

enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_CANNOT_START = 3 };

/* A list of values in the order given; items point into the arguments. */
struct option_values {
    const char **items;
    size_t count;
};

enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_VALUE,  /* const char *: at most once; "--name VALUE" or "--name=VALUE" */
    OPTION_VALUES, /* struct option_values: any number of times */
};

struct option {
    const char *name; /* "--json", "-c" */
    enum option_kind kind;
    void *target; /* zeroed by the caller */
};

/* Everything that is no option goes to `out_words`; "--" ends the options. False with the complaint
 * and the usage printed. Lists and words are freed with free(). */
bool command_line_parse(const char *command, const char *usage, int count, char **arguments,
                        const struct option *options, size_t option_count,
                        struct option_values *out_words);
/* Prints "barkeep: TEXT" and the usage on stderr. */
int command_line_misused(const char *command, const char *usage, const char *text);

/* The configuration in `file`, with everything that is wrong printed to `out`; NULL when it is not
 * usable. Without CONFIG_WARNINGS among the `extras` only what makes it unusable is printed. */
struct config *command_line_load(const char *file, FILE *out, unsigned extras);
/* The same for whoever only wants to know: with warnings, and the private keys that it names are
 * looked at, for which the process forbids itself what it does when it serves. */
struct config *command_line_check(const char *file, FILE *out);
/* For whoever is about to write one of the files that it names: none of them is looked at. */
struct config *command_line_load_alone(const char *file, FILE *out);

/* The whole of a small text file, "-" for stdin, white space at its ends removed. The caller frees
 * the text, which ends with a NUL that is not counted. NULL with the complaint printed, which names
 * the file and quotes nothing of it. */
char *command_line_read(const char *path, size_t max_bytes, size_t *out_len);

/* Writes `text` and the end of its line to stdout, and is the end of it. False when not all of it
 * could be made or written. */
bool command_line_put(struct buf *text);

/* Whether colours are wanted on `out`: a terminal, and NO_COLOR is not set. */
bool command_line_wants_colour(FILE *out);

#endif
