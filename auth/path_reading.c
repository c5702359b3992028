/* Folding one segment at a time. A segment that is nothing but "%2F" stays a name: RabbitMQ's
 * default virtual host is called "/", and no separator reading of it makes sense. */
#include "auth/path_reading.h"

struct fold {
    char *out;
    size_t len;
    bool is_pattern;
    bool splits_encoded_slashes;
};

static void put(struct fold *fold, struct slice text) {
    memcpy(fold->out + fold->len, text.ptr, text.len);
    fold->len += text.len;
}

/* The delimiter that "%XX" stands for, or 0: those that servers read alike in both spellings. */
static char delimiter_of(struct slice escape) {
    static const struct {
        char text[3];
        char delimiter;
    } rows[] = {
        {"21", '!'}, {"24", '$'}, {"26", '&'}, {"27", '\''}, {"28", '('}, {"29", ')'},
        {"2B", '+'}, {"2C", ','}, {"3A", ':'}, {"3B", ';'},  {"3D", '='}, {"40", '@'},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (memcmp(escape.ptr + 1, rows[i].text, 2) == 0)
            return rows[i].delimiter;
    return 0;
}

static bool is_encoded_slash(struct slice escape) {
    return escape.ptr[1] == '2' && (escape.ptr[2] | 0x20) == 'f';
}

static void fold_separator(struct fold *fold) {
    if (fold->len == 0 || fold->out[fold->len - 1] != '/')
        put(fold, SLICE("/"));
}

/* One escape; false when it begins path parameters, which end the segment. */
static bool fold_escape(struct fold *fold, struct slice escape, bool is_whole_segment) {
    char delimiter = delimiter_of(escape);
    if (delimiter == ';')
        return false;
    if (delimiter)
        put(fold, slice_of(&delimiter, 1));
    else if (!is_encoded_slash(escape))
        put(fold, escape);
    else if (fold->splits_encoded_slashes && !is_whole_segment)
        fold_separator(fold);
    else
        put(fold, SLICE("%2F"));
    return true;
}

static void fold_segment(struct fold *fold, struct slice segment) {
    bool is_escape_only = segment.len == 3 && segment.ptr[0] == '%';
    for (size_t i = 0; i < segment.len;) {
        if (segment.ptr[i] == '%' && segment.len - i >= 3) {
            if (!fold_escape(fold, slice_of(segment.ptr + i, 3), is_escape_only))
                return;
            i += 3;
            continue;
        }
        bool is_star = segment.ptr[i] == '*' && !fold->is_pattern;
        put(fold, is_star ? SLICE("%2A") : slice_of(segment.ptr + i, 1));
        i++;
    }
}

static struct slice fold_path(struct slice path, struct fold *fold) {
    struct slice rest = path;
    while (!slice_is_empty(rest)) {
        struct slice text = slice_skip(rest, 1);
        struct slice segment = slice_of(text.ptr, slice_index(text, '/'));
        fold_separator(fold);
        fold_segment(fold, segment);
        rest = slice_skip(text, segment.len);
    }
    if (fold->len > 1 && fold->out[fold->len - 1] == '/')
        fold->len--;
    return slice_of(fold->out, fold->len);
}

bool path_reads_one_way(struct slice path) {
    return slice_index(path, '%') == path.len && slice_index(path, '*') == path.len &&
           (path.len <= 1 || path.ptr[path.len - 1] != '/');
}

void path_readings_of(struct slice path, char *bytes, struct path_readings *out_readings) {
    out_readings->items[0] = path;
    out_readings->count = 1;
    if (path.len > PATH_READING_MAX || path_reads_one_way(path))
        return;
    struct fold plain = {.out = bytes};
    struct fold split = {.out = bytes + 3 * PATH_READING_MAX, .splits_encoded_slashes = true};
    out_readings->items[out_readings->count++] = fold_path(path, &plain);
    out_readings->items[out_readings->count++] = fold_path(path, &split);
}

struct slice path_pattern_fold(struct slice pattern, char *out_bytes) {
    struct fold fold = {.out = out_bytes, .is_pattern = true};
    return fold_path(pattern, &fold);
}
