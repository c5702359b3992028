/* What the tests of the JSON files share: texts copied to exactly their size, so that a sanitizer
 * sees one byte too many, and read with limits that no test meets by accident. */
#ifndef BARKEEP_TESTS_UNIT_CORE_JSON_READING_H
#define BARKEEP_TESTS_UNIT_CORE_JSON_READING_H

#include <stdlib.h>

#include "core/json_text.h"

static const struct json_text_limits wide = {64, 1u << 20};

struct reading {
    struct json_text json;
    enum status status;
    char *bytes;
};

static inline struct reading reading_within(struct slice text,
                                            const struct json_text_limits *limits) {
    struct reading reading = {.bytes = malloc(text.len ? text.len : 1)};
    assert_non_null(reading.bytes);
    if (text.len > 0)
        memcpy(reading.bytes, text.ptr, text.len);
    json_text_init(&reading.json);
    reading.status = json_text_read(&reading.json, slice_of(reading.bytes, text.len), limits);
    return reading;
}

static inline struct reading reading_of(struct slice text) {
    return reading_within(text, &wide);
}

static inline void reading_done(struct reading *reading) {
    json_text_done(&reading->json);
    free(reading->bytes);
}

static inline struct reading accepted(struct slice text) {
    struct reading reading = reading_of(text);
    if (reading.status != STATUS_OK)
        fail_msg("%.*s: refused: %s at %zu", SLICE_ARGS(text), reading.json.problem,
                 reading.json.problem_at);
    return reading;
}

#endif
