/* The byte classes of HTTP/1.1 as one table look-up each, and the one search its heads need: the
 * next control byte. Private to the h1_* files. */
#ifndef BARKEEP_PROXY_H1_BYTES_H
#define BARKEEP_PROXY_H1_BYTES_H

#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/slice.h"

/* No class holds CR, LF or NUL: a span of any of them ends at the latest where its line ends. */
enum h1_class {
    H1_NAME = 1,   /* header names in requests: [A-Za-z0-9-], narrower than a token because
                      backends that fold '_' and '.' into '-' would see names we did not judge */
    H1_TOKEN = 2,  /* RFC 9110 5.6.2 */
    H1_TARGET = 4, /* request targets: visible ASCII without '#', '"', '<', '>' */
    H1_METHOD = 8, /* [A-Z-] */
    H1_REG_NAME =
        16,       /* host names: RFC 3986 "unreserved"; readers differ on the rest of reg-name */
    H1_TEXT = 32, /* field values, reason phrases, chunk extensions: HTAB, SP, VCHAR, obs-text */
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

/* ASCII case-insensitive. Compares eight bytes at a time first: the same Connection token may have
 * to be held against a hundred long names. */
bool h1_equal_nocase(struct slice a, struct slice b);

#endif
