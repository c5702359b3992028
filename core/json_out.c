/* Every line of log and audit goes through here, with text that callers chose: whatever comes in,
 * what goes out is one line of valid JSON without terminal control codes. */
#include "core/json_out.h"

#include "core/utf8.h"

#define REPLACEMENT_MARK "\xEF\xBF\xBD" /* U+FFFD */
#define TRUNCATION_MARK "\xE2\x80\xA6"  /* U+2026 */

static void begin_value(struct json_out *out, const char *key) {
    if (out->need_comma)
        buf_append_char(out->buf, ',');
    out->need_comma = true;
    if (!key)
        return;
    buf_append_char(out->buf, '"');
    buf_append_str(out->buf, key);
    buf_append(out->buf, "\":", 2);
}

static void append_escape(struct buf *buf, uint32_t code_point) {
    static const char hex[] = "0123456789abcdef";
    const char escape[] = {'\\', 'u', '0', '0', hex[code_point >> 4 & 0xF], hex[code_point & 0xF]};
    switch (code_point) {
    case '"':
        buf_append(buf, "\\\"", 2);
        break;
    case '\\':
        buf_append(buf, "\\\\", 2);
        break;
    case '\n':
        buf_append(buf, "\\n", 2);
        break;
    case '\r':
        buf_append(buf, "\\r", 2);
        break;
    case '\t':
        buf_append(buf, "\\t", 2);
        break;
    default:
        buf_append(buf, escape, sizeof escape);
    }
}

static bool is_plain(char c) {
    unsigned char byte = (unsigned char)c;
    return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

static size_t plain_run(struct slice text) {
    size_t len = 0;
    while (len < text.len && is_plain(text.ptr[len]))
        len++;
    return len;
}

/* Appends the character at the start of `text`, which is not plain. Returns its length. */
static size_t append_special(struct buf *buf, struct slice text) {
    uint32_t code_point;
    size_t len = utf8_decode(text, &code_point);
    if (len == 0) {
        buf_append_str(buf, REPLACEMENT_MARK);
        return 1;
    }
    /* C1 controls are controls too: some terminals take U+009B for ESC [. */
    if (code_point < 0xA0)
        append_escape(buf, code_point);
    else
        buf_append(buf, text.ptr, len);
    return len;
}

/* The longest start of `text` that is within the limit and does not cut a character. */
static size_t bounded_len(struct slice text) {
    if (text.len <= JSON_OUT_MAX_STRING)
        return text.len;
    size_t len = JSON_OUT_MAX_STRING;
    for (size_t back = 1; back <= 3; back++) {
        size_t need = utf8_sequence_len((unsigned char)text.ptr[len - back]);
        if (need > back)
            return len - back;
    }
    return len;
}

static void append_string(struct buf *buf, struct slice value) {
    struct slice rest = slice_of(value.ptr, bounded_len(value));
    bool is_cut = rest.len < value.len;
    buf_append_char(buf, '"');
    while (rest.len) {
        size_t len = plain_run(rest);
        if (len)
            buf_append(buf, rest.ptr, len);
        else
            len = append_special(buf, rest);
        rest = slice_skip(rest, len);
    }
    if (is_cut)
        buf_append_str(buf, TRUNCATION_MARK);
    buf_append_char(buf, '"');
}

static void begin_nested(struct json_out *out, const char *key, char bracket) {
    begin_value(out, key);
    buf_append_char(out->buf, bracket);
    out->need_comma = false;
}

static void end_nested(struct json_out *out, char bracket) {
    buf_append_char(out->buf, bracket);
    out->need_comma = true;
}

void json_out_init(struct json_out *out, struct buf *buf) {
    *out = (struct json_out){.buf = buf};
}

void json_out_object_begin(struct json_out *out, const char *key) {
    begin_nested(out, key, '{');
}

void json_out_object_end(struct json_out *out) {
    end_nested(out, '}');
}

void json_out_array_begin(struct json_out *out, const char *key) {
    begin_nested(out, key, '[');
}

void json_out_array_end(struct json_out *out) {
    end_nested(out, ']');
}

void json_out_str(struct json_out *out, const char *key, struct slice value) {
    begin_value(out, key);
    append_string(out->buf, value);
}

void json_out_string(struct buf *out, struct slice text) {
    append_string(out, text);
}

void json_out_cstr(struct json_out *out, const char *key, const char *value) {
    if (value)
        json_out_str(out, key, slice_of_str(value));
    else
        json_out_null(out, key);
}

void json_out_u64(struct json_out *out, const char *key, uint64_t value) {
    begin_value(out, key);
    buf_append_u64(out->buf, value);
}

void json_out_i64(struct json_out *out, const char *key, int64_t value) {
    begin_value(out, key);
    if (value < 0)
        buf_append_char(out->buf, '-');
    buf_append_u64(out->buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_out_milli(struct json_out *out, const char *key, uint64_t thousandths) {
    json_out_u64(out, key, thousandths / 1000);
    unsigned rest = (unsigned)(thousandths % 1000);
    const char decimals[] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                             (char)('0' + rest % 10)};
    buf_append(out->buf, decimals, sizeof decimals);
}

void json_out_bool(struct json_out *out, const char *key, bool value) {
    begin_value(out, key);
    buf_append_str(out->buf, value ? "true" : "false");
}

void json_out_null(struct json_out *out, const char *key) {
    begin_value(out, key);
    buf_append_str(out->buf, "null");
}
