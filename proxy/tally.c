/* Rows in the order of their first mention, found through a table of their numbers. Without memory
 * a name is one beyond the limit. */
#include "proxy/tally.h"

#include <stdlib.h>

enum { FIRST_PLACES = 256 };

void tally_init(struct tally *tally, size_t limit) {
    *tally = (struct tally){.limit = limit};
}

void tally_done(struct tally *tally) {
    for (size_t i = 0; i < tally->count; i++) {
        free(tally->rows[i].key);
    }
    free(tally->rows);
    free(tally->places);
    *tally = (struct tally){0};
}

/* FNV-1a: the names are those of verified callers and of rules. */
static size_t hash_of(const char *key) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *key; key++) {
        hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
    }
    return (size_t)(hash ^ hash >> 32);
}

/* The row's place, or the free one where it belongs. */
static size_t place_of(const struct tally *tally, const char *key) {
    size_t place = hash_of(key) & (tally->place_count - 1);
    while (tally->places[place] && strcmp(tally->rows[tally->places[place] - 1].key, key) != 0) {
        place = (place + 1) & (tally->place_count - 1);
    }
    return place;
}

/* Keeps half of the places free. */
static bool make_room(struct tally *tally) {
    if (tally->place_count && tally->count < tally->place_count / 2) {
        return true;
    }
    size_t place_count = tally->place_count ? tally->place_count * 2 : FIRST_PLACES;
    uint32_t *places = calloc(place_count, sizeof *places);
    struct tally_row *rows = realloc(tally->rows, place_count / 2 * sizeof *rows);
    if (rows) {
        tally->rows = rows;
    }
    if (!places || !rows) {
        free(places);
        return false;
    }
    free(tally->places);
    tally->places = places;
    tally->place_count = place_count;
    for (size_t i = 0; i < tally->count; i++) {
        tally->places[place_of(tally, tally->rows[i].key)] = (uint32_t)(i + 1);
    }
    return true;
}

static struct tally_row *find_or_add(struct tally *tally, const char *key) {
    if (tally->place_count) {
        size_t place = place_of(tally, key);
        if (tally->places[place]) {
            return &tally->rows[tally->places[place] - 1];
        }
    }
    char *copy = tally->count < tally->limit && make_room(tally) ? strdup(key) : NULL;
    if (!copy) {
        return NULL;
    }
    tally->rows[tally->count] = (struct tally_row){.key = copy};
    tally->places[place_of(tally, key)] = (uint32_t)(tally->count + 1);
    return &tally->rows[tally->count++];
}

/* As barkeep writes them: whoever made the log up writes nothing to a terminal. */
static bool is_time(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!text.ptr[i] || !strchr("0123456789-:.TZ", text.ptr[i])) {
            return false;
        }
    }
    return text.len > 0 && text.len < TALLY_TIME_SIZE;
}

void tally_add(struct tally *tally, const char *key, struct slice time) {
    struct tally_row *row = find_or_add(tally, key);
    if (!row) {
        tally->beyond++;
        return;
    }
    row->count++;
    if (is_time(time) && memcmp(time.ptr, row->last, time.len) > 0) {
        memcpy(row->last, time.ptr, time.len);
        row->last[time.len] = '\0';
    }
}

const struct tally_row *tally_find(const struct tally *tally, const char *key) {
    uint32_t place = tally->place_count ? tally->places[place_of(tally, key)] : 0;
    return place ? &tally->rows[place - 1] : NULL;
}

static int compare_rows(const void *left, const void *right) {
    const struct tally_row *a = left, *b = right;
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    return strcmp(a->key, b->key);
}

void tally_sort(struct tally *tally) {
    if (tally->count > 1) {
        qsort(tally->rows, tally->count, sizeof *tally->rows, compare_rows);
    }
    free(tally->places);
    tally->places = NULL;
    tally->place_count = 0;
}
