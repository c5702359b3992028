/* Escaping for messages. Whatever a terminal obeys instead of showing it is escaped: C0 and C1
 * controls, DEL, what turns the direction of writing or ends a line, and bytes that are no UTF-8.
 * Other characters stay, so that names in any language are readable. */
#include "config/quote.h"

#include "core/utf8.h"

enum { SEQUENCE_MAX = 4, ESCAPED_MAX = SEQUENCE_MAX * 4 + 1, PRINTED_MAX = 4096 };

static bool turns_direction(uint32_t c) {
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

static bool ends_line(uint32_t c) {
    return c == 0x2028 || c == 0x2029;
}

static bool is_obeyed(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || turns_direction(c) || ends_line(c);
}

/* Writes the character at the start of `text`, with all its bytes, and returns how many bytes of
 * `text` it was made of. */
static size_t escape_one(struct slice text, char out_one[ESCAPED_MAX], size_t *out_len) {
    uint32_t c = 0;
    size_t taken = utf8_decode(text, &c);
    if (taken > 0 && !is_obeyed(c)) {
        memcpy(out_one, text.ptr, taken);
        *out_len = taken;
        return taken;
    }
    taken += taken == 0;
    for (size_t i = 0; i < taken; i++)
        snprintf(out_one + 4 * i, 5, "\\x%02x", (unsigned)(unsigned char)text.ptr[i]);
    *out_len = 4 * taken;
    return taken;
}

size_t quote_escape(struct slice text, char *out_text, size_t size) {
    size_t len = 0;
    size_t cut = 0; /* where "..." still fits */
    for (size_t at = 0; at < text.len;) {
        char one[ESCAPED_MAX];
        size_t one_len = 0;
        size_t taken = escape_one(slice_skip(text, at), one, &one_len);
        if (len + one_len + 1 > size) {
            len = cut;
            for (size_t dots = 0; dots < 3 && len + 1 < size; dots++)
                out_text[len++] = '.';
            break;
        }
        memcpy(out_text + len, one, one_len);
        len += one_len;
        if (len + 3 < size)
            cut = len;
        at += taken;
    }
    out_text[len] = '\0';
    return len;
}

const char *quote_of(struct slice text, struct quote *out_quote) {
    out_quote->text[0] = '`';
    size_t len = 1 + quote_escape(text, out_quote->text + 1, sizeof out_quote->text - 2);
    out_quote->text[len] = '`';
    out_quote->text[len + 1] = '\0';
    return out_quote->text;
}

const char *quote_field(struct slice text, struct quoted_field *out_field) {
    quote_escape(text, out_field->text, sizeof out_field->text);
    return out_field->text;
}

void quote_print(FILE *out, struct slice text) {
    char shown[PRINTED_MAX];
    size_t len = quote_escape(text, shown, sizeof shown);
    fwrite(shown, 1, len, out);
}
