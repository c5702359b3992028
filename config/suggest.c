/* Optimal string alignment distance over three rolling rows; long words are not compared, so the
 * cost of one look is bounded. */
#include "config/suggest.h"

#define LONGEST_WORD 64

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t min3(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static bool is_swap(struct slice a, struct slice b, size_t i, size_t j) {
    return i > 1 && j > 1 && lower(a.ptr[i - 1]) == lower(b.ptr[j - 2]) &&
           lower(a.ptr[i - 2]) == lower(b.ptr[j - 1]);
}

size_t suggest_distance(struct slice a, struct slice b) {
    size_t rows[3][LONGEST_WORD + 1];
    if (a.len > LONGEST_WORD || b.len > LONGEST_WORD)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t cost = lower(a.ptr[i - 1]) == lower(b.ptr[j - 1]) ? 0 : 1;
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + cost);
            if (is_swap(a, b, i, j) && rows[(i - 2) % 3][j - 2] + 1 < row[j])
                row[j] = rows[(i - 2) % 3][j - 2] + 1;
        }
    }
    return rows[a.len % 3][b.len];
}

void suggestion_init(struct suggestion *suggestion, struct slice mistyped) {
    *suggestion = (struct suggestion){.word = mistyped};
    /* One slip in a short word, up to three in a long one. */
    suggestion->distance = mistyped.len < 4 ? 2 : mistyped.len < 8 ? 3 : 4;
}

void suggestion_try(struct suggestion *suggestion, struct slice known) {
    size_t distance = suggest_distance(suggestion->word, known);
    bool is_all_different = distance >= known.len;
    if (distance >= suggestion->distance || is_all_different)
        return;
    suggestion->distance = distance;
    suggestion->best = known;
}
