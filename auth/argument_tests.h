/* What rules ask of the arguments of a call, compiled. */
#ifndef BARKEEP_AUTH_ARGUMENT_TESTS_H
#define BARKEEP_AUTH_ARGUMENT_TESTS_H

#include "config/config.h"
#include "core/arena.h"
#include "core/decimal.h"
#include "core/json_text.h"
#include "core/text_pattern.h"

/* Longer texts are not held against regular expressions. */
enum { ARGUMENT_MATCHED_BYTES_MAX = 8192 };

struct argument_test {
    const struct config_argument_test *config;
    struct slice pointer;
    struct json_text *values; /* equals, one_of; each a text of its own */
    size_t value_count;
    const struct text_pattern *pattern;
    struct decimal bound;
};

struct argument_tests {
    struct argument_test *items;
    size_t count;
};

/* Whether a call's arguments pass. What cannot be judged (a text too long to match, a number that
 * readers take differently) grants nothing and takes everything away. */
enum argument_verdict { ARGUMENT_FAILS, ARGUMENT_NOT_JUDGED, ARGUMENT_PASSES };

/* In `arena`; argument_tests_done() before it goes. False without memory. */
bool argument_tests_compile(struct arena *arena, const struct config_argument_test *from,
                            size_t count, struct argument_tests *out_tests);
void argument_tests_done(struct argument_tests *tests);

/* All must pass. `json` may be NULL and `arguments` JSON_TEXT_NONE: then nothing is there.
 * `out_first`, which may be NULL, is the first test that does not pass. */
enum argument_verdict argument_tests_judge(const struct argument_tests *tests,
                                           const struct json_text *json, uint32_t arguments,
                                           const struct config_argument_test **out_first);

#endif
