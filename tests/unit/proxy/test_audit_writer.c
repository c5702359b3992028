/* Lines on their way to the log: in order, across rotation, and what is known when it is stuck. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "proxy/audit_writer.h"

enum { LIMIT_MS = 20000, EXCHANGES = 400, RESERVED = 2048, LOG_MAX = 8 * 1024 * 1024 };

#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        uint64_t limit_ms_ = clock_monotonic_ms() + LIMIT_MS;                                      \
        while (!(condition)) {                                                                     \
            assert_true(clock_monotonic_ms() < limit_ms_);                                         \
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);                               \
        }                                                                                          \
    } while (0)

struct scene {
    char directory[64];
    char file[80];
    char rotated[80];
    struct audit_writer *writer;
    struct audit_sink *sink;
};

static _Atomic unsigned failures_logged;

static bool on_log(const char *event, struct slice line) {
    (void)line;
    if (strcmp(event, "audit") == 0)
        atomic_fetch_add(&failures_logged, 1);
    return true;
}

static int make_directory(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    snprintf(scene->directory, sizeof scene->directory, "/tmp/barkeep-audit-XXXXXX");
    assert_non_null(mkdtemp(scene->directory));
    snprintf(scene->file, sizeof scene->file, "%s/audit.log", scene->directory);
    snprintf(scene->rotated, sizeof scene->rotated, "%s/audit.log.1", scene->directory);
    atomic_store(&failures_logged, 0);
    log_set_observer(on_log);
    *state = scene;
    return 0;
}

static int remove_directory(void **state) {
    struct scene *scene = *state;
    log_set_observer(NULL);
    unlink(scene->file);
    unlink(scene->rotated);
    rmdir(scene->directory);
    free(scene);
    return 0;
}

static void open_log(struct scene *scene, const char *file, bool drop_when_full) {
    struct error err = {""};
    scene->writer = audit_writer_new(file, drop_when_full, &err);
    if (!scene->writer)
        fail_msg("%s", err.text);
    scene->sink = audit_sink_new(scene->writer, EXCHANGES * RESERVED);
    assert_non_null(scene->sink);
}

static void close_log(struct scene *scene) {
    audit_sink_free(scene->sink);
    audit_writer_free(scene->writer);
}

static void write_line(struct audit_sink *sink, const char *text) {
    assert_true(audit_sink_reserve(sink, RESERVED));
    audit_sink_write(sink, slice_of_str(text), RESERVED);
}

/* The file's text; the caller is done with it by buf_done(). */
static void read_file(const char *file, struct buf *out) {
    buf_init(out, LOG_MAX);
    int fd = open(file, O_RDONLY);
    if (fd < 0)
        return;
    char bytes[65536];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof bytes)) > 0)
        buf_append(out, bytes, (size_t)got);
    close(fd);
    assert_true(buf_ok(out));
}

static bool file_is(const char *file, const char *text) {
    struct buf contents;
    read_file(file, &contents);
    bool is = slice_eq_str(buf_slice(&contents), text);
    buf_done(&contents);
    return is;
}

static void assert_numbered_lines(struct slice text, unsigned count) {
    struct slice rest = text;
    for (unsigned i = 0; i < count; i++) {
        char expected[32];
        int len = snprintf(expected, sizeof expected, "line %u\n", i);
        if (!slice_starts_with(rest, slice_of(expected, (size_t)len)))
            fail_msg("line %u is missing", i);
        rest = slice_skip(rest, (size_t)len);
    }
    assert_int_equal(rest.len, 0);
}

static void writes_every_line_in_order(void **state) {
    struct scene *scene = *state;
    enum { LINES = 50000 };
    open_log(scene, scene->file, false);
    for (unsigned i = 0; i < LINES; i++) {
        char line[32];
        snprintf(line, sizeof line, "line %u\n", i);
        WAIT_UNTIL(
            audit_sink_reserve(scene->sink, RESERVED)); /* the disk may be slower than we are */
        audit_sink_write(scene->sink, slice_of_str(line), RESERVED);
        if (i % 1000 == 0)
            audit_sink_flush(scene->sink);
    }
    assert_int_equal(audit_writer_dropped(scene->writer), 0);
    close_log(scene);
    struct buf text;
    read_file(scene->file, &text);
    assert_numbered_lines(buf_slice(&text), LINES);
    buf_done(&text);
}

