/* Options as people expect them: in any order, before or after the words, each judged by one table
 * a command. Nothing here quotes an argument's value: it may be a token. */
#include "proxy/command_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/problem.h"
#include "config/quote.h"
#include "core/process.h"
#include "core/secret.h"
#include "proxy/named_files.h"

/* Secret memory for one listener's key at a time, a power of two. */
enum { KEY_BYTES_MAX = 1024 * 1024 };

int command_line_misused(const char *command, const char *usage, const char *text) {
    fprintf(stderr, "barkeep: %s%susage: barkeep %s %s\n", text ? text : "", text ? "; " : "",
            command, usage);
    return EXIT_USAGE;
}

static bool append(struct option_values *values, const char *value) {
    const char **items = realloc(values->items, (values->count + 1) * sizeof *items);
    if (!items) {
        return false;
    }
    items[values->count++] = value;
    values->items = items;
    return true;
}

static const struct option *find_option(const struct option *options, size_t count,
                                        const char *argument, const char **out_value) {
    size_t len = strcspn(argument, "=");
    bool has_value = argument[0] == '-' && argument[1] == '-' && argument[len] == '=';
    *out_value = has_value ? argument + len + 1 : NULL;
    for (size_t i = 0; i < count; i++) {
        if (has_value ? strncmp(options[i].name, argument, len) == 0 && !options[i].name[len]
                      : strcmp(options[i].name, argument) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/* NULL when it was taken, else what is wrong with it. */
static const char *take(const struct option *option, const char *value) {
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->target = true;
        return value ? "takes no value" : NULL;
    case OPTION_VALUE:
        if (*(const char **)option->target) {
            return "is given twice";
        }
        *(const char **)option->target = value;
        return value ? NULL : "needs a value";
    case OPTION_VALUES:
        if (!value) {
            return "needs a value";
        }
        return append(option->target, value) ? NULL : "is too much";
    }
    return NULL;
}

/* Only its name: the rest may be a secret pasted in the wrong place. */
static void complain(const char *command, const char *usage, const char *name, const char *what) {
    char text[128];
    snprintf(text, sizeof text, "%.60s %s", name, what);
    command_line_misused(command, usage, text);
}

bool command_line_parse(const char *command, const char *usage, int count, char **arguments,
                        const struct option *options, size_t option_count,
                        struct option_values *out_words) {
    bool ended = false;
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i], *value;
        if (ended || argument[0] != '-' || !argument[1]) {
            if (!append(out_words, argument)) {
                return false;
            }
            continue;
        }
        if (strcmp(argument, "--") == 0) {
            ended = true;
            continue;
        }
        const struct option *option = find_option(options, option_count, argument, &value);
        if (!option) {
            char name[32];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(argument, "="), argument);
            complain(command, usage, name, "is no option of this command");
            return false;
        }
        if (option->kind != OPTION_FLAG && !value && i + 1 < count) {
            value = arguments[++i];
        }
        const char *problem = take(option, value);
        if (problem) {
            complain(command, usage, option->name, problem);
            return false;
        }
    }
    return true;
}

static void print_problems(FILE *out, const char *file, const struct problem_list *problems,
                           bool with_warnings) {
    for (size_t i = 0; i < problems->count; i++) {
        char text[1024];
        if (with_warnings || problems->items[i].severity == PROBLEM_ERROR) {
            problem_format(file, &problems->items[i], text, sizeof text);
            fprintf(out, "%s\n", text);
        }
    }
    if (problems->dropped) {
        quote_print(out, slice_of_str(file));
        fprintf(out, ": %zu more problems\n", problems->dropped);
    }
}

enum look { LOOK_AT_FILE_ALONE, LOOK_AT_NAMED_FILES, LOOK_AT_KEYS };

static struct config *load(const char *file, FILE *out, unsigned extras, enum look look) {
    struct problem_list problems = {0};
    struct config *config = config_load_with(file, extras, &problems);
    if (config && look != LOOK_AT_FILE_ALONE &&
        !named_files_check(config, look == LOOK_AT_KEYS, &problems)) {
        config_unref(config);
        config = NULL;
    }
    print_problems(out, file, &problems, (extras & CONFIG_WARNINGS) || !config);
    problem_list_done(&problems);
    return config;
}

struct config *command_line_load(const char *file, FILE *out, unsigned extras) {
    return load(file, out, extras, LOOK_AT_NAMED_FILES);
}

struct config *command_line_load_alone(const char *file, FILE *out) {
    return load(file, out, 0, LOOK_AT_FILE_ALONE);
}

struct config *command_line_check(const char *file, FILE *out) {
    bool is_locked;
    bool may_read_keys = process_harden(NULL) == STATUS_OK &&
                         secret_memory_init(KEY_BYTES_MAX, &is_locked, NULL) == STATUS_OK;
    return load(file, out, CONFIG_WARNINGS, may_read_keys ? LOOK_AT_KEYS : LOOK_AT_NAMED_FILES);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

char *command_line_read(const char *path, size_t max_bytes, size_t *out_len) {
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "r");
    char *text = malloc(max_bytes + 2);
    if (!file || !text) {
        fprintf(stderr, "barkeep: %s: %s\n", path, strerror(errno));
        goto fail;
    }
    size_t len = fread(text, 1, max_bytes + 1, file);
    if (ferror(file) || len > max_bytes) {
        fprintf(stderr, "barkeep: %s: %s\n", path,
                ferror(file) ? "cannot be read" : "is too large");
        goto fail;
    }
    if (!is_stdin) {
        fclose(file);
    }
    size_t start = 0;
    while (len > 0 && is_space(text[len - 1])) {
        len--;
    }
    while (start < len && is_space(text[start])) {
        start++;
    }
    memmove(text, text + start, len - start);
    text[len - start] = '\0';
    *out_len = len - start;
    return text;
fail:
    if (file && !is_stdin) {
        fclose(file);
    }
    free(text);
    return NULL;
}

bool command_line_put(struct buf *text) {
    buf_append_char(text, '\n');
    bool is_written = buf_ok(text) && fwrite(text->ptr, 1, text->len, stdout) == text->len;
    buf_done(text);
    return is_written;
}

bool command_line_wants_colour(FILE *out) {
    const char *no_colour = getenv("NO_COLOR");
    return isatty(fileno(out)) && !(no_colour && *no_colour);
}
