/* Writes message heads into a connection's `out` buffer. Overflow is sticky and asked for once. */
#ifndef BARKEEP_PROXY_HEAD_WRITER_H
#define BARKEEP_PROXY_HEAD_WRITER_H

#include "proxy/exchange.h"
#include "proxy/io_buffer.h"

struct head_writer {
    char *at;
    char *begin;
    char *end;
    bool overflowed;
};

/* Writes behind what `out` already holds; the buffer must be open. */
void head_writer_begin(struct head_writer *writer, struct io_buffer *out,
                       const struct io_pool *pool);
/* Counts the written bytes into the buffer. False (and nothing counted) when the room did not
 * suffice. */
bool head_writer_end(struct head_writer *writer, struct io_buffer *out);

static inline void head_write(struct head_writer *writer, struct slice text) {
    if (writer->overflowed || (size_t)(writer->end - writer->at) < text.len) {
        writer->overflowed = true;
        return;
    }
    if (text.len) { /* an empty slice may point nowhere */
        memcpy(writer->at, text.ptr, text.len);
    }
    writer->at += text.len;
}
#define HEAD_WRITE_LITERAL(writer, literal) head_write((writer), SLICE(literal))
void head_write_u64(struct head_writer *writer, uint64_t value);
/* "HTTP/1.1 200 OK\r\n" */
void head_write_status(struct head_writer *writer, int status, struct slice phrase);
/* "Name: value\r\n" */
static inline void head_write_field(struct head_writer *writer, struct slice name,
                                    struct slice value) {
    head_write(writer, name);
    HEAD_WRITE_LITERAL(writer, ": ");
    head_write(writer, value);
    HEAD_WRITE_LITERAL(writer, "\r\n");
}

/* The upstream's request: canonical target, rewritten framing, our forwarding headers, the injected
 * credential. False when it does not fit. The upstream's `out` must be open. */
bool write_upstream_request(struct exchange *exchange, const struct config_upstream *upstream);
/* The client's copy of the upstream's response head. `chunked` and `close` are how we frame it. */
bool write_client_response(struct exchange *exchange, bool chunked);
/* The client's copy of the 101 that opens a WebSocket. */
bool write_client_switch(struct exchange *exchange);
/* An informational response other than 100, passed on. */
bool write_client_informational(struct exchange *exchange, const struct h1_response *response);

#endif
