/* The byte classes of HTTP/1.1 as one table look-up each, and the one search its heads need: the
 * next control byte. Private to the h1_* files. */
#ifndef BARKEEP_PROXY_H1_BYTES_H
#define BARKEEP_PROXY_H1_BYTES_H

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/slice.h"

/* No class holds CR, LF or NUL: a span of any of them ends at the latest where its line ends.
 * Names in requests are narrower than tokens because backends that fold '_' and '.' into '-' would
 * see names we did not judge; host names are RFC 3986 "unreserved" because readers differ on the
 * rest. */
enum h1_class {
    H1_NAME = 1,      /* [A-Za-z0-9-] */
    H1_TOKEN = 2,     /* RFC 9110 5.6.2 */
    H1_TARGET = 4,    /* visible ASCII without '#', '"', '<', '>' */
    H1_METHOD = 8,    /* [A-Z-] */
    H1_REG_NAME = 16, /* [A-Za-z0-9._~-] */
    H1_TEXT = 32,     /* HTAB, SP, VCHAR, obs-text */
    H1_DIGIT = 64,
};

extern const uint8_t h1_classes[256];
extern const uint8_t h1_lower_case[256]; /* ASCII only */

static inline bool h1_is(char byte, enum h1_class class) {
    return (h1_classes[(uint8_t)byte] & class) != 0;
}

static inline uint8_t h1_lower(char byte) {
    return h1_lower_case[(uint8_t)byte];
}

/* The first byte from `at` on that is not in `class`. Some byte that ends a line must follow. */
static inline const char *h1_span(const char *at, enum h1_class class) {
    while (h1_is(*at, class)) {
        at++;
    }
    return at;
}

static inline bool h1_all(struct slice text, enum h1_class class) {
    for (size_t i = 0; i < text.len; i++) {
        if (!h1_is(text.ptr[i], class)) {
            return false;
        }
    }
    return true;
}

/* The first byte in [at, end) that is not H1_TEXT, or `end`. */
static inline const char *h1_find_control(const char *at, const char *end) {
#ifdef __SSE2__
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i del = _mm_set1_epi8(0x7f);
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i is_low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        __m128i is_control = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), is_low),
                                          _mm_cmpeq_epi8(bytes, del));
        unsigned mask = (unsigned)_mm_movemask_epi8(is_control);
        if (mask != 0) {
            return at + __builtin_ctz(mask);
        }
    }
#endif
    while (at < end && h1_is(*at, H1_TEXT)) {
        at++;
    }
    return at;
}

static inline uint64_t h1_eight_bytes(const char *at) {
    uint64_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    return bytes;
}

/* Case-insensitive comparison with a name of our own, which is of [a-z0-9-]. Only its letters have
 * bit 0x40, and only there may the text lack bit 0x20. */
static inline bool h1_is_name(struct slice text, struct slice lower_case) {
    if (text.len != lower_case.len) {
        return false;
    }
    size_t i = 0;
    for (; text.len - i >= 8; i += 8) {
        uint64_t expected = h1_eight_bytes(lower_case.ptr + i);
        uint64_t letters = (expected & UINT64_C(0x4040404040404040)) >> 1;
        if ((h1_eight_bytes(text.ptr + i) | letters) != expected) {
            return false;
        }
    }
    for (; i < text.len; i++) {
        unsigned expected = (uint8_t)lower_case.ptr[i];
        if (((uint8_t)text.ptr[i] | (expected & 0x40) >> 1) != expected) {
            return false;
        }
    }
    return true;
}

/* Case-insensitive comparison of any two texts. Skims eight bytes at a time first: one Connection
 * token may have to be held against a hundred long names. */
bool h1_equal_nocase(struct slice a, struct slice b);

#endif
