/* Paths as callers write them. What must hold for any bytes: an accepted path is one that every
 * reader takes for the same: canonical already (a fixed point), without a dot segment before or
 * after one more decoding of escaped dots, without an empty segment, a control, a backslash, a
 * parameter or a byte outside ASCII; and no longer than it came. */
#include "core/request_path.h"
#include "fuzz_target.h"

enum { PATH_BYTES_MAX = 8192 };

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static void require_plain_bytes(struct slice path) {
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        REQUIRE(c > 0x20 && c < 0x7f);
        REQUIRE(strchr("\"#<>?[\\]^`{|};", c) == NULL);
        REQUIRE(c != '%' ||
                (path.len - i > 2 && is_hex(path.ptr[i + 1]) && is_hex(path.ptr[i + 2])));
    }
}

static bool has_escape(struct slice path, const char *escape) {
    for (size_t i = 0; i + 3 <= path.len; i++) {
        if (strncasecmp(path.ptr + i, escape, 3) == 0) {
            return true;
        }
    }
    return false;
}

static void require_no_escape_of(struct slice path, const char *const *escapes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        REQUIRE(!has_escape(path, escapes[i]));
    }
}

static void require_segments(struct slice path) {
    struct slice rest = slice_skip(path, 1);
    for (;;) {
        size_t len = slice_index(rest, '/');
        struct slice segment = slice_of(rest.ptr, len);
        REQUIRE(!slice_eq(segment, SLICE(".")) && !slice_eq(segment, SLICE("..")));
        if (len == rest.len) {
            return;
        }
        REQUIRE(len > 0);
        rest = slice_skip(rest, len + 1);
    }
}

/* Routes that take encoded slashes stand before servers that decode them. */
static void require_segments_with_slashes_decoded(struct slice path) {
    static char decoded[PATH_BYTES_MAX];
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        bool is_slash = path.len - i >= 3 && strncasecmp(path.ptr + i, "%2f", 3) == 0;
        char c = is_slash ? '/' : path.ptr[i];
        i += is_slash ? 2 : 0;
        /* names of things may begin or end with a slash: what is empty says nothing */
        if (c != '/' || len == 0 || decoded[len - 1] != '/') {
            decoded[len++] = c;
        }
    }
    require_segments(slice_of(decoded, len));
}

static void require_fixed_point(struct request_path path) {
    static char again_bytes[PATH_BYTES_MAX];
    struct request_path again;
    REQUIRE(request_path_canonical(path.text, again_bytes, &again) == PATH_OK);
    REQUIRE(slice_eq(again.text, path.text));
    REQUIRE(again.has_encoded_slash == has_escape(path.text, "%2F"));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static const char *const never[] = {"%00", "%09", "%0A", "%0D", "%1F", "%2E",
                                        "%5C", "%7F", "%41", "%7A", "%30", "%C0"};
    static char bytes[PATH_BYTES_MAX];
    if (size > PATH_BYTES_MAX) {
        return 0;
    }
    struct request_path path;
    if (request_path_canonical(slice_of((const char *)input, size), bytes, &path) != PATH_OK) {
        return 0;
    }
    REQUIRE(path.text.len > 0 && path.text.len <= size && path.text.ptr[0] == '/');
    REQUIRE(path.has_encoded_slash || !has_escape(path.text, "%2F"));
    require_plain_bytes(path.text);
    require_no_escape_of(path.text, never, sizeof never / sizeof *never);
    require_segments(path.text);
    require_segments_with_slashes_decoded(path.text);
    require_fixed_point(path);
    return 0;
}
