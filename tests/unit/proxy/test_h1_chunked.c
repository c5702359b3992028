/* Chunked bodies: the data that comes out, where the body ends, and what is malformed, the same for
 * every way the bytes are cut. */
#include "h1_cases.h"

#include "proxy/h1_chunked.h"

/* What a body said: in pieces of `piece_bytes`, 0 for pieces of changing size. */
struct decoding {
    enum chunked_outcome outcome;
    size_t taken;
    size_t data_len;
    char bytes[4096];
};

static size_t piece_size(size_t piece_bytes, unsigned *in_out_seed) {
    if (piece_bytes > 0)
        return piece_bytes;
    *in_out_seed = *in_out_seed * 1103515245u + 12345u;
    return 1 + (*in_out_seed >> 16) % 7;
}

/* Feeds one piece, from memory of just its size. */
static void feed(struct decoding *decoding, struct chunked_reader *reader, struct slice piece) {
    char *exact = malloc(piece.len);
    assert_non_null(exact);
    memcpy(exact, piece.ptr, piece.len);
    struct slice rest = slice_of(exact, piece.len);
    do {
        size_t taken;
        struct slice bytes;
        decoding->outcome = chunked_reader_next(reader, rest, &taken, &bytes);
        assert_true(taken <= rest.len);
        assert_true(bytes.len <= taken);
        assert_int_equal(bytes.len > 0, decoding->outcome == CHUNKED_DATA);
        assert_true(decoding->data_len + bytes.len <= sizeof decoding->bytes);
        if (bytes.len > 0)
            memcpy(decoding->bytes + decoding->data_len, bytes.ptr, bytes.len);
        decoding->data_len += bytes.len;
        decoding->taken += taken;
        rest = slice_skip(rest, taken);
    } while (decoding->outcome == CHUNKED_DATA);
    assert_true(decoding->outcome != CHUNKED_MORE || rest.len == 0);
    free(exact);
}

static void decode(struct decoding *decoding, struct slice text, size_t piece_bytes,
                   unsigned seed) {
    struct chunked_reader reader;
    chunked_reader_init(&reader);
    *decoding = (struct decoding){.outcome = CHUNKED_MORE};
    while (text.len > 0 && decoding->outcome == CHUNKED_MORE) {
        size_t take = piece_size(piece_bytes, &seed);
        struct slice piece = slice_of(text.ptr, take < text.len ? take : text.len);
        feed(decoding, &reader, piece);
        text = slice_skip(text, piece.len);
    }
}

struct chunked_case {
    struct slice text;
    enum chunked_outcome outcome;
    const char *data;
    size_t after_end; /* bytes of the next message */
};

static void assert_decoding(const struct chunked_case *expected, size_t piece_bytes,
                            unsigned seed) {
    struct decoding decoding;
    decode(&decoding, expected->text, piece_bytes, seed);
    bool is_as_expected =
        decoding.outcome == expected->outcome &&
        slice_eq_str(slice_of(decoding.bytes, decoding.data_len), expected->data) &&
        (decoding.outcome == CHUNKED_MALFORMED ||
         decoding.taken == expected->text.len - expected->after_end);
    if (!is_as_expected)
        fail_msg("\"%.*s\" in pieces of %zu: outcome %d, data \"%.*s\", %zu bytes taken",
                 SLICE_ARGS(expected->text), piece_bytes, decoding.outcome, (int)decoding.data_len,
                 decoding.bytes, decoding.taken);
}

static void assert_every_cut(const struct chunked_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t piece = 1; piece <= cases[i].text.len; piece++)
            assert_decoding(&cases[i], piece, 0);
        for (unsigned seed = 1; seed <= 20; seed++)
            assert_decoding(&cases[i], 0, seed);
    }
}

