/* The list of problems: bounded, so that a hostile file cannot fill memory with complaints, and
 * every one of them counted, so that nothing wrong is ever taken for right. */
#include "config/problem.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/quote.h"

void problem_list_done(struct problem_list *list) {
    free(list->items);
    *list = (struct problem_list){0};
}

bool problem_list_is_full(const struct problem_list *list) {
    return list->count >= PROBLEMS_KEPT;
}

static struct problem *last_warning(struct problem_list *list) {
    for (size_t i = list->count; i > 0; i--) {
        if (list->items[i - 1].severity == PROBLEM_WARNING)
            return &list->items[i - 1];
    }
    return NULL;
}

/* Where the next problem goes; NULL when it is only counted. */
static struct problem *free_slot(struct problem_list *list, enum problem_severity severity) {
    if (problem_list_is_full(list)) {
        list->dropped++;
        return severity == PROBLEM_ERROR ? last_warning(list) : NULL;
    }
    if (!list->items)
        list->items = calloc(PROBLEMS_KEPT, sizeof *list->items);
    if (!list->items) {
        list->dropped++;
        return NULL;
    }
    return &list->items[list->count++];
}

void problem_vadd(struct problem_list *list, enum problem_severity severity,
                  struct config_position position, const char *path, const char *format,
                  va_list arguments) {
    if (severity == PROBLEM_ERROR)
        list->error_count++;
    struct problem *slot = free_slot(list, severity);
    if (!slot)
        return;
    slot->severity = severity;
    slot->position = position;
    snprintf(slot->path, sizeof slot->path, "%s", path);
    vsnprintf(slot->text, sizeof slot->text, format, arguments);
}

void problem_add(struct problem_list *list, enum problem_severity severity,
                 struct config_position position, const char *path, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    problem_vadd(list, severity, position, path, format, arguments);
    va_end(arguments);
}

static int compare_position(const struct problem *a, const struct problem *b) {
    if (a->position.line != b->position.line)
        return a->position.line < b->position.line ? -1 : 1;
    if (a->position.column != b->position.column)
        return a->position.column < b->position.column ? -1 : 1;
    return 0;
}

/* Insertion sort: it is stable, and the list is short. */
void problem_list_sort(struct problem_list *list) {
    for (size_t i = 1; i < list->count; i++) {
        struct problem moving = list->items[i];
        size_t at = i;
        for (; at > 0 && compare_position(&list->items[at - 1], &moving) > 0; at--)
            list->items[at] = list->items[at - 1];
        list->items[at] = moving;
    }
}

void problem_format(const char *file, const struct problem *problem, char *out_text, size_t size) {
    char name[512];
    quote_escape(slice_of_str(file), name, sizeof name);
    const char *severity = problem->severity == PROBLEM_ERROR ? "error" : "warning";
    const char *colon = problem->path[0] ? ": " : "";
    if (problem->position.line == 0)
        snprintf(out_text, size, "%s: %s: %s%s%s", name, severity, problem->path, colon,
                 problem->text);
    else
        snprintf(out_text, size, "%s:%u:%u: %s: %s%s%s", name, problem->position.line,
                 problem->position.column, severity, problem->path, colon, problem->text);
}
