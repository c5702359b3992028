/* Heap functions for libraries through which secrets pass (libcurl, jansson): as the C library's,
 * but nothing is given back before it was overwritten. Thread-safe. */
#ifndef BARKEEP_CORE_WIPING_MEMORY_H
#define BARKEEP_CORE_WIPING_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

void *wiping_malloc(size_t size);
void *wiping_calloc(size_t count, size_t size);
/* Always moves, so that no growing block leaves its old bytes behind. */
void *wiping_realloc(void *bytes, size_t size);
char *wiping_strdup(const char *text);
void wiping_free(void *bytes);

/* OpenSSL wipes keys, but not everything that it reads them from. Once, before it is used at all:
 * false when that is too late. From then on what a thread has OpenSSL give back between begin and
 * end is overwritten; outside of that it costs OpenSSL a look at a flag. Does not nest. */
bool wiping_scope_install(void);
void wiping_scope_begin(void);
void wiping_scope_end(void);

#endif
