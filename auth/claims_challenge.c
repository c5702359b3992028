/* Some clients drop a parameter that holds '=', which base64 ends with unless its input's length is
 * a multiple of three: blanks after the JSON see to that. */
#include "auth/claims_challenge.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>

/* Largest JSON whose base64 and NUL fit. */
#define JSON_SIZE ((CLAIMS_CHALLENGE_SIZE - 1) / 4 * 3 + 1)

static void encode(const char *claim, struct slice value, char out_claims[CLAIMS_CHALLENGE_SIZE]) {
    char json[JSON_SIZE];
    int len = snprintf(json, sizeof json,
                       "{\"access_token\":{\"%s\":{\"essential\":true,\"value\":\"%.*s\"}}}", claim,
                       SLICE_ARGS(value));
    assert(len > 0 && len + 2 < (int)sizeof json); /* both claims have short values */
    while (len % 3 != 0)
        json[len++] = ' ';
    EVP_EncodeBlock((unsigned char *)out_claims, (const unsigned char *)json, len);
}

void claims_challenge_acrs(struct slice acrs, char out_claims[CLAIMS_CHALLENGE_SIZE]) {
    encode("acrs", acrs, out_claims);
}

void claims_challenge_nbf(int64_t not_before_sec, char out_claims[CLAIMS_CHALLENGE_SIZE]) {
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)not_before_sec);
    encode("nbf", slice_of(text, (size_t)len), out_claims);
}

const char *claims_challenge_encode(struct arena *arena, struct slice json) {
    unsigned char padded[CLAIMS_JSON_MAX + 2] = "";
    size_t len = json.len;
    if (len > CLAIMS_JSON_MAX)
        return NULL;
    memcpy(padded, json.ptr, len);
    while (len % 3 != 0)
        padded[len++] = ' ';
    char *encoded = arena_array(arena, len / 3 * 4 + 1, 1);
    if (encoded)
        EVP_EncodeBlock((unsigned char *)encoded, padded, (int)len);
    return encoded;
}

const char *claims_challenge_header(struct arena *arena, const char *authority,
                                    const char *claims) {
    return arena_printf(arena,
                        "Bearer realm=\"\", authorization_uri=\"%s/common/oauth2/authorize\", "
                        "error=\"insufficient_claims\", claims=\"%s\"",
                        authority, claims);
}
