/* The list of a secret's versions, page by page: which of them is the newest that may be used, and
 * where the next page is. The way to a next page is the only address taken from an answer. */
#include "vault/key_vault.h"
#include "vault/key_vault_parts.h"

/* Two versions of one second: the vault lists the later one later. */
static void rank(struct key_vault_versions *versions, const struct key_vault_version *found) {
    if (versions->newest.version[0] == '\0' || found->created_sec >= versions->newest.created_sec) {
        versions->before = versions->newest;
        versions->newest = *found;
    } else if (versions->before.version[0] == '\0' ||
               found->created_sec >= versions->before.created_sec) {
        versions->before = *found;
    }
}

static enum status read_item(const struct azure_answer *item, const char *name, int64_t wall_sec,
                             struct key_vault_versions *versions, struct error *err) {
    struct key_vault_version found = {0};
    struct key_vault_attributes attributes = {0};
    if (!item)
        return error_set(err, STATUS_INVALID, "the list holds something that is no version");
    enum status status = key_vault_read_id(item, name, found.version, err);
    if (status == STATUS_OK)
        status = key_vault_read_attributes(item, &attributes, err);
    if (status != STATUS_OK)
        return status;
    found.created_sec = attributes.created_sec;
    const int64_t from_sec = key_vault_valid_from(&attributes, wall_sec);
    if (!key_vault_objection(&attributes, wall_sec))
        rank(versions, &found);
    else if (from_sec && (!versions->next_valid_sec || from_sec < versions->next_valid_sec))
        versions->next_valid_sec = from_sec;
    return STATUS_OK;
}

struct origin {
    struct slice scheme;
    struct slice host;
    struct slice port;
    struct slice rest; /* from the '/' on */
};

static bool split_url(struct slice url, struct origin *out_origin) {
    struct origin origin = {.scheme = slice_of(url.ptr, slice_index(url, ':'))};
    struct slice rest = slice_skip(url, origin.scheme.len);
    if (!slice_starts_with(rest, SLICE("://")))
        return false;
    rest = slice_skip(rest, 3);
    const struct slice authority = slice_of(rest.ptr, slice_index(rest, '/'));
    origin.rest = slice_skip(rest, authority.len);
    const bool is_bracketed = slice_starts_with(authority, SLICE("["));
    const size_t name_end = is_bracketed ? slice_index(authority, ']') : 0;
    const struct slice tail = slice_skip(authority, name_end);
    const size_t colon = name_end + slice_index(tail, ':');
    origin.host = slice_of(authority.ptr, colon);
    origin.port = slice_skip(authority, colon + 1);
    if (origin.port.len == 0)
        origin.port = slice_eq_nocase(origin.scheme, SLICE("http")) ? SLICE("80") : SLICE("443");
    *out_origin = origin;
    return true;
}

static bool is_same_origin(const struct origin *a, const struct origin *b) {
    return slice_eq_nocase(a->scheme, b->scheme) && slice_eq_nocase(a->host, b->host) &&
           slice_eq(a->port, b->port);
}

static bool takes_as_target(struct slice rest) {
    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i] <= ' ' || rest.ptr[i] > '~' || rest.ptr[i] == '#' || rest.ptr[i] == '\\')
            return false;
    return true;
}

/* "/secrets/NAME/versions". */
static bool is_version_list(struct slice path, const char *name) {
    const struct slice prefix = SLICE("/secrets/"), suffix = SLICE("/versions");
    if (path.len <= prefix.len + suffix.len || !slice_starts_with(path, prefix) ||
        !slice_ends_with(path, suffix))
        return false;
    return slice_eq_nocase(slice_of(path.ptr + prefix.len, path.len - prefix.len - suffix.len),
                           slice_of_str(name));
}

/* The token goes where this leads: only ever further down the same list. */
static enum status read_next(const struct azure_answer *answer,
                             const struct key_vault_question *question, char **out_page,
                             struct error *err) {
    const struct answer_member link = azure_answer_member(answer, "nextLink");
    struct origin next, vault;
    if (link.kind == ANSWER_ABSENT || (link.kind == ANSWER_STRING && link.text.len == 0)) {
        *out_page = NULL;
        return STATUS_OK;
    }
    if (link.kind != ANSWER_STRING || !split_url(link.text, &next) ||
        !split_url(slice_of_str(question->vault_url), &vault) || !takes_as_target(next.rest))
        return error_set(err, STATUS_INVALID, "the list's next page is malformed");
    if (!is_same_origin(&next, &vault))
        return error_set(err, STATUS_INVALID, "the list's next page is not in this vault");
    const size_t path_len = slice_index(next.rest, '?');
    if (path_len == next.rest.len ||
        !is_version_list(slice_of(next.rest.ptr, path_len), question->name))
        return error_set(err, STATUS_INVALID, "the list's next page is not of this list");
    *out_page = slice_strdup(next.rest);
    return *out_page ? STATUS_OK : error_set(err, STATUS_NO_MEMORY, "no memory");
}

enum status key_vault_parse_versions(struct slice body, const struct key_vault_question *question,
                                     int64_t wall_sec, struct key_vault_versions *versions,
                                     char **out_page, struct error *err) {
    struct key_vault_versions found = *versions;
    struct azure_answer *answer = azure_answer_parse(body, err);
    if (!answer)
        return STATUS_INVALID;
    enum status status = STATUS_OK;
    if (azure_answer_member(answer, "value").kind != ANSWER_ARRAY)
        status = error_set(err, STATUS_INVALID, "the answer is no list");
    for (size_t i = 0; status == STATUS_OK && i < azure_answer_count(answer, "value"); i++)
        status =
            read_item(azure_answer_item(answer, "value", i), question->name, wall_sec, &found, err);
    if (status == STATUS_OK)
        status = read_next(answer, question, out_page, err);
    if (status == STATUS_OK)
        *versions = found;
    azure_answer_free(answer);
    return status;
}
