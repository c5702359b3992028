/* Claims keep the names that App Service gives them: its default mapping renames some to the URIs
 * of old and leaves the others as the token has them. name_typ and role_typ say under which names
 * the caller's name and roles stand here. Every byte of a caller's making is either inside base64
 * or percent-encoded. */
#include "auth/easyauth.h"

#include <openssl/evp.h>

#include "core/json_out.h"

#define MICROSOFT_CLAIM "http://schemas.microsoft.com/identity/claims/"
#define SUBJECT_CLAIM "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"

static void append_percent_encoded(struct buf *out, struct slice text) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte > 0x20 && byte < 0x7f && byte != '%') {
            buf_append_char(out, (char)byte);
        } else {
            buf_append_char(out, '%');
            buf_append_char(out, digits[byte >> 4]);
            buf_append_char(out, digits[byte & 15]);
        }
    }
}

static struct slice shown_name(const struct identity *identity) {
    if (!slice_is_empty(identity->name))
        return identity->name;
    return identity->type == PRINCIPAL_APP ? identity->app : identity->oid;
}

static void write_claim(struct json_out *out, const char *type, struct slice value) {
    if (slice_is_empty(value))
        return;
    json_out_object_begin(out, NULL);
    json_out_cstr(out, "typ", type);
    json_out_str(out, "val", value);
    json_out_object_end(out);
}

static void write_group(void *owner, struct slice group) {
    write_claim(owner, "groups", group);
}

/* Scopes that do not fit into one text fail the whole document. */
static void write_scopes(struct json_out *out, const struct caller_view *view) {
    struct buf words;
    caller_view_join_scopes(view, &words);
    write_claim(out, MICROSOFT_CLAIM "scope", buf_slice(&words));
    buf_fail(out->buf, buf_status(&words));
    buf_done(&words);
}

static void write_lists(struct json_out *out, const struct caller_view *view) {
    const struct identity *identity = view->identity;
    for (size_t i = 0; i < identity->role_count; i++)
        write_claim(out, "roles", identity->roles[i]);
    write_scopes(out, view);
    caller_view_each_group(view, write_group, out);
    if (identity->groups_unknown)
        write_claim(out, "hasgroups", SLICE("true"));
}

static void write_principal(struct buf *json, const struct caller_view *view) {
    const struct identity *identity = view->identity;
    struct json_out out;
    json_out_init(&out, json);
    json_out_object_begin(&out, NULL);
    json_out_cstr(&out, "auth_typ", "aad");
    json_out_cstr(&out, "name_typ", "preferred_username");
    json_out_cstr(&out, "role_typ", "roles");
    json_out_array_begin(&out, "claims");
    write_claim(&out, MICROSOFT_CLAIM "objectidentifier", identity->oid);
    write_claim(&out, MICROSOFT_CLAIM "tenantid", identity->tenant);
    write_claim(&out, SUBJECT_CLAIM, caller_view_subject(view));
    write_claim(&out, "preferred_username", identity->name);
    write_claim(&out, identity->version == 1 ? "appid" : "azp", identity->app);
    write_claim(&out, "idtyp", slice_of_str(identity->type == PRINCIPAL_APP ? "app" : "user"));
    write_claim(&out, "ver", slice_of_str(identity->version == 1 ? "1.0" : "2.0"));
    write_lists(&out, view);
    json_out_array_end(&out);
    json_out_object_end(&out);
}

static enum status append_base64(struct buf *out, struct slice bytes) {
    size_t len = (bytes.len + 2) / 3 * 4;
    if (len > CALLER_VIEW_MAX_HEADER_BYTES)
        return STATUS_LIMIT;
    if (!buf_reserve(out, len + 1)) /* the encoder ends in a NUL */
        return STATUS_NO_MEMORY;
    (void)EVP_EncodeBlock((unsigned char *)out->ptr + out->len, (const unsigned char *)bytes.ptr,
                          (int)bytes.len);
    out->len += len;
    return STATUS_OK;
}

enum status easyauth_append(struct buf *out, const struct caller_view *view) {
    if (!caller_view_is_tellable(view))
        return STATUS_LIMIT;
    struct buf json;
    buf_init(&json, CALLER_VIEW_MAX_HEADER_BYTES);
    write_principal(&json, view);
    enum status status = buf_status(&json);
    buf_append_str(out, "X-MS-CLIENT-PRINCIPAL-ID: ");
    buf_append_slice(out, view->identity->oid);
    buf_append_str(out, "\r\nX-MS-CLIENT-PRINCIPAL-NAME: ");
    append_percent_encoded(out, shown_name(view->identity));
    buf_append_str(out, "\r\nX-MS-CLIENT-PRINCIPAL-IDP: aad\r\nX-MS-CLIENT-PRINCIPAL: ");
    if (status == STATUS_OK)
        status = append_base64(out, buf_slice(&json));
    buf_append_str(out, "\r\n");
    buf_done(&json);
    if (status == STATUS_OK && !buf_ok(out))
        status = STATUS_NO_MEMORY;
    return status;
}
