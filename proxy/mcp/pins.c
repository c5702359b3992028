/* The approved definitions never change once loaded; beside each stands what the last listing made
 * of it, which any thread writes: until there is one, a server may offer anything under the name,
 * and the tool is not called. A later listing that is as approved lifts the verdict: the server
 * offers again what was approved. What was listed outlives a reload, or every edit of the
 * configuration would make callable again what was found to differ. Of tools that nobody approved
 * only a few names are kept, so that nobody is told of them twice. */
#include "proxy/mcp/pins.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/json_canonical.h"
#include "core/siphash.h"
#include "proxy/mcp/pin_file.h"

enum {
    FILE_ARENA_BYTES_MAX = 64 << 20,
    TOOL_ARENA_BYTES_MAX = 1 << 20,
    TOLD_MAX = 8, /* of one tool: a server that lists it otherwise each time fills no log */
    STRANGERS_MAX = 128,
    NAME_ROOM_BYTES = 6 * PIN_NAME_BYTES_MAX + 2,
};

/* What the server listed last under the name of an approved tool. */
struct sighting {
    atomic_uchar verdict; /* enum mcp_pin_verdict; unknown: not listed yet */
    unsigned char told;
    uint64_t listing;             /* 0: none yet */
    char digest[PIN_DIGEST_SIZE]; /* "": could not be made, or there are two */
    char told_digest[PIN_DIGEST_SIZE];
};

struct mcp_pins {
    atomic_uint refs;
    atomic_uint_fast64_t listings; /* so many were begun */
    struct arena arena;
    char *path; /* of the file; NULL: it was not there */
    struct mcp_pin_list list;
    pthread_mutex_t lock;       /* of what follows; verdicts are read without it */
    struct sighting *sightings; /* beside list.pins */
    uint64_t strangers[STRANGERS_MAX];
    size_t stranger_count;
};

static struct mcp_pins *pins_new(void) {
    struct mcp_pins *pins = calloc(1, sizeof *pins);
    if (pins) {
        atomic_init(&pins->refs, 1);
        atomic_init(&pins->listings, 0);
        pthread_mutex_init(&pins->lock, NULL);
        arena_init(&pins->arena, FILE_ARENA_BYTES_MAX);
    }
    return pins;
}

