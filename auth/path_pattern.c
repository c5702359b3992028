/* Wildcard matching on whole segments, and within one segment on bytes: both with the classic
 * single back-track to the last star, so the cost is bounded by pattern times path. */
#include "auth/path_pattern.h"

#include <stdlib.h>

/* Goes through the segments of a path: "/a//" has "a", "" and "". */
struct segment_reader {
    struct slice rest; /* begins with '/' while there is a segment left */
};

static bool reader_is_done(struct segment_reader reader) {
    return slice_is_empty(reader.rest);
}

static struct slice reader_take(struct segment_reader *reader) {
    struct slice text = slice_skip(reader->rest, 1);
    struct slice segment = slice_of(text.ptr, slice_index(text, '/'));
    reader->rest = slice_skip(text, segment.len);
    return segment;
}

size_t path_segment_count(struct slice text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '/';
    return count;
}

void path_pattern_split(struct slice text, struct path_segment *out_segments) {
    struct segment_reader reader = {text};
    for (size_t i = 0; !reader_is_done(reader); i++) {
        struct slice segment = reader_take(&reader);
        enum path_segment_kind kind = SEGMENT_LITERAL;
        if (slice_eq(segment, SLICE("**")))
            kind = SEGMENT_DEEP;
        else if (slice_index(segment, '*') < segment.len)
            kind = SEGMENT_GLOB;
        out_segments[i] = (struct path_segment){kind, segment};
    }
}

/* Bytes are equal, or both are the last digit of "%2F": the one escape that a canonical path keeps
 * in the case it came in, and upstreams read alike. */
static bool byte_matches(struct slice pattern, size_t p, struct slice text, size_t t) {
    char a = pattern.ptr[p], b = text.ptr[t];
    if (a == b)
        return true;
    return (a | 0x20) == 'f' && (b | 0x20) == 'f' && p >= 2 && t >= 2 &&
           pattern.ptr[p - 2] == '%' && pattern.ptr[p - 1] == '2' && text.ptr[t - 2] == '%' &&
           text.ptr[t - 1] == '2';
}

static bool literal_matches(struct slice pattern, struct slice text) {
    if (pattern.len != text.len)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!byte_matches(pattern, i, text, i))
            return false;
    return true;
}

static bool glob_matches(struct slice pattern, struct slice text) {
    size_t p = 0, t = 0, star = pattern.len, resume = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.len && byte_matches(pattern, p, text, t)) {
            p++;
            t++;
        } else if (star < pattern.len) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static bool segment_matches(const struct path_segment *pattern, struct slice text) {
    return pattern->kind == SEGMENT_LITERAL ? literal_matches(pattern->text, text)
                                            : glob_matches(pattern->text, text);
}

bool path_pattern_match(struct path_pattern pattern, struct slice path) {
    struct segment_reader reader = {path}, resume = {path};
    size_t p = 0, deep = pattern.count;
    while (!reader_is_done(reader)) {
        if (p < pattern.count && pattern.segments[p].kind == SEGMENT_DEEP) {
            if (p + 1 == pattern.count)
                return true;
            deep = p++;
            resume = reader;
            continue;
        }
        struct segment_reader next = reader;
        if (p < pattern.count && segment_matches(&pattern.segments[p], reader_take(&next))) {
            p++;
            reader = next;
        } else if (deep < pattern.count) {
            p = deep + 1;
            (void)reader_take(&resume);
            reader = resume;
        } else {
            return false;
        }
    }
    while (p < pattern.count && pattern.segments[p].kind == SEGMENT_DEEP)
        p++;
    return p == pattern.count;
}

bool path_pattern_matches(struct slice pattern, struct slice path) {
    size_t count = path_segment_count(pattern);
    struct path_segment *segments = calloc(count + 1, sizeof *segments);
    if (!segments)
        return false;
    path_pattern_split(pattern, segments);
    bool is_match = path_pattern_match((struct path_pattern){segments, count}, path);
    free(segments);
    return is_match;
}
