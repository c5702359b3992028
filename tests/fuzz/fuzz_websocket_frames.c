/* The frames a server sends, in pieces of any size: the same payload bytes and the same end however
 * they were cut, and a second reader that knows RFC 6455 5.2 only finds every frame where this one
 * does. */
#include "fuzz_target.h"
#include "proxy/websocket_frames.h"

enum { BYTES_MAX = 64 * 1024 };

struct reading {
    char kinds[BYTES_MAX]; /* 'h' or 'p' for each byte taken */
    size_t len;
    bool is_broken;
    bool is_between;
};

static void read_piece(struct reading *reading, struct websocket_frames *frames,
                       struct slice piece) {
    while (piece.len > 0 && !reading->is_broken) {
        size_t taken = 0;
        enum websocket_part part = websocket_frames_next(frames, piece, &taken);
        if (part == WEBSOCKET_BROKEN) {
            reading->is_broken = true;
            return;
        }
        REQUIRE(taken > 0 && taken <= piece.len);
        memset(reading->kinds + reading->len, part == WEBSOCKET_HEADER ? 'h' : 'p', taken);
        reading->len += taken;
        piece = slice_skip(piece, taken);
    }
}

/* The size of each piece is that of the byte it starts with, at most `piece_bytes_max`. */
static void read_all(struct reading *reading, struct slice bytes, size_t piece_bytes_max) {
    struct websocket_frames frames = {0};
    reading->len = 0;
    reading->is_broken = false;
    while (bytes.len > 0 && !reading->is_broken) {
        size_t take = bytes.len;
        if (piece_bytes_max < bytes.len) {
            take = 1 + (unsigned char)bytes.ptr[0] % piece_bytes_max;
        }
        read_piece(reading, &frames, slice_of(bytes.ptr, take));
        bytes = slice_skip(bytes, take);
    }
    reading->is_between = websocket_frames_are_between(&frames);
}

static uint64_t number_at(const unsigned char *bytes, size_t count) {
    uint64_t number = 0;
    for (size_t i = 0; i < count; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

/* Each whole frame that `reading` took lies where the grammar has it. */
static void require_frames(const struct reading *reading, const unsigned char *bytes) {
    size_t at = 0;
    while (reading->len - at >= 2) {
        size_t extra = (bytes[at + 1] & 0x7f) == 126 ? 2 : (bytes[at + 1] & 0x7f) == 127 ? 8 : 0;
        if (reading->len - at < 2 + extra) {
            return;
        }
        REQUIRE((bytes[at] & 0x70) == 0 && (bytes[at + 1] & 0x80) == 0);
        uint64_t length =
            extra ? number_at(bytes + at + 2, extra) : (uint64_t)(bytes[at + 1] & 0x7f);
        REQUIRE(length <= INT64_MAX);
        for (size_t i = 0; i < 2 + extra; i++) {
            REQUIRE(reading->kinds[at + i] == 'h');
        }
        at += 2 + extra;
        for (; length > 0 && at < reading->len; length--) {
            REQUIRE(reading->kinds[at++] == 'p');
        }
        REQUIRE(length == 0 || !reading->is_between);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static struct reading whole;
    static struct reading pieces;
    if (size > BYTES_MAX) {
        return 0;
    }
    struct slice bytes = slice_of((const char *)input, size);
    read_all(&whole, bytes, SIZE_MAX);
    const size_t piece_bytes_max[] = {1, 3, 200};
    for (size_t i = 0; i < sizeof piece_bytes_max / sizeof *piece_bytes_max; i++) {
        read_all(&pieces, bytes, piece_bytes_max[i]);
        REQUIRE(pieces.is_broken == whole.is_broken);
        if (!whole.is_broken) {
            REQUIRE(pieces.len == whole.len && pieces.is_between == whole.is_between);
            REQUIRE(memcmp(pieces.kinds, whole.kinds, whole.len) == 0);
        }
    }
    require_frames(&whole, input);
    return 0;
}
