/* The size of a block is asked of the allocator, so that blocks need no header of ours and may be
 * mixed with those of plain malloc(). */
#include "core/wiping_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
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

static _Thread_local bool is_in_scope;

/* OpenSSL expects NULL for nothing. */
static void *scoped_malloc(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return size > 0 ? malloc(size) : NULL;
}

static void scoped_free(void *bytes, const char *file, int line) {
    (void)file, (void)line;
    if (is_in_scope)
        wiping_free(bytes);
    else
        free(bytes);
}

static void *scoped_realloc(void *bytes, size_t size, const char *file, int line) {
    if (size > 0)
        return is_in_scope ? wiping_realloc(bytes, size) : realloc(bytes, size);
    scoped_free(bytes, file, line);
    return NULL;
}

bool wiping_scope_install(void) {
    return CRYPTO_set_mem_functions(scoped_malloc, scoped_realloc, scoped_free) == 1;
}

void wiping_scope_begin(void) {
    is_in_scope = true;
}

void wiping_scope_end(void) {
    is_in_scope = false;
}