static void hands_over_only_what_was_collected(void **state) {
    struct scene *scene = *state;
    open_log(scene, scene->file, false);
    assert_false(audit_sink_has_lines(scene->sink));
    audit_sink_flush(scene->sink);
    write_line(scene->sink, "one\n");
    assert_true(audit_sink_has_lines(scene->sink));
    audit_sink_flush(scene->sink);
    assert_false(audit_sink_has_lines(scene->sink));
    WAIT_UNTIL(file_is(scene->file, "one\n"));
    write_line(scene->sink, "two\n");
    close_log(scene); /* hands the rest over */
    assert_true(file_is(scene->file, "one\ntwo\n"));
}

static void makes_the_file_for_owner_and_group(void **state) {
    struct scene *scene = *state;
    mode_t old = umask(0);
    open_log(scene, scene->file, false);
    umask(old);
    struct stat status;
    assert_int_equal(stat(scene->file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    assert_false(audit_writer_is_stdout(scene->writer));
    close_log(scene);
}

static void appends_to_what_is_there(void **state) {
    struct scene *scene = *state;
    for (int i = 0; i < 2; i++) {
        open_log(scene, scene->file, false);
        write_line(scene->sink, i ? "second\n" : "first\n");
        close_log(scene);
    }
    assert_true(file_is(scene->file, "first\nsecond\n"));
}

static void refuses_a_file_it_cannot_open(void **state) {
    struct scene *scene = *state;
    struct error err = {""};
    assert_null(audit_writer_new("/nonexistent/audit.log", false, &err));
    assert_non_null(strstr(err.text, "/nonexistent/audit.log"));
    open_log(scene, scene->file, false);
    close_log(scene);
}

static void writes_events_without_a_sink(void **state) {
    struct scene *scene = *state;
    open_log(scene, scene->file, false);
    audit_writer_event(scene->writer, SLICE("start\n"));
    audit_writer_event(scene->writer, SLICE("stop\n"));
    close_log(scene);
    assert_true(file_is(scene->file, "start\nstop\n"));
}

static void goes_on_in_a_new_file_after_rotation(void **state) {
    struct scene *scene = *state;
    open_log(scene, scene->file, false);
    write_line(scene->sink, "before\n");
    audit_sink_flush(scene->sink);
    assert_int_equal(rename(scene->file, scene->rotated), 0);
    audit_writer_reopen(scene->writer);
    write_line(scene->sink, "after\n");
    close_log(scene);
    assert_true(file_is(scene->rotated, "before\n"));
    assert_true(file_is(scene->file, "after\n"));
}

static void keeps_the_old_file_when_there_is_no_new_one(void **state) {
    struct scene *scene = *state;
    open_log(scene, scene->file, false);
    write_line(scene->sink, "before\n");
    audit_sink_flush(scene->sink);
    assert_int_equal(rename(scene->file, scene->rotated), 0);
    assert_int_equal(mkdir(scene->file, 0700), 0);
    audit_writer_reopen(scene->writer);
    write_line(scene->sink, "after\n");
    close_log(scene);
    assert_int_equal(rmdir(scene->file), 0);
    assert_true(file_is(scene->rotated, "before\nafter\n"));
    assert_int_equal(atomic_load(&failures_logged), 1);
}

static void takes_no_request_when_the_disk_is_full(void **state) {
    struct scene *scene = *state;
    open_log(scene, "/dev/full", false);
    assert_true(audit_sink_reserve(scene->sink, RESERVED)); /* nobody knows yet */
    audit_sink_write(scene->sink, SLICE("lost in the end\n"), RESERVED);
    audit_sink_flush(scene->sink);
    WAIT_UNTIL(atomic_load(&failures_logged) > 0);
    assert_false(audit_sink_reserve(scene->sink, RESERVED));
    assert_int_equal(audit_writer_dropped(scene->writer), 0); /* it is still being tried */
    close_log(scene);
    assert_int_equal(atomic_load(&failures_logged), 1); /* once, not once a try */
}

static void counts_and_goes_on_when_told_to_drop(void **state) {
    struct scene *scene = *state;
    open_log(scene, "/dev/full", true);
    for (unsigned i = 0; i < 3; i++) {
        write_line(scene->sink, "lost\n");
        write_line(scene->sink, "lost too\n");
        audit_sink_flush(scene->sink);
        WAIT_UNTIL(audit_writer_dropped(scene->writer) == 2 * (i + 1));
    }
    audit_writer_event(scene->writer, SLICE("an event\n"));
    WAIT_UNTIL(audit_writer_dropped(scene->writer) >= 7);
    close_log(scene);
}

/* Both configurations, lines waiting on several sinks: nothing here may wait for the disk. */
static void ends_although_the_log_fails(void **state) {
    struct scene *scene = *state;
    for (int drops = 0; drops <= 1; drops++) {
        open_log(scene, "/dev/full", drops);
        struct audit_sink *other = audit_sink_new(scene->writer, EXCHANGES * RESERVED);
        assert_non_null(other);
        write_line(other, "of the other\n");
        for (unsigned i = 0; i < 5; i++) {
            audit_sink_write(scene->sink, SLICE("never written\n"), 0);
            audit_sink_flush(scene->sink);
        }
        audit_writer_event(scene->writer, SLICE("an event\n"));
        audit_sink_free(other);
        close_log(scene);
    }
}

/* A pipe that is full and that nobody reads: writing to it blocks, as on a dead network disk. */
struct stuck_log {
    int reader;
    size_t filler_bytes;
    struct buf text; /* what was drained, without the filler */
};

static void stuck_log_open(struct stuck_log *stuck, struct scene *scene, bool drop_when_full) {
    *stuck = (struct stuck_log){0};
    buf_init(&stuck->text, LOG_MAX);
    assert_int_equal(mkfifo(scene->file, 0600), 0);
    stuck->reader = open(scene->file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(stuck->reader >= 0);
    int filler = open(scene->file, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(filler >= 0);
    while (write(filler, "x", 1) == 1)
        stuck->filler_bytes++;
    close(filler);
    open_log(scene, scene->file, drop_when_full);
}

/* Returns how much has come of the text so far. */
static size_t stuck_log_drain(struct stuck_log *stuck) {
    char bytes[65536];
    ssize_t got;
    while ((got = read(stuck->reader, bytes, sizeof bytes)) > 0) {
        size_t len = (size_t)got;
        size_t skipped = len < stuck->filler_bytes ? len : stuck->filler_bytes;
        stuck->filler_bytes -= skipped;
        buf_append(&stuck->text, bytes + skipped, len - skipped);
    }
    assert_true(buf_ok(&stuck->text));
    return stuck->text.len;
}

static void stuck_log_close(struct stuck_log *stuck) {
    close(stuck->reader);
    buf_done(&stuck->text);
}

static void fill_line(char *line, size_t size, unsigned number) {
    memset(line, '.', size);
    int len = snprintf(line, size, "%06u", number);
    line[len] = '.';
    line[size - 1] = '\n';
}

static void keeps_room_for_every_reservation(void **state) {
    struct scene *scene = *state;
    enum { LINE_BYTES = 2000 };
    struct stuck_log stuck;
    stuck_log_open(&stuck, scene, false);
    unsigned reserved = 0;
    while (audit_sink_reserve(scene->sink, RESERVED)) {
        reserved++;
        assert_true(reserved < 100000);
    }
    assert_true(reserved > 0);
    for (unsigned i = 0; i < reserved; i++) {
        char line[LINE_BYTES];
        fill_line(line, sizeof line, i);
        audit_sink_write(scene->sink, slice_of(line, sizeof line), RESERVED);
    }
    audit_sink_flush(scene->sink);
    assert_int_equal(audit_writer_dropped(scene->writer), 0);
    WAIT_UNTIL(atomic_load(&failures_logged) > 0); /* nobody reads: that is a failing log */
    assert_false(audit_sink_reserve(scene->sink, RESERVED));

    WAIT_UNTIL((audit_sink_flush(scene->sink), stuck_log_drain(&stuck)) >=
               (size_t)reserved * LINE_BYTES);
    for (unsigned i = 0; i < reserved; i++) {
        char line[LINE_BYTES];
        fill_line(line, sizeof line, i);
        assert_memory_equal(stuck.text.ptr + i * LINE_BYTES, line, LINE_BYTES);
    }
    WAIT_UNTIL(audit_sink_reserve(scene->sink, RESERVED)); /* the blocks have come back */
    audit_sink_write(scene->sink, SLICE("again\n"), RESERVED);
    close_log(scene);
    buf_clear(&stuck.text);
    stuck_log_drain(&stuck);
    assert_true(slice_eq(buf_slice(&stuck.text), SLICE("again\n")));
    stuck_log_close(&stuck);
}

static void healthy_log_takes_as_many_exchanges_as_connections(void **state) {
    struct scene *scene = *state;
    open_log(scene, scene->file, false);
    for (unsigned i = 0; i < EXCHANGES; i++)
        assert_true(audit_sink_reserve(scene->sink, RESERVED));
    for (unsigned i = 0; i < EXCHANGES; i++)
        audit_sink_write(scene->sink, SLICE("x\n"), RESERVED);
    assert_int_equal(audit_writer_dropped(scene->writer), 0);
    close_log(scene);
}

/* One short line a turn into a stuck log: a flush must not spend a block on each. */
static void reservations_hold_across_flushes(void **state) {
    struct scene *scene = *state;
    struct stuck_log stuck;
    stuck_log_open(&stuck, scene, false);
    for (unsigned i = 0; i < EXCHANGES; i++)
        assert_true(audit_sink_reserve(scene->sink, RESERVED));
    for (unsigned i = 0; i < EXCHANGES; i++) {
        audit_sink_write(scene->sink, SLICE("{\"short\":1}\n"), RESERVED);
        audit_sink_flush(scene->sink);
    }
    assert_int_equal(audit_writer_dropped(scene->writer), 0);
    WAIT_UNTIL((audit_sink_flush(scene->sink), stuck_log_drain(&stuck)) >= EXCHANGES * 12u);
    close_log(scene);
    stuck_log_close(&stuck);
}

static void rotation_heals_a_full_disk(void **state) {
    struct scene *scene = *state;
    assert_int_equal(symlink("/dev/full", scene->file), 0);
    open_log(scene, scene->file, false);
    write_line(scene->sink, "kept\n");
    audit_sink_flush(scene->sink);
    WAIT_UNTIL(atomic_load(&failures_logged) > 0);
    assert_false(audit_sink_reserve(scene->sink, RESERVED));
    assert_int_equal(unlink(scene->file), 0);
    audit_writer_reopen(scene->writer);
    WAIT_UNTIL(file_is(scene->file, "kept\n"));
    write_line(scene->sink, "next\n");
    close_log(scene);
    assert_true(file_is(scene->file, "kept\nnext\n"));
}

/* A file size limit cuts the second line; what is dropped must not swallow the third. */
static void dropping_leaves_the_next_line_whole(void **state) {
    struct scene *scene = *state;
    struct rlimit whole, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
    small = whole;
    small.rlim_cur = 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    open_log(scene, scene->file, true);
    audit_writer_event(scene->writer, SLICE("{\"first\":1}\n"));
    audit_writer_event(scene->writer, SLICE("{\"second\":2}\n"));
    WAIT_UNTIL(audit_writer_dropped(scene->writer) == 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
    audit_writer_event(scene->writer, SLICE("{\"third\":3}\n"));
    close_log(scene);
    assert_true(file_is(scene->file, "{\"first\":1}\n{\"second\n{\"third\":3}\n"));
}

static void counts_lines_beyond_what_was_reserved(void **state) {
    struct scene *scene = *state;
    enum { LINE_BYTES = 2000, LINES = 2000 };
    struct stuck_log stuck;
    stuck_log_open(&stuck, scene, true);
    for (unsigned i = 0; i < LINES; i++) {
        char line[LINE_BYTES];
        fill_line(line, sizeof line, i);
        assert_true(audit_sink_reserve(scene->sink, RESERVED));
        audit_sink_write(scene->sink, slice_of(line, sizeof line), RESERVED);
    }
    uint64_t dropped = audit_writer_dropped(scene->writer);
    assert_true(dropped > 0 && dropped < LINES);
    audit_sink_flush(scene->sink);
    WAIT_UNTIL((audit_sink_flush(scene->sink), stuck_log_drain(&stuck)) >=
               (LINES - dropped) * LINE_BYTES);
    close_log(scene);
    stuck_log_drain(&stuck);
    assert_int_equal(stuck.text.len, (LINES - dropped) * LINE_BYTES);
    stuck_log_close(&stuck);
}

/* Callers without a reservation must not take the room of those who have one. */
static void lines_without_reservation_yield(void **state) {
    struct scene *scene = *state;
    enum { LINE_BYTES = 2000, INTRUDERS = 5000 };
    struct stuck_log stuck;
    stuck_log_open(&stuck, scene, false);
    unsigned reserved = 0;
    while (reserved < EXCHANGES && audit_sink_reserve(scene->sink, RESERVED))
        reserved++;
    char line[LINE_BYTES];
    for (unsigned i = 0; i < INTRUDERS; i++) {
        fill_line(line, sizeof line, 999999);
        audit_sink_write(scene->sink, slice_of(line, sizeof line), 0);
    }
    uint64_t dropped = audit_writer_dropped(scene->writer);
    assert_true(dropped > 0 && dropped < INTRUDERS);
    for (unsigned i = 0; i < reserved; i++) {
        fill_line(line, sizeof line, i);
        audit_sink_write(scene->sink, slice_of(line, sizeof line), RESERVED);
    }
    assert_int_equal(audit_writer_dropped(scene->writer), dropped);
    close_log(scene);
    stuck_log_close(&stuck);
}

static void ends_in_time_although_nobody_reads(void **state) {
    struct scene *scene = *state;
    struct stuck_log stuck;
    stuck_log_open(&stuck, scene, false);
    write_line(scene->sink, "nobody reads this\n");
    uint64_t begin_ms = clock_monotonic_ms();
    close_log(scene);
    assert_true(clock_monotonic_ms() - begin_ms < LIMIT_MS / 2);
    stuck_log_close(&stuck);
}

static void counts_a_line_longer_than_any_block(void **state) {
    struct scene *scene = *state;
    open_log(scene, scene->file, false);
    size_t size = 1024 * 1024;
    char *line = malloc(size);
    assert_non_null(line);
    memset(line, 'x', size);
    assert_true(audit_sink_reserve(scene->sink, RESERVED));
    audit_sink_write(scene->sink, slice_of(line, size), RESERVED);
    assert_int_equal(audit_writer_dropped(scene->writer), 1);
    write_line(scene->sink, "fits\n");
    assert_int_equal(audit_writer_dropped(scene->writer), 1);
    close_log(scene);
    assert_true(file_is(scene->file, "fits\n"));
    free(line);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(writes_every_line_in_order),
        TEST(hands_over_only_what_was_collected),
        TEST(makes_the_file_for_owner_and_group),
        TEST(appends_to_what_is_there),
        TEST(refuses_a_file_it_cannot_open),
        TEST(writes_events_without_a_sink),
        TEST(goes_on_in_a_new_file_after_rotation),
        TEST(keeps_the_old_file_when_there_is_no_new_one),
        TEST(takes_no_request_when_the_disk_is_full),
        TEST(counts_and_goes_on_when_told_to_drop),
        TEST(ends_although_the_log_fails),
        TEST(keeps_room_for_every_reservation),
        TEST(healthy_log_takes_as_many_exchanges_as_connections),
        TEST(reservations_hold_across_flushes),
        TEST(rotation_heals_a_full_disk),
        TEST(dropping_leaves_the_next_line_whole),
        TEST(counts_lines_beyond_what_was_reserved),
        TEST(lines_without_reservation_yield),
        TEST(ends_in_time_although_nobody_reads),
        TEST(counts_a_line_longer_than_any_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
