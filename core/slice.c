/* The parts of slices that are too long to be inlined. */
#include "core/slice.h"

#include <stdlib.h>

static unsigned char ascii_lower(unsigned char c) {
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

bool slice_eq_nocase(struct slice a, struct slice b) {
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower((unsigned char)a.ptr[i]) != ascii_lower((unsigned char)b.ptr[i]))
            return false;
    return true;
}

struct slice slice_trim(struct slice s) {
    while (s.len && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool slice_parse_u64(struct slice s, uint64_t max, uint64_t *out_value) {
    if (s.len == 0 || (s.len > 1 && s.ptr[0] == '0'))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        unsigned digit = (unsigned)(s.ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max)
        return false;
    *out_value = value;
    return true;
}

char *slice_strdup(struct slice s) {
    if (s.len == SIZE_MAX)
        return NULL;
    char *copy = malloc(s.len + 1);
    if (!copy)
        return NULL;
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}
