/* The commands that have files of their own; each gets the arguments after its name and returns the
 * exit code. */
#ifndef BARKEEP_PROXY_COMMANDS_H
#define BARKEEP_PROXY_COMMANDS_H

#define EXPLAIN_USAGE                                                                              \
    "-c FILE (--token T | --token-file F | --claims F) [--host H] [--client IP] [--body F] "       \
    "[--json] [--offline] METHOD PATH"
#define REVIEW_USAGE "-c FILE [--audit FILE]... [--json]"
#define DIFF_USAGE "OLD NEW [--audit FILE]... [--json]"
#define PIN_USAGE                                                                                  \
    "show|diff|approve -c FILE --route NAME [--tools FILE]... [--tool NAME]... [--json]"

int command_explain(int count, char **arguments);
int command_review(int count, char **arguments);
int command_diff(int count, char **arguments);
int command_pin(int count, char **arguments);

#endif
