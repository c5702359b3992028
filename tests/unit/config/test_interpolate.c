/* Environment variables in values. */
#include "config_case.h"

static const char *audience_of(const char *written, struct config **out_config,
                               struct problem_list *problems) {
    char yaml[512];
    snprintf(yaml, sizeof yaml, "entra:\n  tenant: %s\n  audience: \"%s\"\n", TENANT, written);
    char *document = case_document(yaml);
    *out_config = case_parse_whole(document, problems);
    free(document);
    return *out_config ? (*out_config)->entra.audiences.items[0] : NULL;
}

static void puts_variables_in(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"${CASE_A}", "alpha"},
        {"x${CASE_A}y${CASE_B}z", "xalphaybetaz"},
        {"${CASE_A}${CASE_A}", "alphaalpha"},
        {"$${CASE_A}", "${CASE_A}"},
        {"$$${CASE_A}", "$${CASE_A}"},
        {"a$b", "a$b"},
        {"a$$b$", "a$$b$"},
        {"x${CASE_EMPTY}", "x"},
        {"${CASE_NESTED}", "${CASE_A}"},
        {"{CASE_A}", "{CASE_A}"},
    };
    setenv("CASE_A", "alpha", 1);
    setenv("CASE_B", "beta", 1);
    setenv("CASE_EMPTY", "", 1);
    setenv("CASE_NESTED", "${CASE_A}", 1);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct problem_list problems;
        struct config *config = NULL;
        const char *audience = audience_of(CASES[i][0], &config, &problems);
        if (!audience || strcmp(audience, CASES[i][1]) != 0)
            fail_msg("%s became %s", CASES[i][0], audience ? audience : "nothing");
        config_unref(config);
        problem_list_done(&problems);
    }
}

static void refuses_what_it_cannot_put_in(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"${CASE_UNSET}", "CASE_UNSET is not set"},
        {"${}", "is no variable's name"},
        {"${1A}", "is no variable's name"},
        {"${CASE A}", "is no variable's name"},
        {"${CASE_A:-x}", "is no variable's name"},
        {"${CASE_A", "without `}`"},
        {"${CASE_CONTROL}", "holds control characters"},
        {"${CASE_EMPTY}", "got empty text"},
    };
    unsetenv("CASE_UNSET");
    setenv("CASE_CONTROL", "a\nb", 1);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct problem_list problems;
        struct config *config = NULL;
        assert_null(audience_of(CASES[i][0], &config, &problems));
        if (!case_has_only(&problems, PROBLEM_ERROR, "3:13: entra.audience", CASES[i][1]))
            case_print(CASES[i][0], &problems);
        assert_true(case_has_only(&problems, PROBLEM_ERROR, "3:13: entra.audience", CASES[i][1]));
        problem_list_done(&problems);
    }
}

static void never_repeats_the_value_of_a_variable(void **state) {
    (void)state;
    setenv("CASE_SECRET", "hunter2", 1);
    struct problem_list problems;
    char *document =
        case_document("listen: ${CASE_SECRET}\ndrain: ${CASE_SECRET}\n"
                      "log: {level: \"${CASE_SECRET}\", audit: \"${CASE_SECRET}\"}\n"
                      "roles: {X: {actions: [\"${CASE_SECRET}\", \"MCP:${CASE_SECRET}\",\n"
                      "  {mcp: \"${CASE_SECRET}\"}, {action: \"mcp:${CASE_SECRET}\"}]}}");
    assert_null(case_parse_whole(document, &problems));
    assert_int_equal(problems.error_count, 7);
    for (size_t i = 0; i < problems.count; i++)
        assert_null(strstr(problems.items[i].text, "hunter2"));
    problem_list_done(&problems);
    free(document);
}

static void never_repeats_it_in_a_warning(void **state) {
    (void)state;
    setenv("CASE_SECRET", "hunter2", 1);
    setenv("CASE_METHOD", "tools/lust", 1);
    setenv("CASE_LIST", "tools/list", 1);
    struct problem_list problems;
    char *document =
        case_document("roles: {X: {actions: [\"mcp:${CASE_SECRET}\", \"mcp:${CASE_METHOD}\",\n"
                      "  {action: \"mcp:${CASE_SECRET}\", when: {/a: {equals: 1}}}, "
                      "\"mcp:${CASE_LIST}:hunter2\"]}}");
    struct config *config = case_parse_whole(document, &problems);
    assert_non_null(config);
    assert_int_equal(problems.error_count, 0);
    assert_true(problems.count >= 4);
    for (size_t i = 0; i < problems.count; i++) {
        assert_null(strstr(problems.items[i].text, "`hunter2"));
        assert_null(strstr(problems.items[i].text, "tools/lust"));
        assert_null(strstr(problems.items[i].text, "with `tools/list`"));
    }
    problem_list_done(&problems);
    config_unref(config);
    free(document);
}

static void bounds_what_variables_add(void **state) {
    (void)state;
    char *value = malloc(60001);
    assert_non_null(value);
    memset(value, 'x', 60000);
    value[60000] = '\0';
    setenv("CASE_LONG", value, 1);
    struct problem_list problems;
    struct config *config = NULL;
    assert_null(
        audience_of("${CASE_LONG}${CASE_LONG}${CASE_LONG}${CASE_LONG}${CASE_LONG}${CASE_LONG}"
                    "${CASE_LONG}${CASE_LONG}${CASE_LONG}${CASE_LONG}${CASE_LONG}${CASE_LONG}"
                    "${CASE_LONG}${CASE_LONG}${CASE_LONG}${CASE_LONG}${CASE_LONG}${CASE_LONG}",
                    &config, &problems));
    assert_non_null(strstr(problems.items[0].text, "more than 1 MiB"));
    problem_list_done(&problems);
    unsetenv("CASE_LONG");
    free(value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_variables_in),
        cmocka_unit_test(refuses_what_it_cannot_put_in),
        cmocka_unit_test(never_repeats_the_value_of_a_variable),
        cmocka_unit_test(never_repeats_it_in_a_warning),
        cmocka_unit_test(bounds_what_variables_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
