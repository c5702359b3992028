/* An inverted index over the principals of one list of entries. A principal wants every one of its
 * keys met, so being found by one of them is enough; the keys that tell callers apart best are
 * taken first. Keys are hashes and may collide, which costs a comparison and nothing else.
 *
 * A caller whose groups are unknown may be in any group: for him every entry that is found by
 * groups is a candidate, until one such entry has been noted. */
#include "auth/policy_index.h"

#include <stdlib.h>

#include "auth/policy_rules.h"

/* Fewer hints than this are gone through: they are a few cache lines. */
#define INDEXED_FROM 64
/* What looking up one key costs, in hints gone through. */
#define LOOKUP_COST 4

struct policy_posting {
    uint32_t key;
    uint32_t first; /* in entries */
    uint32_t count; /* 0: the slot is free */
};

/* The values that a principal is found by; none means by everyone. */
static const struct slice_list *telling_values(const struct principal *principal,
                                               enum key_kind *out_kind) {
    const struct {
        enum key_kind kind;
        const struct slice_list *values;
    } rows[] = {
        {KEY_USER, &principal->users},   {KEY_APP, &principal->apps},
        {KEY_GROUP, &principal->groups}, {KEY_APP_ROLE, &principal->app_roles},
        {KEY_SCOPE, &principal->scopes}, {KEY_TENANT, &principal->tenants},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].values->count) {
            *out_kind = rows[i].kind;
            return rows[i].values;
        }
    return NULL;
}

static size_t count_hints(const struct entry_list *list) {
    size_t count = 0;
    enum key_kind kind;
    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < list->items[i].principal_count; j++) {
            const struct slice_list *values = telling_values(&list->items[i].principals[j], &kind);
            count += values ? values->count : 1;
        }
    return count;
}

static void add_hint(struct policy_index *index, size_t entry, uint32_t key) {
    index->hints[index->count++] = (struct policy_hint){key, (uint32_t)entry};
    index->has_groups |= is_group_key(key);
}

static void add_hints(struct policy_index *index, size_t entry, const struct principal *principal) {
    enum key_kind kind;
    const struct slice_list *values = telling_values(principal, &kind);
    if (!values)
        add_hint(index, entry, KEY_EVERYONE);
    else
        for (size_t i = 0; i < values->count; i++)
            add_hint(index, entry, policy_key(kind, values->items[i]));
}

static int compare_hints(const void *left, const void *right) {
    const struct policy_hint *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->entry > b->entry) - (a->entry < b->entry);
}

static struct policy_posting *slot_of(const struct policy_index *index, uint32_t key) {
    size_t at = key >> 1 & index->slot_mask;
    while (index->slots[at].count && index->slots[at].key != key)
        at = (at + 1) & index->slot_mask;
    return &index->slots[at];
}

/* Eight bits for each slot, found by other bits of the key than the slot is: most keys that nobody
 * asks for are told here, in a table that stays near. */
static size_t filter_bit(const struct policy_index *index, uint32_t key) {
    return (key * UINT32_C(0x9e3779b1) >> 3) & (8 * index->slot_mask + 7);
}

static bool may_hold(const struct policy_index *index, uint32_t key) {
    size_t bit = filter_bit(index, key);
    return (index->filter[bit / 8] >> (bit % 8) & 1) != 0;
}

static void fill_slots(struct policy_index *index, const struct policy_hint *sorted, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct policy_posting *slot = slot_of(index, sorted[i].key);
        if (slot->count == 0)
            *slot = (struct policy_posting){.key = sorted[i].key, .first = (uint32_t)i};
        size_t bit = filter_bit(index, sorted[i].key);
        index->filter[bit / 8] |= (unsigned char)(1U << (bit % 8));
        index->entries[i] = sorted[i].entry;
        slot->count++;
    }
}

/* False when not all of the first `depth` segments are literal. */
static bool pattern_head(struct path_pattern pattern, size_t depth, uint32_t *out_head) {
    uint32_t head = PATH_HEAD_NONE;
    if (pattern.count < depth)
        return false;
    for (size_t i = 0; i < depth; i++) {
        if (pattern.segments[i].kind != SEGMENT_LITERAL)
            return false;
        head = path_head_add(head, pattern.segments[i].text);
    }
    *out_head = head;
    return true;
}

/* How many segments at most all patterns of the entry begin with, the same ones, and their head.
 * What a deny takes away is held against other readings of the path too: it has none. */
