#include "mint_command.h"

#include <stdio.h>
#include <stdlib.h>

int mint_command_fail(const char *name, int exit_code, const struct error *err) {
    fprintf(stderr, "barkeep-standin %s: %s\n", name, err->text);
    return exit_code;
}

static int print_token(const char *token) {
    return puts(token) < 0 || fflush(stdout) != 0 ? MINT_EXIT_STATE : 0;
}

int mint_command_run(const struct mint_command *command) {
    struct error err = {0};
    struct world world;
    if (world_open(&world, command->state_dir, &err) != STATUS_OK)
        return mint_command_fail(command->name, MINT_EXIT_STATE, &err);
    char *token = NULL;
    int exit_code = MINT_EXIT_STATE;
    enum status status = world_load_seed(&world, &err);
    if (status == STATUS_OK) {
        status = command->mint(command->request, &world, &token, &err);
        exit_code = status == STATUS_INVALID ? MINT_EXIT_USAGE : MINT_EXIT_STATE;
    }
    exit_code = status == STATUS_OK ? print_token(token)
                                    : mint_command_fail(command->name, exit_code, &err);
    free(token);
    world_done(&world);
    return exit_code;
}
