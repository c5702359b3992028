#include "vault/secret_value.h"

#include "vault_case.h"

static void takes_printable_ascii(void **state) {
    static const char *const values[] = {"x", "correct horse battery", "a:b/c+d=~!\"#{}", "0"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct secret *value = NULL;
        assert_int_equal(secret_value_new(slice_of_str(values[i]), &value, NULL), STATUS_OK);
        assert_secret_is(value, values[i]);
        secret_unref(value);
    }
}

static void refuses_what_may_not_go_into_a_request(void **state) {
    static const struct slice values[] = {
        {"", 0},
        {"a\rb", 3},
        {"a\nb", 3},
        {"a\n", 2},
        {"a\0b", 3},
        {"\0", 1},
        {"a\tb", 3},
        {"a\x1b"
         "b",
         3},
        {"a\x7f", 2},
        {" a", 2},
        {"a ", 2},
        {" ", 1},
        {"p\xc3\xa4ss", 5},
        {"\xff", 1},
        {"\r\n", 2},
        {"-----BEGIN\nb", 12},
        {"-----BEGIN A-----\n\tb", 20},
        {"-----BEGIN A-----\n\0", 19},
        {" -----BEGIN A-----\nb", 20},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct secret *value = NULL;
        struct error err = {""};
        assert_int_equal(secret_value_new(values[i], &value, &err), STATUS_INVALID);
        assert_null(value);
        assert_true(err.text[0] != '\0');
    }
}

static void takes_the_lines_of_a_pem_document(void **state) {
    (void)state;
    static const char *const values[] = {"-----BEGIN A-----\nb\n-----END A-----\n",
                                         "-----BEGIN A-----\r\nb\r\n-----END A-----"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct secret *value = NULL;
        assert_int_equal(secret_value_new(slice_of_str(values[i]), &value, NULL), STATUS_OK);
        assert_secret_is(value, values[i]);
        secret_unref(value);
    }
}

static void bounds_the_length(void **state) {
    (void)state;
    char *text = repeated('s', 64 * 1024);
    struct secret *value = NULL;
    assert_int_equal(secret_value_new(slice_of(text, SECRET_VALUE_MAX_BYTES), &value, NULL),
                     STATUS_OK);
    secret_unref(value);
    value = NULL;
    assert_int_equal(secret_value_new(slice_of(text, SECRET_VALUE_MAX_BYTES + 1), &value, NULL),
                     STATUS_LIMIT);
    assert_int_equal(secret_value_new(slice_of(text, 64 * 1024), &value, NULL), STATUS_LIMIT);
    assert_null(value);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_printable_ascii),
        cmocka_unit_test(refuses_what_may_not_go_into_a_request),
        cmocka_unit_test(takes_the_lines_of_a_pem_document),
        cmocka_unit_test(bounds_the_length),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
