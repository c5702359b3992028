/* Two values side by side, without recursion: what is still to be compared stands on two stacks of
 * the same height. Objects are compared name by name in sorted order, so that the cost stays near
 * that of reading them, whoever chose the names. */
#include "core/json_number.h"
#include "core/json_order.h"
#include "core/json_string.h"

struct pairs {
    const struct json_text *a, *b;
    struct json_stack of_a, of_b;
};

static bool push_items(const struct json_text *json, uint32_t array, struct json_stack *stack) {
    if (!json_stack_reserve(stack, json->values[array].count))
        return false;
    uint32_t end = json->values[array].next;
    for (uint32_t item = array + 1; item < end; item = json->values[item].next)
        stack->items[stack->count++] = item;
    return true;
}

static bool push_pair_of_arrays(struct pairs *pairs, uint32_t of_a, uint32_t of_b) {
    return pairs->a->values[of_a].count == pairs->b->values[of_b].count &&
           push_items(pairs->a, of_a, &pairs->of_a) && push_items(pairs->b, of_b, &pairs->of_b);
}

/* Names have to be the same; the values behind them remain to be compared. */
static bool push_pair_of_objects(struct pairs *pairs, uint32_t of_a, uint32_t of_b) {
    size_t from = pairs->of_a.count;
    if (pairs->a->values[of_a].count != pairs->b->values[of_b].count ||
        !json_stack_push_names(&pairs->of_a, pairs->a, of_a) ||
        !json_stack_push_names(&pairs->of_b, pairs->b, of_b))
        return false;
    for (size_t i = from; i < pairs->of_a.count; i++) {
        if (!json_string_equal(json_string_inside(pairs->a, pairs->of_a.items[i]),
                               json_string_inside(pairs->b, pairs->of_b.items[i])))
            return false;
        pairs->of_a.items[i]++;
        pairs->of_b.items[i]++;
    }
    return true;
}

static bool strings_equal(const struct pairs *pairs, uint32_t of_a, uint32_t of_b) {
    if (!pairs->a->values[of_a].has_escapes && !pairs->b->values[of_b].has_escapes)
        return slice_eq(json_text_bytes(pairs->a, of_a), json_text_bytes(pairs->b, of_b));
    return json_string_equal(json_string_inside(pairs->a, of_a),
                             json_string_inside(pairs->b, of_b));
}

static bool compare_pair(struct pairs *pairs, uint32_t of_a, uint32_t of_b) {
    enum json_text_kind kind = json_text_kind(pairs->a, of_a);
    if (kind != json_text_kind(pairs->b, of_b))
        return false;
    switch (kind) {
    case JSON_TEXT_NUMBER:
        return json_number_equal(json_text_bytes(pairs->a, of_a), json_text_bytes(pairs->b, of_b));
    case JSON_TEXT_STRING:
        return strings_equal(pairs, of_a, of_b);
    case JSON_TEXT_ARRAY:
        return push_pair_of_arrays(pairs, of_a, of_b);
    case JSON_TEXT_OBJECT:
        return push_pair_of_objects(pairs, of_a, of_b);
    case JSON_TEXT_NULL:
    case JSON_TEXT_FALSE:
    case JSON_TEXT_TRUE:
        return true;
    }
    return false;
}

bool json_text_equal(const struct json_text *a, uint32_t of_a, const struct json_text *b,
                     uint32_t of_b) {
    if (of_a == JSON_TEXT_NONE || of_b == JSON_TEXT_NONE)
        return false;
    struct pairs pairs = {.a = a, .b = b};
    bool is_equal = compare_pair(&pairs, of_a, of_b);
    while (is_equal && pairs.of_a.count > 0)
        is_equal = compare_pair(&pairs, pairs.of_a.items[--pairs.of_a.count],
                                pairs.of_b.items[--pairs.of_b.count]);
    json_stack_done(&pairs.of_a);
    json_stack_done(&pairs.of_b);
    return is_equal;
}
