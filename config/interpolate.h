/* `${NAME}` in the values of a configuration. */
#ifndef BARKEEP_CONFIG_INTERPOLATE_H
#define BARKEEP_CONFIG_INTERPOLATE_H

#include "config/node.h"
#include "core/arena.h"

/* Puts environment variables into every scalar below `root`, keys excepted: `${NAME}` is the
 * variable, `$${` a literal `${`. Below the top-level key `credentials` a variable is an error. An
 * unset variable is an error at its value; the empty one is not. */
void interpolate_tree(struct node *root, struct arena *arena, struct problem_list *problems);

#endif
