/* Numbers that look random and come again with their seed, and memory for what is made of them.
 * Included by one translation unit a test. */
#ifndef BARKEEP_TESTS_RANDOM_SOURCE_H
#define BARKEEP_TESTS_RANDOM_SOURCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/policy.h"
#include "core/arena.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static uint64_t random_state;

static inline uint64_t next_random(void) {
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline size_t below(size_t limit) {
    return (size_t)(next_random() % limit);
}

static inline bool one_in(size_t n) {
    return below(n) == 0;
}

static struct arena arena;

static inline void *make(size_t count, size_t size) {
    void *made = arena_array(&arena, count, size);
    assert_non_null(made);
    return made;
}

static inline struct config_strings some(const char *(*any)(void), size_t most) {
    struct config_strings strings = {.count = below(most) + 1};
    strings.items = make(strings.count, sizeof *strings.items);
    for (size_t i = 0; i < strings.count; i++)
        strings.items[i] = any();
    return strings;
}

#endif
