/* One loop for both directions. Body bytes are decoded in place in the source's buffer and leave it
 * straight to the sink's socket where framing allows; only chunked output is copied once. Long
 * bodies of known length that nobody searches do not come to us at all: the kernel moves them. */
#include "proxy/body.h"

#include <stdio.h>

/* Reads of one call, so that one fast transfer does not starve the others. */
enum { PUMP_BUDGET = 8 };
/* Longest chunk-size line plus the CRLF after the data. */
enum { CHUNK_OVERHEAD = 16 + 2 + 2 };
/* Less than this, of a peer that has it to give or to take, is no progress. */
enum { STRETCH_BYTES = 64 * 1024 };
/* Body bytes still to come that are worth the calls of splicing. */
enum { SPLICE_MIN = 128 * 1024 };
/* Room below which another chunk is not worth its framing. */
enum { CHUNK_MIN_ROOM = 512 };

void body_init(struct body *body, enum body_kind kind, uint64_t length, bool writes_chunked,
               uint64_t limit) {
    *body = (struct body){
        .kind = kind, .writes_chunked = writes_chunked, .left = length, .limit = limit};
    if (kind == BODY_CHUNKED) {
        chunked_reader_init(&body->chunked);
    }
    if (kind == BODY_NONE || (kind == BODY_LENGTH && length == 0)) {
        body->is_read = true;
    }
    if (kind == BODY_NONE) {
        body->is_written = true;
    }
}

void body_done(struct body *body) {
    if (body->pipe) {
        pipe_give_back(body->pipe, body->pending == 0);
        body->pipe = NULL;
    }
}

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

enum decode_result { DECODE_DATA, DECODE_MORE, DECODE_END, DECODE_MALFORMED };

/* `fresh` bytes were decoded behind those held: says how many of all may go on. */
static enum decode_result body_judge(struct body *body, struct io_buffer *in, size_t fresh,
                                     bool is_last) {
    size_t there = body->held + fresh;
    body->pending = there;
    if (body->scan) {
        body->pending = leak_scan_bytes(body->scan, in->bytes + in->start, there, is_last);
    }
    body->held = there - body->pending;
    return body->pending > 0 ? DECODE_DATA : DECODE_MORE;
}

/* Drops `n` bytes of framing behind those held. */
static void body_drop_framing(const struct body *body, struct io_buffer *in, size_t n) {
    if (body->held > 0) {
        char *front = in->bytes + in->start;
        memmove(front + n, front, body->held);
    }
    io_buffer_consume(in, n);
}

static enum decode_result body_decode_chunked(struct body *body, struct io_buffer *in) {
    for (;;) {
        struct slice input = slice_skip(io_buffer_data(in), body->held);
        struct slice data = {0};
        size_t taken = 0;
        if (input.len == 0) {
            return DECODE_MORE;
        }
        switch (chunked_reader_next(&body->chunked, input, &taken, &data)) {
        case CHUNKED_DATA:
            body_drop_framing(body, in, (size_t)(data.ptr - input.ptr));
            if (body_judge(body, in, data.len, false) == DECODE_DATA) {
                return DECODE_DATA;
            }
            break;
        case CHUNKED_MORE:
            body_drop_framing(body, in, taken);
            break;
        case CHUNKED_END:
            body_drop_framing(body, in, taken);
            body_judge(body, in, 0, true);
            return DECODE_END;
        case CHUNKED_MALFORMED:
            return DECODE_MALFORMED;
        }
    }
}

/* Frames pass as they are; each payload is searched by itself, so that nothing is held when a frame
 * is whole: none waits for the next, and no length is taken for text. */
static enum decode_result body_decode_frames(struct body *body, struct io_buffer *in) {
    size_t there = in->end - in->start;
    size_t at = body->held;
    size_t finished = 0;
    while (at < there) {
        char *bytes = in->bytes + in->start;
        size_t len = 0;
        switch (websocket_frames_next(&body->frames, slice_of(bytes + at, there - at), &len)) {
        case WEBSOCKET_HEADER:
            at += len;
            finished = at;
            break;
        case WEBSOCKET_PAYLOAD:
            at += len;
            finished += leak_scan_bytes(body->scan, bytes + finished, at - finished,
                                        websocket_frames_are_between(&body->frames));
            break;
        case WEBSOCKET_BROKEN:
            return DECODE_MALFORMED;
        }
    }
    body->pending = finished;
    body->held = there - finished;
    return finished > 0 ? DECODE_DATA : DECODE_MORE;
}

