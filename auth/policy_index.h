/* Which entries of a list can concern a caller at all: every principal is found by the values of
 * one of its keys, and of access entries also by how the paths that they grant begin. A caller's
 * keys are looked up, or the list is gone through, whichever is less work; what is found is a
 * candidate, still to be matched, and comes in file order. */
#ifndef BARKEEP_AUTH_POLICY_INDEX_H
#define BARKEEP_AUTH_POLICY_INDEX_H

#include "auth/policy_keys.h"
#include "core/arena.h"

struct entry_list;

/* Up to here every entry of a list is a candidate: looking is not worth it. */
#define POLICY_PLAIN_MAX 4
/* A caller who meets more of a list's keys than this has long lists gone through. */
#define POLICY_CURSORS_MAX 256

/* An entry under one of the values it asks for. */
struct policy_hint {
    uint32_t key; /* hash of the value and its kind */
    uint32_t entry;
};

struct policy_posting; /* the entries under one key */

struct policy_index {
    struct policy_hint *hints; /* in file order; none for a short list */
    size_t count;
    bool has_groups;
    bool has_heads[PATH_HEADS_MAX]; /* are entries found by one segment, by two */
    struct policy_posting *slots;   /* by key, open addressing; NULL unless the list is long */
    size_t slot_mask;
    unsigned char *filter; /* a bit is clear where no key is */
    uint32_t *entries;     /* that the slots refer to, ascending under each key */
};

/* Lays out `list`'s index, at most 128 bytes in `arena` for each value that `to` names. False
 * without memory. */
bool policy_index_build(struct arena *arena, const struct entry_list *list,
                        struct policy_index *out_index);

struct policy_cursor {
    const uint32_t *next;
    const uint32_t *end;
    bool is_unknown; /* entries that only unknown groups make candidates */
};

enum candidates_way { EVERY_ENTRY, BY_HINTS, BY_KEYS };

/* One walk through the candidates of one list. */
struct candidates {
    const struct entry_list *list;
    const struct caller_keys *keys;
    enum candidates_way way;
    bool takes_unknown; /* are entries that only unknown groups could match still of interest */
    size_t at;
    size_t last;           /* the entry given last */
    const uint32_t *heads; /* of the request's path */
    size_t head_count;
    size_t cursor_count;
    struct policy_cursor cursors[POLICY_CURSORS_MAX];
};

void candidates_init(struct candidates *candidates, const struct entry_list *list,
                     struct caller_keys *keys, bool takes_unknown);
/* The next entry's index in out_entry, ascending, each once; false at the end. The caller may clear
 * takes_unknown in between. */
bool candidates_next(struct candidates *candidates, size_t *out_entry);

#endif
