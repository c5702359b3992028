/* `barkeep-standin token`: mints one token. */
#ifndef BARKEEP_STANDIN_TOKEN_COMMAND_H
#define BARKEEP_STANDIN_TOKEN_COMMAND_H

/* `argv` starts behind the word "token". Prints the token and a newline. Exit code. */
int token_command(int argc, char **argv);

#endif
