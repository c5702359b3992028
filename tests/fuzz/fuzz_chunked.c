/* Chunked bodies, decoded whole, byte by byte and in pieces the input chooses: all must agree. An
 * accepted body is then judged once more by a second decoder that knows the grammar only, and
 * wants the same data and the same end. */
#include "fuzz_target.h"
#include "proxy/h1_chunked.h"

enum { DATA_BYTES_MAX = 64 * 1024 };

struct decoding {
    enum chunked_outcome outcome;
    size_t taken;
    size_t data_len;
    char bytes[DATA_BYTES_MAX];
};

static void feed(struct decoding *decoding, struct chunked_reader *reader, struct slice piece) {
    do {
        size_t taken;
        struct slice bytes;
        decoding->outcome = chunked_reader_next(reader, piece, &taken, &bytes);
        REQUIRE(taken <= piece.len);
        REQUIRE((bytes.len > 0) == (decoding->outcome == CHUNKED_DATA));
        REQUIRE(bytes.len <= taken);
        if (bytes.len > 0) {
            REQUIRE(bytes.ptr + bytes.len == piece.ptr + taken);
            memcpy(decoding->bytes + decoding->data_len, bytes.ptr, bytes.len);
        }
        decoding->data_len += bytes.len;
        decoding->taken += taken;
        piece = slice_skip(piece, taken);
    } while (decoding->outcome == CHUNKED_DATA);
    REQUIRE(decoding->outcome != CHUNKED_MORE || piece.len == 0);
}

/* The size of each piece is that of the byte it starts with, at most `piece_bytes_max`. */
static void decode(struct decoding *decoding, struct slice text, size_t piece_bytes_max) {
    struct chunked_reader reader;
    chunked_reader_init(&reader);
    decoding->outcome = CHUNKED_MORE;
    decoding->taken = 0;
    decoding->data_len = 0;
    while (text.len > 0 && decoding->outcome == CHUNKED_MORE) {
        size_t take = piece_bytes_max;
        if (piece_bytes_max != text.len) {
            take = 1 + (unsigned char)text.ptr[0] % piece_bytes_max;
        }
        struct slice piece = slice_of(text.ptr, take < text.len ? take : text.len);
        feed(decoding, &reader, piece);
        text = slice_skip(text, piece.len);
    }
}

/* The line at `at` without its CRLF; *in_out_at moves behind it. */
static struct slice line_at(struct slice text, size_t *in_out_at) {
    struct slice rest = slice_skip(text, *in_out_at);
    size_t len = slice_index(rest, '\n');
    REQUIRE(len > 0 && len < rest.len && rest.ptr[len - 1] == '\r');
    *in_out_at += len + 1;
    return slice_of(rest.ptr, len - 1);
}

static void require_body(struct slice text, const struct decoding *decoding) {
    size_t at = 0;
    size_t data_len = 0;
    for (;;) {
        struct slice line = line_at(text, &at);
        char digits[17] = "";
        size_t count = slice_index(line, ';');
        REQUIRE(count > 0 && count <= 16);
        memcpy(digits, line.ptr, count);
        REQUIRE(strspn(digits, "0123456789abcdefABCDEF") == count);
        unsigned long long size = strtoull(digits, NULL, 16);
        if (size == 0) {
            break;
        }
        REQUIRE(size <= decoding->data_len - data_len);
        REQUIRE(memcmp(text.ptr + at, decoding->bytes + data_len, size) == 0);
        data_len += size;
        at += size;
        REQUIRE(line_at(text, &at).len == 0);
    }
    while (line_at(text, &at).len > 0) {
    }
    REQUIRE(data_len == decoding->data_len);
    REQUIRE(at == decoding->taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static struct decoding whole;
    static struct decoding pieces;
    if (size == 0 || size > DATA_BYTES_MAX) {
        return 0;
    }
    struct slice text = slice_of((const char *)input, size);
    decode(&whole, text, size);
    const size_t piece_bytes_max[] = {1, 7, 200};
    for (size_t i = 0; i < sizeof piece_bytes_max / sizeof *piece_bytes_max; i++) {
        decode(&pieces, text, piece_bytes_max[i]);
        REQUIRE(pieces.outcome == whole.outcome);
        REQUIRE(pieces.taken == whole.taken);
        REQUIRE(pieces.data_len == whole.data_len);
        REQUIRE(memcmp(pieces.bytes, whole.bytes, whole.data_len) == 0);
    }
    if (whole.outcome == CHUNKED_END) {
        require_body(text, &whole);
    }
    return 0;
}
