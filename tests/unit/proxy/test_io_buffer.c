/* Blocks: how many there are, what becomes of the bytes in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/io_buffer.h"

enum { BLOCK_BYTES = 256, MAX_BLOCKS = 3 };

static struct io_pool *new_pool(void) {
    struct io_pool *pool = io_pool_new(BLOCK_BYTES, MAX_BLOCKS);
    assert_non_null(pool);
    return pool;
}

static void append(struct io_buffer *buffer, struct io_pool *pool, const char *text) {
    assert_true(io_buffer_open(buffer, pool));
    assert_true(io_buffer_append(buffer, pool, slice_of_str(text)));
}

static void hands_out_no_more_blocks_than_it_has(void **state) {
    (void)state;
    struct io_pool *pool = new_pool();
    struct io_buffer buffers[MAX_BLOCKS + 1] = {{0}};
    for (size_t i = 0; i < MAX_BLOCKS; i++)
        assert_true(io_buffer_open(&buffers[i], pool));
    assert_false(io_buffer_open(&buffers[MAX_BLOCKS], pool));
    assert_null(buffers[MAX_BLOCKS].bytes);

    io_buffer_close(&buffers[0], pool);
    assert_true(io_buffer_open(&buffers[MAX_BLOCKS], pool));
    assert_false(io_buffer_open(&buffers[0], pool));
    for (size_t i = 0; i <= MAX_BLOCKS; i++)
        io_buffer_close(&buffers[i], pool);
    io_pool_free(pool);
}

static void opens_and_closes_once_however_often_asked(void **state) {
    (void)state;
    struct io_pool *pool = new_pool();
    struct io_buffer buffers[MAX_BLOCKS + 1] = {{0}};
    append(&buffers[0], pool, "kept");
    assert_true(io_buffer_open(&buffers[0], pool));
    assert_true(slice_eq(io_buffer_data(&buffers[0]), SLICE("kept")));

    io_buffer_close(&buffers[0], pool);
    io_buffer_close(&buffers[0], pool);
    for (size_t i = 0; i < MAX_BLOCKS; i++)
        assert_true(io_buffer_open(&buffers[i], pool));
    assert_false(io_buffer_open(&buffers[MAX_BLOCKS], pool));
    for (size_t i = 0; i < MAX_BLOCKS; i++)
        io_buffer_close(&buffers[i], pool);
    io_pool_free(pool);
}

static void appends_all_or_nothing(void **state) {
    (void)state;
    struct io_pool *pool = new_pool();
    struct io_buffer buffer = {0};
    char bytes[BLOCK_BYTES + 1];
    memset(bytes, 'x', sizeof bytes);
    assert_true(io_buffer_open(&buffer, pool));
    assert_int_equal(io_buffer_room(&buffer, pool), BLOCK_BYTES);
    assert_false(io_buffer_append(&buffer, pool, slice_of(bytes, BLOCK_BYTES + 1)));
    assert_true(io_buffer_is_empty(&buffer));
    assert_true(io_buffer_append(&buffer, pool, slice_of(bytes, BLOCK_BYTES)));
    assert_int_equal(io_buffer_room(&buffer, pool), 0);
    assert_true(io_buffer_append(&buffer, pool, SLICE("")));
    assert_false(io_buffer_append(&buffer, pool, SLICE("x")));
    io_buffer_close(&buffer, pool);
    io_pool_free(pool);
}

static void gives_the_room_at_the_front_back(void **state) {
    (void)state;
    struct io_pool *pool = new_pool();
    struct io_buffer buffer = {0};
    append(&buffer, pool, "0123456789");
    io_buffer_consume(&buffer, 4);
    assert_true(slice_eq(io_buffer_data(&buffer), SLICE("456789")));
    assert_int_equal(io_buffer_room(&buffer, pool), BLOCK_BYTES - 10);

    io_buffer_compact(&buffer);
    assert_true(slice_eq(io_buffer_data(&buffer), SLICE("456789")));
    assert_int_equal(io_buffer_room(&buffer, pool), BLOCK_BYTES - 6);
    io_buffer_compact(&buffer);
    assert_true(slice_eq(io_buffer_data(&buffer), SLICE("456789")));

    io_buffer_consume(&buffer, 6);
    assert_true(io_buffer_is_empty(&buffer));
    assert_int_equal(io_buffer_room(&buffer, pool), BLOCK_BYTES);
    io_buffer_close(&buffer, pool);
    io_pool_free(pool);
}

static bool block_holds(const char *block, struct slice text) {
    for (size_t at = 0; at + text.len <= BLOCK_BYTES; at++) {
        if (memcmp(block + at, text.ptr, text.len) == 0)
            return true;
    }
    return false;
}

/* Fills the block with the secret to its end, then lets `use` leave it in some state. */
static void assert_wiped_after(void (*use)(struct io_buffer *buffer, struct io_pool *pool)) {
    struct io_pool *pool = new_pool();
    struct io_buffer first = {0};
    char secret[BLOCK_BYTES];
    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = "SECRET"[i % 6];
    assert_true(io_buffer_open(&first, pool));
    assert_true(io_buffer_append(&first, pool, slice_of(secret, sizeof secret)));
    const char *block = first.bytes;
    use(&first, pool);
    io_buffer_close(&first, pool);

    struct io_buffer next = {0};
    assert_true(io_buffer_open(&next, pool));
    assert_ptr_equal(next.bytes, block); /* else there is nothing to see */
    assert_false(block_holds(next.bytes, SLICE("SEC")));
    assert_false(block_holds(next.bytes, SLICE("RET")));
    io_buffer_close(&next, pool);
    io_pool_free(pool);
}

