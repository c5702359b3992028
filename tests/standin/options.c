/* Reads command lines. getopt_long would accept abbreviations, which break when options are added;
 * and its messages are not ours. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int find_row(const struct option_row *rows, const char *name, size_t len) {
    for (int i = 0; rows[i].name; i++)
        if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
            return i;
    return -1;
}

struct option_reader {
    const struct option_row *rows;
    int argc;
    char **argv;
    int next;
};

/* The next option: its index in `rows` (and its value, NULL for a flag), or -1 at the end, or -2
 * with the reason in `err`. */
static int next_option(struct option_reader *reader, const char **out_value, struct error *err) {
    if (reader->next >= reader->argc)
        return -1;
    const char *word = reader->argv[reader->next++];
    if (strncmp(word, "--", 2) != 0) {
        error_set(err, STATUS_INVALID, "unexpected argument \"%.80s\"", word);
        return -2;
    }
    const char *name = word + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    int row = find_row(reader->rows, name, len);
    if (row < 0) {
        error_set(err, STATUS_INVALID, "unknown option \"--%.*s\"", len > 60 ? 60 : (int)len, name);
        return -2;
    }
    if (equals && !reader->rows[row].takes_value) {
        error_set(err, STATUS_INVALID, "--%s takes no value", reader->rows[row].name);
        return -2;
    }
    *out_value = equals ? equals + 1 : NULL;
    if (equals || !reader->rows[row].takes_value)
        return row;
    if (reader->next >= reader->argc) {
        error_set(err, STATUS_INVALID, "--%s needs a value", reader->rows[row].name);
        return -2;
    }
    *out_value = reader->argv[reader->next++];
    return row;
}

enum status options_read(const struct option_row *rows, int argc, char **argv, option_take *take,
                         void *request, struct error *err) {
    struct option_reader reader = {.rows = rows, .argc = argc, .argv = argv};
    const char *value = NULL;
    for (;;) {
        int option = next_option(&reader, &value, err);
        if (option == -1)
            return STATUS_OK;
        if (option < 0)
            return STATUS_INVALID;
        enum status status = take(request, option, value, err);
        if (status != STATUS_OK)
            return status;
    }
}

enum status option_integer(const char *name, const char *value, int64_t min, int64_t max,
                           int64_t *out_number, struct error *err) {
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno || end == value || *end || number < min || number > max)
        return error_set(err, STATUS_INVALID,
                         "--%s must be a whole number from %lld to %lld, got "
                         "\"%.40s\"",
                         name, (long long)min, (long long)max, value);
    *out_number = number;
    return STATUS_OK;
}