/* Finds the next body bytes at the front of `in`. Nothing is pending when it is called. */
static enum decode_result body_decode(struct body *body, struct io_buffer *in) {
    if (body->kind == BODY_CHUNKED) {
        return body_decode_chunked(body, in);
    }
    if (body->kind == BODY_WEBSOCKET) {
        return body_decode_frames(body, in);
    }
    size_t fresh = in->end - in->start - body->held;
    if (fresh == 0) {
        return DECODE_MORE;
    }
    if (body->kind == BODY_LENGTH) {
        fresh = body->left < fresh ? (size_t)body->left : fresh;
        body->left -= fresh;
    }
    return body_judge(body, in, fresh, body->kind == BODY_LENGTH && body->left == 0);
}

static bool body_write_terminator(struct body *body, struct conn *sink) {
    if (body->writes_chunked) {
        if (!io_buffer_open(&sink->out, sink->pool)) {
            return false;
        }
        io_buffer_compact(&sink->out);
        if (!io_buffer_append(&sink->out, sink->pool, SLICE("0\r\n\r\n"))) {
            return false;
        }
    }
    body->is_written = true;
    return true;
}

static size_t body_write_chunk(struct conn *sink, struct slice data) {
    if (!io_buffer_open(&sink->out, sink->pool)) {
        return 0;
    }
    io_buffer_compact(&sink->out);
    size_t room = io_buffer_room(&sink->out, sink->pool);
    if (room < CHUNK_MIN_ROOM) {
        return 0;
    }
    size_t take = min_size(data.len, room - CHUNK_OVERHEAD);
    char line[CHUNK_OVERHEAD];
    int len = snprintf(line, sizeof line, "%zx\r\n", take);
    io_buffer_append(&sink->out, sink->pool, slice_of(line, (size_t)len));
    io_buffer_append(&sink->out, sink->pool, slice_of(data.ptr, take));
    io_buffer_append(&sink->out, sink->pool, SLICE("\r\n"));
    return take;
}

/* Small bodies join the head that waits in `out`, so that both leave in one segment; large ones go
 * straight to the socket. */
static size_t body_write_plain(struct conn *sink, struct slice data) {
    if (!io_buffer_is_empty(&sink->out)) {
        size_t take = min_size(data.len, io_buffer_room(&sink->out, sink->pool));
        io_buffer_append(&sink->out, sink->pool, slice_of(data.ptr, take));
        return take;
    }
    size_t sent = 0;
    conn_send_direct(sink, data, &sent);
    return sent;
}

static bool body_forward_piped(struct body *body, struct conn *sink) {
    size_t sent = 0;
    conn_splice_out(sink, body->pipe, body->pending, &sent);
    body->pending -= sent;
    body->moved += sent;
    if (body->pending > 0) {
        return false;
    }
    body_done(body);
    return true;
}

/* Forwards pending bytes; false when the sink takes no more for now. */
static bool body_forward(struct body *body, struct conn *source, struct conn *sink) {
    if (body->pipe) {
        return body_forward_piped(body, sink);
    }
    struct slice data = slice_of(source->in.bytes + source->in.start, body->pending);
    size_t taken =
        body->writes_chunked ? body_write_chunk(sink, data) : body_write_plain(sink, data);
    io_buffer_consume(&source->in, taken);
    body->pending -= taken;
    body->moved += taken;
    return body->pending == 0;
}

