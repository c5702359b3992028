/* Sorts with the C library's qsort_r(): names of one object are never more than the text has, and
 * comparing two costs no more than their bytes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* qsort_r */
#endif
#include "core/json_order.h"

#include <stdlib.h>

#include "core/json_string.h"

enum { FIRST_ITEMS = 64, FEW = 16 };

void json_stack_done(struct json_stack *stack) {
    free(stack->items);
    json_stack_init(stack);
}

bool json_stack_reserve(struct json_stack *stack, size_t extra) {
    size_t capacity = stack->capacity ? stack->capacity : FIRST_ITEMS;
    while (capacity < stack->count + extra)
        capacity *= 2;
    if (capacity == stack->capacity)
        return true;
    uint32_t *items = realloc(stack->items, capacity * sizeof *items);
    if (!items)
        return false;
    stack->items = items;
    stack->capacity = capacity;
    return true;
}

bool json_stack_push(struct json_stack *stack, uint32_t item) {
    if (!json_stack_reserve(stack, 1))
        return false;
    stack->items[stack->count++] = item;
    return true;
}

static int compare_names(const void *a, const void *b, void *json) {
    return json_string_compare(json_string_inside(json, *(const uint32_t *)a),
                               json_string_inside(json, *(const uint32_t *)b));
}

static void sort_few(uint32_t *names, size_t count, const struct json_text *json) {
    for (size_t i = 1; i < count; i++) {
        uint32_t name = names[i];
        struct slice inside = json_string_inside(json, name);
        size_t at = i;
        while (at > 0 && json_string_compare(inside, json_string_inside(json, names[at - 1])) < 0) {
            names[at] = names[at - 1];
            at--;
        }
        names[at] = name;
    }
}

bool json_stack_push_names(struct json_stack *stack, const struct json_text *json,
                           uint32_t object) {
    const struct json_value *values = json->values;
    if (!json_stack_reserve(stack, values[object].count))
        return false;
    uint32_t *names = stack->items + stack->count;
    size_t count = 0;
    for (uint32_t name = object + 1; name < values[object].next; name = values[name + 1].next)
        names[count++] = name;
    if (count <= FEW)
        sort_few(names, count, json);
    else
        qsort_r(names, count, sizeof *names, compare_names, (void *)(uintptr_t)json);
    stack->count += count;
    return true;
}
