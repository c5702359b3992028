/* Text patterns in which '*' stands for any run of bytes, the empty one too; every other byte for
 * itself. */
#ifndef BARKEEP_CORE_GLOB_H
#define BARKEEP_CORE_GLOB_H

#include "core/slice.h"

/* At most pattern.len * text.len steps. With a pattern for `text` it says whether `pattern` covers
 * that one, for only a star matches a star. */
bool glob_match(struct slice pattern, struct slice text);

#endif
