/* The table of reasons: complete, unique, well formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "core/reason.h"

static void every_reason_has_code_status_and_title(void **state) {
    (void)state;
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
        enum reason reason = (enum reason)i;
        assert_in_range(reason_http_status(reason), 400, 599);
        assert_true(strlen(reason_title(reason)) > 0);
        assert_true(strlen(reason_code(reason)) > 0);
        assert_int_equal(strspn(reason_code(reason), "abcdefghijklmnopqrstuvwxyz_"),
                         strlen(reason_code(reason)));
    }
}

static void codes_are_unique(void **state) {
    (void)state;
    for (int i = 0; i < REASON_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(reason_code((enum reason)i), reason_code((enum reason)j));
}

static void looks_up_the_right_row(void **state) {
    (void)state;
    assert_string_equal(reason_code(REASON_TOKEN_AUDIENCE), "token_audience");
    assert_int_equal(reason_http_status(REASON_TOKEN_AUDIENCE), 401);
    assert_int_equal(reason_http_status(REASON_NO_ROUTE), 404);
    assert_string_equal(reason_code(REASON_NONE), "");
    assert_string_equal(reason_code(REASON_UPSTREAM_TIMEOUT), "upstream_timeout");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_code_status_and_title),
        cmocka_unit_test(codes_are_unique),
        cmocka_unit_test(looks_up_the_right_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
