/* Small sets of neighbours: a digest names its set, the entry that runs out first leaves it when it
 * is full. What callers bring must leave room for what vaults hold: while secret memory is scarce
 * no entry is added that does not take another's place. */
#include "proxy/on_behalf_shelf.h"

#include <stdlib.h>
#include <string.h>

#include "core/secret.h"

enum {
    SETS = 256, /* a power of two, at most 2^16 */
    NEIGHBOURS = 4,
    YOUNG_MS = 60000,
    SCARCE_PERCENT = 50
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

/* The free one, else the one that runs out first; NULL when neither may be used. */
static struct entry *make_room(struct entry *set) {
    struct entry *taken = NULL;
    bool is_scarce = secret_memory_used_percent() >= SCARCE_PERCENT;
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        if (!set[i].rendering) {
            if (!is_scarce) {
                return &set[i];
            }
        } else if (!taken || set[i].until_ms < taken->until_ms) {
            taken = &set[i];
        }
    }
    if (taken) {
        clear(taken);
    }
    return taken;
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
    if (!entry) {
        return;
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
