/* Shared by what is written to logs and what is accepted in paths, so that both have the same idea
 * of a valid sequence. */
#include "core/utf8.h"

size_t utf8_sequence_len(unsigned char lead) {
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if ((lead & 0xF0) == 0xE0)
        return 3;
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

size_t utf8_decode(struct slice text, uint32_t *out_code_point) {
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (text.len == 0)
        return 0;
    unsigned char lead = (unsigned char)text.ptr[0];
    size_t len = utf8_sequence_len(lead);
    if (len == 0 || len > text.len)
        return 0;
    uint32_t code_point = len == 1 ? lead : lead & (0xFFU >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if ((byte & 0xC0) != 0x80)
            return 0;
        code_point = code_point << 6 | (byte & 0x3FU);
    }
    bool is_surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    if (code_point < smallest[len] || is_surrogate || code_point > 0x10FFFF)
        return 0;
    *out_code_point = code_point;
    return len;
}
