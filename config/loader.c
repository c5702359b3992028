/* Reporting and reading of what occurs in several parts of the configuration. */
#include "config/loader.h"

#include <stdarg.h>
#include <stdio.h>

#include "config/guid.h"
#include "config/host.h"
#include "config/problem.h"
#include "config/url.h"

static bool is_item_of_routes(const struct loader *loader, const struct node *node) {
    const struct node *list = node->parent;
    return list && list->kind == NODE_LIST && list->parent == loader->root &&
           slice_eq(list->key, SLICE("routes"));
}

/* Paths number the routes; audit lines, explanations and metrics know them by name. */
static void append_route(const struct loader *loader, const struct node *node, char *out_text,
                         size_t size) {
    const struct node *route = node;
    size_t len = strlen(out_text);
    while (route && !is_item_of_routes(loader, route))
        route = route->parent;
    const struct node *name =
        route && route->kind == NODE_MAPPING ? node_find(route, SLICE("name")) : NULL;
    if (name && name != node && node_is_text(name))
        snprintf(out_text + len, size - len, " (route %s)", QUOTE(name->text));
}

__attribute__((format(printf, 5, 0))) static void
report(struct loader *loader, enum problem_severity severity, const struct node *node,
       struct config_position position, const char *format, va_list arguments) {
    struct problem problem = {0};
    vsnprintf(problem.text, sizeof problem.text, format, arguments);
    if (!problem_list_is_full(loader->problems)) {
        node_path(node, problem.path, sizeof problem.path);
        append_route(loader, node, problem.text, sizeof problem.text);
    }
    problem_add(loader->problems, severity, position, problem.path, "%s", problem.text);
}

void loader_error(struct loader *loader, const struct node *node, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(loader, PROBLEM_ERROR, node, node->position, format, arguments);
    va_end(arguments);
}

void loader_warning(struct loader *loader, const struct node *node, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(loader, PROBLEM_WARNING, node, node->position, format, arguments);
    va_end(arguments);
}

void loader_key_error(struct loader *loader, const struct node *node, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(loader, PROBLEM_ERROR, node, node->key_position, format, arguments);
    va_end(arguments);
}

void loader_key_warning(struct loader *loader, const struct node *node, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(loader, PROBLEM_WARNING, node, node->key_position, format, arguments);
    va_end(arguments);
}

void loader_missing(struct loader *loader, const struct node *mapping, const char *key,
                    const char *advice) {
    struct node absent = {
        .parent = (struct node *)mapping, .key = slice_of_str(key), .position = mapping->position};
    loader_error(loader, &absent, "is missing; write %s", advice);
}

void *loader_array(struct loader *loader, size_t count, size_t size) {
    void *array = arena_array(loader->arena, count, size);
    if (!array)
        loader->is_out_of_memory = true;
    return array;
}

static char *copy(struct loader *loader, struct slice text) {
    static char empty[1];
    char *result = arena_strdup_slice(loader->arena, text);
    if (result)
        return result;
    loader->is_out_of_memory = true;
    return empty;
}

const char *loader_kept(struct loader *loader, const char *text) {
    if (!text)
        loader->is_out_of_memory = true;
    return text ? text : "";
}

const char *loader_copy(struct loader *loader, struct slice text) {
    return copy(loader, text);
}

