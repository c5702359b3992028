/* What the commands that print one token have in common: the state directory, the exit code. */
#ifndef BARKEEP_STANDIN_MINT_COMMAND_H
#define BARKEEP_STANDIN_MINT_COMMAND_H

#include "world.h"

#define MINT_EXIT_USAGE 2
#define MINT_EXIT_STATE 3
#define MINT_MAX_OFFSET_SEC (10LL * 365 * 24 * 60 * 60)

struct mint_command {
    const char *name; /* for messages */
    const char *state_dir;
    /* Makes the token, for the caller to free(). STATUS_INVALID: what was asked for is at fault. */
    enum status (*mint)(const void *request, struct world *world, char **out_token,
                        struct error *err);
    const void *request;
};

/* Prints the token and a newline. Exit code. */
int mint_command_run(const struct mint_command *command);
/* Says why on standard error; gives `exit_code` back. */
int mint_command_fail(const char *name, int exit_code, const struct error *err);

#endif
