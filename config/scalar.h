/* What a plain YAML scalar means by the core schema of YAML 1.2 (10.3.2): `no`, `yes`, `on` and
 * `off` are strings. libyaml itself leaves that question open. */
#ifndef BARKEEP_CONFIG_SCALAR_H
#define BARKEEP_CONFIG_SCALAR_H

#include "config/node.h"

enum node_kind scalar_kind(struct slice plain);
/* `plain` is of kind NODE_BOOL. */
bool scalar_bool(struct slice plain);

#endif
