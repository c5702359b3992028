/* One block of memory: the struct, the slices, their text. */
#include "auth/group_list.h"

#include <stdatomic.h>
#include <stdlib.h>

struct group_list *group_list_new(const struct slice *items, const bool *is_member, size_t count) {
    size_t member_count = 0, text_bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (is_member[i]) {
            member_count++;
            text_bytes += items[i].len;
        }
    struct group_list *list =
        malloc(sizeof *list + member_count * sizeof *list->items + text_bytes);
    if (!list)
        return NULL;
    atomic_init(&list->refs, 1);
    list->count = 0;
    char *text = (char *)&list->items[member_count];
    for (size_t i = 0; i < count; i++)
        if (is_member[i]) {
            memcpy(text, items[i].ptr, items[i].len);
            list->items[list->count++] = slice_of(text, items[i].len);
            text += items[i].len;
        }
    return list;
}

struct group_list *group_list_ref(struct group_list *list) {
    atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
    return list;
}

void group_list_unref(struct group_list *list) {
    if (list && atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) == 1)
        free(list);
}
