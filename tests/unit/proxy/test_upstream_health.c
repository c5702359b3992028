/* When an upstream is ejected, and how it comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/upstream_health.h"

static const struct config_health terms = {.failures = 3, .pause_ms = 100, .max_pause_ms = 1000};

static struct upstream_health ejected_at(uint64_t now_ms) {
    struct upstream_health health = {0};
    assert_false(upstream_health_note_failure(&health, &terms, now_ms));
    assert_false(upstream_health_note_failure(&health, &terms, now_ms));
    assert_true(upstream_health_note_failure(&health, &terms, now_ms));
    assert_true(health.is_ejected);
    return health;
}

static void ejects_after_failures_on_end(void **state) {
    (void)state;
    struct upstream_health health = ejected_at(5000);
    assert_int_equal(health.until_ms, 5100);
    assert_false(upstream_health_is_due(&health, 5099));
    assert_true(upstream_health_is_due(&health, 5100));
}

static void forgets_failures_with_each_success(void **state) {
    (void)state;
    struct upstream_health health = {0};
    for (int i = 0; i < 20; i++) {
        assert_false(upstream_health_note_failure(&health, &terms, 0));
        assert_false(upstream_health_note_failure(&health, &terms, 0));
        assert_false(upstream_health_note_success(&health));
    }
    assert_false(health.is_ejected);
}

static void never_ejects_without_a_limit(void **state) {
    (void)state;
    const struct config_health endless = {.failures = UINT32_MAX, .pause_ms = 1, .max_pause_ms = 1};
    struct upstream_health health = {.failures = UINT32_MAX - 2};
    for (int i = 0; i < 5; i++)
        assert_false(upstream_health_note_failure(&health, &endless, 0));
    assert_false(health.is_ejected);
}

static void lets_one_request_try_it_after_each_pause(void **state) {
    (void)state;
    struct upstream_health health = ejected_at(0);
    upstream_health_begin_trial(&health, &terms, 50); /* it is not time */
    assert_int_equal(health.until_ms, 100);
    assert_true(upstream_health_is_due(&health, 100));
    upstream_health_begin_trial(&health, &terms, 100);
    assert_false(upstream_health_is_due(&health, 100));
    assert_int_equal(health.until_ms, 300);
}

static void doubles_the_pause_up_to_its_limit(void **state) {
    (void)state;
    static const uint64_t pauses_ms[] = {200, 400, 800, 1000, 1000, 1000};
    struct upstream_health health = ejected_at(0);
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        uint64_t now_ms = health.until_ms;
        upstream_health_begin_trial(&health, &terms, now_ms);
        assert_false(upstream_health_note_failure(&health, &terms, now_ms + 1));
        assert_int_equal(health.until_ms, now_ms + pauses_ms[i]);
    }
    for (int i = 0; i < 100000; i++)
        upstream_health_begin_trial(&health, &terms, health.until_ms);
    assert_true(health.is_ejected);
}

static void ignores_late_failures_of_what_began_before(void **state) {
    (void)state;
    struct upstream_health health = ejected_at(0);
    for (uint64_t now_ms = 0; now_ms < 1000; now_ms += 10)
        assert_false(upstream_health_note_failure(&health, &terms, now_ms));
    assert_int_equal(health.until_ms, 100);
}

static void is_as_new_after_a_trial_that_went_well(void **state) {
    (void)state;
    struct upstream_health health = ejected_at(0);
    upstream_health_begin_trial(&health, &terms, 100);
    assert_true(upstream_health_note_success(&health));
    assert_false(health.is_ejected);
    assert_false(upstream_health_note_success(&health));
    health = ejected_at(1000);
    assert_int_equal(health.until_ms, 1100);
}

static void takes_a_limit_below_the_first_pause_at_its_word(void **state) {
    (void)state;
    const struct config_health brief = {.failures = 1, .pause_ms = 500, .max_pause_ms = 200};
    struct upstream_health health = {0};
    assert_true(upstream_health_note_failure(&health, &brief, 0));
    assert_int_equal(health.until_ms, 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ejects_after_failures_on_end),
        cmocka_unit_test(forgets_failures_with_each_success),
        cmocka_unit_test(never_ejects_without_a_limit),
        cmocka_unit_test(lets_one_request_try_it_after_each_pause),
        cmocka_unit_test(doubles_the_pause_up_to_its_limit),
        cmocka_unit_test(ignores_late_failures_of_what_began_before),
        cmocka_unit_test(is_as_new_after_a_trial_that_went_well),
        cmocka_unit_test(takes_a_limit_below_the_first_pause_at_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
