/* Texts that are refused: where, and for which reason. */
#ifndef BARKEEP_TESTS_UNIT_CORE_JSON_REFUSAL_H
#define BARKEEP_TESTS_UNIT_CORE_JSON_REFUSAL_H

#include "core/json_text.h"

#include "tests/unit/core/json_reading.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A literal with what it may hold behind a NUL. */
#define T(literal)                                                                                 \
    { (literal), sizeof(literal) - 1 }

struct refusal {
    struct slice text;
    size_t at;
};

static inline void assert_refused(struct slice text, const char *problem, size_t at) {
    struct reading reading = reading_of(text);
    if (reading.status != STATUS_INVALID)
        fail_msg("%.*s: accepted", SLICE_ARGS(text));
    if (strcmp(reading.json.problem, problem) != 0 || reading.json.problem_at != at)
        fail_msg("%.*s: %s at %zu, expected %s at %zu", SLICE_ARGS(text), reading.json.problem,
                 reading.json.problem_at, problem, at);
    assert_int_equal(reading.json.count, 0);
    reading_done(&reading);
}

static inline void assert_all_refused(const struct refusal *refusals, size_t count,
                                      const char *problem) {
    for (size_t i = 0; i < count; i++)
        assert_refused(refusals[i].text, problem, refusals[i].at);
}

#define ASSERT_REFUSED(refusals, problem) assert_all_refused(refusals, COUNT(refusals), problem)

#endif
