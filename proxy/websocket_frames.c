/* Headers are two bytes, four or ten; they may come in any pieces. Opcodes and the order of frames
 * are the two ends' business. */
#include "proxy/websocket_frames.h"

enum {
    RESERVED_BITS = 0x70,
    MASK_BIT = 0x80,
    LENGTH_BITS = 0x7f,
    LENGTH_IN_TWO_BYTES = 126,
    LENGTH_IN_EIGHT_BYTES = 127,
};

static size_t header_size(const struct websocket_frames *frames) {
    if (frames->header_len < 2) {
        return 2;
    }
    switch (frames->header[1] & LENGTH_BITS) {
    case LENGTH_IN_TWO_BYTES:
        return 4;
    case LENGTH_IN_EIGHT_BYTES:
        return 10;
    default:
        return 2;
    }
}

static uint64_t payload_length(const struct websocket_frames *frames) {
    if (frames->header_len == 2) {
        return frames->header[1] & LENGTH_BITS;
    }
    uint64_t length = 0;
    for (size_t i = 2; i < frames->header_len; i++) {
        length = length << 8 | frames->header[i];
    }
    return length;
}

static bool header_is_broken(const struct websocket_frames *frames) {
    return (frames->header[0] & RESERVED_BITS) ||
           (frames->header_len >= 2 && (frames->header[1] & MASK_BIT)) ||
           (frames->header_len == 10 && (frames->header[2] & 0x80));
}

static enum websocket_part take_header(struct websocket_frames *frames, struct slice bytes,
                                       size_t *out_len) {
    size_t taken = 0;
    while (taken < bytes.len && frames->header_len < header_size(frames)) {
        frames->header[frames->header_len++] = (unsigned char)bytes.ptr[taken++];
    }
    if (header_is_broken(frames)) {
        return WEBSOCKET_BROKEN;
    }
    if (frames->header_len == header_size(frames)) {
        frames->left = payload_length(frames);
        frames->header_len = 0;
    }
    *out_len = taken;
    return WEBSOCKET_HEADER;
}

enum websocket_part websocket_frames_next(struct websocket_frames *frames, struct slice bytes,
                                          size_t *out_len) {
    if (frames->left == 0) {
        return take_header(frames, bytes, out_len);
    }
    size_t len = frames->left < bytes.len ? (size_t)frames->left : bytes.len;
    frames->left -= len;
    *out_len = len;
    return WEBSOCKET_PAYLOAD;
}
