/* A growing byte buffer born with a limit. Failure is sticky: append freely, ask buf_ok() once at
 * the end. */
#ifndef BARKEEP_CORE_BUF_H
#define BARKEEP_CORE_BUF_H

#include "core/slice.h"
#include "core/status.h"

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t limit;
    bool failed; /* the limit was hit or memory ran out; contents are incomplete */
    bool lacked_memory;
};

void buf_init(struct buf *buf, size_t limit);
/* Frees the memory; the buffer may be used again with the same limit. */
void buf_done(struct buf *buf);
/* As buf_done(), overwriting the bytes first. Growth of a buffer holding secrets must be avoided:
 * reserve its full size with buf_reserve() before the first append. */
void buf_wipe(struct buf *buf);
/* Empties without freeing and clears `failed`. */
void buf_clear(struct buf *buf);
/* Makes room for `extra` more bytes. False (and sticky failure) past the limit. */
bool buf_reserve(struct buf *buf, size_t extra);
void buf_append(struct buf *buf, const void *bytes, size_t len);
void buf_append_slice(struct buf *buf, struct slice s);
void buf_append_str(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char c);
void buf_append_u64(struct buf *buf, uint64_t value);
/* Appends what is still to be read from `fd`, until the buffer fails. False, with errno, when it
 * cannot be read. */
bool buf_append_file(struct buf *buf, int fd);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first `n` bytes, moving the rest down. */
void buf_consume(struct buf *buf, size_t n);

static inline bool buf_ok(const struct buf *buf) {
    return !buf->failed;
}

/* Fails for `why`, unless that is STATUS_OK. */
static inline void buf_fail(struct buf *buf, enum status why) {
    buf->failed |= why != STATUS_OK;
    buf->lacked_memory |= why == STATUS_NO_MEMORY;
}

/* STATUS_LIMIT or STATUS_NO_MEMORY when it has failed. */
static inline enum status buf_status(const struct buf *buf) {
    return !buf->failed ? STATUS_OK : buf->lacked_memory ? STATUS_NO_MEMORY : STATUS_LIMIT;
}

static inline struct slice buf_slice(const struct buf *buf) {
    return slice_of(buf->ptr, buf->len);
}

#endif
