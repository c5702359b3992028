/* A state machine over the framing bytes; chunk data is skipped over, never looked at. The position
 * in the stream decides everything, so that a body cut in any way gives the same result. Nothing is
 * tolerated where the grammar and its lenient readers part: no bare LF, no space after the size, no
 * sign or prefix before it, no more digits than the largest size has. */
#include "proxy/h1_chunked.h"

#include "proxy/h1_bytes.h"

enum {
    SIZE_DIGITS_MAX = 16,
    SIZE_LINE_BYTES_MAX = 256,
    OVERHEAD_BYTES = 16 * 1024,
    DATA_BYTES_PER_OVERHEAD_BYTE = 16,
};

enum state {
    STATE_SIZE,
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_TRAILER_START, /* of a trailer line or of the final empty line */
    STATE_TRAILER_NAME,
    STATE_TRAILER_VALUE,
    STATE_TRAILER_LF,
    STATE_FINAL_LF,
    STATE_DONE,
    STATE_BROKEN,
};

void chunked_reader_init(struct chunked_reader *reader) {
    *reader = (struct chunked_reader){.state = STATE_SIZE};
}

/* -1 for what is no hexadecimal digit. */
static int hex_value(char byte) {
    if (h1_is(byte, H1_DIGIT)) {
        return byte - '0';
    }
    uint8_t letter = h1_lower(byte);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static enum state on_size_digit(struct chunked_reader *reader, int value) {
    /* One digit more than this would pass 2^63 - 1. */
    if (reader->digits == SIZE_DIGITS_MAX || reader->chunk_left >> 59 != 0) {
        return STATE_BROKEN;
    }
    reader->digits++;
    reader->line_bytes++;
    reader->chunk_left = reader->chunk_left << 4 | (unsigned)value;
    return STATE_SIZE;
}

static bool add_overhead(struct chunked_reader *reader) {
    reader->overhead_bytes++;
    return reader->overhead_bytes <=
           OVERHEAD_BYTES + reader->data_bytes / DATA_BYTES_PER_OVERHEAD_BYTE;
}

static enum state on_extension(struct chunked_reader *reader, char byte) {
    if (byte == '\r') {
        return STATE_SIZE_LF;
    }
    reader->line_bytes++;
    return h1_is(byte, H1_TEXT) && reader->line_bytes <= SIZE_LINE_BYTES_MAX && add_overhead(reader)
               ? STATE_EXTENSION
               : STATE_BROKEN;
}

static enum state on_size(struct chunked_reader *reader, char byte) {
    int value = hex_value(byte);
    if (value >= 0) {
        return on_size_digit(reader, value);
    }
    bool ends_size = reader->digits > 0 && (byte == '\r' || byte == ';');
    return ends_size ? on_extension(reader, byte) : STATE_BROKEN;
}

static enum state on_size_lf(const struct chunked_reader *reader, char byte) {
    if (byte != '\n') {
        return STATE_BROKEN;
    }
    return reader->chunk_left == 0 ? STATE_TRAILER_START : STATE_DATA;
}

static enum state on_data_lf(struct chunked_reader *reader, char byte) {
    reader->digits = 0;
    reader->line_bytes = 0;
    return byte == '\n' ? STATE_SIZE : STATE_BROKEN;
}

/* The state that byte leads to in a trailer section; the final CRLF is part of it. */
static enum state trailer_successor(enum state state, char byte) {
    switch (state) {
    case STATE_TRAILER_START:
        if (byte == '\r') {
            return STATE_FINAL_LF;
        }
        return h1_is(byte, H1_TOKEN) ? STATE_TRAILER_NAME : STATE_BROKEN;
    case STATE_TRAILER_NAME:
        if (byte == ':') {
            return STATE_TRAILER_VALUE;
        }
        return h1_is(byte, H1_TOKEN) ? STATE_TRAILER_NAME : STATE_BROKEN;
    case STATE_TRAILER_VALUE:
        if (byte == '\r') {
            return STATE_TRAILER_LF;
        }
        return h1_is(byte, H1_TEXT) ? STATE_TRAILER_VALUE : STATE_BROKEN;
    case STATE_TRAILER_LF:
        return byte == '\n' ? STATE_TRAILER_START : STATE_BROKEN;
    default: /* STATE_FINAL_LF */
        return byte == '\n' ? STATE_DONE : STATE_BROKEN;
    }
}

static enum state on_trailer(struct chunked_reader *reader, char byte) {
    return add_overhead(reader) ? trailer_successor((enum state)reader->state, byte) : STATE_BROKEN;
}

/* One framing byte; never called in STATE_DATA, STATE_DONE and STATE_BROKEN. */
static enum state on_framing_byte(struct chunked_reader *reader, char byte) {
    switch (reader->state) {
    case STATE_SIZE:
        return on_size(reader, byte);
    case STATE_EXTENSION:
        return on_extension(reader, byte);
    case STATE_SIZE_LF:
        return on_size_lf(reader, byte);
    case STATE_DATA_CR:
        return byte == '\r' ? STATE_DATA_LF : STATE_BROKEN;
    case STATE_DATA_LF:
        return on_data_lf(reader, byte);
    default:
        return on_trailer(reader, byte);
    }
}

static struct slice data_take(struct chunked_reader *reader, struct slice input) {
    struct slice data = input;
    if (data.len > reader->chunk_left) {
        data.len = (size_t)reader->chunk_left;
    }
    reader->chunk_left -= data.len;
    reader->data_bytes += data.len;
    if (reader->chunk_left == 0) {
        reader->state = STATE_DATA_CR;
    }
    return data;
}

enum chunked_outcome chunked_reader_next(struct chunked_reader *reader, struct slice input,
                                         size_t *out_taken, struct slice *out_data) {
    size_t at = 0;
    while (at < input.len && reader->state != STATE_DATA && reader->state < STATE_DONE) {
        reader->state = (int)on_framing_byte(reader, input.ptr[at]);
        at++;
    }
    *out_data = slice_of(input.ptr, 0);
    *out_taken = at;
    if (reader->state == STATE_BROKEN) {
        return CHUNKED_MALFORMED;
    }
    if (reader->state == STATE_DONE) {
        return CHUNKED_END;
    }
    if (at == input.len) {
        return CHUNKED_MORE;
    }
    *out_data = data_take(reader, slice_skip(input, at));
    *out_taken = at + out_data->len;
    return CHUNKED_DATA;
}
