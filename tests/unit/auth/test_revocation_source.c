/* The file as it changes under a running loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "auth/revocation_source.h"
#include "core/clock.h"
#include "core/log.h"

#define MIRA "e0d1c2b3-a495-4867-9588-776655443322"
#define INES "5b60718a-92a3-4b4c-8d5e-6f708192a3b4"

enum { PATIENCE_MS = 10000, QUIET_MS = 1500 };

static char folder[] = "/tmp/barkeep-revocation-XXXXXX";
static struct loop *loop;
static struct revocation_list *latest;
static size_t lists;
static size_t problems;

static const char *path_of(const char *name) {
    static char paths[2][256];
    static size_t turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool count_problems(const char *event, struct slice line) {
    char text[1024];
    snprintf(text, sizeof text, "%.*s", SLICE_ARGS(line));
    if (strcmp(event, "reload") == 0 && strstr(text, "\"problem\""))
        problems++;
    return true;
}

static void on_list(void *owner, struct revocation_list *list) {
    assert_ptr_equal(owner, &latest);
    revocation_list_unref(latest);
    latest = list;
    lists++;
}

static int begin(void **state) {
    (void)state;
    struct error err;
    loop = loop_new(&err);
    log_set_observer(count_problems);
    return loop && mkdtemp(folder) ? 0 : -1;
}

static int end(void **state) {
    static const char *const names[] = {"list",      "next", "..data", "..data_tmp", "2026/list",
                                        "2027/list", "2026", "2027",   "pipe"};
    (void)state;
    revocation_list_unref(latest);
    loop_free(loop);
    log_set_observer(NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        remove(path_of(names[i]));
    return rmdir(folder);
}

static struct revocation_source *start(const char *name) {
    struct error err = {0};
    lists = problems = 0;
    revocation_list_unref(latest);
    latest = NULL;
    struct revocation_source *source =
        revocation_source_new(loop, path_of(name), on_list, &latest, &latest, &err);
    if (!source)
        fail_msg("%s", err.text);
    assert_non_null(latest);
    return source;
}

static bool is_revoked(const char *oid) {
    struct identity identity = {.oid = slice_of_str(oid)};
    struct revocation revocation;
    return revocation_list_find(latest, &identity, &revocation);
}

/* Turns the loop until `*count` is `wanted`. */
static void wait_until(const size_t *count, size_t wanted) {
    uint64_t begin_ms = clock_monotonic_ms(), now_ms = begin_ms;
    while (*count < wanted && now_ms < begin_ms + PATIENCE_MS) {
        loop_run_once(loop, 50);
        now_ms = clock_monotonic_ms();
    }
    assert_int_equal(*count, wanted);
}

static void turn_for(uint64_t duration_ms) {
    uint64_t end_ms = clock_monotonic_ms() + duration_ms;
    while (clock_monotonic_ms() < end_ms)
        loop_run_once(loop, 50);
}

static void takes_the_file_at_start_and_each_change_of_it(void **state) {
    (void)state;
    write_file("list", "oid " MIRA "\n");
    struct revocation_source *source = start("list");
    assert_true(is_revoked(MIRA));
    turn_for(QUIET_MS);
    assert_int_equal(lists, 0);
    write_file("list", "oid " INES "\n");
    wait_until(&lists, 1);
    assert_false(is_revoked(MIRA));
    assert_true(is_revoked(INES));
    write_file("next", "oid " MIRA "\n");
    assert_int_equal(rename(path_of("next"), path_of("list")), 0);
    wait_until(&lists, 2);
    assert_true(is_revoked(MIRA));
    write_file("list", "");
    wait_until(&lists, 3);
    assert_int_equal(revocation_list_count(latest), 0);
    assert_int_equal(problems, 0);
    revocation_source_free(source);
}

