/* Files that the configuration names and that are read later. */
#ifndef BARKEEP_PROXY_NAMED_FILES_H
#define BARKEEP_PROXY_NAMED_FILES_H

#include "config/config.h"

/* Adds what is wrong with them now to `problems`; no content is ever quoted. False when barkeep
 * could not start with them: what proves it to Azure may come later and is only warned about.
 * `reads_keys`: listeners' private keys, too, which takes secret memory. */
bool named_files_check(const struct config *config, bool reads_keys, struct problem_list *problems);

#endif
