/* Token answers, read strictly: what is kept is one string and one number. */
#include "vault/token_answer.h"

#include <stdio.h>

#include "vault/azure_answer.h"

#define MAX_TOKEN_BYTES (16 * 1024)
#define MAX_LIFETIME_SEC (int64_t)(48 * 3600)

static bool is_visible_ascii(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x21 || text.ptr[i] > 0x7e)
            return false;
    return text.len > 0;
}

/* A number or a numeric string; false when absent or anything else (a date string, for one). */
static bool seconds_of(const struct azure_answer *answer, const char *name, int64_t *out_seconds) {
    const struct answer_member member = azure_answer_member(answer, name);
    uint64_t parsed = 0;
    if (member.kind == ANSWER_INTEGER)
        *out_seconds = member.number;
    else if (member.kind == ANSWER_STRING && slice_parse_u64(member.text, INT64_MAX, &parsed))
        *out_seconds = (int64_t)parsed;
    else
        return false;
    return true;
}

static enum status lifetime_of(const struct azure_answer *answer, int64_t wall_sec,
                               int64_t *out_lifetime_sec, struct error *err) {
    int64_t lifetime_sec = MAX_LIFETIME_SEC;
    int64_t seconds = 0;
    const bool has_on = seconds_of(answer, "expires_on", &seconds);
    if (has_on && seconds < wall_sec + lifetime_sec)
        lifetime_sec = seconds < wall_sec ? 0 : seconds - wall_sec;
    const bool has_in = seconds_of(answer, "expires_in", &seconds);
    if (has_in && seconds < lifetime_sec)
        lifetime_sec = seconds;
    if (!has_on && !has_in)
        return error_set(err, STATUS_INVALID, "the token answer does not say when it expires");
    if (lifetime_sec <= 0)
        return error_set(err, STATUS_INVALID, "the token answered has already expired");
    *out_lifetime_sec = lifetime_sec;
    return STATUS_OK;
}

static enum status token_of(const struct azure_answer *answer, struct slice *out_token,
                            struct error *err) {
    const struct answer_member type = azure_answer_member(answer, "token_type");
    if (type.kind != ANSWER_ABSENT &&
        !(type.kind == ANSWER_STRING && slice_eq_nocase(type.text, SLICE("Bearer"))))
        return error_set(err, STATUS_INVALID, "the token answered is not a bearer token");
    const struct answer_member token = azure_answer_member(answer, "access_token");
    if (token.kind != ANSWER_STRING || !is_visible_ascii(token.text))
        return error_set(err, STATUS_INVALID, "the answer holds no usable access_token");
    if (token.text.len > MAX_TOKEN_BYTES)
        return error_set(err, STATUS_INVALID, "the token answered is longer than 16 KiB");
    *out_token = token.text;
    return STATUS_OK;
}

static enum status read_answer(const struct azure_answer *answer, int64_t wall_sec,
                               struct token_answer *out_answer, struct error *err) {
    struct slice text;
    int64_t lifetime_sec = 0;
    enum status status = token_of(answer, &text, err);
    if (status == STATUS_OK)
        status = lifetime_of(answer, wall_sec, &lifetime_sec, err);
    if (status != STATUS_OK)
        return status;
    struct secret *token = secret_new(text);
    if (!token)
        return error_set(err, STATUS_NO_MEMORY, "no secret memory left");
    *out_answer = (struct token_answer){token, lifetime_sec};
    return STATUS_OK;
}

enum status token_answer_parse(struct slice body, int64_t wall_sec, struct token_answer *out_answer,
                               struct error *err) {
    struct azure_answer *answer = azure_answer_parse(body, err);
    if (!answer)
        return STATUS_INVALID;
    const enum status status = read_answer(answer, wall_sec, out_answer, err);
    azure_answer_free(answer);
    return status;
}

/* Error codes are lower-case words; anything else is not repeated in a log. */
static struct slice code_of(const struct azure_answer *answer) {
    const struct answer_member code = azure_answer_member(answer, "error");
    if (code.kind != ANSWER_STRING || code.text.len > 64)
        return SLICE("");
    for (size_t i = 0; i < code.text.len; i++) {
        const char c = code.text.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
            return SLICE("");
    }
    return code.text;
}

/* "AADSTS7000215" at the start of the description, or empty. */
static struct slice aadsts_of(const struct azure_answer *answer) {
    const struct answer_member told = azure_answer_member(answer, "error_description");
    const size_t prefix = sizeof "AADSTS" - 1;
    if (told.kind != ANSWER_STRING || !slice_starts_with(told.text, SLICE("AADSTS")))
        return SLICE("");
    size_t len = prefix;
    while (len < told.text.len && len < prefix + 9 && told.text.ptr[len] >= '0' &&
           told.text.ptr[len] <= '9')
        len++;
    return len > prefix ? slice_of(told.text.ptr, len) : SLICE("");
}

void token_answer_refusal(struct slice body, int http_status, struct error *out_text) {
    struct azure_answer *answer = azure_answer_parse(body, NULL);
    const struct slice code = code_of(answer);
    const struct slice aadsts = aadsts_of(answer);
    snprintf(out_text->text, sizeof out_text->text, "the token endpoint answered %d%s%.*s%s%.*s%s",
             http_status, code.len ? ": " : "", SLICE_ARGS(code), aadsts.len ? " (" : "",
             SLICE_ARGS(aadsts), aadsts.len ? ")" : "");
    azure_answer_free(answer);
}

bool token_answer_is_of(struct slice body, const char *client_id) {
    struct azure_answer *answer = azure_answer_parse(body, NULL);
    const struct answer_member id = azure_answer_member(answer, "client_id");
    const bool is_of =
        id.kind == ANSWER_STRING && slice_eq_nocase(id.text, slice_of_str(client_id));
    azure_answer_free(answer);
    return is_of;
}

bool token_answer_is_temporary(struct slice body) {
    struct azure_answer *answer = azure_answer_parse(body, NULL);
    const struct slice code = code_of(answer);
    const bool is_temporary = slice_eq(code, SLICE("temporarily_unavailable")) ||
                              slice_eq(code, SLICE("server_error")) ||
                              azure_answer_lists(answer, "error_codes", 90055);
    azure_answer_free(answer);
    return is_temporary;
}
