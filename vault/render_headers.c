/* Header lines. Each is born in secret memory of its final size; there is no copy between a secret
 * and its line to wipe, but for the joined "user:password" of basic, which is a secret itself. */
#include <openssl/evp.h>

#include "vault/credential_text.h"
#include "vault/rendering_parts.h"

enum status render_no_memory(struct error *err) {
    return error_set(err, STATUS_NO_MEMORY, "no secret memory left");
}

static enum status add_header(struct rendering *rendering, const char *name, struct secret *line,
                              struct error *err) {
    struct rendered_credential *credential = &rendering->credential;
    const char *kept = arena_strdup(&rendering->arena, name);
    if (!kept) {
        secret_unref(line);
        return render_no_memory(err);
    }
    credential->headers[credential->header_count++] = (struct rendered_header){kept, line};
    return STATUS_OK;
}

/* "NAME: PREFIX TEXT CRLF" */
static enum status render_line(struct rendering *rendering, const char *name, struct slice prefix,
                               const struct credential_text *text, struct error *err) {
    const struct slice title = slice_of_str(name);
    const enum status status = credential_text_check(text, name, err);
    if (status != STATUS_OK)
        return status;
    struct secret *line =
        secret_new_blank(title.len + 2 + prefix.len + credential_text_len(text) + 2);
    if (!line)
        return render_no_memory(err);
    char *at = credential_put(secret_writable(line), title);
    at = credential_put(at, SLICE(": "));
    at = credential_put(at, prefix);
    at = credential_text_put(at, text);
    credential_put(at, SLICE("\r\n"));
    return add_header(rendering, name, line, err);
}

static enum status check_user_password(const struct credential_text *username,
                                       const struct credential_text *password, struct error *err) {
    const enum status status = credential_text_check(username, "the username", err);
    return status == STATUS_OK ? credential_text_check(password, "the password", err) : status;
}

/* RFC 7617 2: a colon would move the border between user and password. */
static enum status join_user_password(const struct credential_text *username,
                                      const struct credential_text *password,
                                      struct secret **out_joined, struct error *err) {
    const size_t name_len = credential_text_len(username);
    struct secret *joined = secret_new_blank(name_len + 1 + credential_text_len(password));
    if (!joined)
        return render_no_memory(err);
    char *at = credential_text_put(secret_writable(joined), username);
    at = credential_put(at, SLICE(":"));
    credential_text_put(at, password);
    if (slice_index(secret_bytes(joined), ':') != name_len) {
        secret_unref(joined);
        return error_set(err, STATUS_INVALID, "the username holds a colon");
    }
    *out_joined = joined;
    return STATUS_OK;
}

/* The encoder ends with a NUL of its own, which the line end then takes the place of. */
static enum status encode_basic(struct rendering *rendering, const struct secret *joined,
                                struct error *err) {
    const struct slice prefix = SLICE("Authorization: Basic ");
    const struct slice bytes = secret_bytes(joined);
    const size_t encoded_len = (bytes.len + 2) / 3 * 4;
    struct secret *line = secret_new_blank(prefix.len + encoded_len + 2);
    if (!line)
        return render_no_memory(err);
    char *at = credential_put(secret_writable(line), prefix);
    EVP_EncodeBlock((unsigned char *)at, (const unsigned char *)bytes.ptr, (int)bytes.len);
    credential_put(at + encoded_len, SLICE("\r\n"));
    return add_header(rendering, "Authorization", line, err);
}

enum status credential_join(const struct config_credential *credential,
                            const struct secret_view *views, struct secret **out_joined,
                            struct error *err) {
    struct config_template_part part = {.secret = credential->password};
    const struct config_template parts = {&part, 1};
    const struct credential_text username = {&credential->username, views};
    const struct credential_text password = {&parts, views};
    const enum status status = check_user_password(&username, &password, err);
    return status == STATUS_OK ? join_user_password(&username, &password, out_joined, err) : status;
}

static enum status render_basic(struct rendering *rendering,
                                const struct config_credential *credential,
                                const struct secret_view *views, struct error *err) {
    struct secret *joined = NULL;
    enum status status = credential_join(credential, views, &joined, err);
    if (status == STATUS_OK)
        status = encode_basic(rendering, joined, err);
    secret_unref(joined);
    return status;
}

static enum status render_bearer(struct rendering *rendering,
                                 const struct config_credential *credential,
                                 const struct secret_view *views, struct error *err) {
    struct config_template_part part = {.secret = credential->bearer};
    const struct config_template parts = {&part, 1};
    const struct credential_text text = {&parts, views};
    return render_line(rendering, "Authorization", SLICE("Bearer "), &text, err);
}

static enum status render_fields(struct rendering *rendering,
                                 const struct config_credential *credential,
                                 const struct secret_view *views, struct error *err) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < credential->field_count; i++) {
        const struct config_credential_field *field = &credential->fields[i];
        const struct credential_text text = {&field->value, views};
        status = render_line(rendering, field->name, SLICE(""), &text, err);
    }
    return status;
}

enum status render_headers(struct rendering *rendering, const struct config_credential *credential,
                           const struct secret_view *views, struct error *err) {
    const size_t most = credential->kind == CREDENTIAL_HEADERS ? credential->field_count : 1;
    rendering->credential.headers =
        arena_array(&rendering->arena, most, sizeof *rendering->credential.headers);
    if (!rendering->credential.headers)
        return render_no_memory(err);
    if (credential->kind == CREDENTIAL_BASIC)
        return render_basic(rendering, credential, views, err);
    if (credential->kind == CREDENTIAL_BEARER)
        return render_bearer(rendering, credential, views, err);
    return render_fields(rendering, credential, views, err);
}