/* As a mounted ConfigMap changes: `list` never does, the folder behind it is swapped. */
static void follows_swapped_links(void **state) {
    (void)state;
    assert_int_equal(mkdir(path_of("2026"), 0700), 0);
    assert_int_equal(mkdir(path_of("2027"), 0700), 0);
    write_file("2026/list", "oid " MIRA "\n");
    write_file("2027/list", "oid " INES "\n");
    remove(path_of("list"));
    assert_int_equal(symlink("2026", path_of("..data")), 0);
    assert_int_equal(symlink("..data/list", path_of("list")), 0);
    struct revocation_source *source = start("list");
    assert_true(is_revoked(MIRA));
    assert_int_equal(symlink("2027", path_of("..data_tmp")), 0);
    assert_int_equal(rename(path_of("..data_tmp"), path_of("..data")), 0);
    wait_until(&lists, 1);
    assert_true(is_revoked(INES));
    assert_false(is_revoked(MIRA));
    revocation_source_free(source);
    remove(path_of("list"));
}

static void keeps_the_list_when_the_file_goes_bad(void **state) {
    (void)state;
    write_file("list", "oid " MIRA "\n");
    struct revocation_source *source = start("list");
    write_file("list", "oid " MIRA "\nodi " INES "\n");
    wait_until(&problems, 1);
    remove(path_of("list"));
    wait_until(&problems, 2);
    turn_for(QUIET_MS); /* told once, not at every look */
    assert_int_equal(problems, 2);
    write_file("list", "oid " INES "\n");
    assert_int_equal(chmod(path_of("list"), 0602), 0);
    wait_until(&problems, 3);
    assert_int_equal(lists, 0);
    assert_true(is_revoked(MIRA));
    assert_false(is_revoked(INES));
    assert_int_equal(chmod(path_of("list"), 0600), 0);
    wait_until(&lists, 1);
    assert_true(is_revoked(INES));
    revocation_source_free(source);
}

static void refuses_to_begin_without_a_good_file(void **state) {
    (void)state;
    struct error err = {0};
    struct revocation_list *list = NULL;
    remove(path_of("list"));
    assert_null(revocation_source_new(loop, path_of("list"), on_list, NULL, &list, &err));
    assert_non_null(strstr(err.text, "/list: cannot be opened: No such file"));
    write_file("list", "oid x\n");
    assert_null(revocation_source_new(loop, path_of("list"), on_list, NULL, &list, &err));
    assert_non_null(strstr(err.text, "/list: line 1: a GUID must follow"));
}

static void refuses_files_that_are_none_or_anyones(void **state) {
    (void)state;
    struct revocation_list *list = NULL;
    struct error err = {0};
    write_file("list", "oid " MIRA "\n");
    assert_int_equal(revocation_file_read(path_of("list"), &list, &err), STATUS_OK);
    assert_int_equal(revocation_list_count(list), 1);
    revocation_list_unref(list);
    list = NULL;
    assert_int_equal(chmod(path_of("list"), 0666), 0);
    assert_int_equal(revocation_file_read(path_of("list"), &list, &err), STATUS_DENIED);
    assert_non_null(strstr(err.text, "everyone may write"));
    assert_int_equal(chmod(path_of("list"), 0600), 0);
    assert_int_equal(revocation_file_read(folder, &list, &err), STATUS_INVALID);
    assert_string_equal(err.text, "is not a file");
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    assert_int_equal(revocation_file_read(path_of("pipe"), &list, &err), STATUS_INVALID);
    assert_int_equal(truncate(path_of("list"), REVOCATION_MAX_BYTES + 1), 0);
    assert_int_equal(revocation_file_read(path_of("list"), &list, &err), STATUS_LIMIT);
    assert_null(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_file_at_start_and_each_change_of_it),
        cmocka_unit_test(follows_swapped_links),
        cmocka_unit_test(keeps_the_list_when_the_file_goes_bad),
        cmocka_unit_test(refuses_to_begin_without_a_good_file),
        cmocka_unit_test(refuses_files_that_are_none_or_anyones),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
