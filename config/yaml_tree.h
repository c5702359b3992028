/* YAML text to a tree of nodes. Everything that would let a small file mean a big or a surprising
 * thing is refused: anchors, aliases, tags, duplicate keys, several documents, control characters.
 */
#ifndef BARKEEP_CONFIG_YAML_TREE_H
#define BARKEEP_CONFIG_YAML_TREE_H

#include "config/node.h"
#include "core/arena.h"

#define YAML_MAX_BYTES (4u << 20)
#define YAML_MAX_DEPTH 64
#define YAML_MAX_NODES 100000

/* The root, in `arena`; NULL after a problem that leaves nothing to go on with. Lesser problems are
 * added to the list, and what they concern becomes NODE_BROKEN. */
struct node *yaml_tree_parse(struct slice yaml, struct arena *arena, struct problem_list *problems);

#endif
