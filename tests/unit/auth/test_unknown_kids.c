#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/unknown_kids.h"

static void remembers_a_kid_of_a_slot_until_the_set_is_newer(void **state) {
    (void)state;
    struct unknown_kids *kids = unknown_kids_new();
    assert_false(unknown_kids_has(kids, 1, "a", 7));
    assert_false(unknown_kids_has(kids, 1, "a", 0));
    unknown_kids_add(kids, 1, "a", 7);
    assert_true(unknown_kids_has(kids, 1, "a", 7));
    assert_false(unknown_kids_has(kids, 1, "b", 7));
    assert_false(unknown_kids_has(kids, 2, "a", 7));
    assert_false(unknown_kids_has(kids, 1, "a", 8));
    unknown_kids_free(kids);
}

static void takes_any_number_of_kids_without_mistaking_one_for_another(void **state) {
    (void)state;
    struct unknown_kids *kids = unknown_kids_new();
    char kid[32];
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(kid, sizeof kid, "made-up-%u", i);
        unknown_kids_add(kids, 0, kid, 1);
        assert_true(unknown_kids_has(kids, 0, kid, 1));
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(kid, sizeof kid, "genuine-%u", i);
        assert_false(unknown_kids_has(kids, 0, kid, 1));
    }
    unknown_kids_free(kids);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers_a_kid_of_a_slot_until_the_set_is_newer),
        cmocka_unit_test(takes_any_number_of_kids_without_mistaking_one_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
