/* Parts of the configuration by name: what changes a digest, and what does not. */
#include "config_case.h"

static const struct config_part *find_part(const struct config *config, const char *path) {
    for (size_t i = 0; i < config->part_count; i++) {
        if (strcmp(config->parts[i].path, path) == 0)
            return &config->parts[i];
    }
    return NULL;
}

static bool is_same(const char *left, const char *right) {
    struct config *a = case_good(left);
    struct config *b = case_good(right);
    bool is_equal = a->part_count == b->part_count;
    for (size_t i = 0; is_equal && i < a->part_count; i++)
        is_equal = strcmp(a->parts[i].path, b->parts[i].path) == 0 &&
                   memcmp(a->parts[i].digest, b->parts[i].digest, 32) == 0;
    config_unref(a);
    config_unref(b);
    return is_equal;
}

#define ENTRY "{role: Reader, to: {everyone: true}}"
#define ROUTE(rest) "routes: [{name: base, upstream: \"http://127.0.0.1:3000\", " rest "}]\n"

static void spelling_changes_nothing(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"drain: 60s", "drain: 1m # quickly"},
        {"drain: 60s", "\"drain\": \"60000ms\""},
        {"drain: 30s", ""},
        {"limits: {}", ""},
        {"limits: {header_bytes: 65536, headers: 50}", "limits:\n  headers: 50\n"
                                                       "  header_bytes: 64KiB"},
        {"limits: {connections: 10000}", ""},
        {"log: {level: info}", ""},
        {"listen: 127.0.0.1:8080", "listen: [127.0.0.1:8080]"},
        {"access: [" ENTRY "]", "access: [{to: [{everyone: True}], role: 'Reader'}]"},
        {"access: [{role: Reader, to: {app_role: A}}]",
         "access: [{role: Reader, to: {app_role: [A]}, shadow: false}]"},
        {ROUTE("timeouts: {connect: 2s, head: 1m}, scrub: true"),
         ROUTE("timeouts: {connect: 2000ms}, limits: {body: none}")},
        {"roles: {A: {actions: [\"GET /\"]}, B: {actions: [\"PUT /\"]}}\n"
         "access: [{role: A, to: {everyone: true}}, {role: B, to: {everyone: true}}]",
         "access: [{role: A, to: {everyone: true}}, {role: B, to: {everyone: true}}]\n"
         "roles: {B: {actions: [\"PUT /\"]}, A: {actions: [\"GET /\"]}}"},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        if (!is_same(PAIRS[i][0], PAIRS[i][1]))
            fail_msg("`%s` and `%s` differ", PAIRS[i][0], PAIRS[i][1]);
    }
}

static void content_changes_the_digest(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"drain: 60s", "drain: 61s"},
        {"drain: 60s", ""},
        {"limits: {headers: 50}", "limits: {headers: 51}"},
        {"access: [" ENTRY "]", "access: [{role: Contributor, to: {everyone: true}}]"},
        {"access: [" ENTRY "]", "access: [{role: Reader, to: {everyone: true}, shadow: true}]"},
        {"access: [{role: Reader, to: {app_role: A}}, {role: Reader, to: {app_role: B}}]",
         "access: [{role: Reader, to: {app_role: B}}, {role: Reader, to: {app_role: A}}]"},
        {"access: [{role: Reader, to: {app_role: [A, B]}}]",
         "access: [{role: Reader, to: [{app_role: A}, {app_role: B}]}]"},
        {"access: [{role: Reader, to: {app_role: ab}}]",
         "access: [{role: Reader, to: {app_role: [a, b]}}]"},
        {ROUTE("scrub: false"), ROUTE("scrub: true")},
        {ROUTE("path: /a"), ROUTE("path: /b")},
        {"trusted_proxies: [10.0.0.0/8]", "trusted_proxies: [10.0.0.0/9]"},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        if (is_same(PAIRS[i][0], PAIRS[i][1]))
            fail_msg("`%s` and `%s` are the same", PAIRS[i][0], PAIRS[i][1]);
    }
}

static void named_things_are_parts_of_their_own(void **state) {
    (void)state;
    struct config *config =
        case_good("vaults: {local: \"file:/s\"}\n"
                  "credentials: {c: {bearer: local/x}}\n"
                  "secrets: {local/x: {refresh: 1m}}\n"
                  "roles: {Queue Operator: {actions: [\"* /q\"]}}\n"
                  "routes:\n"
                  "- {name: b, upstream: \"http://127.0.0.1:1\", path: /b, credential: c}\n"
                  "- {name: a, upstream: \"http://127.0.0.1:1\", path: /a}\n"
                  "access: [{role: Queue Operator, to: {everyone: true}}]");
    static const char *const EXPECTED[] = {
        "access",   "credentials.c", "entra",           "listen",       "roles.Queue Operator",
        "routes.a", "routes.b",      "secrets.local/x", "vaults.local",
    };
    assert_int_equal(config->part_count, sizeof EXPECTED / sizeof *EXPECTED);
    for (size_t i = 0; i < config->part_count; i++)
        assert_string_equal(config->parts[i].path, EXPECTED[i]);
    config_unref(config);
}

static void change_in_one_part_leaves_the_others(void **state) {
    (void)state;
    struct config *before = case_good("drain: 1m\nworkers: 2");
    struct config *after = case_good("drain: 1m\nworkers: 3");
    for (size_t i = 0; i < before->part_count; i++) {
        const struct config_part *part = &before->parts[i];
        const struct config_part *other = find_part(after, part->path);
        assert_non_null(other);
        bool is_equal = memcmp(part->digest, other->digest, sizeof part->digest) == 0;
        assert_int_equal(is_equal, strcmp(part->path, "workers") != 0);
    }
    config_unref(before);
    config_unref(after);
}

static void variable_counts_by_its_value(void **state) {
    (void)state;
    setenv("BARKEEP_TEST_DRAIN", "1m", 1);
    assert_true(is_same("drain: ${BARKEEP_TEST_DRAIN}", "drain: 60s"));
    setenv("BARKEEP_TEST_DRAIN", "2m", 1);
    assert_false(is_same("drain: ${BARKEEP_TEST_DRAIN}", "drain: 60s"));
    unsetenv("BARKEEP_TEST_DRAIN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spelling_changes_nothing),
        cmocka_unit_test(content_changes_the_digest),
        cmocka_unit_test(named_things_are_parts_of_their_own),
        cmocka_unit_test(change_in_one_part_leaves_the_others),
        cmocka_unit_test(variable_counts_by_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
