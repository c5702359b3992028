/* What Key Vault says, judged without trusting that it answers what was asked: name and version
 * must be those of the question, and only what the specification calls a secret bundle is taken. */
#include "vault/key_vault.h"

#include <stdio.h>

#include "core/http_client.h"
#include "vault/azure_answer.h"
#include "vault/secret_value.h"

#define API_VERSION "7.4"
#define VERSION_LEN (KEY_VAULT_VERSION_SIZE - 1)

/* Inner codes of a 403 and what an operator does about them. azure.md D.5. */
static const struct {
    const char *code;
    const char *meaning;
} inner_codes[] = {
    {"ForbiddenByRbac", "no role assignment lets the identity read this secret"},
    {"AccessDenied", "the vault's access policy does not let the identity read secrets"},
    {"ForbiddenByFirewall", "the vault's firewall does not admit this address"},
    {"ForbiddenByConnection", "the vault takes private connections only"},
    {"SecretDisabled", "the secret is disabled"},
};

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Splits "https://HOST/secrets/NAME/VERSION"; the host is not ours to judge: the answer came over
 * the connection the URL of the configuration named. */
static bool split_id(struct slice id, struct slice *out_name, struct slice *out_version) {
    const size_t scheme_end = slice_index(id, ':');
    struct slice rest = slice_skip(id, scheme_end);
    if (!slice_starts_with(rest, SLICE("://")))
        return false;
    rest = slice_skip(rest, 3);
    rest = slice_skip(rest, slice_index(rest, '/'));
    if (!slice_starts_with(rest, SLICE("/secrets/")))
        return false;
    rest = slice_skip(rest, sizeof "/secrets/" - 1);
    const size_t slash = slice_index(rest, '/');
    *out_name = slice_of(rest.ptr, slash);
    *out_version = slice_skip(rest, slash + 1);
    return true;
}

static bool copy_version(struct slice text, char out_version[KEY_VAULT_VERSION_SIZE]) {
    if (text.len != VERSION_LEN)
        return false;
    for (size_t i = 0; i < VERSION_LEN; i++) {
        const char c = text.ptr[i];
        if (!is_hex(c))
            return false;
        out_version[i] = c >= 'A' && c <= 'F' ? (char)(c + 32) : c;
    }
    out_version[VERSION_LEN] = '\0';
    return true;
}

static enum status check_id(const struct azure_answer *answer, const char *name,
                            const char *version, char out_version[KEY_VAULT_VERSION_SIZE],
                            struct error *err) {
    const struct answer_member id = azure_answer_member(answer, "id");
    struct slice id_name, id_version;
    char found[KEY_VAULT_VERSION_SIZE];
    if (id.kind != ANSWER_STRING || !split_id(id.text, &id_name, &id_version) ||
        !copy_version(id_version, found))
        return error_set(err, STATUS_INVALID, "the answer's id names no version of a secret");
    if (!slice_eq_nocase(id_name, slice_of_str(name)))
        return error_set(err, STATUS_INVALID, "the answer is about another secret");
    if (version && !slice_eq_nocase(id_version, slice_of_str(version)))
        return error_set(err, STATUS_INVALID, "the answer is about another version");
    memcpy(out_version, found, sizeof found);
    return STATUS_OK;
}

/* Absent is fine and leaves `out_seconds` alone. */
static bool time_of(const struct azure_answer *answer, const char *path, int64_t *out_seconds) {
    const struct answer_member member = azure_answer_member(answer, path);
    if (member.kind == ANSWER_INTEGER)
        *out_seconds = member.number;
    return member.kind == ANSWER_INTEGER || member.kind == ANSWER_ABSENT;
}

