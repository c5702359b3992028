/* Arenas: alignment, limits, reuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/arena.h"

static void hands_out_zeroed_aligned_memory(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int round = 0; round < 2; round++) {
        for (size_t size = 0; size < 300; size++) {
            unsigned char *bytes = arena_alloc(&arena, size);
            assert_non_null(bytes);
            assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(bytes[i], 0);
            memset(bytes, 0xAA, size);
        }
        arena_reset(&arena);
    }
    arena_done(&arena);
}

static void gives_distinct_memory_for_size_zero(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024);
    void *first = arena_alloc(&arena, 0);
    void *second = arena_alloc(&arena, 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    arena_done(&arena);
}

static void fails_beyond_the_limit(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1000);
    assert_null(arena_alloc(&arena, 1001));
    assert_non_null(arena_alloc(&arena, 1000));
    assert_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 992));
    assert_null(arena_alloc(&arena, 992));
    arena_done(&arena);
    arena_init(&arena, SIZE_MAX);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_array(&arena, SIZE_MAX / 2, 3));
    assert_non_null(arena_array(&arena, 10, 10));
    arena_done(&arena);
}

static void holds_pieces_larger_than_a_block(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 10 << 20);
    char *small = arena_alloc(&arena, 16);
    char *large = arena_alloc(&arena, 1 << 20);
    assert_non_null(small);
    assert_non_null(large);
    memset(large, 1, 1 << 20);
    assert_int_equal(small[0], 0);
    arena_done(&arena);
    assert_int_equal(arena.used_bytes, 0);
}

static void keeps_one_small_block_over_a_reset(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 10 << 20);
    void *first = arena_alloc(&arena, 100);
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(&arena, 1000));
    arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_ptr_equal(arena_alloc(&arena, 100), first);
    arena_done(&arena);
    assert_non_null(arena_alloc(&arena, 100000));
    arena_reset(&arena);
    assert_null(arena.blocks);
    arena_done(&arena);
}

static void copies_and_formats_strings(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    assert_string_equal(arena_strdup(&arena, "abc"), "abc");
    assert_string_equal(arena_strdup_slice(&arena, slice_of("abcd", 2)), "ab");
    assert_string_equal(arena_strdup_slice(&arena, slice_of(NULL, 0)), "");
    assert_string_equal(arena_printf(&arena, "%s-%05d", "x", 42), "x-00042");
    assert_null(arena_printf(&arena, "%5000d", 1));
    arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_zeroed_aligned_memory),
        cmocka_unit_test(gives_distinct_memory_for_size_zero),
        cmocka_unit_test(fails_beyond_the_limit),
        cmocka_unit_test(holds_pieces_larger_than_a_block),
        cmocka_unit_test(keeps_one_small_block_over_a_reset),
        cmocka_unit_test(copies_and_formats_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
