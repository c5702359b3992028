/* `barkeep explain`: one request, or with --batch one a line, explained by the rules of a
 * configuration. Tokens are taken off the command line's memory at once and printed nowhere. */
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "config/network.h"
#include "core/process.h"
#include "proxy/command_line.h"
#include "proxy/commands.h"
#include "proxy/explanation.h"

enum {
    TOKEN_BYTES_MAX = 1 << 20,
    BODY_BYTES_MAX = 64 << 20,
    BATCH_LINE_MAX = 1 << 20,
    JSON_BYTES_MAX = 64 << 20,
};

#define DEFAULT_HOST "localhost"

struct explain_options {
    const char *config, *token, *token_file, *claims, *host, *client, *body, *batch;
    bool as_json, is_offline;
};

static bool parse_client(const char *text, unsigned char out_address[16]) {
    struct config_network network;
    if (!network_parse(slice_of_str(text), &network) || network.prefix_bits != 128) {
        return false;
    }
    memcpy(out_address, network.address, 16);
    return true;
}

static bool is_one_line(const char *text) {
    return !text || !strpbrk(text, "\r\n");
}

/* "Bearer eyJ..." is what people copy. */
static struct slice without_scheme(struct slice token) {
    bool has_scheme = token.len > 7 && slice_eq_nocase(slice_of(token.ptr, 7), SLICE("Bearer "));
    return has_scheme ? slice_skip(token, 7) : token;
}

/* Whoever lists processes would see it. */
static void hide(const char *argument) {
    if (argument) {
        char *text = (char *)(uintptr_t)argument;
        OPENSSL_cleanse(text, strlen(text));
    }
}

/* The token or the claims; NULL with the complaint printed. The caller wipes and frees it. */
static char *read_token(const struct explain_options *options, size_t *out_len) {
    if (options->token) {
        char *copy = strdup(options->token);
        *out_len = copy ? strlen(copy) : 0;
        hide(options->token);
        return copy;
    }
    return command_line_read(options->token_file ? options->token_file : options->claims,
                             TOKEN_BYTES_MAX, out_len);
}

static bool print_json(struct explanation *explanation, struct slice id) {
    struct buf text;
    struct json_out out;
    buf_init(&text, JSON_BYTES_MAX);
    json_out_init(&out, &text);
    explanation_write_json(explanation, id, &out);
    return command_line_put(&text);
}

static int explain_one(const struct explain_ground *ground, const struct explain_question *question,
                       bool as_json) {
    struct explanation explanation;
    if (!explanation_make(&explanation, ground, question)) {
        fprintf(stderr, "barkeep: not enough memory for the explanation\n");
        return EXIT_USAGE;
    }
    int code = explanation.reason == REASON_NONE ? EXIT_OK : EXIT_REFUSED;
    if (!as_json) {
        explanation_print(&explanation, stdout, command_line_wants_colour(stdout));
    } else if (!print_json(&explanation, (struct slice){NULL, 0})) {
        code = EXIT_USAGE;
    }
    explanation_done(&explanation);
    return code;
}

static const char *member(const json_t *line, const char *name, const char *otherwise) {
    const char *text = json_string_value(json_object_get(line, name));
    return text ? text : otherwise;
}

/* {"id", "method", "target", "host", "client", "token", "body"}: all but method and target may be
 * missing. */
static bool explain_line(const struct explain_ground *ground, const json_t *line) {
    struct explain_question question = {
        .method = member(line, "method", NULL),
        .target = member(line, "target", NULL),
        .host = member(line, "host", DEFAULT_HOST),
        .client = member(line, "client", NULL),
        .token = slice_of_str(member(line, "token", "")),
    };
    const json_t *body = json_object_get(line, "body");
    const char *id = member(line, "id", "");
    struct explanation explanation;
    if (json_is_string(body)) {
        question.has_body = true;
        question.body = slice_of(json_string_value(body), json_string_length(body));
    }
    if (!question.method || !question.target || !is_one_line(question.method) ||
        !is_one_line(question.target) || !is_one_line(question.host) ||
        (question.client && !parse_client(question.client, question.client_address)) ||
        !explanation_make(&explanation, ground, &question)) {
        return false;
    }
    bool is_written = print_json(&explanation, slice_of_str(id));
    explanation_done(&explanation);
    return is_written;
}

/* 0 when every line could be explained, whatever the answers. */
static int explain_batch(const struct explain_ground *ground, const char *path) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char *line = malloc(BATCH_LINE_MAX);
    int code = EXIT_OK;
    if (!file || !line) {
        fprintf(stderr, "barkeep: %s cannot be read\n", path);
        code = EXIT_USAGE;
    }
    for (size_t number = 1; code == EXIT_OK && fgets(line, BATCH_LINE_MAX, file); number++) {
        json_t *document = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (!document || !explain_line(ground, document)) {
            fprintf(stderr, "barkeep: %s:%zu: not a request with method and target\n", path,
                    number);
            code = EXIT_USAGE;
        }
        json_decref(document);
    }
    if (file && file != stdin) {
        fclose(file);
    }
    free(line);
    return code;
}

