/* What a review counts and tells, of logs that somebody else may have written. */
#include "audit_lines.h"

#include "proxy/review.h"

static const char RULES[] = "access: [{role: Reader, to: {user: " USER "}, credential: one}, "
                            "{role: Contributor, to: {app_role: Boss}}]";

struct told {
    char *text;
    size_t len;
};

static struct told tell(struct config *config, const char *audit) {
    struct told told = {0};
    struct review review;
    struct error err;
    review_init(&review, config);
    if (audit) {
        assert_int_equal(review_read(&review, audit, &err), STATUS_OK);
        review_sort(&review);
    }
    FILE *out = open_memstream(&told.text, &told.len);
    assert_non_null(out);
    review_print(&review, out);
    fclose(out);
    review_done(&review);
    return told;
}

static void assert_told(const struct told *told, const char *part) {
    if (!strstr(told->text, part))
        fail_msg("%s is not in:\n%s", part, told->text);
}

static void tells_who_used_what(void **state) {
    (void)state;
    struct config *config = config_with(RULES);
    struct audit_file file = audit_file_new();
    write_line(file.out, &(struct audit_line){.field = FIELD_COUNT});
    write_line(file.out, &(struct audit_line){.field = FIELD_COUNT});
    write_line(file.out, &(struct audit_line){.field = FIELD_COUNT, .is_refused = true});
    fflush(file.out);
    struct told told = tell(config, file.path);
    assert_told(&told, "used        2 requests by 1 principal, last 2026-11-23T10:00:00.000Z\n");
    assert_told(&told, "user " USER " tenant " TENANT " app " APP "\n");
    assert_told(&told, "used        never\n");
    assert_told(&told, "refused most\n       1  last 2026-11-23T10:00:00.000Z  user " USER);
    assert_told(&told, " no_role r\n");
    assert_told(&told, "audit: 3 requests");
    free(told.text);
    audit_file_done(&file);
    config_unref(config);
}

static void tells_nothing_of_use_without_an_audit(void **state) {
    (void)state;
    struct config *config = config_with(RULES);
    struct told told = tell(config, NULL);
    assert_told(&told, "  " RULE "\n      grants      user " USER "\n");
    assert_null(strstr(told.text, "used"));
    assert_null(strstr(told.text, "audit"));
    free(told.text);
    config_unref(config);
}

static void makes_hostile_lines_harmless(void **state) {
    (void)state;
    struct config *config = config_with(RULES);
    struct audit_file file = audit_file_new();
    audit_file_fill(&file);
    struct told told = tell(config, file.path);
    assert_harmless(told.text, told.len);
    assert_told(&told, "\\x1b[2J\\x1b]0;owned\\x07");
    assert_told(&told, "\\xc2\\x9b31m");
    assert_told(&told, "\\xe2\\x80\\xaegpj.exe");
    assert_told(&told, "xxx...");
    assert_told(&told, "user " USER " tenant " TENANT " app " APP "\n");
    free(told.text);
    audit_file_done(&file);
    config_unref(config);
}

static void keeps_hostile_parts_apart_in_json(void **state) {
    (void)state;
    struct config *config = config_with(RULES);
    struct audit_file file = audit_file_new();
    struct review review;
    struct error err;
    struct buf text;
    struct json_out out;
    write_line(file.out, &(struct audit_line){FIELD_COUNT, "", false, true});
    write_line(file.out, &(struct audit_line){FIELD_ROUTE, "a\\u001fb\\u001fc", false, true});
    fflush(file.out);
    review_init(&review, config);
    assert_int_equal(review_read(&review, file.path, &err), STATUS_OK);
    review_sort(&review);
    buf_init(&text, 1 << 20);
    json_out_init(&out, &text);
    review_write_json(&review, &out);
    buf_append_char(&text, '\0');
    assert_true(buf_ok(&text));
    assert_harmless(text.ptr, text.len - 1);
    assert_non_null(strstr(text.ptr, "\"reason\":\"no_role\",\"route\":\"r\""));
    assert_non_null(strstr(text.ptr, "\"reason\":\"no_role\",\"route\":\"a\\\\x1fb\\\\x1fc\""));
    buf_done(&text);
    review_done(&review);
    audit_file_done(&file);
    config_unref(config);
}

static void refuses_a_file_that_is_not_there(void **state) {
    (void)state;
    struct config *config = config_with(RULES);
    struct review review;
    struct error err;
    review_init(&review, config);
    assert_int_equal(review_read(&review, "/nonexistent/audit.log", &err), STATUS_IO);
    review_done(&review);
    config_unref(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_who_used_what),
        cmocka_unit_test(tells_nothing_of_use_without_an_audit),
        cmocka_unit_test(makes_hostile_lines_harmless),
        cmocka_unit_test(keeps_hostile_parts_apart_in_json),
        cmocka_unit_test(refuses_a_file_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
