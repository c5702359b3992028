/* What changed between two configurations, and for whom, of logs that somebody else may have
 * written. */
#include "audit_lines.h"

#include "proxy/diff.h"

#define TO_USER "{role: Reader, to: {user: " USER "}, credential: one}"
#define TO_BOSS "{role: Reader, to: {app_role: Boss}}"

struct told {
    char *text;
    size_t len;
    size_t parts, rules, different, undecided;
    uint64_t same, not_by_rules;
};

static struct told tell(const char *before, const char *after, const char *audit) {
    struct told told = {0};
    struct diff diff;
    struct error err;
    struct config *old_config = config_with(before), *new_config = config_with(after);
    diff_init(&diff, old_config, new_config);
    if (audit)
        assert_int_equal(diff_replay(&diff, audit, &err), STATUS_OK);
    diff_sort(&diff);
    diff_compare(&diff);
    FILE *out = open_memstream(&told.text, &told.len);
    assert_non_null(out);
    diff_print(&diff, out);
    fclose(out);
    told.parts = diff.parts.count;
    told.rules = diff.rules.count;
    told.different = diff.different.count;
    told.undecided = diff.undecided.count;
    told.same = diff.same;
    told.not_by_rules = diff.not_by_rules;
    diff_done(&diff);
    config_unref(old_config);
    config_unref(new_config);
    return told;
}

static void assert_told(const struct told *told, const char *part) {
    if (!strstr(told->text, part))
        fail_msg("%s is not in:\n%s", part, told->text);
}

static void tells_nothing_of_what_did_not_change(void **state) {
    (void)state;
    struct told told = tell("access: [" TO_USER "]", "access: [" TO_USER "]", NULL);
    assert_string_equal(told.text, "");
    assert_int_equal(told.parts + told.rules, 0);
    free(told.text);
}

static void names_what_came_went_and_moved(void **state) {
    (void)state;
    struct told told = tell("access: [" TO_USER "]", "access: [" TO_BOSS ", " TO_USER "]", NULL);
    assert_told(&told, "parts\n  changed  routes.r\n");
    assert_told(&told, "  added    routes.r.access[0]\n           + grants app_role Boss");
    free(told.text);
    told = tell("access: [" TO_BOSS ", " TO_USER "]", "access: [" TO_USER ", " TO_BOSS "]", NULL);
    assert_told(&told, "  moved    routes.r.access[1]\n");
    free(told.text);
    told = tell("access: [" TO_BOSS ", " TO_USER "]", "access: [" TO_BOSS "]", NULL);
    assert_told(&told, "  removed  routes.r.access[1]\n           - grants user " USER);
    free(told.text);
}

static void names_who_would_be_refused(void **state) {
    (void)state;
    struct audit_file file = audit_file_new();
    write_line(file.out, &(struct audit_line){.field = FIELD_COUNT});
    fflush(file.out);
    struct told told = tell("access: [" TO_USER "]", "access: [" TO_USER "]", file.path);
    assert_int_equal(told.same, 1);
    free(told.text);
    told = tell("access: [" TO_USER "]", "deny: [{to: {user: " USER "}}], access: [" TO_USER "]",
                file.path);
    assert_told(&told, "decided differently\n       1  GET /caf\xc3\xa9 by user " USER
                       ": allow (one) -> deny by routes.r.deny[0]\n");
    free(told.text);
    audit_file_done(&file);
}

static void makes_hostile_lines_harmless(void **state) {
    (void)state;
    struct audit_file file = audit_file_new();
    audit_file_fill(&file);
    struct told told = tell("access: [" TO_USER "]",
                            "deny: [{to: {user: " USER "}}], access: [" TO_BOSS "]", file.path);
    assert_harmless(told.text, told.len);
    assert_true(told.different > 5);
    assert_true(told.different + told.undecided + told.same + told.not_by_rules > 0);
    assert_told(&told, "\\x1b[2J\\x1b]0;owned\\x07");
    assert_told(&told, "\\xe2\\x80\\xaegpj.exe");
    assert_told(&told, "xxx...");
    free(told.text);
    audit_file_done(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_nothing_of_what_did_not_change),
        cmocka_unit_test(names_what_came_went_and_moved),
        cmocka_unit_test(names_who_would_be_refused),
        cmocka_unit_test(makes_hostile_lines_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
