/* The claims come from a service and go to Entra: they are taken apart and written anew, so that
 * nothing but a bounded JSON object gets there. */
#include "vault/claims_request.h"

#include <stdlib.h>

#include "vault/azure_answer.h"

#define MAX_CHALLENGE_BYTES 4096

/* -1 for what is in neither alphabet. */
static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

static struct slice without_padding(struct slice text) {
    for (int i = 0; i < 2 && slice_ends_with(text, SLICE("=")); i++)
        text.len--;
    return text;
}

static bool decode(struct slice text, char *out_bytes, size_t *out_len) {
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        const int digit = digit_of(text.ptr[i]);
        if (digit < 0)
            return false;
        bits = (bits << 6 | (uint32_t)digit) & 0xffff;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out_bytes[len++] = (char)(bits >> bit_count & 0xff);
        }
    }
    *out_len = len;
    return bit_count < 6;
}

char *claims_request_of(struct slice challenge) {
    char json[MAX_CHALLENGE_BYTES];
    size_t len;
    const struct slice text = without_padding(challenge);
    if (text.len == 0 || text.len > MAX_CHALLENGE_BYTES || !decode(text, json, &len))
        return NULL;
    struct azure_answer *claims = azure_answer_parse(slice_of(json, len), NULL);
    char *request = claims ? azure_answer_format_claims(claims) : NULL;
    azure_answer_free(claims);
    return request;
}