static void keep_as_it_is(struct io_buffer *buffer, struct io_pool *pool) {
    (void)pool;
    assert_true(block_holds(buffer->bytes, SLICE("SECRET")));
}

static void consume_all(struct io_buffer *buffer, struct io_pool *pool) {
    (void)pool;
    io_buffer_consume(buffer, BLOCK_BYTES);
    assert_true(io_buffer_is_empty(buffer));
}

static void consume_and_compact(struct io_buffer *buffer, struct io_pool *pool) {
    (void)pool;
    io_buffer_consume(buffer, BLOCK_BYTES - 1);
    io_buffer_compact(buffer);
}

static void consume_and_write_less(struct io_buffer *buffer, struct io_pool *pool) {
    io_buffer_consume(buffer, BLOCK_BYTES);
    assert_true(io_buffer_append(buffer, pool, SLICE("short")));
}

static void wipes_blocks_before_they_are_used_again(void **state) {
    (void)state;
    assert_wiped_after(keep_as_it_is);
    assert_wiped_after(consume_all);
    assert_wiped_after(consume_and_compact);
    assert_wiped_after(consume_and_write_less);
}

static void says_when_little_is_left(void **state) {
    (void)state;
    struct io_pool *pool = io_pool_new(BLOCK_BYTES, 4);
    struct io_buffer buffers[4] = {{0}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(io_pool_is_scarce(pool), i >= 3);
        assert_false(io_pool_is_exhausted(pool));
        assert_true(io_buffer_open(&buffers[i], pool));
    }
    assert_true(io_pool_is_scarce(pool));
    assert_true(io_pool_is_exhausted(pool));
    for (size_t i = 0; i < 4; i++)
        io_buffer_close(&buffers[i], pool);
    assert_false(io_pool_is_scarce(pool));
    io_pool_free(pool);
}

/* How many were given back shows in a leak checker only; that the rest is as good as before, here.
 */
static void trims_what_is_not_used(void **state) {
    (void)state;
    enum { RUSH = 100 };
    struct io_pool *pool = io_pool_new(BLOCK_BYTES, RUSH);
    struct io_buffer buffers[RUSH] = {{0}};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < RUSH; i++)
            append(&buffers[i], pool, "rush");
        io_pool_trim(pool);
        for (size_t i = 0; i < RUSH; i++)
            io_buffer_close(&buffers[i], pool);
        for (size_t i = 0; i < 20; i++)
            io_pool_trim(pool);
    }
    io_pool_free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_no_more_blocks_than_it_has),
        cmocka_unit_test(opens_and_closes_once_however_often_asked),
        cmocka_unit_test(appends_all_or_nothing),
        cmocka_unit_test(gives_the_room_at_the_front_back),
        cmocka_unit_test(wipes_blocks_before_they_are_used_again),
        cmocka_unit_test(says_when_little_is_left),
        cmocka_unit_test(trims_what_is_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
