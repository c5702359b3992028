/* Files that change, and when that is told. Each test has a folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file_watch.h"

/* Looks are 500 ms apart: a change takes two of them, and none comes from nothing. */
enum { TOLD_MS = 3000, QUIET_MS = 1300 };

static struct loop *loop;
static struct file_watch *watch;
static struct loop_timer timer;
static char folder[64];
static char file[96];
static char other[96];
static int told;
static int wanted;

static void on_change(void *owner) {
    (void)owner;
    if (++told == wanted) {
        loop_stop(loop);
    }
}

static void on_time(struct loop_timer *over) {
    (void)over;
    loop_stop(loop);
}

static void write_file(const char *path, const char *text) {
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static int set_up(void **state) {
    (void)state;
    struct error err;
    snprintf(folder, sizeof folder, "/tmp/barkeep-watch-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(file, sizeof file, "%s/file", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    write_file(file, "one");
    told = 0;
    loop = loop_new(&err);
    loop_timer_init(&timer, on_time, NULL);
    watch = loop ? file_watch_new(loop, on_change, NULL) : NULL;
    return watch && file_watch_add(watch, file) == STATUS_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    file_watch_free(watch);
    loop_timer_cancel(loop, &timer);
    loop_free(loop);
    unlink(file);
    unlink(other);
    return rmdir(folder);
}

static void expect_told(void) {
    told = 0;
    wanted = 1;
    loop_timer_set(loop, &timer, TOLD_MS);
    loop_run(loop);
    loop_timer_cancel(loop, &timer);
    assert_int_equal(told, 1);
}

static void expect_quiet(void) {
    told = wanted = 0;
    loop_timer_set(loop, &timer, QUIET_MS);
    loop_run(loop);
    assert_int_equal(told, 0);
}

static void tells_once_of_a_change(void **state) {
    (void)state;
    expect_quiet();
    write_file(file, "two, longer");
    expect_told();
    expect_quiet();
}

static void tells_of_a_file_that_comes_and_goes(void **state) {
    (void)state;
    assert_int_equal(file_watch_add(watch, other), STATUS_OK);
    write_file(other, "new");
    expect_told();
    unlink(other);
    expect_told();
}

static void tells_of_rights_that_change(void **state) {
    (void)state;
    assert_int_equal(chmod(file, 0400), 0);
    expect_told();
}

static void tells_of_content_behind_an_old_time(void **state) {
    (void)state;
    struct stat before;
    assert_int_equal(stat(file, &before), 0);
    write_file(file, "two");
    const struct timespec times[2] = {before.st_atim, before.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
    expect_told();
}

static void is_silent_about_what_was_there_before_reading(void **state) {
    (void)state;
    write_file(file, "two, longer");
    file_watch_begin_reading(watch);
    assert_int_equal(file_watch_add(watch, file), STATUS_OK);
    file_watch_end_reading(watch);
    expect_quiet();
}

static void tells_of_a_change_while_reading(void **state) {
    (void)state;
    file_watch_begin_reading(watch);
    write_file(file, "two, longer");
    assert_int_equal(file_watch_add(watch, file), STATUS_OK);
    file_watch_end_reading(watch);
    expect_told();
}

static void forgets_what_was_not_added_again(void **state) {
    (void)state;
    write_file(other, "other");
    file_watch_begin_reading(watch);
    assert_int_equal(file_watch_add(watch, other), STATUS_OK);
    file_watch_end_reading(watch);
    write_file(file, "two, longer");
    expect_quiet();
    write_file(other, "another");
    expect_told();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_once_of_a_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_of_a_file_that_comes_and_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_of_rights_that_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_of_content_behind_an_old_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_silent_about_what_was_there_before_reading, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(tells_of_a_change_while_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgets_what_was_not_added_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
