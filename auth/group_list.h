/* Groups that a principal was found to be in: immutable, shared between the keeper and workers. */
#ifndef BARKEEP_AUTH_GROUP_LIST_H
#define BARKEEP_AUTH_GROUP_LIST_H

#include "core/slice.h"

struct group_list {
    _Atomic uint32_t refs;
    size_t count;
    struct slice items[]; /* object ids, lower case; the text follows the array */
};

/* A copy of those `items` that `is_member` marks. One reference for the caller; NULL without
 * memory.
 */
struct group_list *group_list_new(const struct slice *items, const bool *is_member, size_t count);
struct group_list *group_list_ref(struct group_list *list); /* thread-safe */
void group_list_unref(struct group_list *list);             /* thread-safe; NULL is fine */

#endif
