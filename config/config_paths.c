/* Paths in the configuration take the very form that requests' paths take (core/request_path.h), so
 * that comparing bytes is comparing paths. */
#include "config/config_parts.h"

#include "core/request_path.h"

/* What is wrong with a segment, or NULL. */
static const char *wrong_with_segment(struct slice segment, bool is_last, bool is_pattern) {
    if (segment.len == 0 && !is_last)
        return "has an empty segment (`//`)";
    if (slice_eq_str(segment, ".") || slice_eq_str(segment, ".."))
        return "must not hold `.` or `..` segments";
    bool is_any_depth = slice_eq_str(segment, "**");
    for (size_t i = 0; is_pattern && !is_any_depth && i + 1 < segment.len; i++) {
        if (segment.ptr[i] == '*' && segment.ptr[i + 1] == '*')
            return "may hold `**` only as a whole segment, as in /api/**";
    }
    return NULL;
}

static const char *wrong_with_path(struct slice path, bool is_pattern) {
    if (path.len == 0 || path.ptr[0] != '/')
        return "must begin with `/`";
    if (slice_index(path, '?') != path.len)
        return "must not have a query: rules judge the path alone";
    if (slice_index(path, '#') != path.len)
        return "must not have a fragment (`#`)";
    for (struct slice rest = slice_skip(path, 1);;) {
        size_t slash = slice_index(rest, '/');
        bool is_last = slash == rest.len;
        const char *wrong = wrong_with_segment(slice_of(rest.ptr, slash), is_last, is_pattern);
        if (wrong || is_last)
            return wrong;
        rest = slice_skip(rest, slash + 1);
    }
}

const char *config_read_path(struct loader *loader, const struct node *node, struct slice path,
                             bool is_pattern) {
    const char *wrong = wrong_with_path(path, is_pattern);
    if (wrong) {
        loader_error(loader, node, "the path %s %s", QUOTE(path), wrong);
        return NULL;
    }
    struct request_path canonical;
    char *bytes = loader_array(loader, path.len + 1, 1);
    if (!bytes)
        return NULL;
    if (request_path_canonical(path, bytes, &canonical) != PATH_OK) {
        loader_error(loader, node,
                     "no request can have the path %s: percent-encode what is not a letter, digit "
                     "or one of -._~!$&'()*+,=:@, and leave out what servers read differently",
                     QUOTE(path));
        return NULL;
    }
    if (!is_pattern && !slice_eq(canonical.text, path)) {
        loader_error(loader, node, "the path %s is the same as %s; write it so", QUOTE(path),
                     QUOTE(canonical.text));
        return NULL;
    }
    bytes[canonical.text.len] = '\0';
    return bytes;
}

bool config_path_is_at_or_below(struct slice path, struct slice prefix) {
    return prefix.len <= 1 || (slice_starts_with(path, prefix) &&
                               (path.len == prefix.len || path.ptr[prefix.len] == '/'));
}