static enum body_pump_result body_refill(struct body *body, struct conn *source) {
    if (!io_buffer_is_empty(&source->in)) {
        io_buffer_compact(&source->in);
    }
    switch (conn_fill(source)) {
    case IO_OK:
        return BODY_PUMP_AGAIN;
    case IO_FULL: /* there is room for any framing: no block was to be had, and no edge tells when
                   */
        return BODY_PUMP_AGAIN;
    case IO_WAIT:
        return BODY_PUMP_WAIT_SOURCE;
    case IO_EOF:
        if (body->kind == BODY_UNTIL_CLOSE || body->kind == BODY_WEBSOCKET) {
            body_judge(body, &source->in, 0, true);
            body->is_read = true;
            return BODY_PUMP_AGAIN;
        }
        return BODY_PUMP_SOURCE_ENDED;
    case IO_ERROR:
        break;
    }
    return BODY_PUMP_SOURCE_ENDED;
}

static bool body_may_splice(const struct body *body, const struct conn *source,
                            const struct conn *sink) {
    return body->left >= SPLICE_MIN && body->kind == BODY_LENGTH && !body->scan &&
           !body->writes_chunked && !source->tls && !sink->tls &&
           body->left <= body->limit - body->moved && io_buffer_is_empty(&source->in);
}

/* What the source has goes into a pipe. False when it has to be read instead. */
static bool body_splice_in(struct body *body, struct conn *source) {
    body->pipe = pipe_take(io_pool_pipes(source->pool));
    if (!body->pipe) {
        return false;
    }
    conn_rest(source);
    body->pending = conn_splice_in(source, body->pipe, body->left);
    body->left -= body->pending;
    if (body->pending == 0) {
        body_done(body);
    }
    return body->pending > 0;
}

/* Finds body bytes, or reads more of them, in the source's `in`. */
static enum body_pump_result body_read(struct body *body, struct conn *source, int *budget) {
    switch (body_decode(body, &source->in)) {
    case DECODE_DATA:
        return body->pending > body->limit - body->moved ? BODY_PUMP_TOO_LARGE : BODY_PUMP_AGAIN;
    case DECODE_END:
        body->is_read = true;
        return BODY_PUMP_AGAIN;
    case DECODE_MALFORMED:
        return BODY_PUMP_MALFORMED;
    case DECODE_MORE:
        break;
    }
    *budget -= 1;
    return body_refill(body, source);
}

static enum body_pump_result body_read_on(struct body *body, struct conn *source, struct conn *sink,
                                          int *budget) {
    if (body_may_splice(body, source, sink)) {
        switch (conn_flush(sink)) { /* the head goes first */
        case IO_OK:
            break;
        case IO_ERROR:
            return BODY_PUMP_SINK_BROKEN;
        default:
            return BODY_PUMP_WAIT_SINK;
        }
        if (body_splice_in(body, source)) {
            *budget -= 1;
            return BODY_PUMP_AGAIN;
        }
    }
    return body_read(body, source, budget);
}

/* The terminator found no room. */
static enum body_pump_result body_make_room(struct conn *sink) {
    switch (conn_flush(sink)) {
    case IO_OK:
        return BODY_PUMP_AGAIN; /* no edge will tell */
    case IO_ERROR:
        return BODY_PUMP_SINK_BROKEN;
    default:
        return BODY_PUMP_WAIT_SINK;
    }
}

enum body_pump_result body_pump(struct body *body, struct conn *source, struct conn *sink) {
    int budget = PUMP_BUDGET;
    while (!body->is_written) {
        if (sink->is_broken) {
            return BODY_PUMP_SINK_BROKEN;
        }
        if (body->pending > 0) {
            if (!body_forward(body, source, sink)) {
                enum io_result flushed = conn_flush(sink);
                if (flushed == IO_ERROR) {
                    return BODY_PUMP_SINK_BROKEN;
                }
                if (flushed != IO_OK || !sink->can_write) {
                    return BODY_PUMP_WAIT_SINK;
                }
                if (--budget < 0) { /* no block was to be had for `out` */
                    return BODY_PUMP_AGAIN;
                }
            } else if (body->kind == BODY_LENGTH && body->left == 0) {
                body->is_read = true;
            }
            continue;
        }
        if (body->is_read) {
            if (!body_write_terminator(body, sink)) {
                return body_make_room(sink);
            }
            break;
        }
        if (budget == 0) {
            return BODY_PUMP_AGAIN;
        }
        enum body_pump_result result = body_read_on(body, source, sink, &budget);
        if (result == BODY_PUMP_WAIT_SOURCE) {
            conn_rest(source); /* a stream that is silent holds no block */
        }
        if (result != BODY_PUMP_AGAIN) {
            return result;
        }
    }
    conn_rest(source);
    return BODY_PUMP_DONE;
}

