/* Growth doubles and never passes the limit; after the first failure every append is a no-op, so
 * that a caller checks once and never sends a text with a hole in it. */
#include "core/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/secret.h"

#define BUF_FIRST_BYTES 256

static bool grow(struct buf *buf, size_t needed) {
    size_t cap = buf->cap ? buf->cap : BUF_FIRST_BYTES;
    while (cap < needed && cap <= buf->limit / 2)
        cap *= 2;
    if (cap < needed || cap > buf->limit)
        cap = buf->limit;
    char *ptr = realloc(buf->ptr, cap);
    if (!ptr)
        return false;
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

void buf_init(struct buf *buf, size_t limit) {
    *buf = (struct buf){.limit = limit};
}

void buf_done(struct buf *buf) {
    free(buf->ptr);
    buf_init(buf, buf->limit);
}

void buf_wipe(struct buf *buf) {
    if (buf->ptr)
        secret_wipe(buf->ptr, buf->cap);
    buf_done(buf);
}

void buf_clear(struct buf *buf) {
    buf->len = 0;
    buf->failed = false;
    buf->lacked_memory = false;
}

bool buf_reserve(struct buf *buf, size_t extra) {
    if (buf->failed)
        return false;
    if (extra <= buf->cap - buf->len)
        return true;
    bool fits = extra <= buf->limit - buf->len;
    if (!fits || !grow(buf, buf->len + extra)) {
        buf->failed = true;
        buf->lacked_memory = fits;
        return false;
    }
    return true;
}

void buf_append(struct buf *buf, const void *bytes, size_t len) {
    if (len == 0 || !buf_reserve(buf, len))
        return;
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
}

void buf_append_slice(struct buf *buf, struct slice s) {
    buf_append(buf, s.ptr, s.len);
}

void buf_append_str(struct buf *buf, const char *text) {
    buf_append_slice(buf, slice_of_str(text));
}

void buf_append_char(struct buf *buf, char c) {
    buf_append(buf, &c, 1);
}

void buf_append_u64(struct buf *buf, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_append(buf, digits + at, sizeof digits - at);
}

bool buf_append_file(struct buf *buf, int fd) {
    char chunk[16384];
    for (;;) {
        ssize_t len = read(fd, chunk, sizeof chunk);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            return len == 0;
        buf_append(buf, chunk, (size_t)len);
        if (!buf_ok(buf))
            return true;
    }
}

void buf_printf(struct buf *buf, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0) {
        buf->failed = true;
    } else if ((size_t)len < sizeof text) {
        buf_append(buf, text, (size_t)len);
    } else {
        char *longer = (size_t)len > buf->limit ? NULL : malloc((size_t)len + 1);
        if (longer)
            vsnprintf(longer, (size_t)len + 1, format, again);
        else
            buf->failed = true;
        buf_append(buf, longer, longer ? (size_t)len : 0);
        free(longer);
    }
    va_end(again);
}

void buf_consume(struct buf *buf, size_t n) {
    if (n >= buf->len) {
        buf->len = 0;
        return;
    }
    buf->len -= n;
    memmove(buf->ptr, buf->ptr + n, buf->len);
}
