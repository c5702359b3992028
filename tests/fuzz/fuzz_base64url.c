/* Any bytes as base64url. What is taken is the one spelling of its bytes: encoding them again gives
 * the same text. What is refused has a reason that can be seen. A token's three segments are taken
 * exactly when each is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jws.h"
#include "fuzz_target.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* `out_text` has room for four letters for each three bytes begun; returns the letters. */
static size_t encode(const unsigned char *bytes, size_t len, char *out_text) {
    size_t count = 0;
    unsigned held = 0, bits = 0;
    for (size_t i = 0; i < len; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6)
            out_text[count++] = alphabet[held >> (bits - 6) & 63];
    }
    if (bits)
        out_text[count++] = alphabet[held << (6 - bits) & 63];
    return count;
}

static unsigned value_of(char letter) {
    const char *at = letter ? strchr(alphabet, letter) : NULL;
    return at ? (unsigned)(at - alphabet) : 64;
}

/* By the letters alone, without decoding. */
static bool is_canonical(struct slice text) {
    static const unsigned spare_bits[] = {0, 0, 0x0f, 0x03};
    for (size_t i = 0; i < text.len; i++)
        if (value_of(text.ptr[i]) > 63)
            return false;
    size_t tail = text.len % 4;
    return tail != 1 && (tail == 0 || !(value_of(text.ptr[text.len - 1]) & spare_bits[tail]));
}

/* Exactly as large as promised, so that a sanitizer sees a write behind it. */
static bool check_decoding(struct slice text) {
    size_t size = base64url_decoded_size(text.len), len = 0;
    unsigned char *bytes = malloc(size ? size : 1);
    char *again = malloc(text.len + 4);
    if (!bytes || !again)
        abort();
    bool is_taken = base64url_decode(text, bytes, &len) == STATUS_OK;
    if (is_taken != is_canonical(text))
        abort();
    if (is_taken && (len != size || encode(bytes, len, again) != text.len ||
                     (text.len && memcmp(again, text.ptr, text.len) != 0)))
        abort();
    free(again);
    free(bytes);
    return is_taken;
}

static bool segments_are_good(struct slice token) {
    size_t count = 1, start = 0;
    for (size_t i = 0; i <= token.len; i++) {
        if (i < token.len && token.ptr[i] != '.')
            continue;
        if (i == start || !check_decoding(slice_of(token.ptr + start, i - start)))
            return false;
        count += i < token.len;
        start = i + 1;
    }
    return count == 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct slice text = slice_of((const char *)bytes, len);
    struct jws_parts parts;
    (void)check_decoding(text);
    if ((jws_split(text, &parts) == STATUS_OK) != segments_are_good(text))
        abort();
    return 0;
}