static enum status check_attributes(const struct azure_answer *answer, int64_t wall_sec,
                                    int64_t *out_expires_sec, struct error *err) {
    const struct answer_member enabled = azure_answer_member(answer, "attributes.enabled");
    int64_t not_before_sec = INT64_MIN, expires_sec = INT64_MAX;
    if (azure_answer_member(answer, "attributes").kind != ANSWER_OBJECT ||
        (enabled.kind != ANSWER_BOOLEAN && enabled.kind != ANSWER_ABSENT) ||
        !time_of(answer, "attributes.nbf", &not_before_sec) ||
        !time_of(answer, "attributes.exp", &expires_sec))
        return error_set(err, STATUS_INVALID, "the answer's attributes are malformed");
    if (enabled.kind == ANSWER_BOOLEAN && !enabled.flag)
        return error_set(err, STATUS_DENIED, "the secret's version is disabled");
    if (wall_sec < not_before_sec)
        return error_set(err, STATUS_DENIED, "the secret's version is not yet valid");
    if (wall_sec >= expires_sec)
        return error_set(err, STATUS_DENIED, "the secret's version has expired");
    *out_expires_sec = expires_sec == INT64_MAX ? 0 : expires_sec;
    return STATUS_OK;
}

static enum status read_value(const struct azure_answer *answer, struct secret **out_value,
                              struct error *err) {
    const struct answer_member value = azure_answer_member(answer, "value");
    if (value.kind != ANSWER_STRING)
        return error_set(err, STATUS_INVALID, "the answer holds no value");
    return secret_value_new(value.text, out_value, err);
}

void key_vault_append_url(struct buf *url, const char *vault_url, const char *name,
                          const char *version) {
    buf_append_str(url, vault_url);
    buf_append_str(url, "/secrets/");
    http_form_encode(url, slice_of_str(name));
    if (version) {
        buf_append_char(url, '/');
        http_form_encode(url, slice_of_str(version));
    }
    buf_append_str(url, "?api-version=" API_VERSION);
    buf_append_char(url, '\0');
}

enum status key_vault_parse_secret(struct slice body, const char *name, const char *version,
                                   int64_t wall_sec, struct key_vault_secret *out_secret,
                                   struct error *err) {
    struct key_vault_secret secret = {0};
    struct azure_answer *answer = azure_answer_parse(body, err);
    if (!answer)
        return STATUS_INVALID;
    enum status status = check_id(answer, name, version, secret.version, err);
    if (status == STATUS_OK)
        status = check_attributes(answer, wall_sec, &secret.expires_sec, err);
    if (status == STATUS_OK)
        status = read_value(answer, &secret.value, err);
    if (status == STATUS_OK || status == STATUS_DENIED)
        *out_secret = secret;
    azure_answer_free(answer);
    return status;
}

static void describe_forbidden(const struct azure_answer *answer, struct error *out_text) {
    const struct answer_member code = azure_answer_member(answer, "error.innererror.code");
    for (size_t i = 0; i < sizeof inner_codes / sizeof *inner_codes; i++) {
        if (code.kind != ANSWER_STRING || !slice_eq_str(code.text, inner_codes[i].code))
            continue;
        error_set(out_text, STATUS_DENIED, "the vault answered 403 %s: %s", inner_codes[i].code,
                  inner_codes[i].meaning);
        return;
    }
    error_set(out_text, STATUS_DENIED, "the vault answered 403 for a reason unknown here");
}

/* "AKV10022" at the start of the message says what the token lacks. */
static void describe_unauthorized(const struct azure_answer *answer, struct error *out_text) {
    const struct answer_member told = azure_answer_member(answer, "error.message");
    size_t len = sizeof "AKV" - 1;
    if (told.kind == ANSWER_STRING && slice_starts_with(told.text, SLICE("AKV")))
        while (len < told.text.len && len < 9 && told.text.ptr[len] >= '0' &&
               told.text.ptr[len] <= '9')
            len++;
    if (len > sizeof "AKV" - 1)
        error_set(out_text, STATUS_DENIED, "the vault refused the identity's token (401 %.*s)",
                  (int)len, told.text.ptr);
    else
        error_set(out_text, STATUS_DENIED, "the vault refused the identity's token (401)");
}

void key_vault_refusal(struct slice body, int http_status, struct error *out_text) {
    struct azure_answer *answer = azure_answer_parse(body, NULL);
    if (http_status == 401)
        describe_unauthorized(answer, out_text);
    else if (http_status == 403)
        describe_forbidden(answer, out_text);
    else if (http_status == 404)
        error_set(out_text, STATUS_NOT_FOUND, "the vault answered 404: no such secret or version");
    else
        error_set(out_text, STATUS_IO, "the vault answered %d%s", http_status,
                  http_status == 429 ? ": too many requests" : "");
    azure_answer_free(answer);
}
