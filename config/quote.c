/* Escaping for messages. C0 and C1 controls and DEL are escaped, for a terminal obeys them; bytes
 * above 127 stay, so that names in any language are readable. */
#include "config/quote.h"

#include <stdio.h>

static bool is_control_at(struct slice text, size_t at) {
    unsigned char c = (unsigned char)text.ptr[at];
    if (c < 0x20 || c == 0x7f)
        return true;
    bool is_c1_lead = c == 0xc2 && at + 1 < text.len;
    return is_c1_lead && (unsigned char)text.ptr[at + 1] < 0xa0;
}

/* Writes one character (with all its continuation bytes) and returns how many bytes of `text` it
 * was made of. */
static size_t escape_one(struct slice text, size_t at, char out_one[16], size_t *out_len) {
    if ((unsigned char)text.ptr[at] == 0xc2 && is_control_at(text, at)) {
        *out_len = (size_t)snprintf(out_one, 16, "\\xc2\\x%02x",
                                    (unsigned)(unsigned char)text.ptr[at + 1]);
        return 2;
    }
    if (is_control_at(text, at)) {
        *out_len = (size_t)snprintf(out_one, 16, "\\x%02x", (unsigned)(unsigned char)text.ptr[at]);
        return 1;
    }
    size_t n = 1;
    while (n < 4 && at + n < text.len && ((unsigned char)text.ptr[at + n] & 0xc0) == 0x80)
        n++;
    if ((unsigned char)text.ptr[at] < 0xc0)
        n = 1;
    memcpy(out_one, text.ptr + at, n);
    *out_len = n;
    return n;
}

size_t quote_escape(struct slice text, char *out_text, size_t size) {
    size_t len = 0;
    size_t cut = 0; /* where "..." still fits */
    for (size_t at = 0; at < text.len;) {
        char one[16];
        size_t one_len = 0;
        size_t taken = escape_one(text, at, one, &one_len);
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
