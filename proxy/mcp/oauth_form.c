#include "proxy/mcp/oauth_form.h"

#include <stdlib.h>

#include "core/http_client.h"
#include "core/secret.h"

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

/* In its place: what is decoded is never longer. False when it cannot be, or holds bytes that no
 * parameter has. */
static bool decode(char *bytes, size_t len, struct slice *out_text) {
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        char byte = bytes[i] == '+' ? ' ' : bytes[i];
        if (byte == '%') {
            int high = i + 2 < len ? hex_digit(bytes[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(bytes[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            byte = (char)(high * 16 + low);
            i += 2;
        }
        if ((unsigned char)byte < 0x20 || byte == 0x7f) {
            return false;
        }
        bytes[at++] = byte;
    }
    *out_text = slice_of(bytes, at);
    return true;
}

/* Without regard to case: what the authority reads, if it does so too, is what was judged. */
static const struct oauth_field *find(const struct oauth_form *form, struct slice name) {
    for (size_t i = 0; i < form->count; i++) {
        if (slice_eq_nocase(form->fields[i].name, name)) {
            return &form->fields[i];
        }
    }
    return NULL;
}

static const char *add_field(struct oauth_form *form, char *bytes, size_t len) {
    struct oauth_field field;
    size_t equals = slice_index(slice_of(bytes, len), '=');
    size_t value_at = equals < len ? equals + 1 : len;
    if (len == 0) {
        return NULL;
    }
    if (!decode(bytes, equals, &field.name) ||
        !decode(bytes + value_at, len - value_at, &field.value)) {
        return "a parameter is not encoded as a form is";
    }
    if (find(form, field.name)) {
        return "a parameter came twice";
    }
    if (form->count == OAUTH_FIELDS_MAX) {
        return "there are too many parameters";
    }
    form->fields[form->count++] = field;
    return NULL;
}

const char *oauth_form_read(struct oauth_form *form, struct slice text) {
    const char *wrong = NULL;
    *form = (struct oauth_form){.len = text.len};
    if (text.len > OAUTH_FORM_BYTES_MAX) {
        return "the parameters are too long";
    }
    form->bytes = malloc(text.len + 1);
    if (!form->bytes) {
        return "out of memory";
    }
    if (text.len) {
        memcpy(form->bytes, text.ptr, text.len);
    }
    for (size_t at = 0; at < text.len && !wrong;) {
        size_t len = slice_index(slice_skip(text, at), '&');
        wrong = add_field(form, form->bytes + at, len);
        at += len + 1;
    }
    return wrong;
}

void oauth_form_done(struct oauth_form *form) {
    if (form->bytes) {
        secret_wipe(form->bytes, form->len);
    }
    free(form->bytes);
    form->bytes = NULL;
    form->count = 0;
}

struct slice oauth_form_value(const struct oauth_form *form, const char *name) {
    const struct oauth_field *field = find(form, slice_of_str(name));
    return field ? field->value : SLICE("");
}

bool oauth_form_has(const struct oauth_form *form, const char *name) {
    return find(form, slice_of_str(name)) != NULL;
}

void oauth_form_write(const struct oauth_form *form, const char *left_out, struct buf *out) {
    size_t size = 0;
    for (size_t i = 0; i < form->count; i++) {
        size += http_form_size(form->fields[i].name) + http_form_size(form->fields[i].value) + 2;
    }
    bool is_first = true;
    if (!buf_reserve(out, size)) {
        return;
    }
    for (size_t i = 0; i < form->count; i++) {
        if (slice_eq_nocase(form->fields[i].name, slice_of_str(left_out))) {
            continue;
        }
        buf_append_str(out, is_first ? "" : "&");
        http_form_encode(out, form->fields[i].name);
        buf_append_char(out, '=');
        http_form_encode(out, form->fields[i].value);
        is_first = false;
    }
}
