/* Connections by address: whose they are, and that what is added and removed leaves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/peer_counts.h"

static struct peer_counts *counts;

static int set_up(void **state) {
    (void)state;
    counts = peer_counts_new();
    return counts ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    peer_counts_free(counts);
    return 0;
}

static struct peer_place place_of(const char *text) {
    struct client_address address;
    assert_true(client_address_parse(slice_of_str(text), &address));
    return peer_counts_place(counts, &address);
}

static uint32_t add(const char *text) {
    struct peer_place place = place_of(text);
    return peer_counts_add(counts, &place);
}

static void remove_one(const char *text) {
    struct peer_place place = place_of(text);
    peer_counts_remove(counts, &place);
}

static void counts_each_address_by_itself(void **state) {
    (void)state;
    assert_int_equal(add("192.0.2.1"), 1);
    assert_int_equal(add("192.0.2.1"), 2);
    assert_int_equal(add("192.0.2.2"), 1);
    assert_int_equal(add("192.0.2.1"), 3);
}

static void takes_an_ipv6_network_of_64_bits_for_one_caller(void **state) {
    (void)state;
    assert_int_equal(add("2001:db8:0:1::1"), 1);
    assert_int_equal(add("2001:db8:0:1:ffff::2"), 2);
    assert_int_equal(add("2001:db8:0:2::1"), 1);
    assert_int_equal(add("::ffff:192.0.2.9"), 1);
    assert_int_equal(add("192.0.2.9"), 2);
    assert_int_equal(add("192.0.2.8"), 1);
}

static void forgets_what_is_removed(void **state) {
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(add("192.0.2.1"), 1);
        remove_one("192.0.2.1");
    }
    assert_int_equal(add("192.0.2.1"), 1);
}

/* Ten thousand callers with a few connections each are far from any limit of theirs. */
static void tells_thousands_of_callers_apart(void **state) {
    (void)state;
    char text[32];
    size_t wrong = 0;
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < 10000; i++) {
            snprintf(text, sizeof text, "10.1.%u.%u", i / 250, i % 250);
            uint32_t count = add(text);
            assert_true(count >= round);
            wrong += count > round;
        }
    }
    assert_true(wrong < 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_each_address_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_an_ipv6_network_of_64_bits_for_one_caller, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(forgets_what_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_thousands_of_callers_apart, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