/* A URL holds the host too. NULL when `target` is none; the caller frees it. */
static char *take_host(const char **in_out_target) {
    struct slice target = slice_of_str(*in_out_target);
    size_t scheme = slice_starts_with(target, SLICE("http://"))    ? 7
                    : slice_starts_with(target, SLICE("https://")) ? 8
                                                                   : 0;
    if (!scheme) {
        return NULL;
    }
    const char *start = *in_out_target + scheme;
    size_t len = strcspn(start, "/?#");
    *in_out_target = start[len] == '/' ? start + len : "/";
    return strndup(start, len);
}

static int explain_question_of(const struct explain_options *options,
                               const struct option_values *words,
                               const struct explain_ground *ground) {
    struct explain_question question = {
        .method = words->items[0],
        .target = words->items[1],
        .host = options->host ? options->host : DEFAULT_HOST,
        .client = options->client,
        .is_claims = options->claims != NULL,
        .has_body = options->body != NULL,
    };
    if (options->client && !parse_client(options->client, question.client_address)) {
        return command_line_misused("explain", EXPLAIN_USAGE, "--client wants an IP address");
    }
    if (!is_one_line(question.method) || !is_one_line(question.target) ||
        !is_one_line(question.host)) {
        return command_line_misused("explain", EXPLAIN_USAGE,
                                    "METHOD, PATH and --host are one line each");
    }
    char *host = take_host(&question.target);
    question.host = host && !options->host ? host : question.host;
    size_t len = 0, body_len = 0;
    char *body = options->body ? command_line_read(options->body, BODY_BYTES_MAX, &body_len) : NULL;
    char *token = options->body && !body ? NULL : read_token(options, &len);
    if (!token) {
        free(body);
        free(host);
        return EXIT_USAGE;
    }
    question.body = slice_of(body, body_len);
    question.token = slice_of(token, len);
    if (!question.is_claims) {
        question.token = without_scheme(question.token);
    }
    int code = explain_one(ground, &question, options->as_json);
    OPENSSL_cleanse(token, len);
    free(token);
    free(body);
    free(host);
    return code;
}

/* What is wrong with the options; NULL when nothing is. */
static const char *find_misuse(const struct explain_options *options,
                               const struct option_values *words) {
    int sources =
        (options->token != NULL) + (options->token_file != NULL) + (options->claims != NULL);
    if (!options->config) {
        return "-c FILE is missing";
    }
    if (options->batch) {
        return sources || words->count ? "--batch takes its requests from its file" : NULL;
    }
    if (sources != 1) {
        return sources ? "give one of --token, --token-file and --claims"
                       : "one of --token, --token-file and --claims is missing";
    }
    return words->count == 2 ? NULL : "METHOD and PATH are wanted";
}

static int explain(const struct explain_options *options, const struct option_values *words) {
    struct explain_ground ground;
    struct error err;
    struct config *config = command_line_load(options->config, stderr, 0);
    if (!config) {
        return EXIT_USAGE;
    }
    log_set_level(LOG_ERROR);
    int code = EXIT_USAGE;
    if (explain_ground_init(&ground, config, options->is_offline, &err) != STATUS_OK) {
        fprintf(stderr, "barkeep: %s\n", err.text);
    } else {
        code = options->batch ? explain_batch(&ground, options->batch)
                              : explain_question_of(options, words, &ground);
        explain_ground_done(&ground);
    }
    config_unref(config);
    return code;
}

int command_explain(int count, char **arguments) {
    struct explain_options options = {0};
    struct option_values words = {0};
    struct error err;
    const struct option table[] = {
        {"-c", OPTION_VALUE, &options.config},
        {"--token", OPTION_VALUE, &options.token},
        {"--token-file", OPTION_VALUE, &options.token_file},
        {"--claims", OPTION_VALUE, &options.claims},
        {"--host", OPTION_VALUE, &options.host},
        {"--client", OPTION_VALUE, &options.client},
        {"--body", OPTION_VALUE, &options.body},
        {"--batch", OPTION_VALUE, &options.batch},
        {"--json", OPTION_FLAG, &options.as_json},
        {"--offline", OPTION_FLAG, &options.is_offline},
    };
    if (process_harden(&err) != STATUS_OK) {
        fprintf(stderr, "barkeep: %s\n", err.text);
        return EXIT_CANNOT_START;
    }
    int code = EXIT_USAGE;
    if (command_line_parse("explain", EXPLAIN_USAGE, count, arguments, table,
                           sizeof table / sizeof *table, &words)) {
        const char *misuse = find_misuse(&options, &words);
        code = misuse ? command_line_misused("explain", EXPLAIN_USAGE, misuse)
                      : explain(&options, &words);
    }
    if (fflush(stdout) != 0 && code < EXIT_USAGE) {
        code = EXIT_USAGE;
    }
    free(words.items);
    return code;
}
