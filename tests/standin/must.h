/* Memory or the end. The stand-in is a test tool with a small, bounded appetite: out of memory it
 * stops with one line instead of carrying an error path through every helper. */
#ifndef BARKEEP_STANDIN_MUST_H
#define BARKEEP_STANDIN_MUST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Gives `ptr` back; ends the process when it is NULL. */
void *must(void *ptr);
/* For a library's call that fails only for want of memory. */
void must_hold(bool is_done);
/* `count` zeroed elements. The caller frees. */
void *must_array(size_t count, size_t size);
/* One more element at the end of a heap array of `*count` elements; gives its zeroed place. */
void *must_grow(void *array_ptr, size_t *count, size_t size);
char *must_strdup(const char *text);
/* The caller frees. */
char *must_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *must_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

#endif