static enum status read_list(struct mcp_pins *pins, const char *path, struct error *err) {
    enum status status = mcp_pin_file_read(path, &pins->arena, &pins->list, err);
    if (status == STATUS_OK) {
        pins->path = arena_strdup_slice(&pins->arena, slice_of_str(path));
        return pins->path ? STATUS_OK : error_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

struct mcp_pins *mcp_pins_load(const char *path, struct error *err) {
    struct mcp_pins *pins = pins_new();
    if (pins && read_list(pins, path, err) != STATUS_OK) {
        mcp_pins_unref(pins);
        return NULL;
    }
    struct sighting *sightings =
        pins ? calloc(pins->list.count + 1, sizeof *pins->sightings) : NULL;
    if (!sightings) {
        error_set(err, STATUS_NO_MEMORY, "%s: out of memory", path);
        mcp_pins_unref(pins);
        return NULL;
    }
    for (size_t i = 0; i < pins->list.count; i++) {
        atomic_init(&sightings[i].verdict, MCP_PIN_UNKNOWN);
    }
    pins->sightings = sightings;
    return pins;
}

bool mcp_pins_are_missing(const struct mcp_pins *pins) {
    return !pins->path;
}

static bool is_same_pin(const struct mcp_pin *a, const struct mcp_pin *b) {
    bool is_same = slice_eq(a->name, b->name) && strcmp(a->digest, b->digest) == 0 &&
                   a->field_count == b->field_count;
    for (size_t i = 0; is_same && i < a->field_count; i++) {
        is_same = slice_eq(a->fields[i].name, b->fields[i].name) &&
                  strcmp(a->fields[i].digest, b->fields[i].digest) == 0 &&
                  strcmp(a->fields[i].shape, b->fields[i].shape) == 0;
    }
    return is_same;
}

static bool is_same_list(const struct mcp_pin_list *a, const struct mcp_pin_list *b) {
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = is_same_pin(&a->pins[i], &b->pins[i]);
    }
    return is_same;
}

/* A definition that is known by its digest alone: its words cannot be told from the rest of it. */
static void carry_over(struct mcp_pins *pins, const struct mcp_pins *former) {
    for (size_t i = 0; i < pins->list.count; i++) {
        const struct mcp_pin *approved = &pins->list.pins[i];
        const struct mcp_pin *before =
            mcp_pin_find(former->list.pins, former->list.count, approved->name);
        const struct sighting *sighting =
            before ? &former->sightings[before - former->list.pins] : NULL;
        if (!sighting || sighting->listing == 0) {
            continue;
        }
        struct sighting *next = &pins->sightings[i];
        bool is_same = strcmp(sighting->digest, approved->digest) == 0;
        atomic_store_explicit(&next->verdict, is_same ? MCP_PIN_SAME : MCP_PIN_CHANGED,
                              memory_order_relaxed);
        next->listing = sighting->listing;
        next->told = sighting->told;
        memcpy(next->digest, sighting->digest, sizeof next->digest);
        memcpy(next->told_digest, sighting->told_digest, sizeof next->told_digest);
    }
    atomic_store_explicit(&pins->listings,
                          atomic_load_explicit(&former->listings, memory_order_relaxed),
                          memory_order_relaxed);
    memcpy(pins->strangers, former->strangers, sizeof pins->strangers);
    pins->stranger_count = former->stranger_count;
}

struct mcp_pins *mcp_pins_load_after(const char *path, struct mcp_pins *former, struct error *err) {
    struct mcp_pins *pins = mcp_pins_load(path, err);
    if (!pins || !former) {
        return pins;
    }
    if (!pins->path && former->path && strcmp(former->path, path) == 0) {
        error_set(err, STATUS_NOT_FOUND, "%s: the file is gone: what it approved stays", path);
        mcp_pins_unref(pins);
        return NULL;
    }
    if (!pins->path == !former->path && is_same_list(&pins->list, &former->list)) {
        mcp_pins_unref(pins);
        return mcp_pins_ref(former);
    }
    pthread_mutex_lock(&former->lock);
    carry_over(pins, former);
    pthread_mutex_unlock(&former->lock);
    return pins;
}

struct mcp_pins *mcp_pins_ref(struct mcp_pins *pins) {
    atomic_fetch_add_explicit(&pins->refs, 1, memory_order_relaxed);
    return pins;
}

void mcp_pins_unref(struct mcp_pins *pins) {
    if (!pins || atomic_fetch_sub_explicit(&pins->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    arena_done(&pins->arena);
    pthread_mutex_destroy(&pins->lock);
    free(pins->sightings);
    free(pins);
}

/* Into `room` of NAME_ROOM_BYTES; empty when it is none. */
static struct slice name_of(const struct json_text *json, uint32_t tool, char *room) {
    uint32_t name = json_text_member(json, tool, SLICE("name"));
    if (name == JSON_TEXT_NONE || json_text_kind(json, name) != JSON_TEXT_STRING ||
        json_text_bytes(json, name).len > NAME_ROOM_BYTES) {
        return SLICE("");
    }
    return json_text_unescape(json, name, room);
}

static enum mcp_pin_verdict judge(const struct mcp_pin *approved, const struct json_text *json,
                                  uint32_t tool, char out_digest[PIN_DIGEST_SIZE]) {
    struct mcp_pin listed;
    struct mcp_pin_changes changes = {.verdict = MCP_PIN_CHANGED};
    struct arena arena;
    struct error err;
    if (!json_canonical_digest(json, tool, out_digest)) {
        out_digest[0] = '\0';
    } else if (strcmp(out_digest, approved->digest) == 0) {
        return MCP_PIN_SAME;
    }
    arena_init(&arena, TOOL_ARENA_BYTES_MAX);
    if (mcp_pin_read(json, tool, &arena, &listed, &err) == STATUS_OK) {
        mcp_pin_compare(approved, &listed, &changes);
    }
    arena_done(&arena);
    return changes.verdict;
}

/* With the lock. Each definition that differs once, and no more of them than a log should hold. */
static bool is_to_be_told(struct sighting *sighting, enum mcp_pin_verdict verdict,
                          const char *digest) {
    if (verdict == MCP_PIN_SAME || sighting->told == TOLD_MAX ||
        (sighting->told > 0 && strcmp(sighting->told_digest, digest) == 0)) {
        return false;
    }
    sighting->told++;
    memcpy(sighting->told_digest, digest, PIN_DIGEST_SIZE);
    return true;
}

static bool note_stranger(struct mcp_pins *pins, struct slice name) {
    static const uint64_t KEY[2] = {0x70696e73, 0x746f6c64};
    struct siphash hash;
    siphash_begin(&hash, KEY);
    siphash_add(&hash, name.ptr, name.len);
    uint64_t mark = siphash_end(&hash);
    pthread_mutex_lock(&pins->lock);
    bool is_news = pins->stranger_count < STRANGERS_MAX;
    for (size_t i = 0; i < pins->stranger_count && is_news; i++) {
        is_news = pins->strangers[i] != mark;
    }
    if (is_news) {
        pins->strangers[pins->stranger_count++] = mark;
    }
    pthread_mutex_unlock(&pins->lock);
    return is_news;
}

uint64_t mcp_pins_begin_listing(struct mcp_pins *pins) {
    return atomic_fetch_add_explicit(&pins->listings, 1, memory_order_relaxed) + 1;
}

/* With the lock. Which of two definitions in one list a call would reach, nobody knows. */
static enum mcp_pin_verdict note_sighting(struct sighting *sighting, uint64_t listing,
                                          enum mcp_pin_verdict verdict, char *digest) {
    bool is_second = sighting->listing == listing;
    if (is_second && strcmp(sighting->digest, digest) != 0) {
        verdict = MCP_PIN_CHANGED;
        digest[0] = '\0';
    }
    atomic_store_explicit(&sighting->verdict, (unsigned char)verdict, memory_order_relaxed);
    sighting->listing = listing;
    memcpy(sighting->digest, digest, sizeof sighting->digest);
    return verdict;
}

enum mcp_pin_verdict mcp_pins_judge(struct mcp_pins *pins, uint64_t listing,
                                    const struct json_text *json, uint32_t tool,
                                    bool *out_is_news) {
    char room[NAME_ROOM_BYTES], digest[PIN_DIGEST_SIZE] = "";
    struct slice name = name_of(json, tool, room);
    const struct mcp_pin *approved = mcp_pin_find(pins->list.pins, pins->list.count, name);
    if (!approved) {
        *out_is_news = note_stranger(pins, name);
        return MCP_PIN_UNKNOWN;
    }
    enum mcp_pin_verdict verdict = judge(approved, json, tool, digest);
    struct sighting *sighting = &pins->sightings[approved - pins->list.pins];
    pthread_mutex_lock(&pins->lock);
    verdict = note_sighting(sighting, listing, verdict, digest);
    *out_is_news = is_to_be_told(sighting, verdict, digest);
    pthread_mutex_unlock(&pins->lock);
    return verdict;
}

/* NULL: not in the file. */
static const struct sighting *find_sighting(const struct mcp_pins *pins, struct slice name) {
    const struct mcp_pin *approved = mcp_pin_find(pins->list.pins, pins->list.count, name);
    return approved ? &pins->sightings[approved - pins->list.pins] : NULL;
}

static bool is_standing(const struct mcp_pins *pins, struct slice name,
                        enum mcp_pin_verdict verdict) {
    const struct sighting *sighting = find_sighting(pins, name);
    return sighting && atomic_load_explicit(&sighting->verdict, memory_order_relaxed) == verdict;
}

bool mcp_pins_may_call(const struct mcp_pins *pins, struct slice name) {
    return is_standing(pins, name, MCP_PIN_SAME);
}

bool mcp_pins_await_listing(const struct mcp_pins *pins, struct slice name) {
    return is_standing(pins, name, MCP_PIN_UNKNOWN);
}
