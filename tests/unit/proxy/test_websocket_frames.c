/* Frames of every length, in every piece. */
#include "h1_cases.h"

#include "proxy/websocket_frames.h"

enum { STREAM_BYTES = 1 << 17 };

/* How many frames end in `bytes`, which come `piece` at a time; -1 when they are broken. */
static int count_frames(struct slice bytes, size_t piece) {
    struct websocket_frames frames = {0};
    int count = 0;
    while (bytes.len > 0) {
        struct slice part = slice_of(bytes.ptr, piece < bytes.len ? piece : bytes.len);
        size_t len = 0;
        if (websocket_frames_next(&frames, part, &len) == WEBSOCKET_BROKEN)
            return -1;
        assert_true(len > 0 && len <= part.len);
        count += websocket_frames_are_between(&frames);
        bytes = slice_skip(bytes, len);
    }
    return count;
}

static size_t add_frame(char *stream, size_t at, size_t length) {
    unsigned char header[10] = {0x82, (unsigned char)length};
    size_t header_len = 2;
    if (length >= 65536) {
        header[1] = 127;
        for (size_t i = 0; i < 8; i++)
            header[2 + i] = (unsigned char)((uint64_t)length >> (56 - 8 * i));
        header_len = 10;
    } else if (length >= 126) {
        header[1] = 126;
        header[2] = (unsigned char)(length >> 8);
        header[3] = (unsigned char)length;
        header_len = 4;
    }
    memcpy(stream + at, header, header_len);
    memset(stream + at + header_len, 0xff, length); /* no header, wherever it is taken for one */
    return at + header_len + length;
}

static void finds_the_end_of_every_frame(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 125, 126, 127, 0, 65535, 0, 65536 - 1024};
    static char stream[STREAM_BYTES + 2048];
    size_t len = 0;
    for (size_t i = 0; i < COUNT(lengths); i++)
        len = add_frame(stream, len, lengths[i]);
    for (size_t piece = 1; piece <= len; piece = piece * 3 + 1)
        assert_int_equal(count_frames(slice_of(stream, len), piece), COUNT(lengths));
    len = add_frame(stream, 0, 65536);
    assert_int_equal(count_frames(slice_of(stream, len), 1000), 1);
    assert_int_equal(count_frames(slice_of(stream, len - 1), 1000), 0);
}

static void refuses_what_hides_its_payload(void **state) {
    (void)state;
    static const struct slice cases[] = {
        TEXT("\x82\x81"),
        TEXT("\x82\x80"),
        TEXT("\xc2\x01"),
        TEXT("\xa2"),
        TEXT("\x92"),
        TEXT("\x82\x7f\x80\0\0\0\0\0\0\1"),
        TEXT("\x82\x01x\x82\xff"),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(count_frames(cases[i], 1), -1);
        assert_int_equal(count_frames(cases[i], 100), -1);
    }
    static const struct slice good =
        TEXT("\x82\x01x\x8f\0\x00\x7f\x7f\xff\xff\xff\xff\xff\xff\xff");
    assert_int_equal(count_frames(good, 1), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_end_of_every_frame),
        cmocka_unit_test(refuses_what_hides_its_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
