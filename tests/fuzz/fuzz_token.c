/* Any bytes as a token. The first byte picks the door: 'T' the whole token through the judge, 'H' a
 * header, 'C' claims, both as JSON. Of all inputs only the two seed tokens may be accepted, and
 * only byte by byte; their private key exists no more. */
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/entra.h"
#include "auth/jws.h"
#include "auth/key_slot.h"
#include "auth/token_claims.h"
#include "auth/token_header.h"
#include "fuzz_target.h"

#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define NOW_SEC 1795424460
#define TOKEN_LIMIT_BYTES (16 * 1024)

static const char jwks[] = "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"key-1\",\"n\":\"xUXO4VfOaQCp-eGA"
                           "jgqAl1X19Uiv7QLHtgAR4eQgWIiP0T9Q6mBGvDn8dYYTo2MIBDikmql3G-kuvW555unGSg"
                           "DrOotBjOnzAb2AI9jy29AptPdmYm28eh_RtphaQH-JEX-u6jMnziA3ivTfgTlK2pxuQ_Xl"
                           "3Inx7wFSdNu_rxb9AA0XYs2xjVKJYFxw_22uUa1iPQJ8t0H7eBe12-eJX22YA2LnQg_V0R"
                           "jxkD256bjRrXtwtem4C4X1VosYvLXWWc8E5grSSxW44ihTxDyLVHb7v6zsS1STWOs707uz"
                           "GMO-CxmJGFUROK2nDLv-18AVYGRmQqTaxsEKCzAZh4g1mQ\",\"e\":\"AQAB\"}]}";

static const unsigned char seed_digests[][SHA256_DIGEST_LENGTH] = {
    {
        0x1e, 0xc8, 0x2e, 0x6b, 0xd8, 0xbd, 0x91, 0x61, 0x66, 0xc1, 0x2b,
        0xe2, 0x1e, 0x75, 0xb0, 0x4a, 0x4d, 0x8f, 0x2d, 0x79, 0xd7, 0x85,
        0x15, 0x38, 0xa6, 0x19, 0x02, 0xf6, 0x7b, 0x44, 0x23, 0xcb,
    },
    {
        0x91, 0x1b, 0xe5, 0x64, 0x8c, 0x1f, 0x63, 0x73, 0x29, 0x0b, 0x6d,
        0xd2, 0x93, 0x76, 0x4e, 0x9a, 0x60, 0x12, 0x76, 0x03, 0xd4, 0x26,
        0x16, 0xb7, 0x62, 0xa4, 0xa5, 0x78, 0x85, 0x31, 0xf0, 0xfc,
    },
};

static const char *tenants[] = {TENANT};
static const char *audiences[] = {"api://orders-gw", "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6"};

static const struct config config = {
    .entra =
        {
            .is_present = true,
            .tenants = {tenants, 1},
            .audiences = {audiences, 2},
            .cloud = CLOUD_PUBLIC,
            .authority = "https://login.microsoftonline.com",
            .accepts_v1 = true,
            .accepts_v2 = true,
            .max_token_lifetime_sec = 48 * 3600,
        },
    .limits = {.token_bytes = TOKEN_LIMIT_BYTES},
};

static struct key_ring *make_ring(void) {
    struct key_ring *ring = key_ring_new(2);
    for (int version = 1; ring && version <= 2; version++) {
        key_ring_slot(ring, key_slot_of_tenant(0, version))->keys =
            key_set_parse(SLICE(jwks), NULL, NULL);
        if (!key_ring_slot(ring, key_slot_of_tenant(0, version))->keys)
            abort();
    }
    if (!ring)
        abort();
    return ring;
}

static bool is_seed(struct slice token) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)token.ptr, token.len, digest);
    for (size_t i = 0; i < sizeof seed_digests / sizeof *seed_digests; i++)
        if (memcmp(digest, seed_digests[i], sizeof digest) == 0)
            return true;
    return false;
}

static void check_printable(const char *text) {
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            abort();
}

static void judge(struct slice token) {
    static struct key_ring *ring;
    if (!ring)
        ring = make_ring();
    struct token_result result;
    enum token_outcome outcome = entra_verify(&config, ring, token, NOW_SEC, &result);
    if ((outcome == TOKEN_ACCEPTED) != is_seed(token) ||
        (outcome == TOKEN_ACCEPTED) != (result.identity != NULL) ||
        (outcome == TOKEN_ACCEPTED) != (result.reason == REASON_NONE))
        abort();
    check_printable(result.detail);
    check_printable(result.kid);
    check_printable(result.uti);
    identity_unref(result.identity);
}

/* The caller frees it. */
static char *encode(struct slice text) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const unsigned char *in = (const unsigned char *)text.ptr;
    char *encoded = malloc(text.len / 3 * 4 + 5), *to = encoded;
    if (!encoded)
        abort();
    for (size_t i = 0; i < text.len; i += 3) {
        size_t left = text.len - i;
        unsigned group = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
                         (left > 2 ? (unsigned)in[i + 2] : 0);
        for (unsigned shift = 18, n = 0; n < (left > 2 ? 4 : left + 1); n++, shift -= 6)
            *to++ = alphabet[group >> shift & 63];
    }
    *to = '\0';
    return encoded;
}

static void read_header(struct slice json) {
    char *segment = encode(json);
    struct token_header header = {0};
    if (token_header_parse(slice_of_str(segment), &header) == STATUS_OK && !header.document)
        abort();
    token_header_done(&header);
    free(segment);
}

static void check_list(const struct claim_list *list) {
    if (list->count > TOKEN_CLAIMS_MAX_LIST)
        abort();
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].len == 0 || memchr(list->items[i].ptr, '\0', list->items[i].len))
            abort();
}

static void read_claims(struct slice json) {
    char *segment = encode(json);
    struct token_claims claims = {0};
    if (token_claims_parse(slice_of_str(segment), &claims) == STATUS_OK) {
        check_list(&claims.roles);
        check_list(&claims.groups);
        check_list(&claims.scopes);
        if (claims.exp.is_usable && (claims.exp.sec < 1 || claims.exp.sec > INT64_C(1) << 53))
            abort();
    }
    token_claims_done(&claims);
    free(segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    if (len == 0)
        return 0;
    struct slice rest = slice_of((const char *)bytes + 1, len - 1);
    if (bytes[0] == 'T')
        judge(rest);
    else if (bytes[0] == 'H')
        read_header(rest);
    else if (bytes[0] == 'C')
        read_claims(rest);
    return 0;
}
