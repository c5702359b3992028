/* Secret memory: in the secure heap, counted, wiped, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>

#include "core/secret.h"
#include "core/wiping_memory.h"

#define HEAP_BYTES 65536

static int set_up(void **state) {
    (void)state;
    bool is_locked;
    struct error err;
    if (secret_new(SLICE("too early")))
        return -1;
    if (secret_memory_init(HEAP_BYTES, &is_locked, &err) != STATUS_OK)
        return -1;
    return 0;
}

static void may_be_initialised_twice(void **state) {
    (void)state;
    bool first;
    bool second;
    assert_int_equal(secret_memory_init(HEAP_BYTES, &first, NULL), STATUS_OK);
    assert_int_equal(secret_memory_init(HEAP_BYTES * 2, &second, NULL), STATUS_OK);
    assert_int_equal(first, second);
}

static void keeps_bytes_in_the_secure_heap(void **state) {
    (void)state;
    struct secret *secret = secret_new(slice_of("a\0b", 3));
    assert_non_null(secret);
    struct slice bytes = secret_bytes(secret);
    assert_int_equal(bytes.len, 3);
    assert_memory_equal(bytes.ptr, "a\0b", 4); /* a NUL follows */
    assert_int_equal(CRYPTO_secure_allocated(bytes.ptr), 1);
    secret_unref(secret);
    secret_unref(NULL);
}

static void gives_memory_back_wiped_with_the_last_reference(void **state) {
    (void)state;
    size_t before = CRYPTO_secure_used();
    struct secret *secret = secret_new(SLICE("correct horse battery staple"));
    assert_non_null(secret);
    const char *bytes = secret_bytes(secret).ptr;
    assert_ptr_equal(secret_ref(secret), secret);
    secret_unref(secret);
    assert_memory_equal(bytes, "correct", 7);
    secret_unref(secret);
    assert_int_equal(CRYPTO_secure_used(), before);
    /* The heap stays mapped; its first words hold the free list now. */
    for (size_t i = 16; i < 28; i++)
        assert_int_equal(bytes[i], 0);
}

static void blank_secret_is_filled_once(void **state) {
    (void)state;
    struct secret *secret = secret_new_blank(5);
    assert_non_null(secret);
    assert_memory_equal(secret_bytes(secret).ptr, "\0\0\0\0\0", 6);
    memcpy(secret_writable(secret), "hello", 5);
    assert_true(slice_eq_str(secret_bytes(secret), "hello"));
    secret_unref(secret);
}

static void fails_when_the_heap_is_full(void **state) {
    (void)state;
    struct secret *secrets[64];
    size_t count = 0;
    assert_null(secret_new_blank(SIZE_MAX));
    assert_null(secret_new_blank(HEAP_BYTES * 2));
    while (count < 64) {
        secrets[count] = secret_new_blank(4000);
        if (!secrets[count])
            break;
        count++;
    }
    assert_in_range(count, 8, 16);
    assert_in_range(secret_memory_used_percent(), 90, 100);
    while (count > 0)
        secret_unref(secrets[--count]);
    assert_in_range(secret_memory_used_percent(), 0, 20);
    struct secret *again = secret_new_blank(4000);
    assert_non_null(again);
    secret_unref(again);
}

static void compares_contents(void **state) {
    (void)state;
    struct secret *a = secret_new(SLICE("same"));
    struct secret *b = secret_new(SLICE("same"));
    struct secret *other = secret_new(SLICE("sane"));
    struct secret *longer = secret_new(SLICE("same!"));
    struct secret *empty = secret_new(slice_of(NULL, 0));
    assert_true(secret_eq(a, b));
    assert_true(secret_eq(empty, empty));
    assert_false(secret_eq(a, other));
    assert_false(secret_eq(a, longer));
    assert_false(secret_eq(a, empty));
    secret_unref(a);
    secret_unref(b);
    secret_unref(other);
    secret_unref(longer);
    secret_unref(empty);
}

static void finds_control_bytes(void **state) {
    (void)state;
    static const struct {
        struct slice bytes;
        bool has_control;
    } cases[] = {
        {{"plain text ~!\xC3\xA9", 15}, false},
        {{"", 0}, false},
        {{"a\r", 2}, true},
        {{"a\nb", 3}, true},
        {{"\0", 1}, true},
        {{"a\tb", 3}, true},
        {{"\x1F", 1}, true},
        {{"\x7F", 1}, true},
        {{"\x80", 1}, false},
        {{" ", 1}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct secret *secret = secret_new(cases[i].bytes);
        assert_non_null(secret);
        assert_int_equal(secret_has_control_bytes(secret), cases[i].has_control);
        secret_unref(secret);
    }
}

static void *use_secrets(void *argument) {
    struct secret *shared = argument;
    for (int i = 0; i < 1000; i++) {
        struct secret *mine = secret_new(secret_bytes(secret_ref(shared)));
        assert_non_null(mine);
        assert_true(secret_eq(mine, shared));
        secret_unref(mine);
        secret_unref(shared);
    }
    return NULL;
}

static void is_shared_between_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    size_t before = CRYPTO_secure_used();
    struct secret *shared = secret_new(SLICE("shared"));
    assert_non_null(shared);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, use_secrets, shared);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    secret_unref(shared);
    assert_int_equal(CRYPTO_secure_used(), before);
}

static void wipes_bytes(void **state) {
    (void)state;
    char bytes[] = "secret";
    secret_wipe(bytes, sizeof bytes);
    assert_memory_equal(bytes, "\0\0\0\0\0\0", sizeof bytes);
    secret_wipe(NULL, 0);
}

static void wiping_memory_keeps_contents_while_it_grows(void **state) {
    (void)state;
    char *bytes = wiping_realloc(NULL, 4);
    assert_non_null(bytes);
    memcpy(bytes, "abc", 4);
    bytes = wiping_realloc(bytes, 1000);
    assert_non_null(bytes);
    assert_string_equal(bytes, "abc");
    bytes = wiping_realloc(bytes, 2);
    assert_non_null(bytes);
    assert_memory_equal(bytes, "ab", 2);
    wiping_free(bytes);
    wiping_free(NULL);
    char *copy = wiping_strdup("text");
    assert_string_equal(copy, "text");
    wiping_free(copy);
    unsigned char *zeroed = wiping_calloc(4, 4);
    assert_non_null(zeroed);
    assert_int_equal(zeroed[15], 0);
    wiping_free(zeroed);
    wiping_free(wiping_malloc(10));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(may_be_initialised_twice),
        cmocka_unit_test(keeps_bytes_in_the_secure_heap),
        cmocka_unit_test(gives_memory_back_wiped_with_the_last_reference),
        cmocka_unit_test(blank_secret_is_filled_once),
        cmocka_unit_test(fails_when_the_heap_is_full),
        cmocka_unit_test(compares_contents),
        cmocka_unit_test(finds_control_bytes),
        cmocka_unit_test(is_shared_between_threads),
        cmocka_unit_test(wipes_bytes),
        cmocka_unit_test(wiping_memory_keeps_contents_while_it_grows),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
