/* Small sets of neighbours: a digest names its set, the entry that runs out first leaves it when it
 * is full. */
#include "proxy/on_behalf_shelf.h"

#include <stdlib.h>
#include <string.h>

enum {
    SETS = 256, /* a power of two, at most 2^16 */
    NEIGHBOURS = 4,
    YOUNG_MS = 60000
};

struct entry {
    unsigned char digest[32];
    size_t credential;
    struct rendering *rendering; /* NULL: free */
    uint64_t begin_ms;
    uint64_t until_ms;
};

struct on_behalf_shelf {
    struct entry entries[SETS][NEIGHBOURS];
};

static struct entry *set_of(struct on_behalf_shelf *shelf, const unsigned char digest[32]) {
    return shelf->entries[(digest[0] | digest[1] << 8) & (SETS - 1)];
}

static void clear(struct entry *entry) {
    rendering_unref(entry->rendering);
    *entry = (struct entry){0};
}

static bool is_for(const struct entry *entry, const unsigned char digest[32], size_t credential) {
    return entry->rendering && entry->credential == credential &&
           memcmp(entry->digest, digest, sizeof entry->digest) == 0;
}

static struct entry *find(struct on_behalf_shelf *shelf, const unsigned char digest[32],
                          size_t credential) {
    struct entry *set = set_of(shelf, digest);
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        if (is_for(&set[i], digest, credential)) {
            return &set[i];
        }
    }
    return NULL;
}

/* The free one, else the one that runs out first. */
static struct entry *make_room(struct entry *set) {
    struct entry *first = &set[0];
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        if (!set[i].rendering) {
            return &set[i];
        }
        if (set[i].until_ms < first->until_ms) {
            first = &set[i];
        }
    }
    clear(first);
    return first;
}

struct on_behalf_shelf *on_behalf_shelf_new(void) {
    return calloc(1, sizeof(struct on_behalf_shelf));
}

void on_behalf_shelf_clear(struct on_behalf_shelf *shelf) {
    for (size_t i = 0; i < SETS; i++) {
        for (size_t j = 0; j < NEIGHBOURS; j++) {
            clear(&shelf->entries[i][j]);
        }
    }
}

void on_behalf_shelf_free(struct on_behalf_shelf *shelf) {
    if (shelf) {
        on_behalf_shelf_clear(shelf);
    }
    free(shelf);
}

struct rendering *on_behalf_shelf_find(struct on_behalf_shelf *shelf,
                                       const unsigned char digest[32], size_t credential,
                                       uint64_t now_ms) {
    struct entry *entry = find(shelf, digest, credential);
    if (!entry) {
        return NULL;
    }
    if (now_ms >= entry->until_ms) {
        clear(entry);
        return NULL;
    }
    return rendering_ref(entry->rendering);
}

void on_behalf_shelf_insert(struct on_behalf_shelf *shelf, const unsigned char digest[32],
                            size_t credential, struct rendering *rendering, uint64_t now_ms,
                            uint64_t until_ms) {
    struct entry *entry = find(shelf, digest, credential);
    if (entry) {
        clear(entry);
    } else {
        entry = make_room(set_of(shelf, digest));
    }
    memcpy(entry->digest, digest, sizeof entry->digest);
    entry->credential = credential;
    entry->rendering = rendering_ref(rendering);
    entry->begin_ms = now_ms;
    entry->until_ms = until_ms;
}

void on_behalf_shelf_doubt(struct on_behalf_shelf *shelf, const unsigned char digest[32],
                           size_t credential, uint64_t now_ms) {
    struct entry *entry = find(shelf, digest, credential);
    if (entry && now_ms - entry->begin_ms >= YOUNG_MS) {
        clear(entry);
    }
}
