/* What is counted of an upstream, and what may be sent to it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/upstream_standing.h"

static const struct config_health terms = {.failures = 2, .pause_ms = 10, .max_pause_ms = 100};

static void shows_its_state_at_its_place(void **state) {
    (void)state;
    struct route_metrics metrics = {0};
    struct upstream_standing *first = upstream_standing_new("http://a", &metrics);
    struct upstream_standing *last = upstream_standing_new("http://b", &metrics);
    assert_non_null(first);
    assert_non_null(last);
    upstream_standing_move(first, 0);
    upstream_standing_move(last, CONFIG_UPSTREAMS_MAX - 1);
    assert_false(upstream_standing_note_failure(last, &terms, 0));
    assert_true(upstream_standing_note_failure(last, &terms, 0));
    assert_true(metric_get(&metrics.upstreams_ejected) == UINT64_C(1) << 63);
    upstream_standing_note_failure(first, &terms, 0);
    upstream_standing_note_failure(first, &terms, 0);
    assert_int_equal(metric_get(&metrics.ejections), 2);
    assert_true(upstream_standing_note_success(last));
    assert_int_equal(metric_get(&metrics.upstreams_ejected), 1);

    upstream_standing_move(first, STANDING_NO_PLACE); /* it shows no more of itself */
    assert_true(upstream_standing_note_success(first));
    assert_int_equal(metric_get(&metrics.upstreams_ejected), 1);
    upstream_standing_unref(first);
    upstream_standing_unref(last);
    upstream_standing_unref(NULL);
}

static void counts_requests_and_those_without_an_answer(void **state) {
    (void)state;
    struct route_metrics metrics = {0};
    struct upstream_standing *standing = upstream_standing_new("http://a", &metrics);
    upstream_standing_begin(standing, &terms, 0);
    upstream_standing_begin(standing, &terms, 0);
    assert_int_equal(standing->requests, 2);
    upstream_standing_stop_awaiting(standing);
    assert_int_equal(standing->awaiting, 1);
    assert_int_equal(standing->requests, 2);
    upstream_standing_end(standing);
    assert_int_equal(standing->requests, 1);
    upstream_standing_unref(standing);
}

static void sends_a_burst_again_and_then_one_of_five(void **state) {
    (void)state;
    struct route_metrics metrics = {0};
    struct upstream_standing *standing = upstream_standing_new("http://a", &metrics);
    for (int i = 0; i < RETRY_BURST; i++)
        assert_true(upstream_standing_take_retry(standing));
    assert_false(upstream_standing_take_retry(standing));
    unsigned sent = 0;
    for (int i = 0; i < 100; i++) {
        upstream_standing_begin(standing, &terms, 0);
        sent += upstream_standing_take_retry(standing);
    }
    assert_int_equal(sent, 100 / RETRY_SHARE);
    assert_int_equal(metric_get(&metrics.retries_sent), RETRY_BURST + sent);
    assert_int_equal(metric_get(&metrics.retries_withheld), 1 + 100 - sent);
    for (int i = 0; i < 10000; i++)
        upstream_standing_begin(standing, &terms, 0);
    for (int i = 0; i < RETRY_BURST; i++)
        assert_true(upstream_standing_take_retry(standing));
    assert_false(upstream_standing_take_retry(standing)); /* it saves up no more than a burst */
    upstream_standing_unref(standing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_its_state_at_its_place),
        cmocka_unit_test(counts_requests_and_those_without_an_answer),
        cmocka_unit_test(sends_a_burst_again_and_then_one_of_five),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
