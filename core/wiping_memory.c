/* The size of a block is asked of the allocator, so that blocks need no header of ours and may be
 * mixed with those of plain malloc(). */
#include "core/wiping_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/secret.h"

void *wiping_malloc(size_t size) {
    return malloc(size);
}

void *wiping_calloc(size_t count, size_t size) {
    return calloc(count, size);
}

void *wiping_realloc(void *bytes, size_t size) {
    if (!bytes)
        return malloc(size);
    void *moved = malloc(size);
    if (!moved)
        return NULL;
    size_t old_size = malloc_usable_size(bytes);
    memcpy(moved, bytes, old_size < size ? old_size : size);
    wiping_free(bytes);
    return moved;
}

char *wiping_strdup(const char *text) {
    return strdup(text);
}

void wiping_free(void *bytes) {
    if (!bytes)
        return;
    secret_wipe(bytes, malloc_usable_size(bytes));
    free(bytes);
}
