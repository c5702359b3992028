/* A borrowed run of bytes. Network text is never NUL-terminated here; a slice owns nothing. */
#ifndef BARKEEP_CORE_SLICE_H
#define BARKEEP_CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *ptr;
    size_t len;
};

/* A slice over a string literal. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
/* For printf("%.*s", SLICE_ARGS(s)). */
#define SLICE_ARGS(s) (int)(s).len, (s).ptr

static inline struct slice slice_of(const char *ptr, size_t len) {
    return (struct slice){ptr, len};
}

/* `text` may be NULL, which gives the empty slice. */
static inline struct slice slice_of_str(const char *text) {
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_is_empty(struct slice s) {
    return s.len == 0;
}

static inline bool slice_eq(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *b) {
    return slice_eq(a, slice_of_str(b));
}

static inline bool slice_starts_with(struct slice s, struct slice prefix) {
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool slice_ends_with(struct slice s, struct slice suffix) {
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* The rest after the first `n` bytes (empty when there are fewer). */
static inline struct slice slice_skip(struct slice s, size_t n) {
    size_t skipped = n < s.len ? n : s.len;
    return skipped ? slice_of(s.ptr + skipped, s.len - skipped) : s;
}

/* Position of `byte`, or s.len when it does not occur. */
static inline size_t slice_index(struct slice s, char byte) {
    const char *at = s.len ? memchr(s.ptr, byte, s.len) : NULL;
    return at ? (size_t)(at - s.ptr) : s.len;
}

/* ASCII case-insensitive comparison; bytes above 127 compare as they are. */
bool slice_eq_nocase(struct slice a, struct slice b);

/* Without SP and HTAB at both ends (RFC 9110 5.6.3 OWS). */
struct slice slice_trim(struct slice s);

/* Parses all of `s` as a decimal number without sign, spaces or leading zeros ("0" itself is fine).
 * False on anything else and when the value exceeds `max`. */
bool slice_parse_u64(struct slice s, uint64_t max, uint64_t *out_value);

/* A NUL-terminated heap copy, or NULL without memory. The caller frees it. */
char *slice_strdup(struct slice s);

#endif
