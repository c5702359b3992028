/* Log lines as they arrive on stderr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

#include "core/log.h"

#define CAPTURE_BYTES (4 * 1024 * 1024)

static int saved_stderr;
static FILE *capture;
static char *captured;

static void begin_capture(void) {
    capture = tmpfile();
    assert_non_null(capture);
    saved_stderr = dup(STDERR_FILENO);
    /* Lines of several threads must not overwrite each other in a file. */
    fcntl(fileno(capture), F_SETFL, O_APPEND);
    dup2(fileno(capture), STDERR_FILENO);
}

static const char *end_capture(void) {
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    free(captured);
    captured = calloc(1, CAPTURE_BYTES);
    assert_non_null(captured);
    rewind(capture);
    size_t len = fread(captured, 1, CAPTURE_BYTES - 1, capture);
    captured[len] = '\0';
    fclose(capture);
    return captured;
}

static json_t *parse_line(const char *line) {
    json_t *parsed = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    return parsed;
}

static void assert_text(json_t *line, const char *key, const char *expected) {
    assert_string_equal(json_string_value(json_object_get(line, key)), expected);
}

static void writes_one_json_object_a_line(void **state) {
    (void)state;
    begin_capture();
    LOG_EVENT(LOG_WARNING, "keys", LOG_STR("tenant", "a\nb"), LOG_SLICE("kid", SLICE("k1")),
              LOG_INT("age_sec", -5));
    const char *text = end_capture();
    const char *line_end = strchr(text, '\n');
    assert_non_null(line_end);
    assert_string_equal(line_end, "\n");
    json_t *line = parse_line(text);
    assert_text(line, "level", "warning");
    assert_text(line, "event", "keys");
    assert_text(line, "tenant", "a\nb");
    assert_text(line, "kid", "k1");
    assert_int_equal(json_integer_value(json_object_get(line, "age_sec")), -5);
    assert_int_equal(strlen(json_string_value(json_object_get(line, "time"))), 24);
    json_decref(line);
}

static void keeps_quiet_below_its_level(void **state) {
    (void)state;
    begin_capture();
    log_event(LOG_DEBUG, "quiet", NULL, 0);
    log_set_level(LOG_ERROR);
    bool has_warnings = log_is_enabled(LOG_WARNING);
    log_event(LOG_WARNING, "quiet", NULL, 0);
    log_event(LOG_ERROR, "loud", NULL, 0);
    log_set_level(LOG_INFO);
    const char *text = end_capture();
    assert_false(has_warnings);
    assert_null(strstr(text, "quiet"));
    assert_non_null(strstr(text, "loud"));
}

static void replaces_lines_that_grow_too_long(void **state) {
    (void)state;
    char control[4000];
    memset(control, 1, sizeof control);
    struct slice text = slice_of(control, sizeof control);
    begin_capture();
    LOG_EVENT(LOG_INFO, "long", LOG_SLICE("a", text), LOG_SLICE("b", text), LOG_SLICE("c", text));
    json_t *line = parse_line(end_capture());
    assert_text(line, "event", "long");
    assert_true(json_is_true(json_object_get(line, "truncated")));
    json_decref(line);
}

static void *log_many(void *argument) {
    for (int i = 0; i < 200; i++)
        LOG_EVENT(LOG_INFO, "many", LOG_STR("who", argument), LOG_INT("i", i));
    return NULL;
}

static void lines_of_threads_never_mix(void **state) {
    (void)state;
    pthread_t threads[4];
    char names[4][3000];
    begin_capture();
    for (size_t i = 0; i < 4; i++) {
        memset(names[i], (int)('a' + i), sizeof names[i] - 1);
        names[i][sizeof names[i] - 1] = '\0';
        pthread_create(&threads[i], NULL, log_many, names[i]);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    end_capture();
    size_t count = 0;
    char *rest = captured;
    for (char *line = strsep(&rest, "\n"); line && *line; line = strsep(&rest, "\n")) {
        json_decref(parse_line(line));
        count++;
    }
    assert_int_equal(count, 800);
}

static int forget_captured(void **state) {
    (void)state;
    free(captured);
    captured = NULL;
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_json_object_a_line),
        cmocka_unit_test(keeps_quiet_below_its_level),
        cmocka_unit_test(replaces_lines_that_grow_too_long),
        cmocka_unit_test(lines_of_threads_never_mix),
    };
    return cmocka_run_group_tests(tests, NULL, forget_captured);
}
