/* Keys are hashes, and may collide: that costs a comparison and nothing else. */
#include "auth/policy_keys.h"

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

uint32_t policy_key(enum key_kind kind, struct slice text) {
    uint64_t hash = hash_of(text, kind);
    uint32_t key = (uint32_t)(hash ^ hash >> 32) & ~UINT32_C(1);
    return (key < KEY_FIRST_HASH ? key + KEY_FIRST_HASH : key) | (kind == KEY_GROUP);
}

uint32_t policy_key_at(uint32_t key, uint32_t head) {
    return (uint32_t)mix(key, head);
}

/* "%2F" and "%2f" match each other, so both letters are hashed alike. */
static uint32_t head_byte(uint32_t hash, char byte) {
    char folded = (byte | 0x20) == 'f' ? 'f' : byte;
    return (hash ^ (unsigned char)folded) * UINT32_C(16777619);
}

uint32_t path_head_add(uint32_t head, struct slice segment) {
    uint32_t hash = head_byte(head, '/');
    for (size_t i = 0; i < segment.len; i++)
        hash = head_byte(hash, segment.ptr[i]);
    return hash;
}

void policy_group_keys(const struct slice *groups, size_t count, uint32_t *out_keys) {
    for (size_t i = 0; i < count; i++)
        out_keys[i] = policy_key(KEY_GROUP, groups[i]);
}

void caller_keys_init(struct caller_keys *keys, const struct identity *identity,
                      struct slice path) {
    keys->identity = identity;
    keys->path = path;
    keys->has_heads = false;
    keys->has_own = keys->has_groups = false;
    keys->has_all = true;
    keys->count = keys->sketched = 0;
    memset(keys->sketch, 0, sizeof keys->sketch);
}

static void sketch_key(struct caller_keys *keys, uint32_t key) {
    keys->sketch[sketch_word(key)] |= sketch_bit(key);
}

void caller_keys_complete_sketch(struct caller_keys *keys) {
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
        keep_key(keys, policy_key(kind, values[i]));
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

void caller_keys_fill(struct caller_keys *keys, bool wants_groups) {
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

static void find_heads(struct caller_keys *keys) {
    struct slice rest = keys->path;
    uint32_t head = PATH_HEAD_NONE;
    keys->head_count = 0;
    while (keys->head_count < PATH_HEADS_MAX && !slice_is_empty(rest)) {
        struct slice text = slice_skip(rest, 1);
        struct slice segment = slice_of(text.ptr, slice_index(text, '/'));
        head = path_head_add(head, segment);
        keys->heads[keys->head_count++] = head;
        rest = slice_skip(text, segment.len);
    }
    keys->has_heads = true;
}

const uint32_t *caller_keys_heads(struct caller_keys *keys, size_t *out_count) {
    if (!keys->has_heads)
        find_heads(keys);
    *out_count = keys->head_count;
    return keys->heads;
}
