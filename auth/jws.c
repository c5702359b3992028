/* Reads the compact serialization strictly (one text, one meaning: no padding, no foreign
 * alphabet, no spare bits) and verifies RS256 with OpenSSL. The algorithm is fixed here: a token's
 * header never chooses it. */
#include "auth/jws.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>

/* Largest RSA signature accepted: 8192 bits, as key_set loads them. */
#define MAX_SIGNATURE_BYTES 1024

/* RFC 4648 5: value of each byte below 128, 64 for "not in the alphabet". */
static const unsigned char sextets[128] = {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, /* 00 */
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, /* 10 */
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64, /* 20  '-' */
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64, /* 30  '0' */
    64, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, /* 40  'A' */
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 63, /* 50  '_' */
    64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, /* 60  'a' */
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 64, 64, 64, 64, 64, /* 70 */
};

static unsigned sextet(char c) {
    unsigned char byte = (unsigned char)c;
    return byte < 128 ? sextets[byte] : 64;
}

size_t base64url_decoded_size(size_t text_len) {
    return text_len / 4 * 3 + (text_len % 4 ? text_len % 4 - 1 : 0);
}

/* The last two or three characters: one or two bytes, spare bits zero. */
static enum status decode_tail(struct slice tail, unsigned char *out_bytes) {
    unsigned a = sextet(tail.ptr[0]), b = sextet(tail.ptr[1]);
    if (tail.len == 2) {
        if ((a | b) > 63 || (b & 0x0f) != 0)
            return STATUS_INVALID;
        out_bytes[0] = (unsigned char)(a << 2 | b >> 4);
        return STATUS_OK;
    }
    unsigned c = sextet(tail.ptr[2]);
    if ((a | b | c) > 63 || (c & 0x03) != 0)
        return STATUS_INVALID;
    out_bytes[0] = (unsigned char)(a << 2 | b >> 4);
    out_bytes[1] = (unsigned char)(b << 4 | c >> 2);
    return STATUS_OK;
}

enum status base64url_decode(struct slice text, unsigned char *out_bytes, size_t *out_len) {
    size_t tail = text.len % 4;
    if (tail == 1)
        return STATUS_INVALID;
    unsigned char *to = out_bytes;
    size_t i = 0;
    for (; i + 4 <= text.len; i += 4) {
        unsigned a = sextet(text.ptr[i]), b = sextet(text.ptr[i + 1]);
        unsigned c = sextet(text.ptr[i + 2]), d = sextet(text.ptr[i + 3]);
        if ((a | b | c | d) > 63)
            return STATUS_INVALID;
        *to++ = (unsigned char)(a << 2 | b >> 4);
        *to++ = (unsigned char)(b << 4 | c >> 2);
        *to++ = (unsigned char)(c << 6 | d);
    }
    if (tail != 0 && decode_tail(slice_skip(text, i), to) != STATUS_OK)
        return STATUS_INVALID;
    *out_len = base64url_decoded_size(text.len);
    return STATUS_OK;
}

static bool segment_is_canonical(struct slice segment) {
    if (slice_is_empty(segment) || segment.len % 4 == 1)
        return false;
    unsigned seen = 0;
    for (size_t i = 0; i < segment.len; i++)
        seen |= sextet(segment.ptr[i]);
    if (seen > 63)
        return false;
    unsigned last = sextet(segment.ptr[segment.len - 1]);
    unsigned spare_bits = segment.len % 4 == 2 ? 0x0f : segment.len % 4 == 3 ? 0x03 : 0;
    return (last & spare_bits) == 0;
}

enum status jws_split(struct slice token, struct jws_parts *out_parts) {
    size_t first = slice_index(token, '.');
    if (first == token.len)
        return STATUS_INVALID;
    struct slice rest = slice_skip(token, first + 1);
    size_t second = slice_index(rest, '.');
    if (second == rest.len)
        return STATUS_INVALID;
    struct jws_parts parts = {
        .header = slice_of(token.ptr, first),
        .payload = slice_of(rest.ptr, second),
        .signature = slice_skip(rest, second + 1),
        .signing_input = slice_of(token.ptr, first + 1 + second),
    };
    /* A third dot is outside the alphabet and fails in the signature. */
    if (!segment_is_canonical(parts.header) || !segment_is_canonical(parts.payload) ||
        !segment_is_canonical(parts.signature))
        return STATUS_INVALID;
    *out_parts = parts;
    return STATUS_OK;
}

static EVP_MD *sha256;

static void fetch_sha256(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* Fetched once: an implicit fetch would search the providers for every token. */
static const EVP_MD *jws_sha256(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, fetch_sha256);
    return sha256;
}

EVP_PKEY_CTX *jws_rs256_verifier_new(EVP_PKEY *key) {
    const EVP_MD *md = jws_sha256();
    EVP_PKEY_CTX *verifier = EVP_PKEY_is_a(key, "RSA") ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    if (md && verifier && EVP_PKEY_verify_init(verifier) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(verifier, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(verifier, md) == 1)
        return verifier;
    EVP_PKEY_CTX_free(verifier);
    return NULL;
}

/* Signatures have the key's size exactly: OpenSSL would refuse others too, later. */
static bool decode_signature(struct slice text, const EVP_PKEY_CTX *verifier,
                             unsigned char out_bytes[MAX_SIGNATURE_BYTES], size_t *out_len) {
    /* 3.0's getter lacks the const that its meaning has. */
    EVP_PKEY *key = EVP_PKEY_CTX_get0_pkey((EVP_PKEY_CTX *)(uintptr_t)verifier);
    int key_bytes = EVP_PKEY_get_size(key);
    return key_bytes > 0 && key_bytes <= MAX_SIGNATURE_BYTES &&
           base64url_decoded_size(text.len) == (size_t)key_bytes &&
           base64url_decode(text, out_bytes, out_len) == STATUS_OK;
}

bool jws_verify_rs256(const struct jws_parts *parts, const EVP_PKEY_CTX *verifier) {
    unsigned char signature[MAX_SIGNATURE_BYTES], digest[EVP_MAX_MD_SIZE];
    size_t signature_len = 0;
    unsigned digest_len = 0;
    if (!decode_signature(parts->signature, verifier, signature, &signature_len) ||
        EVP_Digest(parts->signing_input.ptr, parts->signing_input.len, digest, &digest_len,
                   jws_sha256(), NULL) != 1)
        return false;
    EVP_PKEY_CTX *copy = EVP_PKEY_CTX_dup(verifier);
    bool is_valid =
        copy && EVP_PKEY_verify(copy, signature, signature_len, digest, digest_len) == 1;
    EVP_PKEY_CTX_free(copy);
    return is_valid;
}