static void decodes_bodies(void **state) {
    (void)state;
    static const struct chunked_case cases[] = {
        {TEXT("0\r\n\r\n"), CHUNKED_END, "", 0},
        {TEXT("3\r\nabc\r\n0\r\n\r\n"), CHUNKED_END, "abc", 0},
        {TEXT("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET / HTTP/1.1\r\n"), CHUNKED_END, "abcde", 16},
        {TEXT("1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n"), CHUNKED_END, "\r\n", 0},
        {TEXT("A\r\n0123456789\r\n00\r\n\r\n"), CHUNKED_END, "0123456789", 0},
        {TEXT("a;x\r\n0123456789\r\n0;y=\"z\"\r\n\r\n"), CHUNKED_END, "0123456789", 0},
        {TEXT("0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n"), CHUNKED_END, "abc", 0},
        {TEXT("1;\r\na\r\n0; a\t= \"b\xff\r\n\r\n"), CHUNKED_END, "a", 0},
        {TEXT("1\r\na\r\n0\r\nA: b\r\nX_Y.z:\r\nHost: \xff\t\r\n\r\nX"), CHUNKED_END, "a", 1},
        {TEXT("0\r\n\r\n\r\n"), CHUNKED_END, "", 2},
    };
    assert_every_cut(cases, COUNT(cases));
}

static void waits_for_what_is_missing(void **state) {
    (void)state;
    static const struct chunked_case cases[] = {
        {TEXT("3"), CHUNKED_MORE, "", 0},
        {TEXT("3\r"), CHUNKED_MORE, "", 0},
        {TEXT("3;x"), CHUNKED_MORE, "", 0},
        {TEXT("3\r\n"), CHUNKED_MORE, "", 0},
        {TEXT("3\r\nab"), CHUNKED_MORE, "ab", 0},
        {TEXT("3\r\nabc"), CHUNKED_MORE, "abc", 0},
        {TEXT("3\r\nabc\r"), CHUNKED_MORE, "abc", 0},
        {TEXT("3\r\nabc\r\n"), CHUNKED_MORE, "abc", 0},
        {TEXT("3\r\nabc\r\n0\r\n"), CHUNKED_MORE, "abc", 0},
        {TEXT("3\r\nabc\r\n0\r\n\r"), CHUNKED_MORE, "abc", 0},
        {TEXT("0\r\nA: b\r\n"), CHUNKED_MORE, "", 0},
        {TEXT("7fffffffffffffff\r\nabc"), CHUNKED_MORE, "abc", 0},
    };
    assert_every_cut(cases, COUNT(cases));
}

