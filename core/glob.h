/* Text patterns in which '*' stands for any run of bytes, the empty one too; every other byte for
 * itself. */
#ifndef BARKEEP_CORE_GLOB_H
#define BARKEEP_CORE_GLOB_H

#include "core/slice.h"

/* At most pattern.len * text.len steps. With a pattern for `text` it says whether `pattern` covers
 * that one, for only a star matches a star. */
bool glob_match(struct slice pattern, struct slice text);

/* A pattern that is asked often: what stands before its first star is compared at once. */
struct glob {
    struct slice pattern;
    size_t prefix;
};

static inline struct glob glob_of(struct slice pattern) {
    return (struct glob){pattern, slice_index(pattern, '*')};
}

static inline bool glob_matches(const struct glob *glob, struct slice text) {
    size_t prefix = glob->prefix;
    if (text.len < prefix || (prefix && memcmp(glob->pattern.ptr, text.ptr, prefix) != 0))
        return false;
    if (prefix == glob->pattern.len)
        return text.len == prefix;
    return prefix + 1 == glob->pattern.len ||
           glob_match(slice_skip(glob->pattern, prefix), slice_skip(text, prefix));
}

#endif
