/* The command line: `barkeep COMMAND ...`. Exit codes are contract section 1: 0 fine, 2 usage or
 * configuration, 3 could not start; 1 is a refusal explained or a difference found. */
#include <curl/curl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "config/config.h"
#include "config/json_schema.h"
#include "config/reference.h"
#include "core/process.h"
#include "core/wiping_memory.h"
#include "proxy/command_line.h"
#include "proxy/commands.h"
#include "proxy/keeper.h"

#define SERVE_USAGE "-c FILE [--take-over]"

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
    {"serve", SERVE_USAGE, "run the proxy",
     "Runs the proxy with the configuration FILE until SIGTERM or SIGINT, which drain it.\n"
     "A second signal ends it at once. SIGHUP, or a change of FILE, has it read again: with an\n"
     "error it changes nothing, and a `reload` event says what became of it. SIGUSR1 reopens the\n"
     "audit log.\n\n"
     "  --take-over      beside the barkeep of the same user that listens at the first address\n"
     "                   already: it gives its listening sockets, and both accept until one of\n"
     "                   them gets SIGTERM. Nobody is there: starts as usual\n\n"
     "Exit codes: 0 drained, 2 the configuration is wrong, 3 could not start (port taken, no "
     "rights).\n",
     run_serve},
    {"check", "-c FILE", "check a configuration",
     "Prints every problem of the configuration as FILE:LINE:COL: error|warning: PATH: text.\n"
     "Never touches the network. Exit codes: 0 usable, 2 it is not.\n",
     run_check},
    {"explain", EXPLAIN_USAGE, "say why a request would be allowed or refused",
     "Walks one request through the live path's own judgement and prints each step with what was\n"
     "compared: route, checks of the token, every rule and why it matches or not, near misses, "
     "the\n"
     "credential's name and place (never a value; no vault is read), and the answer.\n\n"
     "  --token T        the caller's access token; better in a file, for others see arguments\n"
     "  --token-file F   the token in a file, - for stdin\n"
     "  --claims F       a token's payload as JSON: signature and key are not checked\n"
     "  --host H         the Host of the request (localhost)\n"
     "  --client IP      the address it comes from, for rules with when: {client: ...}\n"
     "  --body F         the request's body, - for stdin: the message, on a route with mcp\n"
     "  --offline        only the keys in the folder `state` are used; else they are fetched\n"
     "  --json           one JSON object with the same facts\n"
     "  --batch F        requests from JSON lines {method, target, host, client, token, body, id}, "
     "with a\n"
     "                   JSON object a line as answer; exit code 0 whatever the answers\n\n"
     "Exit codes: 0 allowed, 1 refused or depending on Microsoft Graph, 2 usage or "
     "configuration.\n",
     command_explain},
    {"review", REVIEW_USAGE, "list who can reach what, and who did",
     "Lists each route's rules in words: principals, actions, conditions, credential (never a "
     "value).\n"
     "With audit files (--audit, any number, - for stdin) also who used each rule, how often and\n"
     "when last, which rules never matched, and who was refused most. --json: as one object.\n"
     "Lines name rules by their place: give those written since the rules last moved.\n"
     "Exit codes: 0 fine, 2 usage or configuration.\n",
     command_review},
    {"diff", DIFF_USAGE, "compare two configurations",
     "Says which parts and which rules differ. With audit files also which recorded requests "
     "would be\n"
     "decided differently: allowed or refused, or with another credential. A line holds who "
     "asked,\n"
     "not the groups, roles, scopes and sign-in of the token: what they would decide and the "
     "recorded\n"
     "outcome does not tell is listed as depending on them. --json: as one object.\n"
     "Lines name rules by their place: give those written since OLD's rules last moved.\n"
     "Exit codes: 0 no difference, 1 differences (with audit files: of recorded requests), 2 usage "
     "or\nconfiguration.\n",
     command_diff},
    {"pin", PIN_USAGE, "approve the tools of an MCP server",
     "Keeps the file that a route's `mcp: {pins: FILE}` names: which definitions of the server's "
     "tools\n"
     "were approved, as digests of each of their parts.\n\n"
     "  show             list the approved tools\n"
     "  diff             say what is listed otherwise: new, gone, words (title, description, "
     "icons, "
     "also\n"
     "                   those inside of schemas), changed (everything else), with what it is now\n"
     "  approve          make what is listed the approved definition\n\n"
     "  --tools F        the server's answer to tools/list as JSON or as an event stream, - for "
     "stdin;\n"
     "                   once for each page of the list\n"
     "  --tool NAME      approve this tool only, or drop it when it is not listed; may be "
     "repeated\n"
     "  --json           one JSON object (show, diff)\n\n"
     "No server is asked: its answer comes from whoever may ask it, as in\n"
     "  curl -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}' ... URL | "
     "barkeep pin diff ... --tools -\n"
     "Through barkeep a list shows what the caller may use, and under `pinning: block` only what "
     "is\n"
     "approved. A running barkeep reads the file again when it changes.\n"
     "Exit codes: 0 fine or the same, 1 differs, 2 usage, configuration or files.\n",
     command_pin},
    {"version", "", "print the version and those of the libraries",
     "Prints the version and the libraries' versions.\n", run_version},
    {"help", "[COMMAND | config | schema]",
     "explain a command, or the file's keys: help config, help schema",
     "Explains the commands, or one of them. `help config` lists every key of the configuration,\n"
     "`help schema` prints them as JSON Schema for editors.\n",
     run_help},
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
        fprintf(out, "  barkeep %-8s %s\n", commands[i].name, commands[i].summary);
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

static int run_serve(int count, char **arguments) {
    const char *file = NULL;
    bool takes_over = false;
    struct option_values words = {0};
    const struct option options[] = {{"-c", OPTION_VALUE, &file},
                                     {"--take-over", OPTION_FLAG, &takes_over}};
    if (!command_line_parse("serve", SERVE_USAGE, count, arguments, options, 2, &words)) {
        return EXIT_USAGE;
    }
    free(words.items);
    if (!file || words.count > 0) {
        return command_line_misused("serve", SERVE_USAGE, NULL);
    }
    struct error err;
    if (process_harden(&err) != STATUS_OK) { /* before any library reads the environment */
        fprintf(stderr, "barkeep: %s\n", err.text);
        return EXIT_CANNOT_START;
    }
    json_object_seed(0); /* once, before threads would race for it */
    struct config *config = command_line_load(file, stderr, CONFIG_ALL);
    if (!config) {
        return EXIT_USAGE;
    }
    int code = keeper_serve(config, takes_over);
    config_unref(config);
    return code;
}

static int run_check(int count, char **arguments) {
    const char *file = config_argument("check", count, arguments);
    if (!file) {
        return EXIT_USAGE;
    }
    struct config *config = command_line_check(file, stdout);
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
    if (count == 1 && strcmp(arguments[0], "schema") == 0) {
        return config_json_schema_print(stdout) ? EXIT_OK : EXIT_CANNOT_START;
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
