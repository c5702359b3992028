/* Lines end with CR, LF or CRLF. Whatever a CR ends, ends there and then: the LF that may follow in
 * the next bytes goes the way of the line that it belongs to. An event is dispatched by a blank
 * line. */
#include "proxy/mcp/event_stream.h"

enum {
    FRAMING_MAX_BYTES = 64 * 1024, /* what an event may hold besides its data */
    KEPT_BYTES = 256 * 1024,       /* of a buffer, from one event to the next */
};

void event_stream_init(struct event_stream *stream, size_t data_max_bytes,
                       struct slice (*name_id)(void *owner, struct slice id), void *owner) {
    *stream =
        (struct event_stream){.name_id = name_id, .owner = owner, .data_max_bytes = data_max_bytes};
    buf_init(&stream->raw, data_max_bytes + FRAMING_MAX_BYTES);
    buf_init(&stream->joined, data_max_bytes);
}

void event_stream_done(struct event_stream *stream) {
    buf_done(&stream->raw);
    buf_done(&stream->joined);
}

static void reuse(struct buf *buf) {
    if (buf->cap > KEPT_BYTES) {
        buf_done(buf);
    }
    buf_clear(buf);
}

static void begin_event(struct event_stream *stream) {
    reuse(&stream->raw);
    reuse(&stream->joined);
    stream->line_begin = 0;
    stream->data_lines = 0;
    stream->data_begin = stream->data_end = 0;
    stream->is_whole = false;
}

/* A field's line: name, colon, one space that may be there, value. */
struct field {
    struct slice name;
    struct slice value;
};

static struct field field_of(struct slice line) {
    size_t colon = slice_index(line, ':');
    struct field field = {slice_of(line.ptr, colon), slice_skip(line, colon + 1)};
    if (field.value.len && field.value.ptr[0] == ' ') {
        field.value = slice_skip(field.value, 1);
    }
    return field;
}

static bool is_data(struct slice line) {
    return slice_eq(field_of(line).name, SLICE("data"));
}

static void add_data(struct event_stream *stream, struct slice value) {
    if (stream->data_lines == 0) {
        stream->data_begin = (size_t)(value.ptr - stream->raw.ptr);
        stream->data_end = stream->data_begin + value.len;
    } else {
        if (stream->data_lines == 1) {
            buf_append(&stream->joined, stream->raw.ptr + stream->data_begin,
                       stream->data_end - stream->data_begin);
        }
        buf_append_char(&stream->joined, '\n');
        buf_append_slice(&stream->joined, value);
    }
    stream->data_lines++;
}

struct slice event_stream_data(const struct event_stream *stream) {
    if (stream->data_lines > 1) {
        return buf_slice(&stream->joined);
    }
    return slice_of(stream->raw.ptr + stream->data_begin, stream->data_end - stream->data_begin);
}

static enum event_stream_outcome failure_of(const struct buf *buf, size_t more) {
    return more > buf->limit - buf->len ? EVENT_STREAM_TOO_LARGE : EVENT_STREAM_NO_MEMORY;
}

/* The line in `raw` without its end, whose length is `end_len`. */
static struct slice current_line(struct event_stream *stream, size_t end_len) {
    struct buf *raw = &stream->raw;
    if (!stream->is_past_first_line) {
        stream->is_past_first_line = true;
        if (slice_starts_with(buf_slice(raw), SLICE("\xEF\xBB\xBF"))) {
            buf_consume(raw, 3);
        }
    }
    return slice_of(raw->ptr + stream->line_begin, raw->len - stream->line_begin - end_len);
}

static enum event_stream_outcome pass_line(struct event_stream *stream, struct slice *out_pass) {
    *out_pass = slice_skip(buf_slice(&stream->raw), stream->line_begin);
    stream->raw.len = stream->line_begin;
    stream->after_cr = stream->after_cr ? AFTER_CR_PASS : AFTER_CR_NO;
    return EVENT_STREAM_PASS;
}

/* Visible ASCII, spaces and tabs: some readers end a line at other bytes, too, and would find data
 * where there is none. */
static bool is_plain(struct slice line) {
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] != '\t' && (line.ptr[i] < 0x20 || line.ptr[i] > 0x7e)) {
            return false;
        }
    }
    return true;
}

/* A field of another name means nothing by the standard; a reader that trims lines or folds case
 * would take " data:" or "Data:" for data, which nobody judged. */
