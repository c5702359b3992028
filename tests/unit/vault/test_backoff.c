#include "vault/backoff.h"

#include "vault_case.h"

static void doubles_within_its_bounds(void **state) {
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct backoff backoff = {0};
        uint64_t low_ms = 1000;
        for (int i = 0; i < 12; i++) {
            const uint64_t delay_ms = backoff_next_ms(&backoff, 1000, 60000);
            assert_in_range(delay_ms, low_ms, 60000);
            low_ms = low_ms * 2 > 45000 ? 45000 : low_ms * 2;
        }
        assert_int_equal(backoff.failures, 12);
    }
}

static void does_not_come_back_at_one_moment(void **state) {
    (void)state;
    uint64_t least_ms = UINT64_MAX, most_ms = 0;
    for (int i = 0; i < 200; i++) {
        struct backoff backoff = {0};
        const uint64_t delay_ms = backoff_next_ms(&backoff, 1000, 60000);
        least_ms = delay_ms < least_ms ? delay_ms : least_ms;
        most_ms = delay_ms > most_ms ? delay_ms : most_ms;
    }
    assert_true(most_ms - least_ms > 300);
    assert_true(most_ms <= 2000);
}

static void stays_at_the_ceiling_after_many_failures(void **state) {
    (void)state;
    struct backoff backoff = {.failures = UINT32_MAX - 1};
    assert_in_range(backoff_next_ms(&backoff, 800, 64000), 48000, 64000);
}

static void spreads_around_a_base(void **state) {
    (void)state;
    for (int i = 0; i < 200; i++)
        assert_in_range(backoff_around_ms(1000, 10), 900, 1100);
    assert_int_equal(backoff_around_ms(0, 10), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_within_its_bounds),
        cmocka_unit_test(does_not_come_back_at_one_moment),
        cmocka_unit_test(stays_at_the_ceiling_after_many_failures),
        cmocka_unit_test(spreads_around_a_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
