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

/* Where the values at pointers are kept while one request is decided; a pointer without a place is
 * followed anew by each test. */
enum { ARGUMENT_PLACES_MAX = 64 };

/* The pointers that rules have, each once. */
struct argument_places {
    struct slice pointers[ARGUMENT_PLACES_MAX];
    size_t count;
};

/* The arguments of one call: each place is filled when it is first asked for. */
struct argument_view {
    const struct json_text *json; /* NULL: nothing is there */
    uint32_t arguments;           /* JSON_TEXT_NONE: nothing is there */
    uint64_t filled;              /* a bit for each place */
    uint32_t values[ARGUMENT_PLACES_MAX];
};

struct argument_test {
    const struct config_argument_test *config;
    struct slice pointer;
    size_t place;             /* ARGUMENT_PLACES_MAX: it has none */
    struct json_text *values; /* equals, one_of; each a text of its own */
    size_t value_count;
    const struct text_pattern *pattern;
    struct decimal bound;
};

struct argument_tests {
    struct argument_test *items;
    size_t count;
};

/* Whether a call's arguments pass. What cannot be judged grants nothing and takes everything away:
 * a text too long to match, a number that readers take differently, a value of another kind than
 * the test is about (a server may read "5" as 5, or ["a"] as "a"), and whether null is absent. */
enum argument_verdict { ARGUMENT_FAILS, ARGUMENT_NOT_JUDGED, ARGUMENT_PASSES };

/* In `arena`; argument_tests_done() before it goes. `places` are those of all tests that a view is
 * asked with. False without memory. */
bool argument_tests_compile(struct arena *arena, struct argument_places *places,
                            const struct config_argument_test *from, size_t count,
                            struct argument_tests *out_tests);
void argument_tests_done(struct argument_tests *tests);

void argument_view_init(struct argument_view *view, const struct json_text *json,
                        uint32_t arguments);

/* All must pass. `out_first`, which may be NULL, is the first test that does not pass. */
enum argument_verdict argument_tests_judge(const struct argument_tests *tests,
                                           struct argument_view *view,
                                           const struct config_argument_test **out_first);

#endif