static bool is_known(struct slice line) {
    static const char *const names[] = {"", "data", "event", "id", "retry"}; /* "": a comment */
    struct slice name = field_of(line).name;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_eq_str(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* As if it had not come; the CR before it must not make one line end with the LF of a blank line
 * behind it. */
static enum event_stream_outcome drop_line(struct event_stream *stream) {
    stream->raw.len = stream->line_begin;
    if (stream->raw.len > 0 && stream->raw.ptr[stream->raw.len - 1] == '\r') {
        stream->raw.ptr[stream->raw.len - 1] = '\n';
    }
    stream->after_cr = stream->after_cr ? AFTER_CR_DROP : AFTER_CR_NO;
    return EVENT_STREAM_MORE;
}

/* A line that ends with the byte that ended it. One without a value makes a client forget the id
 * that it had, and stays. */
static enum event_stream_outcome rename_id(struct event_stream *stream, struct slice id) {
    struct buf *raw = &stream->raw;
    char end = raw->ptr[raw->len - 1];
    struct slice name = id.len > 0 ? stream->name_id(stream->owner, id) : id;
    if (id.len > 0 && name.len == 0) {
        return drop_line(stream);
    }
    if (id.len > 0) {
        raw->len = stream->line_begin;
        buf_append_str(raw, "id: ");
        buf_append_slice(raw, name);
        buf_append_char(raw, end);
        if (!buf_ok(raw)) {
            return failure_of(raw, name.len + 5);
        }
    }
    stream->line_begin = raw->len;
    return EVENT_STREAM_MORE;
}

static enum event_stream_outcome end_event(struct event_stream *stream, struct slice *out_pass) {
    struct slice data = event_stream_data(stream);
    stream->is_whole = true;
    stream->after_cr = stream->after_cr ? AFTER_CR_PASS : AFTER_CR_NO;
    if (data.len > 0) {
        return EVENT_STREAM_EVENT;
    }
    *out_pass = buf_slice(&stream->raw);
    return EVENT_STREAM_PASS;
}

/* `raw` ends with a whole line, its end included. */
static enum event_stream_outcome end_line(struct event_stream *stream, size_t end_len,
                                          struct slice *out_pass) {
    struct slice line = current_line(stream, end_len);
    if (line.len == 0) {
        return end_event(stream, out_pass);
    }
    if (!is_known(line) || (!is_data(line) && !is_plain(line))) {
        return drop_line(stream);
    }
    if (line.ptr[0] == ':') {
        return pass_line(stream, out_pass);
    }
    if (slice_eq(field_of(line).name, SLICE("id"))) {
        return rename_id(stream, field_of(line).value);
    }
    if (is_data(line)) {
        struct slice value = field_of(line).value;
        add_data(stream, value);
        if (!buf_ok(&stream->joined)) {
            return failure_of(&stream->joined, value.len + 1);
        }
        if (event_stream_data(stream).len > stream->data_max_bytes) {
            return EVENT_STREAM_TOO_LARGE;
        }
    }
    stream->line_begin = stream->raw.len;
    return EVENT_STREAM_MORE;
}

/* True when the first byte was the LF of a CRLF whose CR ended a line before. */
static bool take_lf_after_cr(struct event_stream *stream, struct slice *in_out_bytes,
                             struct slice *out_pass) {
    enum event_stream_after_cr after_cr = stream->after_cr;
    stream->after_cr = AFTER_CR_NO;
    if (after_cr == AFTER_CR_NO || in_out_bytes->ptr[0] != '\n') {
        return false;
    }
    *out_pass = slice_of(in_out_bytes->ptr, after_cr == AFTER_CR_PASS ? 1 : 0);
    *in_out_bytes = slice_skip(*in_out_bytes, 1);
    if (after_cr == AFTER_CR_KEEP) {
        buf_append_char(&stream->raw, '\n');
        stream->line_begin = stream->raw.len;
    }
    return true;
}

static size_t line_len(struct slice bytes) {
    size_t at = 0;
    while (at < bytes.len && bytes.ptr[at] != '\n' && bytes.ptr[at] != '\r') {
        at++;
    }
    return at;
}

static enum event_stream_outcome take_line(struct event_stream *stream, struct slice *in_out_bytes,
                                           struct slice *out_pass) {
    size_t len = line_len(*in_out_bytes);
    bool is_ended = len < in_out_bytes->len;
    size_t taken = len + (is_ended ? 1 : 0);
    buf_append(&stream->raw, in_out_bytes->ptr, taken);
    if (!buf_ok(&stream->raw)) {
        return failure_of(&stream->raw, taken);
    }
    if (!is_ended) {
        *in_out_bytes = SLICE("");
        return EVENT_STREAM_MORE;
    }
    stream->after_cr = in_out_bytes->ptr[len] == '\r' ? AFTER_CR_KEEP : AFTER_CR_NO;
    *in_out_bytes = slice_skip(*in_out_bytes, taken);
    return end_line(stream, 1, out_pass);
}

enum event_stream_outcome event_stream_next(struct event_stream *stream, struct slice *in_out_bytes,
                                            struct slice *out_pass) {
    enum event_stream_outcome outcome = EVENT_STREAM_MORE;
    if (stream->is_whole) {
        begin_event(stream);
    }
    while (outcome == EVENT_STREAM_MORE && in_out_bytes->len > 0) {
        if (!take_lf_after_cr(stream, in_out_bytes, out_pass)) {
            outcome = take_line(stream, in_out_bytes, out_pass);
        } else if (!buf_ok(&stream->raw)) {
            outcome = failure_of(&stream->raw, 1);
        } else if (out_pass->len > 0) {
            outcome = EVENT_STREAM_PASS;
        }
    }
    return outcome;
}

/* The next line of `rest` without its end. */
static struct slice next_line(struct slice *rest) {
    size_t len = line_len(*rest);
    struct slice line = slice_of(rest->ptr, len);
    struct slice end = slice_skip(*rest, len);
    *rest = slice_skip(end, slice_starts_with(end, SLICE("\r\n")) ? 2 : 1);
    return line;
}

static void write_line(struct buf *out, struct slice line) {
    buf_append_slice(out, line);
    buf_append_char(out, '\n');
}

/* Length of a code point at which Python's splitlines() ends a line and the standard goes on, 0
 * when none stands first: U+0085, U+2028, U+2029. Those of ASCII stand nowhere in JSON. */
static size_t line_break_len(struct slice text) {
    if (slice_starts_with(text, SLICE("\xC2\x85"))) {
        return 2;
    }
    return slice_starts_with(text, SLICE("\xE2\x80\xA8")) ||
                   slice_starts_with(text, SLICE("\xE2\x80\xA9"))
               ? 3
               : 0;
}

static bool has_line_break_led_by(struct slice text, int lead) {
    const char *at;
    while (text.len > 0 && (at = memchr(text.ptr, lead, text.len)) != NULL) {
        text = slice_skip(text, (size_t)(at - text.ptr));
        if (line_break_len(text) > 0) {
            return true;
        }
        text = slice_skip(text, 1);
    }
    return false;
}

static bool has_line_breaks(struct slice text) {
    return has_line_break_led_by(text, 0xC2) || has_line_break_led_by(text, 0xE2);
}

static void write_escaped(struct buf *out, struct slice text) {
    size_t written = 0;
    for (size_t at = 0; at < text.len;) {
        size_t len = line_break_len(slice_skip(text, at));
        if (len == 0) {
            at++;
            continue;
        }
        buf_append(out, text.ptr + written, at - written);
        buf_append_str(out, len == 2 ? "\\u0085" : "\\u202");
        if (len == 3) {
            buf_append_char(out, text.ptr[at + 2] == '\xA8' ? '8' : '9');
        }
        at += len;
        written = at;
    }
    buf_append_slice(out, slice_skip(text, written));
}

static void write_data(struct buf *out, struct slice data) {
    bool escapes = has_line_breaks(data);
    while (data.len > 0) {
        struct slice line = next_line(&data);
        buf_append_str(out, "data: ");
        if (escapes) {
            write_escaped(out, line);
            line = SLICE("");
        }
        write_line(out, line);
    }
}

void event_stream_write_with(struct event_stream *stream, struct slice data, struct buf *out) {
    struct slice rest = buf_slice(&stream->raw);
    bool is_written = false;
    while (rest.len > 0) {
        struct slice line = next_line(&rest);
        if (!is_data(line)) {
            write_line(out, line);
        } else if (!is_written) {
            write_data(out, data);
            is_written = true;
        }
    }
    stream->after_cr = stream->after_cr ? AFTER_CR_DROP : AFTER_CR_NO;
}

void event_stream_write(struct event_stream *stream, struct buf *out) {
    struct slice data = event_stream_data(stream);
    if (has_line_breaks(data)) {
        event_stream_write_with(stream, data, out);
    } else {
        buf_append_slice(out, buf_slice(&stream->raw));
    }
}

void event_stream_write_comment(struct event_stream *stream, struct slice comment,
                                struct buf *out) {
    struct slice rest = buf_slice(&stream->raw);
    buf_append_str(out, ": ");
    write_line(out, comment);
    while (rest.len > 0) {
        struct slice line = next_line(&rest);
        struct slice name = field_of(line).name;
        if (line.len == 0 || slice_eq(name, SLICE("id")) || slice_eq(name, SLICE("retry"))) {
            write_line(out, line);
        }
    }
    stream->after_cr = stream->after_cr ? AFTER_CR_DROP : AFTER_CR_NO;
}
