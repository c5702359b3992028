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

/* Keys that are no hash: everyone's, and that of all entries found by groups. */
enum { KEY_EVERYONE = 0, KEY_SOME_GROUP = 2, KEY_FIRST_HASH = 4 };

/* The lowest bit of a hash tells groups from the rest. */
enum key_kind { KEY_GROUP = 1, KEY_USER, KEY_APP, KEY_APP_ROLE, KEY_SCOPE, KEY_TENANT };

struct policy_posting {
    uint32_t key;
    uint32_t first; /* in entries */
    uint32_t count; /* 0: the slot is free */
};

static uint64_t word_at(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Folds the 128 bits of a product, as wyhash does. */
static uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product =
        (unsigned __int128)(a ^ UINT64_C(0xa0761d6478bd642f)) * (b ^ UINT64_C(0xe7037ed1a0b428db));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Apart, so that its buffer does not make the longer texts pay for a guarded stack. */
static __attribute__((noinline)) uint64_t hash_of_short(struct slice text, uint64_t seed) {
    char padded[16] = {0};
    if (text.len)
        memcpy(padded, text.ptr, text.len);
    return mix(word_at(padded) ^ seed, word_at(padded + 8) ^ text.len);
}

/* By pieces of 16 bytes that do not wait for each other: a caller may be in hundreds of groups. */
static inline uint64_t hash_of(struct slice text, uint64_t seed) {
    if (text.len < 16)
        return hash_of_short(text, seed);
    const char *last = text.ptr + text.len - 16;
    uint64_t hash = mix(word_at(last) ^ seed, word_at(last + 8) ^ text.len);
    for (size_t i = 0; text.ptr + i < last; i += 16)
        hash += mix(word_at(text.ptr + i) + i, word_at(text.ptr + i + 8));
    return hash;
}

static inline uint32_t key_of(enum key_kind kind, struct slice text) {
    uint64_t hash = hash_of(text, kind);
    uint32_t key = (uint32_t)(hash ^ hash >> 32) & ~UINT32_C(1);
    return (key < KEY_FIRST_HASH ? key + KEY_FIRST_HASH : key) | (kind == KEY_GROUP);
}

static bool is_group_key(uint32_t key) {
    return (key & 1) != 0;
}

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
            add_hint(index, entry, key_of(kind, values->items[i]));
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

/* Every hint under its key, those of groups also under that of all groups. */
static size_t copy_hints(const struct policy_index *index, struct policy_hint *out_hints) {
    size_t count = 0;
    for (size_t i = 0; i < index->count; i++) {
        out_hints[count++] = index->hints[i];
        if (is_group_key(index->hints[i].key))
            out_hints[count++] = (struct policy_hint){KEY_SOME_GROUP, index->hints[i].entry};
    }
    return count;
}

static size_t slots_for(size_t keys) {
    size_t slots = 1;
    while (slots <= keys + keys / 2)
        slots *= 2;
    return slots;
}

static bool build_slots(struct arena *arena, struct policy_index *index) {
    struct policy_hint *sorted = calloc(2 * index->count, sizeof *sorted);
    if (!sorted)
        return false;
    size_t count = copy_hints(index, sorted);
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
        if (index.count >= INDEXED_FROM && !build_slots(arena, &index))
            return false;
    }
    *out_index = index;
    return true;
}

void policy_group_keys(const struct slice *groups, size_t count, uint32_t *out_keys) {
    for (size_t i = 0; i < count; i++)
        out_keys[i] = key_of(KEY_GROUP, groups[i]);
}

void caller_keys_init(struct caller_keys *keys, const struct identity *identity) {
    keys->identity = identity;
    keys->has_own = keys->has_groups = false;
    keys->has_all = true;
    keys->count = keys->sketched = 0;
    memset(keys->sketch, 0, sizeof keys->sketch);
}

static uint64_t sketch_bit(uint32_t key) {
    return UINT64_C(1) << (key >> 1 & 63);
}

static size_t sketch_word(uint32_t key) {
    return key >> 7 & 15;
}

static void sketch_key(struct caller_keys *keys, uint32_t key) {
    keys->sketch[sketch_word(key)] |= sketch_bit(key);
}

static void complete_sketch(struct caller_keys *keys) {
    for (; keys->sketched < keys->count; keys->sketched++)
        sketch_key(keys, keys->items[keys->sketched]);
}

/* A key that finds no room is at least in the sketch. */
static void keep_key(struct caller_keys *keys, uint32_t key) {
    if (keys->count < POLICY_CALLER_KEYS_MAX) {
        keys->items[keys->count++] = key;
        return;
    }
    sketch_key(keys, key);
    keys->has_all = false;
}

static void keep_keys(struct caller_keys *keys, enum key_kind kind, const struct slice *values,
                      size_t count) {
    for (size_t i = 0; i < count; i++)
        keep_key(keys, key_of(kind, values[i]));
}

static void keep_groups(struct caller_keys *keys) {
    const struct identity *identity = keys->identity;
    size_t count = identity->group_count;
    if (!identity->group_keys)
        keep_keys(keys, KEY_GROUP, identity->groups, count);
    else
        for (size_t i = 0; i < count; i++)
            keep_key(keys, identity->group_keys[i]);
}

static void fill_keys(struct caller_keys *keys, bool wants_groups) {
    const struct identity *identity = keys->identity;
    if (!keys->has_own) {
        keep_keys(keys, KEY_USER, &identity->oid, 1);
        keep_keys(keys, KEY_TENANT, &identity->tenant, 1);
        if (identity->type == PRINCIPAL_APP)
            keep_keys(keys, KEY_APP, &identity->app, 1);
        keep_keys(keys, KEY_APP_ROLE, identity->roles, identity->role_count);
        keep_keys(keys, KEY_SCOPE, identity->scopes, identity->scope_count);
        keys->has_own = true;
    }
    if (wants_groups && !keys->has_groups) {
        keep_groups(keys);
        keys->has_groups = true;
    }
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

/* False when there is no room for one more cursor. */
static bool open_cursor(struct candidates *candidates, uint32_t key) {
    const struct policy_index *index = &candidates->list->index;
    if (!may_hold(index, key))
        return true;
    const struct policy_posting *posting = slot_of(index, key);
    if (posting->count == 0)
        return true;
    if (candidates->cursor_count == POLICY_CURSORS_MAX)
        return false;
    const uint32_t *first = index->entries + posting->first;
    candidates->cursors[candidates->cursor_count++] =
        (struct policy_cursor){first, first + posting->count, key == KEY_SOME_GROUP};
    return true;
}

static bool open_cursors(struct candidates *candidates) {
    const struct caller_keys *keys = candidates->keys;
    bool has_room = open_cursor(candidates, KEY_EVERYONE);
    if (candidates->takes_unknown)
        has_room = has_room && open_cursor(candidates, KEY_SOME_GROUP);
    for (size_t i = 0; i < keys->count && has_room; i++)
        has_room = open_cursor(candidates, keys->items[i]);
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
    candidates->cursor_count = 0;
    if (list->count <= POLICY_PLAIN_MAX)
        return;
    const struct policy_index *index = &list->index;
    fill_keys(keys, index->has_groups);
    bool is_long = index->slots && index->count > LOOKUP_COST * keys->count;
    if (is_long && keys->has_all && open_cursors(candidates)) {
        candidates->way = BY_KEYS;
        return;
    }
    complete_sketch(keys);
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
