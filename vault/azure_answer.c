/* Strict reading of JSON answers.
 *
 * The library's own error texts quote what stands near the error, which may be a secret: they are
 * never asked for. Depth is checked on the bytes, before the library recurses. */
#include "vault/azure_answer.h"

#include <jansson.h>
#include <pthread.h>

#include "core/wiping_memory.h"

#define MAX_DEPTH 16

/* Never dereferenced as such: it is the library's tree under another name. */
struct azure_answer;

static void init_once(void) {
    json_object_seed(0);
    json_set_alloc_funcs(wiping_malloc, wiping_free);
}

static bool depth_is_bounded(struct slice body) {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < body.len; i++) {
        const char c = body.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        if (c == '"')
            in_string = true;
        else if ((c == '{' || c == '[') && ++depth > MAX_DEPTH)
            return false;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return true;
}

static const json_t *value_at(const struct azure_answer *answer, const char *path) {
    const json_t *value = (const json_t *)answer;
    struct slice rest = slice_of_str(path);
    while (rest.len > 0) {
        const size_t dot = slice_index(rest, '.');
        value = json_object_getn(value, rest.ptr, dot);
        rest = slice_skip(rest, dot + 1);
    }
    return value;
}

static struct answer_member member_of(const json_t *value) {
    if (!value)
        return (struct answer_member){.kind = ANSWER_ABSENT};
    switch (json_typeof(value)) {
    case JSON_NULL:
        return (struct answer_member){.kind = ANSWER_ABSENT};
    case JSON_STRING:
        return (struct answer_member){
            .kind = ANSWER_STRING,
            .text = slice_of(json_string_value(value), json_string_length(value))};
    case JSON_INTEGER:
        return (struct answer_member){.kind = ANSWER_INTEGER, .number = json_integer_value(value)};
    case JSON_TRUE:
    case JSON_FALSE:
        return (struct answer_member){.kind = ANSWER_BOOLEAN, .flag = json_is_true(value)};
    case JSON_OBJECT:
        return (struct answer_member){.kind = ANSWER_OBJECT};
    case JSON_ARRAY:
        return (struct answer_member){.kind = ANSWER_ARRAY};
    default:
        return (struct answer_member){.kind = ANSWER_OTHER};
    }
}

void azure_answer_init(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
}

struct azure_answer *azure_answer_parse(struct slice body, struct error *err) {
    azure_answer_init();
    if (!depth_is_bounded(body)) {
        error_set(err, STATUS_LIMIT, "the answer is nested too deeply");
        return NULL;
    }
    json_t *root =
        body.len > 0 ? json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!json_is_object(root)) {
        json_decref(root);
        error_set(err, STATUS_INVALID, "the answer is not one well-formed JSON object");
        return NULL;
    }
    return (struct azure_answer *)root;
}

void azure_answer_free(struct azure_answer *answer) {
    json_decref((json_t *)answer);
}

struct answer_member azure_answer_member(const struct azure_answer *answer, const char *path) {
    return member_of(value_at(answer, path));
}

size_t azure_answer_named(const struct azure_answer *answer, const char *path, const char *name,
                          struct answer_member *out_member) {
    json_t *object = (json_t *)(uintptr_t)value_at(answer, path);
    size_t count = 0;
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const struct slice key = slice_of(json_object_iter_key(at), json_object_iter_key_len(at));
        if (!slice_eq_nocase(key, slice_of_str(name)))
            continue;
        *out_member = member_of(json_object_iter_value(at));
        count++;
    }
    return count;
}

size_t azure_answer_count(const struct azure_answer *answer, const char *path) {
    return json_array_size(value_at(answer, path));
}

const struct azure_answer *azure_answer_item(const struct azure_answer *answer, const char *path,
                                             size_t index) {
    const json_t *item = json_array_get(value_at(answer, path), index);
    return json_is_object(item) ? (const struct azure_answer *)item : NULL;
}

bool azure_answer_lists(const struct azure_answer *answer, const char *path, int64_t number) {
    const json_t *array = value_at(answer, path);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        if (json_is_integer(item) && json_integer_value(item) == number)
            return true;
    }
    return false;
}

char *azure_answer_format_claims(struct azure_answer *claims) {
    json_t *root = (json_t *)claims;
    json_t *token = json_object_get(root, "access_token");
    if (!token && json_object_set_new(root, "access_token", json_object()) == 0)
        token = json_object_get(root, "access_token");
    if (json_object_set_new(token, "xms_cc", json_pack("{s:[s]}", "values", "cp1")) != 0)
        return NULL;
    char *text = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII);
    char *copy = text ? slice_strdup(slice_of_str(text)) : NULL;
    wiping_free(text);
    return copy;
}
