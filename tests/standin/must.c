/* Memory or the end: see must.h. */
#define _GNU_SOURCE /* vasprintf */

#include "must.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must(void *ptr) {
    if (!ptr) {
        fputs("barkeep-standin: out of memory\n", stderr);
        abort();
    }
    return ptr;
}

void must_hold(bool is_done) {
    static char done;
    must(is_done ? &done : NULL);
}

void *must_array(size_t count, size_t size) {
    return must(calloc(count ? count : 1, size));
}

void *must_grow(void *array_ptr, size_t *count, size_t size) {
    char **array = array_ptr;
    if (*count >= SIZE_MAX / size - 1)
        must(NULL);
    *array = must(realloc(*array, (*count + 1) * size));
    char *place = *array + *count * size;
    memset(place, 0, size);
    ++*count;
    return place;
}

char *must_strdup(const char *text) {
    return must(strdup(text));
}

char *must_vprintf(const char *format, va_list args) {
    char *text = NULL;
    return must(vasprintf(&text, format, args) < 0 ? NULL : text);
}

char *must_printf(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = must_vprintf(format, args);
    va_end(args);
    return text;
}