static size_t heads_of(const struct entry *entry, uint32_t *out_head) {
    const struct action_list *actions = &entry->actions;
    bool is_anywhere = entry->is_deny || actions->count == 0 || actions->mcp.count > 0;
    size_t depth = is_anywhere ? 0 : PATH_HEADS_MAX;
    for (; depth > 0; depth--) {
        uint32_t first = 0;
        bool is_same = true;
        for (size_t i = 0; i < actions->count && is_same; i++) {
            uint32_t head = 0;
            is_same = pattern_head(actions->items[i].pattern, depth, &head);
            first = i == 0 ? head : first;
            is_same = is_same && head == first;
        }
        if (is_same) {
            *out_head = first;
            break;
        }
    }
    return depth;
}

static struct policy_hint hint_at(uint32_t key, size_t depth, uint32_t head, uint32_t entry) {
    return (struct policy_hint){depth ? policy_key_at(key, head) : key, entry};
}

/* Every hint under its key, those of groups also under that of all groups. */
static size_t copy_hints(struct policy_index *index, const struct entry_list *list,
                         struct policy_hint *out_hints) {
    size_t count = 0;
    for (size_t i = 0; i < index->count; i++) {
        struct policy_hint hint = index->hints[i];
        uint32_t head = 0;
        size_t depth = heads_of(&list->items[hint.entry], &head);
        if (depth)
            index->has_heads[depth - 1] = true;
        out_hints[count++] = hint_at(hint.key, depth, head, hint.entry);
        if (is_group_key(hint.key))
            out_hints[count++] = hint_at(KEY_SOME_GROUP, depth, head, hint.entry);
    }
    return count;
}

static size_t slots_for(size_t keys) {
    size_t slots = 1;
    while (slots <= keys + keys / 2)
        slots *= 2;
    return slots;
}

static bool build_slots(struct arena *arena, const struct entry_list *list,
                        struct policy_index *index) {
    struct policy_hint *sorted = calloc(2 * index->count, sizeof *sorted);
    if (!sorted)
        return false;
    size_t count = copy_hints(index, list, sorted);
    qsort(sorted, count, sizeof *sorted, compare_hints);
    size_t keys = 0;
    for (size_t i = 0; i < count; i++)
        keys += i == 0 || sorted[i].key != sorted[i - 1].key;
    size_t slots = slots_for(keys);
    index->slots = arena_array(arena, slots, sizeof *index->slots);
    index->entries = arena_array(arena, count, sizeof *index->entries);
    index->filter = arena_alloc(arena, slots);
    index->slot_mask = slots - 1;
    bool is_built = index->slots && index->entries && index->filter;
    if (is_built)
        fill_slots(index, sorted, count);
    free(sorted);
    return is_built;
}

bool policy_index_build(struct arena *arena, const struct entry_list *list,
                        struct policy_index *out_index) {
    struct policy_index index = {0};
    if (list->count > POLICY_PLAIN_MAX) {
        index.hints = arena_array(arena, count_hints(list), sizeof *index.hints);
        if (!index.hints)
            return false;
        for (size_t i = 0; i < list->count; i++)
            for (size_t j = 0; j < list->items[i].principal_count; j++)
                add_hints(&index, i, &list->items[i].principals[j]);
        if (index.count >= INDEXED_FROM && !build_slots(arena, list, &index))
            return false;
    }
    *out_index = index;
    return true;
}

/* The cursors are a heap: the first has the lowest next entry. */
static void sink(struct candidates *candidates, size_t at) {
    struct policy_cursor *heap = candidates->cursors, moved = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= candidates->cursor_count)
            break;
        if (child + 1 < candidates->cursor_count && *heap[child + 1].next < *heap[child].next)
            child++;
        if (*moved.next <= *heap[child].next)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

/* False when there is no room for one more cursor. Apart, so that the loop over a caller's keys
 * stays as small as what most of them come to: a bit that is clear. */
static __attribute__((noinline)) bool open_cursor(struct candidates *candidates, uint32_t key,
                                                  bool is_unknown) {
    const struct policy_index *index = &candidates->list->index;
    const struct policy_posting *posting = slot_of(index, key);
    if (posting->count == 0)
        return true;
    if (candidates->cursor_count == POLICY_CURSORS_MAX)
        return false;
    const uint32_t *first = index->entries + posting->first;
    candidates->cursors[candidates->cursor_count++] =
        (struct policy_cursor){first, first + posting->count, is_unknown};
    return true;
}

