/* Buffers: growth, limits, sticky failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/buf.h"

static void assert_text(const struct buf *buf, const char *expected) {
    assert_true(buf_ok(buf));
    assert_true(slice_eq_str(buf_slice(buf), expected));
}

static void appends_everything(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    buf_append(&buf, "ab", 2);
    buf_append_slice(&buf, SLICE("cd"));
    buf_append_str(&buf, "ef");
    buf_append_str(&buf, NULL);
    buf_append_char(&buf, '-');
    buf_append_u64(&buf, 0);
    buf_append_char(&buf, '-');
    buf_append_u64(&buf, UINT64_MAX);
    buf_printf(&buf, "-%s%03d", "x", 7);
    assert_text(&buf, "abcdef-0-18446744073709551615-x007");
    buf_done(&buf);
    assert_int_equal(buf.cap, 0);
}

static void fills_exactly_to_the_limit(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++)
        buf_append_char(&buf, 'x');
    assert_true(buf_ok(&buf));
    assert_int_equal(buf.len, 1000);
    assert_true(buf.cap <= 1000);
    buf_append(&buf, "", 0);
    assert_true(buf_ok(&buf));
    buf_append_char(&buf, 'x');
    assert_false(buf_ok(&buf));
    assert_int_equal(buf.len, 1000);
    buf_done(&buf);
    assert_true(buf_ok(&buf));
    buf_printf(&buf, "%1000d", 1);
    assert_true(buf_ok(&buf));
    buf_done(&buf);
    buf_printf(&buf, "%1001d", 1);
    assert_false(buf_ok(&buf));
    buf_done(&buf);
}

static void stays_failed_until_cleared(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    buf_append_str(&buf, "abc");
    buf_append_str(&buf, "too long");
    buf_append_str(&buf, "d");
    assert_false(buf_ok(&buf));
    assert_true(slice_eq_str(buf_slice(&buf), "abc"));
    assert_false(buf_reserve(&buf, 1));
    buf_clear(&buf);
    buf_append_str(&buf, "abcd");
    assert_text(&buf, "abcd");
    buf_done(&buf);
}

static void reserves_once_for_secrets(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 10000);
    assert_true(buf_reserve(&buf, 5000));
    const char *before = buf.ptr;
    for (int i = 0; i < 5000; i++)
        buf_append_char(&buf, 's');
    assert_ptr_equal(buf.ptr, before);
    assert_false(buf_reserve(&buf, SIZE_MAX));
    buf_wipe(&buf);
    assert_null(buf.ptr);
    assert_true(buf_ok(&buf));
    buf_wipe(&buf);
}

static void consumes_from_the_front(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    buf_append_str(&buf, "abcdef");
    buf_consume(&buf, 2);
    assert_text(&buf, "cdef");
    buf_consume(&buf, 0);
    assert_text(&buf, "cdef");
    buf_consume(&buf, 99);
    assert_text(&buf, "");
    buf_done(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_everything),         cmocka_unit_test(fills_exactly_to_the_limit),
        cmocka_unit_test(stays_failed_until_cleared), cmocka_unit_test(reserves_once_for_secrets),
        cmocka_unit_test(consumes_from_the_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
