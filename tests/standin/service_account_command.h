/* `barkeep-standin service-account`: a token of a platform's issuer, as a cluster projects it. */
#ifndef BARKEEP_STANDIN_SERVICE_ACCOUNT_COMMAND_H
#define BARKEEP_STANDIN_SERVICE_ACCOUNT_COMMAND_H

/* The words behind the command's name; gives the exit code. */
int service_account_command(int argc, char **argv);

#endif
