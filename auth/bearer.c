/* The token out of an Authorization field. */
#include "auth/entra.h"

/* RFC 9110 11.2; a table, because every request passes here with a long token. */
static const bool token68_bytes[256] = {
    ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['-'] = true, ['.'] = true,
    ['_'] = true,         ['~'] = true,         ['+'] = true,         ['/'] = true,
};

static bool is_token68(struct slice text) {
    size_t i = 0;
    while (i < text.len && token68_bytes[(unsigned char)text.ptr[i]])
        i++;
    if (i == 0)
        return false;
    while (i < text.len && text.ptr[i] == '=')
        i++;
    return i == text.len;
}

enum status entra_bearer_token(struct slice authorization, struct slice *out_token,
                               enum reason *out_reason) {
    size_t scheme_len = 0;
    while (scheme_len < authorization.len && authorization.ptr[scheme_len] > ' ')
        scheme_len++;
    if (!slice_eq_nocase(slice_of(authorization.ptr, scheme_len), SLICE("Bearer"))) {
        *out_reason = REASON_TOKEN_MISSING;
        return STATUS_NOT_FOUND;
    }
    struct slice rest = slice_skip(authorization, scheme_len);
    struct slice token = slice_skip(rest, 1);
    if (slice_is_empty(rest) || rest.ptr[0] != ' ' || !is_token68(token)) {
        *out_reason = REASON_TOKEN_MALFORMED;
        return STATUS_INVALID;
    }
    *out_token = token;
    return STATUS_OK;
}
