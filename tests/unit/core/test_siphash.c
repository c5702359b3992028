/* The reference implementation's own vectors: keys 00..0f, texts 00, 00 01, ... */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/siphash.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const uint64_t KEY[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

static uint64_t hash_in_pieces(size_t len, size_t piece) {
    unsigned char text[64];
    struct siphash hash;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)i;
    siphash_begin(&hash, KEY);
    for (size_t at = 0; at < len; at += piece)
        siphash_add(&hash, text + at, len - at < piece ? len - at : piece);
    return siphash_end(&hash);
}

static void gives_the_published_values(void **state) {
    (void)state;
    static const struct {
        size_t len;
        uint64_t value;
    } cases[] = {
        {0, 0x726fdb47dd0e0e31u},  {1, 0x74f839c593dc67fdu}, {2, 0x0d6c8009d9a94f5au},
        {7, 0xab0200f58b01d137u},  {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u},
        {63, 0x958a324ceb064572u},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(hash_in_pieces(cases[i].len, 64) == cases[i].value);
}

static void does_not_mind_how_the_text_comes(void **state) {
    (void)state;
    for (size_t len = 0; len <= 64; len++) {
        for (size_t piece = 1; piece <= 17; piece++)
            assert_true(hash_in_pieces(len, piece) == hash_in_pieces(len, 64));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_values),
        cmocka_unit_test(does_not_mind_how_the_text_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
