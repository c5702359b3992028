/* A line is built in memory and handed to the system in one write, so that lines of several threads
 * never mix. A line that would grow too long is replaced by a short one that says so. */
#include "core/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json_out.h"

#define LOG_MAX_LINE_BYTES 65536

static _Atomic enum log_level threshold = LOG_INFO;
static bool (*_Atomic line_observer)(const char *event, struct slice line);

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static void format_field(struct json_out *out, const struct log_field *field) {
    if (field->kind == LOG_FIELD_INT)
        json_out_i64(out, field->key, field->number);
    else
        json_out_str(out, field->key, field->text);
}

static void begin_line(struct json_out *out, enum log_level level, const char *event) {
    char time_text[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(clock_wall_ms(), time_text);
    json_out_object_begin(out, NULL);
    json_out_cstr(out, "time", time_text);
    json_out_cstr(out, "level", level_names[level]);
    json_out_cstr(out, "event", event);
}

static void end_line(struct json_out *out) {
    json_out_object_end(out);
    buf_append_char(out->buf, '\n');
}

static void format_line(struct buf *line, enum log_level level, const char *event,
                        const struct log_field *fields, size_t count) {
    struct json_out out;
    json_out_init(&out, line);
    begin_line(&out, level, event);
    for (size_t i = 0; i < count; i++)
        format_field(&out, &fields[i]);
    end_line(&out);
}

static void format_short_line(struct buf *line, enum log_level level, const char *event) {
    struct json_out out;
    buf_clear(line);
    json_out_init(&out, line);
    begin_line(&out, level, event);
    json_out_bool(&out, "truncated", true);
    end_line(&out);
}

/* There is nobody to tell when the log itself cannot be written. */
static void write_line(const struct buf *line) {
    ssize_t written;
    do
        written = write(STDERR_FILENO, line->ptr, line->len);
    while (written < 0 && errno == EINTR);
}

void log_set_level(enum log_level level) {
    atomic_store_explicit(&threshold, level, memory_order_relaxed);
}

void log_set_observer(bool (*observer)(const char *event, struct slice line)) {
    atomic_store(&line_observer, observer);
}

bool log_is_enabled(enum log_level level) {
    return level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

/* Debug lines are for the screen of whoever asked for them. */
static bool is_observed(enum log_level level) {
    return level <= LOG_INFO && atomic_load(&line_observer) != NULL;
}

static bool observe(const char *event, struct slice line) {
    bool (*observer)(const char *, struct slice) = atomic_load(&line_observer);
    return observer && observer(event, line);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count) {
    if (!log_is_enabled(level) && !is_observed(level))
        return;
    struct buf line;
    buf_init(&line, LOG_MAX_LINE_BYTES);
    format_line(&line, level, event, fields, count);
    if (!buf_ok(&line))
        format_short_line(&line, level, event);
    bool was_taken = buf_ok(&line) && is_observed(level) && observe(event, buf_slice(&line));
    if (buf_ok(&line) && log_is_enabled(level) && !was_taken)
        write_line(&line);
    buf_done(&line);
}
