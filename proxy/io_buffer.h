/* Buffers of connections: fixed-size blocks from a per-worker pool, taken when bytes come and given
 * back when they are gone, so that an idle connection holds none. Blocks are wiped as far as they
 * were used: they carry tokens and credentials. */
#ifndef BARKEEP_PROXY_IO_BUFFER_H
#define BARKEEP_PROXY_IO_BUFFER_H

#include "core/slice.h"
#include "proxy/pipe.h"

struct io_pool;

/* Blocks of `block_bytes`; at most `max_blocks` are out at once. Used by one thread. */
struct io_pool *io_pool_new(size_t block_bytes, size_t max_blocks);
void io_pool_free(struct io_pool *pool);
/* What passes by without a block. */
struct pipe_shelf *io_pool_pipes(struct io_pool *pool);
size_t io_pool_block_bytes(const struct io_pool *pool);
/* So little is left that it is kept for what is under way: nothing new is to be begun. */
bool io_pool_is_scarce(const struct io_pool *pool);
/* None is left: no edge tells when there is, so who needs one looks again a little later. */
bool io_pool_is_exhausted(const struct io_pool *pool);
/* Gives half of what was not used since the last time back to the system. */
void io_pool_trim(struct io_pool *pool);

struct io_buffer {
    char *bytes; /* NULL while no block is held */
    size_t start;
    size_t end;
    size_t touched; /* highest byte ever written: what has to be wiped */
};

/* Takes a block unless one is held. False when the pool is exhausted. */
bool io_buffer_open(struct io_buffer *buffer, struct io_pool *pool);
/* Wipes and gives the block back. Idempotent. */
void io_buffer_close(struct io_buffer *buffer, struct io_pool *pool);

static inline struct slice io_buffer_data(const struct io_buffer *buffer) {
    return slice_of(buffer->bytes + buffer->start, buffer->end - buffer->start);
}

static inline bool io_buffer_is_empty(const struct io_buffer *buffer) {
    return buffer->start == buffer->end;
}

static inline char *io_buffer_tail(struct io_buffer *buffer) {
    return buffer->bytes + buffer->end;
}

/* Bytes that may be written at the tail. */
size_t io_buffer_room(const struct io_buffer *buffer, const struct io_pool *pool);
/* Counts `n` bytes written at the tail. */
void io_buffer_produced(struct io_buffer *buffer, size_t n);
/* Drops `n` bytes at the front. */
void io_buffer_consume(struct io_buffer *buffer, size_t n);
/* Moves the data to the front of the block, so that the room is in one piece. Slices into the
 * buffer become invalid. */
void io_buffer_compact(struct io_buffer *buffer);
/* All or nothing. False when the room does not suffice. */
bool io_buffer_append(struct io_buffer *buffer, const struct io_pool *pool, struct slice bytes);

#endif
