/* Templates over the secrets they name. Nothing is copied but to where it goes for good. */
#include "vault/credential_text.h"

#include "vault/secret_value.h"

struct slice credential_text_part(const struct credential_text *text, size_t part) {
    const struct config_template_part *found = &text->parts->parts[part];
    return found->secret == CONFIG_NONE ? found->literal
                                        : secret_bytes(text->views[found->secret].value);
}

size_t credential_text_len(const struct credential_text *text) {
    size_t len = 0;
    for (size_t i = 0; i < text->parts->count; i++)
        len += credential_text_part(text, i).len;
    return len;
}

char *credential_put(char *at, struct slice bytes) {
    if (bytes.len > 0)
        memcpy(at, bytes.ptr, bytes.len);
    return at + bytes.len;
}

char *credential_text_put(char *at, const struct credential_text *text) {
    for (size_t i = 0; i < text->parts->count; i++)
        at = credential_put(at, credential_text_part(text, i));
    return at;
}

enum status credential_text_check(const struct credential_text *text, const char *field,
                                  struct error *err) {
    for (size_t i = 0; i < text->parts->count; i++) {
        const size_t secret = text->parts->parts[i].secret;
        if (!secret_value_has_control_bytes(credential_text_part(text, i)))
            continue;
        if (secret == CONFIG_NONE)
            return error_set(err, STATUS_INVALID, "the text of %s holds control bytes", field);
        return error_set(err, STATUS_INVALID, "secret %s/%s holds control bytes",
                         text->views[secret].vault, text->views[secret].name);
    }
    return STATUS_OK;
}
