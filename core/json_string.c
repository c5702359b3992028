/* One reader of escapes for all who ask what a string says. It checks nothing: the text has been
 * read, so that every escape is whole and every surrogate has its partner. */
#include "core/json_string.h"

#include "core/utf8.h"

static uint32_t hex_digits(const char *at) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)at[i];
        value = value << 4 | (c <= '9' ? c & 0x0FU : (c & 0x0FU) + 9U);
    }
    return value;
}

static size_t utf8_encode(uint32_t code_point, char out[4]) {
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    size_t len = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    static const unsigned lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(lead[len] | code_point);
    return len;
}

static uint32_t short_escape(char letter) {
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return (unsigned char)letter;
    }
}

/* `rest` begins with a backslash. */
static uint32_t take_escape(struct slice *rest) {
    const char *at = rest->ptr;
    if (at[1] != 'u') {
        *rest = slice_skip(*rest, 2);
        return short_escape(at[1]);
    }
    uint32_t unit = hex_digits(at + 2);
    if (unit < 0xD800 || unit > 0xDBFF) {
        *rest = slice_skip(*rest, 6);
        return unit;
    }
    *rest = slice_skip(*rest, 12);
    return 0x10000 + ((unit - 0xD800) << 10) + (hex_digits(at + 8) - 0xDC00);
}

struct slice json_string_piece(struct slice *rest, char room[4]) {
    if (rest->len > 0 && rest->ptr[0] == '\\')
        return slice_of(room, utf8_encode(take_escape(rest), room));
    struct slice piece = slice_of(rest->ptr, slice_index(*rest, '\\'));
    *rest = slice_skip(*rest, piece.len);
    return piece;
}

bool json_string_take(struct slice *rest, struct slice expected) {
    char room[4];
    while (expected.len > 0) {
        if (rest->len == 0)
            return false;
        if (rest->ptr[0] != '\\') {
            size_t plain = slice_index(*rest, '\\');
            size_t len = plain < expected.len ? plain : expected.len;
            if (memcmp(rest->ptr, expected.ptr, len) != 0)
                return false;
            *rest = slice_skip(*rest, len);
            expected = slice_skip(expected, len);
            continue;
        }
        struct slice piece = json_string_piece(rest, room);
        if (!slice_starts_with(expected, piece))
            return false;
        expected = slice_skip(expected, piece.len);
    }
    return true;
}

static uint32_t take_code_point(struct slice *rest) {
    if (rest->ptr[0] == '\\')
        return take_escape(rest);
    uint32_t code_point = 0;
    *rest = slice_skip(*rest, utf8_decode(*rest, &code_point));
    return code_point;
}

/* Surrogates stand below U+E000, so that what needs them sorts there. */
static uint32_t utf16_rank(uint32_t code_point) {
    if (code_point < 0xE000)
        return code_point;
    return code_point > 0xFFFF ? code_point - 0x10000 + 0xE000 : code_point + 0x100000;
}

static size_t common_prefix(struct slice a, struct slice b) {
    size_t len = a.len < b.len ? a.len : b.len, at = 0;
    while (len - at >= 8 && memcmp(a.ptr + at, b.ptr + at, 8) == 0)
        at += 8;
    while (at < len && a.ptr[at] == b.ptr[at])
        at++;
    return at;
}

/* Without escapes UTF-8's order differs only where a surrogate would stand. */
static int compare_plain(struct slice a, struct slice b) {
    size_t at = common_prefix(a, b);
    if (at == a.len || at == b.len)
        return (a.len > at) - (b.len > at);
    while (((unsigned char)a.ptr[at] & 0xC0) == 0x80)
        at--;
    a = slice_skip(a, at);
    b = slice_skip(b, at);
    return utf16_rank(take_code_point(&a)) < utf16_rank(take_code_point(&b)) ? -1 : 1;
}

int json_string_compare(struct slice a, struct slice b) {
    if (slice_index(a, '\\') == a.len && slice_index(b, '\\') == b.len)
        return compare_plain(a, b);
    while (a.len > 0 && b.len > 0) {
        uint32_t rank_a = utf16_rank(take_code_point(&a));
        uint32_t rank_b = utf16_rank(take_code_point(&b));
        if (rank_a != rank_b)
            return rank_a < rank_b ? -1 : 1;
    }
    return (a.len > 0) - (b.len > 0);
}

bool json_string_equal(struct slice a, struct slice b) {
    char room[4];
    while (a.len > 0) {
        struct slice piece = json_string_piece(&a, room);
        if (!json_string_take(&b, piece))
            return false;
    }
    return b.len == 0;
}

void json_string_hash(struct siphash *hash, struct slice string) {
    char room[4];
    while (string.len > 0) {
        struct slice piece = json_string_piece(&string, room);
        siphash_add(hash, piece.ptr, piece.len);
    }
}
