/* The gate every secret passes before it is stored: what it refuses is never sent anywhere.
 *
 * Space inside is fine (passphrases); at the ends it is what a careless paste leaves behind, and
 * HTTP would strip it silently. */
#include "vault/secret_value.h"

static bool is_control(char byte) {
    const unsigned char c = (unsigned char)byte;
    return c < 0x20 || c == 0x7f;
}

/* A PEM document is lines by its nature. It is a key for our own use: what is rendered into a
 * request is looked at again there. */
static bool is_pem(struct slice bytes) {
    for (size_t i = 0; i < bytes.len; i++)
        if (is_control(bytes.ptr[i]) && bytes.ptr[i] != '\n' && bytes.ptr[i] != '\r')
            return false;
    return slice_starts_with(bytes, SLICE("-----BEGIN "));
}

static const char *objection(struct slice bytes) {
    if (secret_value_has_control_bytes(bytes) && !is_pem(bytes))
        return "the value holds control bytes (a line break?) and cannot go into a request";
    for (size_t i = 0; i < bytes.len; i++)
        if ((unsigned char)bytes.ptr[i] > 0x7e)
            return "the value holds bytes outside ASCII and cannot go into a request";
    if (bytes.ptr[0] == ' ' || bytes.ptr[bytes.len - 1] == ' ')
        return "the value begins or ends with a space";
    return NULL;
}

bool secret_value_has_control_bytes(struct slice bytes) {
    for (size_t i = 0; i < bytes.len; i++)
        if (is_control(bytes.ptr[i]))
            return true;
    return false;
}

enum status secret_value_new(struct slice bytes, struct secret **out_value, struct error *err) {
    if (bytes.len == 0)
        return error_set(err, STATUS_INVALID, "the value is empty");
    if (bytes.len > SECRET_VALUE_MAX_BYTES)
        return error_set(err, STATUS_LIMIT, "the value is longer than 25 KiB");
    const char *why = objection(bytes);
    if (why)
        return error_set(err, STATUS_INVALID, "%s", why);
    struct secret *value = secret_new(bytes);
    if (!value)
        return error_set(err, STATUS_NO_MEMORY, "no secret memory left");
    *out_value = value;
    return STATUS_OK;
}
