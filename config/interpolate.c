/* Environment variables, put in after the YAML is parsed, so that a value can never become
 * structure. Credentials take none: a secret in an environment variable is readable in /proc, in
 * `docker inspect` and in crash reports, which is what vaults are for. */
#include "config/interpolate.h"

#include <stdlib.h>

#include "config/problem.h"
#include "config/quote.h"
#include "config/scalar.h"
#include "core/buf.h"

/* All variables together: a file may name one often. */
#define MAX_EXPANDED_BYTES (1u << 20)
#define MAX_NAME_BYTES 128
#define MAX_VALUE_BYTES (2u << 20)

struct interpolation {
    struct arena *arena;
    struct problem_list *problems;
    size_t expanded_bytes;
};

__attribute__((format(printf, 3, 4))) static void
refuse(struct interpolation *interpolation, struct node *node, const char *format, ...) {
    char path[160];
    node_path(node, path, sizeof path);
    va_list arguments;
    va_start(arguments, format);
    problem_vadd(interpolation->problems, PROBLEM_ERROR, node->position, path, format, arguments);
    va_end(arguments);
    node->kind = NODE_BROKEN;
}

static bool is_name(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !(is_digit && i > 0))
            return false;
    }
    return name.len > 0 && name.len <= MAX_NAME_BYTES;
}

static bool has_control_bytes(const char *text) {
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

/* Appends the variable's value. False after a problem. */
static bool append_variable(struct interpolation *interpolation, struct node *node,
                            struct slice name, struct buf *out) {
    if (!is_name(name)) {
        refuse(interpolation, node,
               "%s is no variable's name; write ${NAME}, or $${ for a literal ${", QUOTE(name));
        return false;
    }
    char variable[MAX_NAME_BYTES + 1] = "";
    memcpy(variable, name.ptr, name.len);
    const char *value = getenv(variable);
    if (!value) {
        refuse(interpolation, node,
               "the environment variable %s is not set; set it, or write $${ for a literal ${",
               variable);
        return false;
    }
    if (has_control_bytes(value)) {
        refuse(interpolation, node, "the environment variable %s holds control characters",
               variable);
        return false;
    }
    interpolation->expanded_bytes += strlen(value);
    if (interpolation->expanded_bytes > MAX_EXPANDED_BYTES) {
        refuse(interpolation, node, "environment variables add up to more than 1 MiB");
        return false;
    }
    buf_append_str(out, value);
    return true;
}

/* Writes `source` with its variables put in. False after a problem. */
static bool expand(struct interpolation *interpolation, struct node *node, bool is_forbidden,
                   struct buf *out) {
    struct slice rest = node->source;
    while (rest.len > 0) {
        size_t dollar = slice_index(rest, '$');
        buf_append(out, rest.ptr, dollar);
        rest = slice_skip(rest, dollar);
        if (slice_starts_with(rest, SLICE("$${"))) {
            buf_append_str(out, "${");
            rest = slice_skip(rest, 3);
            continue;
        }
        if (!slice_starts_with(rest, SLICE("${"))) {
            buf_append(out, rest.ptr, rest.len ? 1 : 0);
            rest = slice_skip(rest, 1);
            continue;
        }
        if (is_forbidden) {
            refuse(interpolation, node,
                   "credentials take no environment variables, for others can read those: name a "
                   "secret of a vault (a file: vault reads a folder of files), or write $${ for a "
                   "literal ${");
            return false;
        }
        size_t end = slice_index(rest, '}');
        if (end == rest.len) {
            refuse(interpolation, node, "`${` without `}`; write ${NAME}, or $${ for a literal ${");
            return false;
        }
        if (!append_variable(interpolation, node, slice_of(rest.ptr + 2, end - 2), out))
            return false;
        rest = slice_skip(rest, end + 1);
    }
    return true;
}

static void interpolate_scalar(struct interpolation *interpolation, struct node *node,
                               bool is_forbidden) {
    if (node->kind != NODE_STRING || slice_index(node->source, '$') == node->source.len)
        return;
    struct buf expanded;
    buf_init(&expanded, MAX_VALUE_BYTES);
    if (expand(interpolation, node, is_forbidden, &expanded)) {
        char *text = buf_ok(&expanded)
                         ? arena_strdup_slice(interpolation->arena, buf_slice(&expanded))
                         : NULL;
        if (text) {
            node->text = slice_of(text, expanded.len);
            node->is_interpolated = !slice_eq(node->text, node->source);
            node->kind = node->is_plain ? scalar_kind(node->text) : NODE_STRING;
        } else {
            refuse(interpolation, node, "the value is too long");
        }
    }
    buf_done(&expanded);
}

/* As deep as the tree, which is at most 64. */
static void interpolate_below(struct interpolation *interpolation, struct node *node,
                              bool is_forbidden) {
    interpolate_scalar(interpolation, node, is_forbidden);
    for (struct node *child = node->first; child; child = child->next) {
        bool is_credentials = !node->parent && slice_eq_str(child->key, "credentials");
        interpolate_below(interpolation, child, is_forbidden || is_credentials);
    }
}

void interpolate_tree(struct node *root, struct arena *arena, struct problem_list *problems) {
    struct interpolation interpolation = {.arena = arena, .problems = problems};
    interpolate_below(&interpolation, root, false);
}
