/* Where the frames of a WebSocket begin and end (RFC 6455 5.2): those that a server sends when no
 * extension was agreed on. */
#ifndef BARKEEP_PROXY_WEBSOCKET_FRAMES_H
#define BARKEEP_PROXY_WEBSOCKET_FRAMES_H

#include "core/slice.h"

/* Zero-initialise. */
struct websocket_frames {
    unsigned char header[10]; /* of the frame that begins, as far as it is here */
    size_t header_len;
    uint64_t left; /* bytes of the payload still to come */
};

enum websocket_part {
    WEBSOCKET_HEADER,
    WEBSOCKET_PAYLOAD,
    WEBSOCKET_BROKEN, /* no such frame: masked, with bits that nothing gives a meaning, too long */
};

/* What `bytes` begin with, and *out_len bytes of it are taken. `bytes` are not empty. */
enum websocket_part websocket_frames_next(struct websocket_frames *frames, struct slice bytes,
                                          size_t *out_len);

/* True when what comes next is another frame. */
static inline bool websocket_frames_are_between(const struct websocket_frames *frames) {
    return frames->left == 0 && frames->header_len == 0;
}

#endif
