/* Outcome texts: bounded, one line, optional. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "core/status.h"

static void formats_text_and_returns_the_status(void **state) {
    (void)state;
    struct error err;
    assert_int_equal(error_set(&err, STATUS_INVALID, "routes[%d]: %s", 2, "bad port"),
                     STATUS_INVALID);
    assert_string_equal(err.text, "routes[2]: bad port");
}

static void accepts_no_error_at_all(void **state) {
    (void)state;
    assert_int_equal(error_set(NULL, STATUS_IO, "nobody listens"), STATUS_IO);
}

static void truncates_long_texts(void **state) {
    (void)state;
    struct error err;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    error_set(&err, STATUS_LIMIT, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void keeps_texts_on_one_line(void **state) {
    (void)state;
    struct error err;
    error_set(&err, STATUS_INVALID, "a\nb\rc\x1b[31m\x7F");
    assert_string_equal(err.text, "a b c [31m ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_text_and_returns_the_status),
        cmocka_unit_test(accepts_no_error_at_all),
        cmocka_unit_test(truncates_long_texts),
        cmocka_unit_test(keeps_texts_on_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
