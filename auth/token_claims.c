/* Reads each claim once, by a table, and never turns a wrong type into a value: jansson would give
 * 0 for a real read as an integer. */
#include "auth/token_claims.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>

#include "auth/strict_json.h"

/* Largest integer that every JSON reader agrees on (RFC 8259 6). */
#define MAX_TIME_SEC (INT64_C(1) << 53)

#define CLAIM(member)                                                                              \
    { #member, offsetof(struct token_claims, member) }

struct claim_row {
    const char *name;
    size_t offset;
};

static const struct claim_row text_claims[] = {
    CLAIM(iss),
    CLAIM(tid),
    CLAIM(ver),
    CLAIM(aud),
    CLAIM(azp),
    CLAIM(appid),
    CLAIM(oid),
    CLAIM(sub),
    CLAIM(idtyp),
    CLAIM(scp),
    CLAIM(uti),
    CLAIM(sid),
    CLAIM(preferred_username),
    CLAIM(upn),
    CLAIM(unique_name),
    CLAIM(name),
};

static const struct claim_row time_claims[] = {CLAIM(exp), CLAIM(nbf), CLAIM(iat)};

static void *member_at(struct token_claims *claims, size_t offset) {
    return (char *)claims + offset;
}

static void read_texts(struct token_claims *claims) {
    for (size_t i = 0; i < sizeof text_claims / sizeof *text_claims; i++) {
        struct claim_text *claim = member_at(claims, text_claims[i].offset);
        const json_t *value = json_object_get(claims->document, text_claims[i].name);
        claim->is_present = value != NULL;
        if (json_is_string(value))
            claim->text = slice_of(json_string_value(value), json_string_length(value));
    }
}

static struct claim_time read_time(const json_t *value) {
    struct claim_time time = {.is_present = value != NULL};
    if (json_is_integer(value)) {
        time.sec = json_integer_value(value);
        time.is_usable = time.sec >= 1 && time.sec <= MAX_TIME_SEC;
    } else if (json_is_real(value)) {
        double sec = json_real_value(value);
        time.is_usable = sec >= 1 && sec <= (double)MAX_TIME_SEC;
        time.sec = time.is_usable ? (int64_t)sec : 0;
    }
    return time;
}

static void read_times(struct token_claims *claims) {
    for (size_t i = 0; i < sizeof time_claims / sizeof *time_claims; i++) {
        struct claim_time *claim = member_at(claims, time_claims[i].offset);
        *claim = read_time(json_object_get(claims->document, time_claims[i].name));
    }
}

static bool text_is_clean(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    return text.len > 0;
}

/* What is not an array reads as empty. */
static enum status read_list(struct token_claims *claims, const char *name,
                             struct claim_list *out_list) {
    const json_t *array = json_object_get(claims->document, name);
    size_t total = json_array_size(array);
    if (total == 0)
        return STATUS_OK;
    if (total > TOKEN_CLAIMS_MAX_LIST) {
        claims->has_list_beyond_the_limit = true;
        return STATUS_OK;
    }
    out_list->items = calloc(total, sizeof *out_list->items);
    if (!out_list->items)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < total; i++) {
        const json_t *item = json_array_get(array, i);
        struct slice text = slice_of(json_string_value(item), json_string_length(item));
        if (json_is_string(item) && text_is_clean(text))
            out_list->items[out_list->count++] = text;
    }
    return STATUS_OK;
}

/* scp is one string of words with single spaces between them. */
static enum status read_scopes(struct token_claims *claims) {
    struct slice rest = claims->scp.text;
    if (slice_is_empty(rest))
        return STATUS_OK;
    size_t most = 1;
    for (size_t i = 0; i < rest.len; i++)
        most += rest.ptr[i] == ' ';
    if (most > TOKEN_CLAIMS_MAX_LIST) {
        claims->has_list_beyond_the_limit = true;
        return STATUS_OK;
    }
    claims->scopes.items = calloc(most, sizeof *claims->scopes.items);
    if (!claims->scopes.items)
        return STATUS_NO_MEMORY;
    while (rest.len > 0) {
        struct slice word = slice_of(rest.ptr, slice_index(rest, ' '));
        if (text_is_clean(word))
            claims->scopes.items[claims->scopes.count++] = word;
        rest = slice_skip(rest, word.len + 1);
    }
    return STATUS_OK;
}

