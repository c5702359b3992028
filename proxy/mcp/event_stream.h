/* Server-sent events, line by line as the HTML standard reads them (9.2.6), with their bytes kept:
 * an event may go on as it came, or with other data and everything else in its place. Bytes in,
 * events out; bytes may be cut anywhere. */
#ifndef BARKEEP_PROXY_MCP_EVENT_STREAM_H
#define BARKEEP_PROXY_MCP_EVENT_STREAM_H

#include "core/buf.h"

enum event_stream_outcome {
    EVENT_STREAM_MORE,  /* all bytes are taken: feed more */
    EVENT_STREAM_PASS,  /* comments, blank lines, events without data: bytes to go on as they are */
    EVENT_STREAM_EVENT, /* an event with data is whole: look at it, write it or leave it */
    EVENT_STREAM_TOO_LARGE,
    EVENT_STREAM_NO_MEMORY
};

/* What comes when CR was the last byte: LF then ends no line of its own. */
enum event_stream_after_cr { AFTER_CR_NO, AFTER_CR_KEEP, AFTER_CR_PASS, AFTER_CR_DROP };

struct event_stream {
    /* The id by which the client gets to know an event's, empty to leave it out; lasts until the
     * next call. */
    struct slice (*name_id)(void *owner, struct slice id);
    void *owner;
    struct buf raw;    /* the event so far, comments left out */
    struct buf joined; /* its data when it came in several lines */
    size_t line_begin; /* in `raw` */
    size_t data_begin; /* in `raw`: the data when it came in one line */
    size_t data_end;
    size_t data_max_bytes;
    uint64_t data_lines;
    bool is_past_first_line; /* no byte order mark from here on */
    bool is_whole;           /* `raw` was given out and makes room for the next */
    enum event_stream_after_cr after_cr;
};

/* Data beyond `data_max_bytes` are refused, and so are events that are much longer than that. */
void event_stream_init(struct event_stream *stream, size_t data_max_bytes,
                       struct slice (*name_id)(void *owner, struct slice id), void *owner);
void event_stream_done(struct event_stream *stream);

/* Takes bytes off `in_out_bytes` up to what it says. *out_pass is written with EVENT_STREAM_PASS
 * and lasts until the next call. An event that the stream's end cuts off is none. */
enum event_stream_outcome event_stream_next(struct event_stream *stream, struct slice *in_out_bytes,
                                            struct slice *out_pass);

/* Of the event that is whole, until the next call: */
struct slice event_stream_data(const struct event_stream *stream); /* lines joined by LF */
/* As it came, but for its id. Its data is JSON, here and below: code points that only stand in
 * JSON's strings, and at which some readers end a line, are written escaped. */
void event_stream_write(struct event_stream *stream, struct buf *out);
/* With other data in the place of its own; each line of `data` becomes one of the event. */
void event_stream_write_with(struct event_stream *stream, struct slice data, struct buf *out);
/* A comment in its place, and its id and retry kept: a client that comes back later asks for what
 * came after it. */
void event_stream_write_comment(struct event_stream *stream, struct slice comment, struct buf *out);

#endif
