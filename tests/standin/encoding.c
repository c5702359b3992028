/* The encodings of JWTs, URLs and identifiers. Decoders are strict: what is not the one canonical
 * form of some bytes is refused, so that tests cannot pass on sloppiness here. */
#include "encoding.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "must.h"

static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char standard_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *encode(const char *alphabet, bool is_padded, const unsigned char *bytes, size_t len) {
    char *text = must_array((len + 2) / 3 * 4 + 1, 1);
    size_t at = 0;
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        unsigned group = (unsigned)bytes[i] << 16;
        group |= have > 1 ? (unsigned)bytes[i + 1] << 8 : 0;
        group |= have > 2 ? (unsigned)bytes[i + 2] : 0;
        for (size_t digit = 0; digit < 4; digit++) {
            if (digit <= have)
                text[at++] = alphabet[group >> (18 - 6 * digit) & 63];
            else if (is_padded)
                text[at++] = '=';
        }
    }
    return text;
}

char *base64url_encode(const void *bytes, size_t len) {
    return encode(url_alphabet, false, bytes, len);
}

char *base64_encode(const void *bytes, size_t len) {
    return encode(standard_alphabet, true, bytes, len);
}

static unsigned char *decode(const char *alphabet, struct slice text, size_t *out_len) {
    unsigned char *bytes = must_array(text.len / 4 * 3 + 4, 1);
    unsigned group = 0;
    unsigned bits = 0;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.ptr[i] ? strchr(alphabet, text.ptr[i]) : NULL;
        if (!digit)
            goto malformed;
        group = (group << 6 | (unsigned)(digit - alphabet)) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[len++] = (unsigned char)(group >> bits);
        }
    }
    if (bits == 6 || (group & ((1u << bits) - 1)) != 0)
        goto malformed;
    *out_len = len;
    return bytes;
malformed:
    free(bytes);
    return NULL;
}

unsigned char *base64url_decode(struct slice text, size_t *out_len) {
    return decode(url_alphabet, text, out_len);
}

unsigned char *base64_decode(struct slice text, size_t *out_len) {
    if (text.len % 4)
        return NULL;
    for (int pad = 0; pad < 2 && text.len && text.ptr[text.len - 1] == '='; pad++)
        text.len--;
    return decode(standard_alphabet, text, out_len);
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char *percent_decode(struct slice text, bool plus_is_space) {
    char *plain = must_array(text.len + 1, 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            bool is_whole = text.len - i > 2;
            int high = is_whole ? hex_value(text.ptr[i + 1]) : -1;
            int low = is_whole ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                goto malformed;
            c = (char)(high * 16 + low);
            i += 2;
        }
        plain[len++] = c;
    }
    return plain;
malformed:
    free(plain);
    return NULL;
}

bool guid_is_valid(const char *text) {
    if (!text || strlen(text) != GUID_SIZE - 1)
        return false;
    for (int i = 0; i < GUID_SIZE - 1; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text[i] != '-' : hex_value(text[i]) < 0)
            return false;
    }
    return true;
}

static void random_bytes(unsigned char *bytes, size_t len) {
    if (RAND_bytes(bytes, (int)len) != 1) {
        fputs("barkeep-standin: the system gives no random bytes\n", stderr);
        abort();
    }
}

void hex_random(char *out_text, size_t digits) {
    for (size_t i = 0; i < digits; i++) {
        unsigned char byte;
        random_bytes(&byte, 1);
        out_text[i] = "0123456789abcdef"[byte & 15];
    }
    out_text[digits] = 0;
}

/* RFC 9562 5.4: version 4, variant 10. */
static void guid_dress(char guid[GUID_SIZE]) {
    guid[8] = guid[13] = guid[18] = guid[23] = '-';
    guid[14] = '4';
    guid[19] = "89ab"[hex_value(guid[19]) & 3];
}

void guid_random(char out_guid[GUID_SIZE]) {
    hex_random(out_guid, GUID_SIZE - 1);
    guid_dress(out_guid);
}

void guid_from_text(const char *text, char out_guid[GUID_SIZE]) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t len = 0;
    must_hold(EVP_Q_digest(NULL, "SHA256", NULL, text, strlen(text), digest, &len) == 1);
    for (int i = 0; i < GUID_SIZE - 1; i++)
        out_guid[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
    out_guid[GUID_SIZE - 1] = 0;
    guid_dress(out_guid);
}

char *opaque_random(size_t bytes) {
    unsigned char *raw = must_array(bytes, 1);
    random_bytes(raw, bytes);
    char *text = base64url_encode(raw, bytes);
    free(raw);
    return text;
}
