/* What Key Vault says, judged without trusting that it answers what was asked: name and version
 * must be those of the question, and only what the specification calls a secret bundle is taken. */
#include "vault/key_vault.h"

#include <stdio.h>

#include "core/http_client.h"
#include "vault/key_vault_parts.h"
#include "vault/secret_value.h"

#define VERSION_LEN (KEY_VAULT_VERSION_SIZE - 1)
#define NAME_MAX_LEN 127

/* Inner codes of a 403 and what an operator does about them. azure.md D.5. */
static const struct {
    const char *code;
    const char *meaning;
} inner_codes[] = {
    {"ForbiddenByRbac", "no role assignment lets the identity read this secret"},
    {"AccessDenied", "the vault's access policy does not let the identity read secrets"},
    {"ForbiddenByFirewall", "the vault's firewall does not admit this address"},
    {"ForbiddenByConnection", "the vault takes private connections only"},
    {KEY_VAULT_SECRET_DISABLED, "the secret is disabled"},
};

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name_byte(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

/* Splits "https://HOST/secrets/NAME/VERSION". */
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

enum status key_vault_read_id(const struct azure_answer *answer, const char *name,
                              char out_version[KEY_VAULT_VERSION_SIZE], struct error *err) {
    const struct answer_member id = azure_answer_member(answer, "id");
    struct slice id_name, id_version;
    char found[KEY_VAULT_VERSION_SIZE];
    if (id.kind != ANSWER_STRING || !split_id(id.text, &id_name, &id_version) ||
        !copy_version(id_version, found))
        return error_set(err, STATUS_INVALID, "the answer's id names no version of a secret");
    if (!slice_eq_nocase(id_name, slice_of_str(name)))
        return error_set(err, STATUS_INVALID, "the answer is about another secret");
    memcpy(out_version, found, sizeof found);
    return STATUS_OK;
}

static enum status check_id(const struct azure_answer *answer,
                            const struct key_vault_question *question,
                            char out_version[KEY_VAULT_VERSION_SIZE], struct error *err) {
    char found[KEY_VAULT_VERSION_SIZE];
    const enum status status = key_vault_read_id(answer, question->name, found, err);
    if (status != STATUS_OK)
        return status;
    if (question->version && !slice_eq_nocase(slice_of_str(found), slice_of_str(question->version)))
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

enum status key_vault_read_attributes(const struct azure_answer *answer,
                                      struct key_vault_attributes *out_attributes,
                                      struct error *err) {
    const struct answer_member enabled = azure_answer_member(answer, "attributes.enabled");
    struct key_vault_attributes found = {true, INT64_MIN, INT64_MAX, 0};
    if (azure_answer_member(answer, "attributes").kind != ANSWER_OBJECT ||
        (enabled.kind != ANSWER_BOOLEAN && enabled.kind != ANSWER_ABSENT) ||
        !time_of(answer, "attributes.nbf", &found.not_before_sec) ||
        !time_of(answer, "attributes.exp", &found.expires_sec) ||
        !time_of(answer, "attributes.created", &found.created_sec))
        return error_set(err, STATUS_INVALID, "the answer's attributes are malformed");
    if (enabled.kind == ANSWER_BOOLEAN)
        found.is_enabled = enabled.flag;
    *out_attributes = found;
    return STATUS_OK;
}

const char *key_vault_objection(const struct key_vault_attributes *attributes, int64_t wall_sec) {
    if (!attributes->is_enabled)
        return "the secret's version is disabled";
    if (wall_sec >= attributes->expires_sec)
        return "the secret's version has expired";
    if (wall_sec < attributes->not_before_sec)
        return "the secret's version is not yet valid";
    return NULL;
}

int64_t key_vault_valid_from(const struct key_vault_attributes *attributes, int64_t wall_sec) {
    const bool will_be = attributes->is_enabled && wall_sec < attributes->not_before_sec &&
                         attributes->not_before_sec < attributes->expires_sec;
    return will_be ? attributes->not_before_sec : 0;
}

static enum status check_attributes(const struct azure_answer *answer, int64_t wall_sec,
                                    struct key_vault_secret *secret, struct error *err) {
    struct key_vault_attributes found = {0};
    const enum status status = key_vault_read_attributes(answer, &found, err);
    if (status != STATUS_OK)
        return status;
    const char *why = key_vault_objection(&found, wall_sec);
    secret->valid_from_sec = key_vault_valid_from(&found, wall_sec);
    secret->expires_sec = found.expires_sec == INT64_MAX ? 0 : found.expires_sec;
    return why ? error_set(err, STATUS_DENIED, "%s", why) : STATUS_OK;
}

/* A tag that is given in several spellings, is no text or is too long names no host: what cannot be
 * understood must not widen. */
static enum status read_hosts(const struct azure_answer *answer, struct key_vault_secret *secret,
                              struct error *err) {
    struct answer_member tag;
    const struct answer_member tags = azure_answer_member(answer, "tags");
    if (tags.kind != ANSWER_OBJECT && tags.kind != ANSWER_ABSENT)
        return error_set(err, STATUS_INVALID, "the answer's tags are malformed");
    const size_t count = azure_answer_named(answer, "tags", "barkeep-hosts", &tag);
    secret->has_hosts = count > 0;
    secret->hosts[0] = '\0';
    if (count != 1 || tag.kind != ANSWER_STRING || tag.text.len >= sizeof secret->hosts)
        return STATUS_OK;
    memcpy(secret->hosts, tag.text.ptr, tag.text.len);
    secret->hosts[tag.text.len] = '\0';
    return STATUS_OK;
}

static enum status read_value(const struct azure_answer *answer, struct secret **out_value,
                              struct error *err) {
    const struct answer_member value = azure_answer_member(answer, "value");
    if (value.kind != ANSWER_STRING)
        return error_set(err, STATUS_INVALID, "the answer holds no value");
    return secret_value_new(value.text, out_value, err);
}

bool key_vault_is_name(const char *text) {
    const size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (!is_name_byte(text[i]))
            return false;
    return len >= 1 && len <= NAME_MAX_LEN;
}

bool key_vault_is_version(const char *text) {
    char version[KEY_VAULT_VERSION_SIZE];
    return copy_version(slice_of_str(text), version);
}

static void append_secret(struct buf *url, const struct key_vault_question *question) {
    buf_append_str(url, question->vault_url);
    buf_append_str(url, "/secrets/");
    http_form_encode(url, slice_of_str(question->name));
}

static void append_api_version(struct buf *url, const struct key_vault_question *question) {
    const char *asked = question->api_version ? question->api_version : KEY_VAULT_API_VERSION;
    buf_append_str(url, "?api-version=");
    http_form_encode(url, slice_of_str(asked));
}

void key_vault_append_url(struct buf *url, const struct key_vault_question *question) {
    append_secret(url, question);
    if (question->version) {
        buf_append_char(url, '/');
        http_form_encode(url, slice_of_str(question->version));
    }
    append_api_version(url, question);
    buf_append_char(url, '\0');
}

void key_vault_append_versions_url(struct buf *url, const struct key_vault_question *question,
                                   const char *page) {
    if (page) {
        buf_append_str(url, question->vault_url);
        buf_append_str(url, page);
    } else {
        append_secret(url, question);
        buf_append_str(url, "/versions");
        append_api_version(url, question);
    }
    buf_append_char(url, '\0');
}

enum status key_vault_parse_secret(struct slice body, const struct key_vault_question *question,
                                   int64_t wall_sec, struct key_vault_secret *out_secret,
                                   struct error *err) {
    struct key_vault_secret secret = {0};
    struct azure_answer *answer = azure_answer_parse(body, err);
    if (!answer)
        return STATUS_INVALID;
    enum status status = check_id(answer, question, secret.version, err);
    if (status == STATUS_OK)
        status = check_attributes(answer, wall_sec, &secret, err);
    if (status == STATUS_OK)
        status = read_hosts(answer, &secret, err);
    if (status == STATUS_OK)
        status = read_value(answer, &secret.value, err);
    if (status == STATUS_OK || status == STATUS_DENIED)
        *out_secret = secret;
    azure_answer_free(answer);
    return status;
}

static const char *describe_forbidden(const struct azure_answer *answer, struct error *out_text) {
    const struct answer_member code = azure_answer_member(answer, "error.innererror.code");
    for (size_t i = 0; i < sizeof inner_codes / sizeof *inner_codes; i++) {
        if (code.kind != ANSWER_STRING || !slice_eq_str(code.text, inner_codes[i].code))
            continue;
        error_set(out_text, STATUS_DENIED, "the vault answered 403 %s: %s", inner_codes[i].code,
                  inner_codes[i].meaning);
        return inner_codes[i].code;
    }
    error_set(out_text, STATUS_DENIED, "the vault answered 403 for a reason unknown here");
    return "";
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

const char *key_vault_refusal(struct slice body, int http_status, struct error *out_text) {
    struct azure_answer *answer = azure_answer_parse(body, NULL);
    const char *code = "";
    if (http_status == 401)
        describe_unauthorized(answer, out_text);
    else if (http_status == 403)
        code = describe_forbidden(answer, out_text);
    else if (http_status == 404)
        error_set(out_text, STATUS_NOT_FOUND, "the vault answered 404: no such secret or version");
    else
        error_set(out_text, STATUS_IO, "the vault answered %d%s", http_status,
                  http_status == 429 ? ": too many requests" : "");
    azure_answer_free(answer);
    return code;
}
