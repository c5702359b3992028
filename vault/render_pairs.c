/* "name=value", as a query parameter and as a cookie, born in secret memory. What a query takes
 * percent-encoded a cookie cannot take at all: cookies have no escaping (RFC 6265 4.1.1). */
#include "vault/credential_text.h"
#include "vault/rendering_parts.h"

static bool is_alnum(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 3986 2.3 */
static bool is_unreserved(char c) {
    return is_alnum(c) || (c != '\0' && strchr("-._~", c) != NULL);
}

/* RFC 9110 5.6.2 */
static bool is_token_byte(char c) {
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* RFC 6265 4.1.1 */
static bool is_cookie_octet(char c) {
    return c > 0x20 && c < 0x7f && strchr("\",;\\", c) == NULL;
}

static size_t encoded_len(struct slice bytes) {
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i++)
        len += is_unreserved(bytes.ptr[i]) ? 1 : 3;
    return len;
}

static char *put_encoded(char *at, struct slice bytes) {
    static const char DIGITS[] = "0123456789ABCDEF";
    for (size_t i = 0; i < bytes.len; i++) {
        const unsigned char byte = (unsigned char)bytes.ptr[i];
        if (is_unreserved(bytes.ptr[i])) {
            *at++ = bytes.ptr[i];
            continue;
        }
        *at++ = '%';
        *at++ = DIGITS[byte >> 4];
        *at++ = DIGITS[byte & 0xf];
    }
    return at;
}

static enum status render_parameter(struct slice name, const struct credential_text *text,
                                    struct secret **out_pair, struct error *err) {
    size_t len = encoded_len(name) + 1;
    for (size_t i = 0; i < text->parts->count; i++)
        len += encoded_len(credential_text_part(text, i));
    struct secret *pair = secret_new_blank(len);
    if (!pair)
        return render_no_memory(err);
    char *at = put_encoded(secret_writable(pair), name);
    *at++ = '=';
    for (size_t i = 0; i < text->parts->count; i++)
        at = put_encoded(at, credential_text_part(text, i));
    *out_pair = pair;
    return STATUS_OK;
}

static bool is_token(struct slice name) {
    size_t good = 0;
    while (good < name.len && is_token_byte(name.ptr[good]))
        good++;
    return name.len > 0 && good == name.len;
}

static bool is_cookie_value(struct slice bytes) {
    for (size_t i = 0; i < bytes.len; i++)
        if (!is_cookie_octet(bytes.ptr[i]))
            return false;
    return true;
}

static enum status check_cookie(struct slice name, const struct credential_text *text,
                                struct error *err) {
    if (!is_token(name))
        return error_set(err, STATUS_INVALID, "a cookie's name is not a token (RFC 6265 4.1.1)");
    for (size_t i = 0; i < text->parts->count; i++) {
        if (!is_cookie_value(credential_text_part(text, i)))
            return error_set(err, STATUS_INVALID,
                             "the value of cookie %.*s holds bytes that a cookie cannot carry",
                             SLICE_ARGS(name));
    }
    return STATUS_OK;
}

static enum status render_cookie(struct slice name, const struct credential_text *text,
                                 struct secret **out_pair, struct error *err) {
    const enum status status = check_cookie(name, text, err);
    if (status != STATUS_OK)
        return status;
    struct secret *pair = secret_new_blank(name.len + 1 + credential_text_len(text));
    if (!pair)
        return render_no_memory(err);
    char *at = credential_put(secret_writable(pair), name);
    at = credential_put(at, SLICE("="));
    credential_text_put(at, text);
    *out_pair = pair;
    return STATUS_OK;
}

static enum status render_pair(struct rendering *rendering, enum config_credential_kind kind,
                               const char *name, const struct credential_text *text,
                               struct rendered_pair *out_pair, struct error *err) {
    struct secret *pair = NULL;
    enum status status = credential_text_check(text, name, err);
    if (status == STATUS_OK)
        status = kind == CREDENTIAL_QUERY ? render_parameter(slice_of_str(name), text, &pair, err)
                                          : render_cookie(slice_of_str(name), text, &pair, err);
    if (status != STATUS_OK)
        return status;
    const char *kept = arena_strdup(&rendering->arena, name);
    if (!kept) {
        secret_unref(pair);
        return render_no_memory(err);
    }
    *out_pair = (struct rendered_pair){kept, pair};
    return STATUS_OK;
}

enum status render_pairs(struct rendering *rendering, const struct config_credential *credential,
                         const struct secret_view *views, struct error *err) {
    const bool is_query = credential->kind == CREDENTIAL_QUERY;
    struct rendered_credential *rendered = &rendering->credential;
    struct rendered_pair **pairs = is_query ? &rendered->query : &rendered->cookies;
    size_t *count = is_query ? &rendered->query_count : &rendered->cookie_count;
    *pairs = arena_array(&rendering->arena, credential->field_count, sizeof **pairs);
    if (!*pairs)
        return render_no_memory(err);
    for (size_t i = 0; i < credential->field_count; i++) {
        const struct config_credential_field *field = &credential->fields[i];
        const struct credential_text text = {&field->value, views};
        const enum status status =
            render_pair(rendering, credential->kind, field->name, &text, &(*pairs)[*count], err);
        if (status != STATUS_OK)
            return status;
        (*count)++;
    }
    return STATUS_OK;
}
