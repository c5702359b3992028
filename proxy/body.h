/* Moves one message body from one connection to another: framing read strictly, written anew, bytes
 * never collected. Back-pressure is the buffers' size: a side that does not read stops the side
 * that writes. */
#ifndef BARKEEP_PROXY_BODY_H
#define BARKEEP_PROXY_BODY_H

#include "proxy/conn.h"
#include "proxy/h1_chunked.h"
#include "proxy/h1_head.h"
#include "proxy/websocket_frames.h"
#include "vault/leak_set.h"

/* Unless bytes are in `pipe`: what is at the front of the source's `in`: `pending` bytes, then
 * `held` bytes, then what was not decoded yet. */
struct body {
    enum body_kind kind; /* framing of the source */
    bool writes_chunked; /* framing towards the sink */
    bool is_read;        /* the source's last byte was taken */
    bool is_written;     /* the sink has everything, terminator included, in its `out` or beyond */
    uint64_t left;       /* BODY_LENGTH: bytes still to come */
    size_t pending;      /* body bytes decoded and not forwarded yet */
    struct pipe *pipe;   /* where they are; NULL: at the front of the source's `in` */
    size_t held;         /* body bytes behind them that may be the beginning of a leak */
    struct leak_scan *scan; /* masks what the sink must not see; NULL: nothing is looked for */
    uint64_t moved;         /* body bytes forwarded */
    uint64_t limit;         /* more than this is BODY_PUMP_TOO_LARGE */
    uint64_t noted;         /* of `moved`, by body_has_come_on() */
    struct chunked_reader chunked;
    struct websocket_frames frames; /* BODY_WEBSOCKET */
};

enum body_pump_result {
    BODY_PUMP_DONE, /* everything is in the sink's hands (perhaps still in its `out`) */
    BODY_PUMP_WAIT_SOURCE,
    BODY_PUMP_WAIT_SINK,
    BODY_PUMP_AGAIN,     /* the budget of this call is used up; call again next turn */
    BODY_PUMP_MALFORMED, /* the source's framing is broken */
    BODY_PUMP_TOO_LARGE,
    BODY_PUMP_SOURCE_ENDED, /* the source ended or broke before the body did */
    BODY_PUMP_SINK_BROKEN,
};

void body_init(struct body *body, enum body_kind kind, uint64_t length, bool writes_chunked,
               uint64_t limit);
/* Lets go of what has not gone on. Idempotent; nothing to do for a body of zeros. */
void body_done(struct body *body);
/* Moves what can be moved now. */
enum body_pump_result body_pump(struct body *body, struct conn *source, struct conn *sink);
/* Takes the body out of its framing instead of forwarding it: BODY_PUMP_AGAIN with the next bytes,
 * which stay at the front of the source's `in` until body_taken(), or with none when the budget of
 * this turn is used up; BODY_PUMP_DONE when there are no more. */
enum body_pump_result body_take(struct body *body, struct conn *source, struct slice *out_bytes);
void body_taken(struct body *body, struct conn *source, size_t n);
/* Sends what of `bytes` was not sent yet; the body is all of them. */
enum body_pump_result body_pump_bytes(struct body *body, struct slice bytes, struct conn *sink);
/* Puts as much of `bytes` behind `out` as one chunk takes; says how much. */
size_t body_put_chunk(struct conn *sink, struct slice bytes);
/* True when it has moved far enough since this was last true to be given more time: by a byte, or
 * by a good stretch when somebody is keeping it waiting who could do so byte by byte. */
bool body_has_come_on(struct body *body, bool is_kept_waiting);
/* The same for a BODY_LENGTH whose bytes stay in the source's `in`, `offset` bytes behind its
 * front, so that they can be sent again. The block must have room for all of them. */
enum body_pump_result body_pump_keeping(struct body *body, struct conn *source, size_t offset,
                                        struct conn *sink);

#endif