enum body_pump_result body_take(struct body *body, struct conn *source, struct slice *out_bytes) {
    int budget = PUMP_BUDGET;
    *out_bytes = (struct slice){0};
    while (body->pending == 0 && !body->is_read) {
        if (budget == 0) {
            return BODY_PUMP_AGAIN;
        }
        enum body_pump_result result = body_read(body, source, &budget);
        if (result == BODY_PUMP_WAIT_SOURCE) {
            conn_rest(source);
        }
        if (result != BODY_PUMP_AGAIN) {
            return result;
        }
    }
    if (body->pending == 0) {
        conn_rest(source);
        return BODY_PUMP_DONE;
    }
    *out_bytes = slice_of(source->in.bytes + source->in.start, body->pending);
    return BODY_PUMP_AGAIN;
}

void body_taken(struct body *body, struct conn *source, size_t n) {
    io_buffer_consume(&source->in, n);
    body->pending -= n;
    body->moved += n;
    if (body->pending == 0 && body->kind == BODY_LENGTH && body->left == 0) {
        body->is_read = true;
    }
}

size_t body_put_chunk(struct conn *sink, struct slice bytes) {
    return body_write_chunk(sink, bytes);
}

enum body_pump_result body_pump_bytes(struct body *body, struct slice bytes, struct conn *sink) {
    while (!body->is_written) {
        if (sink->is_broken) {
            return BODY_PUMP_SINK_BROKEN;
        }
        struct slice rest = slice_skip(bytes, (size_t)body->moved);
        size_t taken = rest.len ? body_write_plain(sink, rest) : 0;
        body->moved += taken;
        body->left = rest.len - taken;
        body->is_read = body->is_written = body->left == 0;
        if (taken == rest.len) {
            continue;
        }
        switch (conn_flush(sink)) {
        case IO_OK:
            if (!sink->can_write) {
                return BODY_PUMP_WAIT_SINK;
            }
            continue;
        case IO_ERROR:
            return BODY_PUMP_SINK_BROKEN;
        default:
            return BODY_PUMP_WAIT_SINK;
        }
    }
    return BODY_PUMP_DONE;
}

bool body_has_come_on(struct body *body, bool is_kept_waiting) {
    if (body->moved - body->noted < (is_kept_waiting ? STRETCH_BYTES : 1)) {
        return false;
    }
    body->noted = body->moved;
    return true;
}

/* Sends what is there and was not sent yet. */
static bool body_forward_kept(struct body *body, struct conn *source, size_t offset,
                              struct conn *sink) {
    struct slice there = slice_skip(io_buffer_data(&source->in), offset + (size_t)body->moved);
    there.len = body->left < there.len ? (size_t)body->left : there.len;
    size_t taken = there.len ? body_write_plain(sink, there) : 0;
    body->left -= taken;
    body->moved += taken;
    body->is_read = body->is_written = body->left == 0;
    return taken == there.len;
}

enum body_pump_result body_pump_keeping(struct body *body, struct conn *source, size_t offset,
                                        struct conn *sink) {
    while (!body->is_written) {
        if (sink->is_broken) {
            return BODY_PUMP_SINK_BROKEN;
        }
        if (!body_forward_kept(body, source, offset, sink)) {
            switch (conn_flush(sink)) {
            case IO_OK:
                continue;
            case IO_ERROR:
                return BODY_PUMP_SINK_BROKEN;
            default:
                return BODY_PUMP_WAIT_SINK;
            }
        }
        if (body->is_written) {
            break;
        }
        switch (conn_fill(source)) {
        case IO_OK:
            break;
        case IO_WAIT:
            return BODY_PUMP_WAIT_SOURCE;
        default:
            return BODY_PUMP_SOURCE_ENDED;
        }
    }
    return BODY_PUMP_DONE;
}