static void refuses_sizes_others_might_misread(void **state) {
    (void)state;
    static const struct chunked_case cases[] = {
        {TEXT("3\r\nabc\r\n0\r\n\r\n"), CHUNKED_END, "abc", 0},

        {TEXT("3 \r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3\t\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT(" 3\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0x3\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("+3\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("-1\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3_0\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT(";\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT(";x\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("g\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3g\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3 ;x\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3.\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("\xb3\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("8000000000000000\r\nabc"), CHUNKED_MALFORMED, "", 0},
        {TEXT("ffffffffffffffff\r\nabc"), CHUNKED_MALFORMED, "", 0},
        {TEXT("00000000000000003\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("10000000000000003\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0000000000000000000000000000000000000000000000\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
    };
    assert_every_cut(cases, COUNT(cases));
}

static void refuses_wrong_line_ends(void **state) {
    (void)state;
    static const struct chunked_case cases[] = {
        {TEXT("3\nabc\r\n0\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3\rabc\r\n0\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3\r\r\nabc\r\n0\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3;x\nabc\r\n0\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3\r\nabc\n0\r\n\r\n"), CHUNKED_MALFORMED, "abc", 0},
        {TEXT("3\r\nabcXX0\r\n\r\n"), CHUNKED_MALFORMED, "abc", 0},
        {TEXT("3\r\nabc\rX0\r\n\r\n"), CHUNKED_MALFORMED, "abc", 0},
        {TEXT("3\r\nabcd\r\n0\r\n\r\n"), CHUNKED_MALFORMED, "abc", 0},
        {TEXT("3\r\nabc0\r\n\r\n"), CHUNKED_MALFORMED, "abc", 0},
        {TEXT("3\r\nabc\r\n\r\n0\r\n\r\n"), CHUNKED_MALFORMED, "abc", 0},
        {TEXT("0\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\n\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\n\rX"), CHUNKED_MALFORMED, "", 0},
    };
    assert_every_cut(cases, COUNT(cases));
}

static void refuses_malformed_extensions_and_trailers(void **state) {
    (void)state;
    static const struct chunked_case cases[] = {
        {TEXT("3;a\rb\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3;a\0b\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("3;a\x7f\r\nabc\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\n\0\r\nGET /smug HTTP/1.1\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\nA\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\nGET /smug HTTP/1.1\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\n: b\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\nA : b\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\n A: b\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\nA: b\r\n c\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\nA: b\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\nA: b\rc\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
        {TEXT("0\r\nA: b\0\r\n\r\n"), CHUNKED_MALFORMED, "", 0},
    };
    assert_every_cut(cases, COUNT(cases));
}

static void bounds_a_size_line(void **state) {
    (void)state;
    for (size_t extension = 250; extension <= 260; extension++) {
        char text[300] = "1;";
        memset(text + 2, 'x', extension - 1);
        memcpy(text + 1 + extension, "\r\na\r\n0\r\n\r\n", 10);
        struct chunked_case expected = {slice_of(text, extension + 11), CHUNKED_END, "a", 0};
        if (1 + extension > 256)
            expected = (struct chunked_case){expected.text, CHUNKED_MALFORMED, "", 0};
        assert_every_cut(&expected, 1);
    }
}

/* Repeats `chunk` until the reader has enough, at most `limit` times; returns how often it went. */
static size_t repeat(const char *chunk, size_t limit) {
    struct chunked_reader reader;
    chunked_reader_init(&reader);
    for (size_t times = 0; times < limit; times++) {
        struct slice rest = slice_of_str(chunk);
        while (rest.len > 0) {
            size_t taken;
            struct slice bytes;
            enum chunked_outcome outcome = chunked_reader_next(&reader, rest, &taken, &bytes);
            if (outcome == CHUNKED_MALFORMED)
                return times;
            rest = slice_skip(rest, taken);
        }
    }
    return limit;
}

static void bounds_what_is_no_data(void **state) {
    (void)state;
    assert_int_equal(repeat("1\r\na\r\n", 100000), 100000);
    /* one byte of extension for 16 of data is fine for ever */
    assert_int_equal(repeat("10;\r\n0123456789abcdef\r\n", 100000), 100000);
    assert_int_equal(repeat("1;23456789abcdefg\r\na\r\n", 100000), 1028);
}

static void bounds_trailers(void **state) {
    (void)state;
    for (size_t value = 16000; value <= 17000; value += 100) {
        char text[20000] = "0\r\nA:";
        memset(text + 5, 'v', value);
        memcpy(text + 5 + value, "\r\n\r\n", 4);
        struct decoding decoding;
        decode(&decoding, slice_of(text, value + 9), 1000, 0);
        assert_int_equal(decoding.outcome,
                         value + 6 <= 16 * 1024 ? CHUNKED_END : CHUNKED_MALFORMED);
    }
}

static void stays_at_its_end(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum chunked_outcome outcome;
    } cases[] = {{"0\r\n\r\n", CHUNKED_END}, {"x", CHUNKED_MALFORMED}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct chunked_reader reader;
        chunked_reader_init(&reader);
        size_t taken;
        struct slice bytes;
        assert_int_equal(chunked_reader_next(&reader, slice_of_str(cases[i].text), &taken, &bytes),
                         cases[i].outcome);
        assert_int_equal(chunked_reader_next(&reader, SLICE("3\r\n"), &taken, &bytes),
                         cases[i].outcome);
        assert_int_equal(taken, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_bodies),
        cmocka_unit_test(waits_for_what_is_missing),
        cmocka_unit_test(refuses_sizes_others_might_misread),
        cmocka_unit_test(refuses_wrong_line_ends),
        cmocka_unit_test(refuses_malformed_extensions_and_trailers),
        cmocka_unit_test(bounds_a_size_line),
        cmocka_unit_test(bounds_what_is_no_data),
        cmocka_unit_test(bounds_trailers),
        cmocka_unit_test(stays_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
