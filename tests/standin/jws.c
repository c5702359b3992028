/* Takes tokens apart. Not libjwt, which is lenient where this has to be strict (HS256 keyed with a
 * public key, junk in base64): the answers here judge the proxy. */
#include "jws.h"

#include <stdlib.h>

#include "encoding.h"

static json_t *decode_object(struct slice text) {
    size_t len = 0;
    unsigned char *bytes = base64url_decode(text, &len);
    json_t *value =
        bytes ? json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    free(bytes);
    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

bool jws_parse(struct jws *jws, struct slice token) {
    *jws = (struct jws){0};
    size_t header_len = slice_index(token, '.');
    struct slice rest = slice_skip(token, header_len + 1);
    size_t payload_len = slice_index(rest, '.');
    if (header_len == token.len || payload_len == rest.len)
        return false;
    jws->signed_text = slice_of(token.ptr, header_len + 1 + payload_len);
    jws->signature = base64url_decode(slice_skip(rest, payload_len + 1), &jws->signature_len);
    jws->header = decode_object(slice_of(token.ptr, header_len));
    jws->claims = decode_object(slice_of(rest.ptr, payload_len));
    return jws->header && jws->claims;
}

void jws_done(struct jws *jws) {
    json_decref(jws->header);
    json_decref(jws->claims);
    free(jws->signature);
    *jws = (struct jws){0};
}

const char *jws_text(const json_t *object, const char *member) {
    const char *text = json_string_value(json_object_get(object, member));
    return text ? text : "";
}
