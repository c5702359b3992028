/* Audit logs as they are found: rotated, cut, mixed with other lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/audit_reader.h"

#define REQUEST                                                                                    \
    "{\"time\":\"2026-11-23T10:00:00.000Z\",\"event\":\"request\",\"id\":\"1\",\"route\":\"r\","   \
    "\"client\":\"127.0.0.1\",\"host\":\"h\",\"method\":\"GET\",\"path\":\"/x\",\"status\":403,"   \
    "\"decision\":\"deny\",\"reason\":\"no_role\",\"rule\":null,\"principal\":{\"type\":\"user\"," \
    "\"tenant\":\"t\",\"oid\":\"o\",\"app\":\"a\"},\"credential\":null}"

struct seen {
    size_t count;
    unsigned status;
    bool is_right;
};

static void on_request(void *owner, const struct audit_request *request) {
    struct seen *seen = owner;
    seen->count++;
    seen->status = request->status;
    seen->is_right = slice_eq_str(request->oid, "o") && slice_eq_str(request->path, "/x") &&
                     slice_eq_str(request->reason, "no_role") && request->rule.len == 0;
}

static struct audit_tally read_text(const char *text, size_t len, struct seen *seen) {
    char path[] = "/tmp/barkeep-audit-XXXXXX";
    struct audit_tally tally = {0};
    struct error err;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
    *seen = (struct seen){0};
    assert_int_equal(audit_read(path, "h1", on_request, seen, &tally, &err), STATUS_OK);
    unlink(path);
    return tally;
}

#define READ(text, seen) read_text((text), sizeof(text) - 1, (seen))

static void reads_requests_and_passes_other_events(void **state) {
    (void)state;
    struct seen seen;
    struct audit_tally tally =
        READ("{\"event\":\"start\"}\n" REQUEST "\n\n" REQUEST "\n{\"event\":\"stop\"}\n", &seen);
    assert_int_equal(tally.requests, 2);
    assert_int_equal(tally.other_events, 2);
    assert_int_equal(tally.bad_lines + tally.cut_lines, 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.status, 403);
    assert_true(seen.is_right);
}

static void counts_lines_that_are_none(void **state) {
    (void)state;
    struct seen seen;
    struct audit_tally tally =
        READ("not json\n{\"event\":1}\n[1]\n{\"event\":\"a\",\"event\":\"b\"}\n"
             "a\0b\n" REQUEST "\n",
             &seen);
    assert_int_equal(tally.bad_lines, 5);
    assert_int_equal(tally.requests, 1);
    assert_true(seen.is_right);
}

#define STARTED(hash) "{\"event\":\"start\",\"config_hash\":\"" hash "\"}\n"
#define RELOADED(hash) "{\"event\":\"reload\",\"config_hash\":\"" hash "\"}\n"

static void leaves_out_lines_of_another_configuration(void **state) {
    (void)state;
    struct seen seen;
    struct audit_tally tally =
        READ(REQUEST "\n" STARTED("h0") REQUEST "\n" REQUEST "\n" RELOADED("h1") REQUEST
             "\n{\"event\":\"keys\"}\n" REQUEST "\n" RELOADED("h2") REQUEST "\n" REQUEST
                                                                            "\n" REQUEST "\n",
             &seen);
    assert_int_equal(tally.requests, 3);
    assert_int_equal(tally.unplaced, 1);
    assert_int_equal(tally.other_config, 5);
    assert_int_equal(tally.other_events, 4);
    assert_int_equal(seen.count, 3);
    tally = READ(STARTED("h1") REQUEST "\n", &seen);
    assert_int_equal(tally.requests, 1);
    assert_int_equal(tally.unplaced + tally.other_config, 0);
}

static void tells_a_cut_end_from_a_whole_one(void **state) {
    (void)state;
    struct seen seen;
    struct audit_tally tally = READ(REQUEST "\n{\"event\":\"requ", &seen);
    assert_int_equal(tally.cut_lines, 1);
    assert_int_equal(tally.requests, 1);
    tally = READ(REQUEST, &seen);
    assert_int_equal(tally.cut_lines, 0);
    assert_int_equal(tally.requests, 1);
}

static void goes_on_after_a_line_without_bounds(void **state) {
    (void)state;
    enum { LONG = 1 << 20 };
    struct seen seen;
    char *text = malloc(LONG + sizeof REQUEST + 2);
    assert_non_null(text);
    memset(text, 'x', LONG);
    text[LONG] = '\n';
    memcpy(text + LONG + 1, REQUEST "\n", sizeof REQUEST);
    struct audit_tally tally = read_text(text, LONG + 1 + sizeof REQUEST, &seen);
    assert_int_equal(tally.bad_lines, 1);
    assert_int_equal(tally.requests, 1);
    free(text);
}

static void says_what_cannot_be_read(void **state) {
    (void)state;
    struct seen seen = {0};
    struct audit_tally tally = {0};
    struct error err;
    assert_int_equal(audit_read("/nonexistent/audit", "h1", on_request, &seen, &tally, &err),
                     STATUS_IO);
    assert_non_null(strstr(err.text, "/nonexistent/audit"));
    assert_int_equal(audit_read("/", "h1", on_request, &seen, &tally, &err), STATUS_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_requests_and_passes_other_events),
        cmocka_unit_test(counts_lines_that_are_none),
        cmocka_unit_test(leaves_out_lines_of_another_configuration),
        cmocka_unit_test(tells_a_cut_end_from_a_whole_one),
        cmocka_unit_test(goes_on_after_a_line_without_bounds),
        cmocka_unit_test(says_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
