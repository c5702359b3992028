/* What entries and callers are found by: one number for each value of each kind, and for how a path
 * begins. Private to policy*.c and identity.c. */
#ifndef BARKEEP_AUTH_POLICY_KEYS_H
#define BARKEEP_AUTH_POLICY_KEYS_H

#include "auth/identity.h"

/* A caller of more keys than this has long lists gone through. */
#define POLICY_CALLER_KEYS_MAX 1024

/* Keys that are no hash: everyone's, and that of all entries found by groups. */
enum { KEY_EVERYONE = 0, KEY_SOME_GROUP = 2, KEY_FIRST_HASH = 4 };

/* The lowest bit of a hash tells groups from the rest. */
enum key_kind { KEY_GROUP = 1, KEY_USER, KEY_APP, KEY_APP_ROLE, KEY_SCOPE, KEY_TENANT };

uint32_t policy_key(enum key_kind kind, struct slice text);

static inline bool is_group_key(uint32_t key) {
    return (key & 1) != 0;
}

/* How many of a path's first segments entries are told apart by. */
#define PATH_HEADS_MAX 2
/* The head of no segments, to add the first one to. */
#define PATH_HEAD_NONE UINT32_C(2166136261)

uint32_t path_head_add(uint32_t head, struct slice segment);
/* The key of entries under `key` that grant only paths which begin so. */
uint32_t policy_key_at(uint32_t key, uint32_t head);

/* What groups are found by; made once for each caller, who may be in hundreds. */
void policy_group_keys(const struct slice *groups, size_t count, uint32_t *out_keys);

/* A caller's keys, made when the first list asks for them. */
struct caller_keys {
    const struct identity *identity;
    bool has_own;
    bool has_groups;
    bool has_all; /* none was left out for want of room */
    size_t count;
    size_t sketched;     /* so many of them are in the sketch */
    uint64_t sketch[16]; /* a bit for each key: absent means that the caller has it not */
    uint32_t items[POLICY_CALLER_KEYS_MAX];
    struct slice path;
    bool has_heads;
    size_t head_count;
    uint32_t heads[PATH_HEADS_MAX]; /* of the path's first segment, of its first two */
};

/* `path` is what grants are held against. */
void caller_keys_init(struct caller_keys *keys, const struct identity *identity, struct slice path);
void caller_keys_fill(struct caller_keys *keys, bool wants_groups);
void caller_keys_complete_sketch(struct caller_keys *keys);
const uint32_t *caller_keys_heads(struct caller_keys *keys, size_t *out_count);

static inline uint64_t sketch_bit(uint32_t key) {
    return UINT64_C(1) << (key >> 1 & 63);
}

static inline size_t sketch_word(uint32_t key) {
    return key >> 7 & 15;
}

#endif
