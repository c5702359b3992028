/* A chain of blocks that are filled from the front. Nothing is freed singly, so an allocation is an
 * addition and a memset. The limit counts what was handed out, not what blocks hold in reserve. */
#include "core/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGN alignof(max_align_t)
#define ARENA_FIRST_BLOCK_BYTES 4096
#define ARENA_LARGEST_BLOCK_BYTES 65536
/* A first block larger than this is not worth keeping between two users. */
#define ARENA_KEPT_BLOCK_BYTES 16384

struct arena_block {
    struct arena_block *next; /* the one before it in time */
    size_t cap;
    size_t used;
    alignas(max_align_t) char bytes[];
};

static size_t next_block_cap(const struct arena *arena, size_t size) {
    size_t total = ARENA_FIRST_BLOCK_BYTES;
    if (arena->blocks) {
        total = 2 * (arena->blocks->cap + sizeof(struct arena_block));
        if (total > ARENA_LARGEST_BLOCK_BYTES)
            total = ARENA_LARGEST_BLOCK_BYTES;
    }
    size_t cap = total - sizeof(struct arena_block);
    return cap < size ? size : cap;
}

static struct arena_block *add_block(struct arena *arena, size_t size) {
    size_t cap = next_block_cap(arena, size);
    if (cap > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *block = malloc(sizeof *block + cap);
    if (!block)
        return NULL;
    block->next = arena->blocks;
    block->cap = cap;
    block->used = 0;
    arena->blocks = block;
    return block;
}

void arena_init(struct arena *arena, size_t limit_bytes) {
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

void arena_done(struct arena *arena) {
    struct arena_block *block = arena->blocks;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used_bytes = 0;
}

void arena_reset(struct arena *arena) {
    struct arena_block *block = arena->blocks;
    while (block && block->next) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    if (block && block->cap > ARENA_KEPT_BLOCK_BYTES) {
        free(block);
        block = NULL;
    }
    if (block)
        block->used = 0;
    arena->blocks = block;
    arena->used_bytes = 0;
}

/* arena_alloc() whose bytes are not zeroed. */
static void *take(struct arena *arena, size_t size) {
    size_t used = arena->used_bytes;
    if (used > arena->limit_bytes || size > arena->limit_bytes - used)
        return NULL;
    size_t rounded = (size + (size == 0) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (rounded < size)
        return NULL;
    struct arena_block *block = arena->blocks;
    if (!block || block->cap - block->used < rounded) {
        block = add_block(arena, rounded);
        if (!block)
            return NULL;
    }
    void *bytes = block->bytes + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    return bytes;
}

void *arena_alloc(struct arena *arena, size_t size) {
    void *bytes = take(arena, size);
    return bytes ? memset(bytes, 0, size) : NULL;
}

void *arena_array(struct arena *arena, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_alloc(arena, total);
}

char *arena_strdup(struct arena *arena, const char *text) {
    return arena_strdup_slice(arena, slice_of_str(text));
}

char *arena_strdup_slice(struct arena *arena, struct slice text) {
    if (text.len == SIZE_MAX)
        return NULL;
    char *copy = take(arena, text.len + 1);
    if (!copy)
        return NULL;
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    char shorter[128]; /* what most texts are: they are formatted once */
    int len = vsnprintf(shorter, sizeof shorter, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : take(arena, (size_t)len + 1);
    if (text && (size_t)len < sizeof shorter)
        memcpy(text, shorter, (size_t)len + 1);
    else if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}
