/* Members in the order of their names, and a list of what is still to be done for those who walk
 * values without recursion. Private to core. */
#ifndef BARKEEP_CORE_JSON_ORDER_H
#define BARKEEP_CORE_JSON_ORDER_H

#include "core/json_text.h"

struct json_stack {
    uint32_t *items;
    size_t count;
    size_t capacity;
};

static inline void json_stack_init(struct json_stack *stack) {
    *stack = (struct json_stack){0};
}
void json_stack_done(struct json_stack *stack);
/* Room for `extra` more. False without memory. */
bool json_stack_reserve(struct json_stack *stack, size_t extra);
/* False without memory. */
bool json_stack_push(struct json_stack *stack, uint32_t item);
/* Pushes the names of `object`, sorted: by their UTF-16 code units (RFC 8785 3.2.3). False without
 * memory. */
bool json_stack_push_names(struct json_stack *stack, const struct json_text *json, uint32_t object);

#endif
