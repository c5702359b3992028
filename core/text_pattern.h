/* Regular expressions as POSIX's extended ones (XBD 9.4), over code points, asked only whether a
 * text matches. Compiled to a set of states that are followed all at once: time is linear in the
 * text, whatever the expression, and nothing is remembered between texts. The C library's regexec()
 * keeps what it met until its memory is gone, and goes back for references that POSIX does not
 * have. */
#ifndef BARKEEP_CORE_TEXT_PATTERN_H
#define BARKEEP_CORE_TEXT_PATTERN_H

#include "core/arena.h"

enum {
    TEXT_PATTERN_BYTES_MAX = 1024, /* of an expression */
    TEXT_PATTERN_STEPS_MAX = 1000, /* that it comes to, repetitions written out */
};

struct text_pattern;

/* What POSIX leaves undefined is refused (`a**`, `(|a)`, `\d`), and so are equivalence classes and
 * collating symbols. NULL with a fixed text in *out_problem and the byte that it is about in
 * *out_at; without memory *out_problem is NULL. Lives in `arena`. */
const struct text_pattern *text_pattern_new(struct arena *arena, struct slice expression,
                                            const char **out_problem, size_t *out_at);

/* Anywhere in the text, unless '^' and '$' bind it. Bytes that are no UTF-8 match nothing. Some 12
 * KiB of stack. */
bool text_pattern_matches(const struct text_pattern *pattern, struct slice text);

#endif
