/* Memory that is freed all at once: one arena per request, one per configuration. */
#ifndef BARKEEP_CORE_ARENA_H
#define BARKEEP_CORE_ARENA_H

#include <stdarg.h>

#include "core/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first; the oldest is kept by arena_reset() */
    size_t used_bytes;
    size_t limit_bytes;
};

/* Allocates nothing yet. Total allocations beyond `limit_bytes` fail. */
void arena_init(struct arena *arena, size_t limit_bytes);
/* Frees everything; the arena may be used again. */
void arena_done(struct arena *arena);
/* Forgets everything but keeps one small block for the next user. */
void arena_reset(struct arena *arena);

/* Zeroed, suitably aligned for any type; NULL when the limit or the memory is exhausted. size 0 is
 * allowed. */
void *arena_alloc(struct arena *arena, size_t size);
/* count * size with overflow check. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* NUL-terminated copies. NULL when exhausted. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strdup_slice(struct arena *arena, struct slice text);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
