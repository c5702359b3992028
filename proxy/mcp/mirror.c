/* One text has one accepted spelling in base64: no white space, padding in full, no stray bits. */
#include "proxy/mcp/mirror.h"

#include "core/utf8.h"

static const struct slice mark_begin = {"=?base64?", 9};
static const struct slice mark_end = {"?=", 2};
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Visible ASCII with spaces between: what a field carries and every reader takes out the same. */
static bool is_plain(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e) {
            return false;
        }
    }
    return slice_trim(text).len == text.len;
}

static bool is_marked(struct slice text) {
    return text.len >= mark_begin.len + mark_end.len && slice_starts_with(text, mark_begin) &&
           slice_ends_with(text, mark_end);
}

static int digit_of(char byte) {
    const char *at = byte ? strchr(alphabet, byte) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

static size_t padding_of(struct slice text) {
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=') {
        padding++;
    }
    return padding;
}

/* Four digits, the last `padding` of them '='. False for other bytes and for bits that mean
 * nothing. */
static bool decode_quantum(const char *digits, size_t padding, char *out) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < 4 - padding ? digit_of(digits[i]) : 0;
        if (digit < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)digit;
    }
    for (size_t i = 0; i < 3 - padding; i++) {
        out[i] = (char)(bits >> (16 - 8 * i) & 0xff);
    }
    return (bits & ((UINT32_C(1) << (8 * padding)) - 1)) == 0;
}

static bool is_utf8(struct slice text) {
    uint32_t code_point;
    while (text.len) {
        size_t len = utf8_decode(text, &code_point);
        if (len == 0) {
            return false;
        }
        text = slice_skip(text, len);
    }
    return true;
}

static bool decode(struct slice text, struct arena *arena, struct slice *out_text) {
    char *bytes = arena_alloc(arena, text.len);
    if (text.len % 4 != 0 || !bytes) {
        return false;
    }
    size_t padding = padding_of(text);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i += 4) {
        bool is_last = i + 4 == text.len;
        if (!decode_quantum(text.ptr + i, is_last ? padding : 0, bytes + len)) {
            return false;
        }
        len += is_last ? 3 - padding : 3;
    }
    *out_text = slice_of(bytes, len);
    return is_utf8(*out_text);
}

bool mcp_mirror_read(struct slice value, struct arena *arena, struct slice *out_text) {
    struct slice text = slice_trim(value);
    if (is_marked(text)) {
        size_t marks = mark_begin.len + mark_end.len;
        return decode(slice_of(text.ptr + mark_begin.len, text.len - marks), arena, out_text);
    }
    if (!is_plain(text)) {
        return false;
    }
    *out_text = text;
    return true;
}

static void encode(struct buf *out, struct slice text) {
    for (size_t i = 0; i < text.len; i += 3) {
        size_t taken = text.len - i < 3 ? text.len - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) {
            bits = bits << 8 | (k < taken ? (uint8_t)text.ptr[i + k] : 0);
        }
        for (size_t k = 0; k < 4; k++) {
            buf_append_char(out, k <= taken ? alphabet[bits >> (18 - 6 * k) & 63] : '=');
        }
    }
}

void mcp_mirror_write(struct buf *out, struct slice text) {
    if (is_plain(text) && !is_marked(text)) {
        buf_append_slice(out, text);
        return;
    }
    buf_append_slice(out, mark_begin);
    encode(out, text);
    buf_append_slice(out, mark_end);
}
