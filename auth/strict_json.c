/* The guard in front of jansson (2.14): that parser recurses to 2,048 levels and accepts duplicate
 * members unless told otherwise. Depth is bounded here by a scan that costs a fraction of the
 * parse, everything else by jansson's own flags. */
#include "auth/strict_json.h"

#include <jansson.h>
#include <stdlib.h>

#include "auth/jws.h"

static bool nesting_is_bounded(struct slice text) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (in_string) {
            if (byte == '\\')
                i++;
            else if (byte == '"')
                in_string = false;
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '{' || byte == '[') {
            if (++depth > STRICT_JSON_MAX_DEPTH)
                return false;
        } else if ((byte == '}' || byte == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

enum status strict_json_parse(struct slice text, enum strict_json_nul nul,
                              struct json_t **out_document) {
    if (slice_is_empty(text) || !nesting_is_bounded(text))
        return STATUS_INVALID;
    size_t flags = JSON_REJECT_DUPLICATES | (nul == STRICT_JSON_ALLOW_NUL ? JSON_ALLOW_NUL : 0);
    json_error_t error;
    json_t *document = json_loadb(text.ptr, text.len, flags, &error);
    if (!document)
        return json_error_code(&error) == json_error_out_of_memory ? STATUS_NO_MEMORY
                                                                   : STATUS_INVALID;
    if (!json_is_object(document)) {
        json_decref(document);
        return STATUS_INVALID;
    }
    *out_document = document;
    return STATUS_OK;
}

enum status strict_json_parse_segment(struct slice base64url, enum strict_json_nul nul,
                                      struct json_t **out_document) {
    unsigned char *bytes = malloc(base64url_decoded_size(base64url.len) + 1);
    if (!bytes)
        return STATUS_NO_MEMORY;
    size_t len = 0;
    enum status status = base64url_decode(base64url, bytes, &len);
    if (status == STATUS_OK)
        status = strict_json_parse(slice_of((const char *)bytes, len), nul, out_document);
    free(bytes);
    return status;
}

void strict_json_free(struct json_t *document) {
    json_decref(document);
}

struct slice strict_json_text(const struct json_t *object, const char *member) {
    const json_t *value = json_object_get(object, member);
    if (!json_is_string(value))
        return slice_of(NULL, 0);
    return slice_of(json_string_value(value), json_string_length(value));
}
