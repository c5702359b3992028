/* How open files are shared out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "proxy/descriptors.h"
#include "proxy/worker.h"

static void gives_what_is_asked_for_when_there_is_plenty(void **state) {
    (void)state;
    struct descriptor_plan plan = descriptors_share(1048576, 30, 4, 10000);
    assert_int_equal(plan.clients, 2500);
    assert_int_equal(plan.refusals, WORKER_REFUSALS_MAX);
    assert_true(plan.upstreams >= 2500);
    assert_int_equal(descriptors_share(1048576, 30, 4, 10001).clients, 2501);
}

static void never_hands_out_more_than_there_are(void **state) {
    (void)state;
    for (size_t limit = 64; limit < 5000; limit += 37) {
        for (size_t workers = 1; workers <= 4; workers++) {
            struct descriptor_plan plan = descriptors_share(limit, 24, workers, 10000);
            size_t most = 24 + workers * (2 + plan.clients + plan.refusals + plan.upstreams);
            assert_true(plan.clients > 0);
            assert_true(most + (limit / 4 < 128 ? limit / 4 : 128) <= limit ||
                        (limit < 80 && most <= limit));
        }
    }
}

static void lets_each_worker_serve_one_whatever_the_limit(void **state) {
    (void)state;
    struct descriptor_plan plan = descriptors_share(16, 30, 8, 10000);
    assert_int_equal(plan.clients, 1);
    assert_int_equal(plan.refusals, 1);
    assert_int_equal(plan.upstreams, 1);
}

static void counts_what_is_open(void **state) {
    (void)state;
    size_t before = descriptors_count_open();
    assert_true(before >= 3);
    int fd = open("/dev/null", O_RDONLY);
    assert_int_equal(descriptors_count_open(), before + 1);
    close(fd);
    assert_int_equal(descriptors_count_open(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_is_asked_for_when_there_is_plenty),
        cmocka_unit_test(never_hands_out_more_than_there_are),
        cmocka_unit_test(lets_each_worker_serve_one_whatever_the_limit),
        cmocka_unit_test(counts_what_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