static inline bool open_key(struct candidates *candidates, uint32_t key, const uint32_t *head) {
    uint32_t found_by = head ? policy_key_at(key, *head) : key;
    return !may_hold(&candidates->list->index, found_by) ||
           open_cursor(candidates, found_by, key == KEY_SOME_GROUP);
}

/* Of the entries for paths that begin so; NULL: of those for any path. */
static bool open_keys(struct candidates *candidates, const uint32_t *head) {
    const struct caller_keys *keys = candidates->keys;
    bool has_room = open_key(candidates, KEY_EVERYONE, head);
    if (candidates->takes_unknown)
        has_room = has_room && open_key(candidates, KEY_SOME_GROUP, head);
    for (size_t i = 0; i < keys->count && has_room; i++)
        has_room = open_key(candidates, keys->items[i], head);
    return has_room;
}

static bool open_cursors(struct candidates *candidates) {
    bool has_room = open_keys(candidates, NULL);
    for (size_t i = 0; i < candidates->head_count && has_room; i++)
        if (candidates->list->index.has_heads[i])
            has_room = open_keys(candidates, &candidates->heads[i]);
    for (size_t i = candidates->cursor_count / 2; i-- > 0;)
        sink(candidates, i);
    return has_room;
}

void candidates_init(struct candidates *candidates, const struct entry_list *list,
                     struct caller_keys *keys, bool takes_unknown) {
    candidates->list = list;
    candidates->keys = keys;
    candidates->way = EVERY_ENTRY;
    candidates->takes_unknown = takes_unknown && keys->identity->groups_unknown;
    candidates->at = 0;
    candidates->last = SIZE_MAX;
    candidates->head_count = candidates->cursor_count = 0;
    if (list->count <= POLICY_PLAIN_MAX)
        return;
    const struct policy_index *index = &list->index;
    caller_keys_fill(keys, index->has_groups);
    if (index->has_heads[0] || index->has_heads[1])
        candidates->heads = caller_keys_heads(keys, &candidates->head_count);
    bool is_long = index->slots && index->count > LOOKUP_COST * keys->count;
    if (is_long && keys->has_all && open_cursors(candidates)) {
        candidates->way = BY_KEYS;
        return;
    }
    caller_keys_complete_sketch(keys);
    candidates->way = BY_HINTS;
}

static bool next_entry(struct candidates *candidates, size_t *out_entry) {
    if (candidates->at == candidates->list->count)
        return false;
    *out_entry = candidates->at++;
    return true;
}

static bool is_candidate(const struct candidates *candidates, struct policy_hint hint) {
    if (hint.key == KEY_EVERYONE || (is_group_key(hint.key) && candidates->takes_unknown))
        return true;
    return (candidates->keys->sketch[sketch_word(hint.key)] & sketch_bit(hint.key)) != 0;
}

static bool next_hint(struct candidates *candidates, size_t *out_entry) {
    const struct policy_index *index = &candidates->list->index;
    while (candidates->at < index->count) {
        struct policy_hint hint = index->hints[candidates->at++];
        if (hint.entry != candidates->last && is_candidate(candidates, hint)) {
            *out_entry = candidates->last = hint.entry;
            return true;
        }
    }
    return false;
}

/* Moves the first cursor on, or ends it. */
static uint32_t take_first(struct candidates *candidates) {
    struct policy_cursor *first = &candidates->cursors[0];
    uint32_t entry = *first->next++;
    bool is_over = first->next == first->end || (first->is_unknown && !candidates->takes_unknown);
    if (is_over)
        *first = candidates->cursors[--candidates->cursor_count];
    if (candidates->cursor_count)
        sink(candidates, 0);
    return entry;
}

static bool next_found(struct candidates *candidates, size_t *out_entry) {
    while (candidates->cursor_count) {
        uint32_t entry = take_first(candidates);
        if (entry != candidates->last) {
            *out_entry = candidates->last = entry;
            return true;
        }
    }
    return false;
}

bool candidates_next(struct candidates *candidates, size_t *out_entry) {
    switch (candidates->way) {
    case EVERY_ENTRY:
        return next_entry(candidates, out_entry);
    case BY_HINTS:
        return next_hint(candidates, out_entry);
    case BY_KEYS:
        return next_found(candidates, out_entry);
    }
    return false;
}