static bool has_overage_mark(json_t *document) {
    const json_t *names = json_object_get(document, "_claim_names");
    if (names && (!json_is_object(names) || json_object_get(names, "groups")))
        return true;
    const json_t *hasgroups = json_object_get(document, "hasgroups");
    if (json_is_true(hasgroups) ||
        (json_is_string(hasgroups) && strcmp(json_string_value(hasgroups), "true") == 0))
        return true;
    const char *name;
    json_t *value;
    json_object_foreach(document, name, value) {
        if (strncmp(name, "groups:src", sizeof "groups:src" - 1) == 0)
            return true;
    }
    return false;
}

/* A groups claim of another shape, or with entries left out, is as good as overage: unknown is
 * never "no groups" (azure.md A.10). */
static bool groups_are_unknown(const struct token_claims *claims) {
    const json_t *groups = json_object_get(claims->document, "groups");
    return has_overage_mark(claims->document) ||
           (groups && (!json_is_array(groups) || json_array_size(groups) != claims->groups.count));
}

static bool array_holds(const json_t *array, struct slice wanted,
                        bool (*is_same)(struct slice, struct slice)) {
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (json_is_string(item) &&
            is_same(slice_of(json_string_value(item), json_string_length(item)), wanted))
            return true;
    }
    return false;
}

static const char *find_id_token_mark(const json_t *document) {
    static const char *const marks[] = {"nonce", "at_hash", "c_hash"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (json_object_get(document, marks[i]))
            return marks[i];
    return NULL;
}

/* Takes over `document`. */
static enum status read_claims(json_t *document, struct token_claims *out_claims) {
    struct token_claims claims = {.document = document};
    read_texts(&claims);
    read_times(&claims);
    enum status status = read_list(&claims, "roles", &claims.roles);
    if (status == STATUS_OK)
        status = read_list(&claims, "groups", &claims.groups);
    if (status == STATUS_OK)
        status = read_list(&claims, "acrs", &claims.acrs);
    if (status == STATUS_OK)
        status = read_scopes(&claims);
    claims.groups_unknown = groups_are_unknown(&claims);
    claims.id_token_mark = find_id_token_mark(claims.document);
    claims.is_bound = json_object_get(claims.document, "cnf") != NULL;
    claims.has_mfa = array_holds(json_object_get(claims.document, "amr"), SLICE("mfa"), slice_eq);
    claims.accepts_claims_challenge =
        array_holds(json_object_get(claims.document, "xms_cc"), SLICE("cp1"), slice_eq_nocase);
    if (status == STATUS_OK)
        *out_claims = claims;
    else
        token_claims_done(&claims);
    return status;
}

enum status token_claims_parse(struct slice base64url, struct token_claims *out_claims) {
    json_t *document;
    enum status status = strict_json_parse_segment(base64url, STRICT_JSON_ALLOW_NUL, &document);
    return status == STATUS_OK ? read_claims(document, out_claims) : status;
}

enum status token_claims_parse_json(struct slice json, struct token_claims *out_claims) {
    json_t *document;
    enum status status = strict_json_parse(json, STRICT_JSON_ALLOW_NUL, &document);
    return status == STATUS_OK ? read_claims(document, out_claims) : status;
}

void token_claims_done(struct token_claims *claims) {
    free(claims->roles.items);
    free(claims->groups.items);
    free(claims->scopes.items);
    free(claims->acrs.items);
    strict_json_free(claims->document);
    *claims = (struct token_claims){0};
}
