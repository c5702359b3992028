/* The command line: `barkeep COMMAND ...`. Exit codes are contract section 1: 0 fine, 2 usage or
 * configuration, 3 could not start. */
#include <curl/curl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <yaml.h>

#include "config/config.h"
#include "config/problem.h"
#include "config/reference.h"
#include "core/process.h"
#include "core/wiping_memory.h"
#include "proxy/keeper.h"
#include "proxy/named_files.h"

enum { EXIT_OK = 0, EXIT_USAGE = 2, EXIT_CANNOT_START = 3 };

struct command {
    const char *name;
    const char *arguments;
    const char *summary;
    const char *help;
    int (*run)(int count, char **arguments);
};

static int run_serve(int count, char **arguments);
static int run_check(int count, char **arguments);
static int run_version(int count, char **arguments);
static int run_help(int count, char **arguments);

static const struct command commands[] = {
    {"serve", "-c FILE", "run the proxy",
     "Runs the proxy with the configuration FILE until SIGTERM or SIGINT, which drain it.\n"
     "A second signal ends it at once. SIGUSR1 reopens the audit log.\n"
     "Exit codes: 0 drained, 2 the configuration is wrong, 3 could not start (port taken, no "
     "rights).\n",
     run_serve},
    {"check", "-c FILE", "check a configuration",
     "Prints every problem of the configuration as FILE:LINE:COL: error|warning: PATH: text.\n"
     "Never touches the network. Exit codes: 0 usable, 2 it is not.\n",
     run_check},
    {"version", "", "print the version and those of the libraries",
     "Prints the version and the libraries' versions.\n", run_version},
    {"help", "[COMMAND | config]", "explain the commands, or one of them",
     "Explains the commands, or one of them.\n", run_help},
};

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_usage(FILE *out) {
    fprintf(
        out,
        "barkeep: an identity-aware reverse proxy for Entra ID and Azure Key Vault\n\nusage:\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        fprintf(out, "  barkeep %-8s %-12s %s\n", commands[i].name, commands[i].arguments,
                commands[i].summary);
    }
}

/* The FILE of "-c FILE", or NULL with the complaint printed. */
static const char *config_argument(const char *command, int count, char **arguments) {
    if (count == 2 && strcmp(arguments[0], "-c") == 0) {
        return arguments[1];
    }
    fprintf(stderr, "barkeep: usage: barkeep %s -c FILE\n", command);
    return NULL;
}

static void print_problems(FILE *out, const char *file, const struct problem_list *problems) {
    for (size_t i = 0; i < problems->count; i++) {
        char text[1024];
        problem_format(file, &problems->items[i], text, sizeof text);
        fprintf(out, "%s\n", text);
    }
    if (problems->dropped) {
        fprintf(out, "%s: %zu more problems\n", file, problems->dropped);
    }
}

/* The configuration in `file`, with everything that is wrong printed; NULL when it is not usable.
 */
static struct config *load_config(const char *file, FILE *out) {
    struct problem_list problems = {0};
    struct config *config = config_load(file, &problems);
    if (config && !named_files_check(config, &problems)) {
        config_unref(config);
        config = NULL;
    }
    print_problems(out, file, &problems);
    problem_list_done(&problems);
    return config;
}

static int run_serve(int count, char **arguments) {
    const char *file = config_argument("serve", count, arguments);
    if (!file) {
        return EXIT_USAGE;
    }
    struct error err;
    if (process_harden(&err) != STATUS_OK) { /* before any library reads the environment */
        fprintf(stderr, "barkeep: %s\n", err.text);
        return EXIT_CANNOT_START;
    }
    json_object_seed(0); /* once, before threads would race for it */
    struct config *config = load_config(file, stderr);
    if (!config) {
        return EXIT_USAGE;
    }
    int code = keeper_serve(config);
    config_unref(config);
    return code;
}

static int run_check(int count, char **arguments) {
    const char *file = config_argument("check", count, arguments);
    if (!file) {
        return EXIT_USAGE;
    }
    struct config *config = load_config(file, stdout);
    int code = config ? EXIT_OK : EXIT_USAGE;
    config_unref(config);
    return code;
}

static int run_version(int count, char **arguments) {
    (void)arguments;
    if (count > 0) {
        fprintf(stderr, "barkeep: usage: barkeep version\n");
        return EXIT_USAGE;
    }
    printf("barkeep %s\n", BARKEEP_VERSION);
    printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
    printf("libcurl %s\n", curl_version_info(CURLVERSION_NOW)->version);
    printf("jansson %s\n", JANSSON_VERSION);
    printf("libyaml %s\n", yaml_get_version_string());
    printf("libmicrohttpd %s\n", MHD_get_version());
    return EXIT_OK;
}

static int run_help(int count, char **arguments) {
    if (count == 0) {
        print_usage(stdout);
        return EXIT_OK;
    }
    if (count == 1 && strcmp(arguments[0], "config") == 0) {
        config_reference_print(stdout);
        return EXIT_OK;
    }
    const struct command *command = find_command(arguments[0]);
    if (!command || count > 1) {
        fprintf(stderr, "barkeep: there is no command %s; see barkeep help\n", arguments[0]);
        return EXIT_USAGE;
    }
    printf("usage: barkeep %s %s\n\n%s", command->name, command->arguments, command->help);
    return EXIT_OK;
}

int main(int argc, char **argv) {
    /* Before OpenSSL is used: what it reads client certificates from is wiped. */
    wiping_scope_install();
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    bool asks_help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
    bool asks_version = strcmp(argv[1], "--version") == 0;
    const struct command *command = find_command(asks_help      ? "help"
                                                 : asks_version ? "version"
                                                                : argv[1]);
    if (!command) {
        fprintf(stderr, "barkeep: there is no command %s; see barkeep help\n", argv[1]);
        return EXIT_USAGE;
    }
    return command->run(argc - 2, argv + 2);
}
