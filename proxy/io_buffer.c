/* The pool is a plain free list: last in, first out keeps the hot blocks in the processor's cache.
 * What a rush has left goes back to the system bit by bit. */
#include "proxy/io_buffer.h"

#include <stdlib.h>

#include "core/secret.h"

/* Of the blocks, one in so many is for what is under way. */
enum { RESERVE_SHARE = 4 };
/* Free blocks that stay, however long they are not used. */
enum { FREE_BLOCKS_KEPT = 16 };

struct io_block {
    struct io_block *next;
};

struct io_pool {
    struct io_block *free_blocks;
    size_t block_bytes;
    size_t max_blocks;
    size_t out_blocks;
    size_t free_count;
    size_t unused; /* the fewest that were free since the last trim */
    struct pipe_shelf pipes;
};

struct io_pool *io_pool_new(size_t block_bytes, size_t max_blocks) {
    struct io_pool *pool = calloc(1, sizeof *pool);
    if (!pool) {
        return NULL;
    }
    pool->block_bytes = block_bytes;
    pool->max_blocks = max_blocks;
    return pool;
}

void io_pool_free(struct io_pool *pool) {
    if (!pool) {
        return;
    }
    while (pool->free_blocks) {
        struct io_block *block = pool->free_blocks;
        pool->free_blocks = block->next;
        free(block);
    }
    pipe_shelf_done(&pool->pipes);
    free(pool);
}

struct pipe_shelf *io_pool_pipes(struct io_pool *pool) {
    return &pool->pipes;
}

size_t io_pool_block_bytes(const struct io_pool *pool) {
    return pool->block_bytes;
}

bool io_pool_is_scarce(const struct io_pool *pool) {
    return pool->out_blocks >= pool->max_blocks - pool->max_blocks / RESERVE_SHARE;
}

bool io_pool_is_exhausted(const struct io_pool *pool) {
    return pool->out_blocks >= pool->max_blocks;
}

void io_pool_trim(struct io_pool *pool) {
    size_t surplus = (pool->unused + 1) / 2;
    while (surplus-- > 0 && pool->free_count > FREE_BLOCKS_KEPT) {
        struct io_block *block = pool->free_blocks;
        pool->free_blocks = block->next;
        pool->free_count--;
        free(block);
    }
    pool->unused = pool->free_count;
}

bool io_buffer_open(struct io_buffer *buffer, struct io_pool *pool) {
    if (buffer->bytes) {
        return true;
    }
    if (pool->out_blocks >= pool->max_blocks) {
        return false;
    }
    struct io_block *block = pool->free_blocks;
    if (block) {
        pool->free_blocks = block->next;
        pool->free_count--;
        pool->unused = pool->free_count < pool->unused ? pool->free_count : pool->unused;
    } else {
        block = malloc(pool->block_bytes);
        if (!block) {
            return false;
        }
    }
    pool->out_blocks++;
    *buffer = (struct io_buffer){.bytes = (char *)block};
    return true;
}

void io_buffer_close(struct io_buffer *buffer, struct io_pool *pool) {
    if (!buffer->bytes) {
        return;
    }
    secret_wipe(buffer->bytes, buffer->touched);
    struct io_block *block = (struct io_block *)(void *)buffer->bytes;
    block->next = pool->free_blocks;
    pool->free_blocks = block;
    pool->free_count++;
    pool->out_blocks--;
    *buffer = (struct io_buffer){0};
}

size_t io_buffer_room(const struct io_buffer *buffer, const struct io_pool *pool) {
    return pool->block_bytes - buffer->end;
}

void io_buffer_produced(struct io_buffer *buffer, size_t n) {
    buffer->end += n;
    if (buffer->end > buffer->touched) {
        buffer->touched = buffer->end;
    }
}

void io_buffer_consume(struct io_buffer *buffer, size_t n) {
    buffer->start += n;
    if (buffer->start == buffer->end) {
        buffer->start = buffer->end = 0;
    }
}

void io_buffer_compact(struct io_buffer *buffer) {
    if (buffer->start == 0) {
        return;
    }
    size_t len = buffer->end - buffer->start;
    memmove(buffer->bytes, buffer->bytes + buffer->start, len);
    buffer->start = 0;
    buffer->end = len;
}

bool io_buffer_append(struct io_buffer *buffer, const struct io_pool *pool, struct slice bytes) {
    if (bytes.len > io_buffer_room(buffer, pool)) {
        return false;
    }
    if (bytes.len) {
        memcpy(io_buffer_tail(buffer), bytes.ptr, bytes.len);
        io_buffer_produced(buffer, bytes.len);
    }
    return true;
}
