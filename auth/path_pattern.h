/* Path patterns of actions, split once and matched without allocation (contract section 3). */
#ifndef BARKEEP_AUTH_PATH_PATTERN_H
#define BARKEEP_AUTH_PATH_PATTERN_H

#include "core/slice.h"

enum path_segment_kind {
    SEGMENT_LITERAL,
    SEGMENT_GLOB, /* holds '*' */
    SEGMENT_DEEP, /* "**": any number of segments, none included */
};

struct path_segment {
    enum path_segment_kind kind;
    struct slice text;
};

struct path_pattern {
    const struct path_segment *segments;
    size_t count;
};

/* How many segments `text`, which begins with '/', has. */
size_t path_segment_count(struct slice text);
/* Fills path_segment_count(text) rows that borrow from `text`. */
void path_pattern_split(struct slice text, struct path_segment *out_segments);
/* `path` is canonical and begins with '/'. */
bool path_pattern_match(struct path_pattern pattern, struct slice path);
/* The same for who has one pattern at hand: splits it first. */
bool path_pattern_matches(struct slice pattern, struct slice path);

#endif