const char *loader_copy_lower(struct loader *loader, struct slice text) {
    char *result = copy(loader, text);
    for (char *c = result; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    return result;
}

const char *loader_copy_path(struct loader *loader, struct slice path) {
    if (slice_starts_with(path, SLICE("/")) || loader->directory.len == 0)
        return copy(loader, path);
    char *result = loader_array(loader, loader->directory.len + path.len + 1, 1);
    if (!result)
        return "";
    memcpy(result, loader->directory.ptr, loader->directory.len);
    memcpy(result + loader->directory.len, path.ptr, path.len);
    return result;
}

void loader_index(struct loader *loader, struct name_index *index, struct slice name,
                  size_t value) {
    if (name_index_add(index, name, value) != STATUS_OK)
        loader->is_out_of_memory = true;
}

bool loader_read_text(struct loader *loader, const struct node *node, const char *what,
                      struct slice *out_text) {
    if (node->kind == NODE_BROKEN)
        return false;
    bool is_other_scalar =
        node->kind == NODE_BOOL || node->kind == NODE_INT || node->kind == NODE_FLOAT;
    if (!node_is_text(node) && is_other_scalar) {
        loader_error(loader, node, "must be %s; if %s is meant as text, put it in quotes", what,
                     QUOTE(node->source));
        return false;
    }
    if (!node_is_text(node)) {
        loader_error(loader, node, "must be %s, got %s", what, node_kind_name(node));
        return false;
    }
    if (node->text.len == 0) {
        loader_error(loader, node, "must be %s, got empty text", what);
        return false;
    }
    *out_text = node->text;
    return true;
}

void loader_read_strings(struct loader *loader, const struct node *node, loader_read_item *read,
                         struct config_strings *out_strings) {
    if (node->kind == NODE_LIST && node->count == 0) {
        loader_error(loader, node, "is an empty list; name at least one value, or leave it out");
        return;
    }
    struct config_strings strings = {0};
    strings.items = loader_array(loader, node_item_count(node), sizeof *strings.items);
    if (!strings.items)
        return;
    for (const struct node *item = node_item_first(node); item; item = node_item_next(node, item)) {
        const char *text = read(loader, item);
        if (text)
            strings.items[strings.count++] = text;
    }
    *out_strings = strings;
}

const char *loader_read_guid(struct loader *loader, const struct node *item) {
    struct slice text;
    if (!loader_read_text(loader, item, "a GUID", &text))
        return NULL;
    if (!config_is_guid(text)) {
        struct guid_advice advice;
        const char *what = guid_advice_of(text, &advice);
        loader_error(loader, item, "%s is not a GUID; %s", QUOTE(item->source),
                     what ? what : "write it like 3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4");
        return NULL;
    }
    return loader_copy_lower(loader, text);
}

const char *loader_read_word(struct loader *loader, const struct node *item) {
    struct slice text;
    if (!loader_read_text(loader, item, "text", &text))
        return NULL;
    if (slice_index(text, ' ') != text.len) {
        loader_error(loader, item, "%s holds a space; write several values as a list",
                     QUOTE(item->source));
        return NULL;
    }
    return loader_copy(loader, text);
}

const char *loader_read_service_url(struct loader *loader, const struct node *node) {
    struct slice text;
    struct url url;
    if (!loader_read_text(loader, node, "a URL that begins with https://", &text))
        return NULL;
    const char *wrong = url_parse(text, &url);
    if (wrong) {
        loader_error(loader, node, "the URL %s", wrong);
        return NULL;
    }
    if (!url.is_https && !host_is_loopback(url.host)) {
        loader_error(loader, node,
                     "plain http is accepted on loopback addresses only; write https://%.*s",
                     SLICE_ARGS(url.authority));
        return NULL;
    }
    struct slice start = slice_of(text.ptr, text.len - (slice_ends_with(text, SLICE("/")) ? 1 : 0));
    return loader_copy(loader, start);
}

enum { NAMES_LISTED = 4 };

/* The names that come first in the file; returns how many. */
static size_t first_names(const struct name_index *index,
                          const struct name_index_slot *out_names[NAMES_LISTED]) {
    size_t count = 0;
    for (size_t i = 0; i < index->cap; i++) {
        const struct name_index_slot *slot = &index->slots[i];
        size_t at = count;
        while (at > 0 && out_names[at - 1]->value > slot->value)
            at--;
        if (!slot->name.ptr || at == NAMES_LISTED)
            continue;
        count += count < NAMES_LISTED ? 1 : 0;
        memmove(&out_names[at + 1], &out_names[at], (count - 1 - at) * sizeof *out_names);
        out_names[at] = slot;
    }
    return count;
}

static void list_names(const struct name_index *index, struct loader_hint *out_hint) {
    const struct name_index_slot *names[NAMES_LISTED] = {0};
    size_t count = first_names(index, names);
    size_t len = (size_t)snprintf(out_hint->text, sizeof out_hint->text,
                                  count ? "; there are: " : "; there are none");
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(out_hint->text + len, sizeof out_hint->text - len, "%s%s",
                                i ? ", " : "", QUOTE(names[i]->name));
    if (index->count > count)
        snprintf(out_hint->text + len, sizeof out_hint->text - len, " and %zu more",
                 index->count - count);
}

const char *loader_hint(struct loader *loader, const struct name_index *index, struct slice name,
                        struct loader_hint *out_hint) {
    out_hint->text[0] = '\0';
    if (problem_list_is_full(loader->problems))
        return out_hint->text;
    struct suggestion suggestion;
    suggestion_init(&suggestion, name);
    for (size_t i = 0; i < index->cap; i++) {
        if (index->slots[i].name.ptr)
            suggestion_try(&suggestion, index->slots[i].name);
    }
    if (suggestion.best.ptr)
        snprintf(out_hint->text, sizeof out_hint->text, ", did you mean %s?",
                 QUOTE(suggestion.best));
    else
        list_names(index, out_hint);
    return out_hint->text;
}
