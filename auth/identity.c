/* A verified caller in one block of memory: the struct, its lists and all their text, so that the
 * token cache can count and free it as one thing. */
#include "auth/identity.h"

#include <stdlib.h>

#include "auth/identity_lines.h"
#include "auth/policy_keys.h"
#include "config/config.h"

/* Up to here a list is searched from its start; beyond, by halves. */
#define LINEAR_SEARCH_MAX 16

static int compare_slices(const void *left, const void *right) {
    const struct slice *a = left, *b = right;
    size_t common = a->len < b->len ? a->len : b->len;
    int order = common ? memcmp(a->ptr, b->ptr, common) : 0;
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static size_t text_bytes(const struct slice *items, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += items[i].len;
    return total;
}

/* Where the next text goes. */
struct text_cursor {
    char *at;
};

static struct slice copy_text(struct text_cursor *cursor, struct slice text) {
    char *start = cursor->at;
    if (text.len)
        memcpy(start, text.ptr, text.len);
    cursor->at += text.len;
    return slice_of(start, text.len);
}

static struct slice copy_guid(struct text_cursor *cursor, struct slice guid) {
    char *start = cursor->at;
    for (size_t i = 0; i < guid.len; i++) {
        char c = guid.ptr[i];
        start[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    cursor->at += guid.len;
    return slice_of(start, guid.len);
}

static struct slice *copy_list(struct text_cursor *cursor, struct slice **lists,
                               const struct slice *items, size_t count,
                               struct slice (*copy)(struct text_cursor *, struct slice)) {
    struct slice *list = *lists;
    *lists += count;
    for (size_t i = 0; i < count; i++)
        list[i] = copy(cursor, items[i]);
    if (count > 1)
        qsort(list, count, sizeof *list, compare_slices);
    return list;
}

struct identity *identity_new(const struct identity *model, bool groups_by_name) {
    size_t list_len =
        model->role_count + model->scope_count + model->group_count + model->acrs_count;
    size_t size = sizeof *model + list_len * sizeof(struct slice) +
                  model->group_count * sizeof *model->group_keys + model->tenant.len +
                  model->oid.len + model->app.len + model->sub.len + model->name.len +
                  model->uti.len + model->kid.len + model->sid.len +
                  text_bytes(model->acrs, model->acrs_count) +
                  text_bytes(model->roles, model->role_count) +
                  text_bytes(model->scopes, model->scope_count) +
                  text_bytes(model->groups, model->group_count);
    struct identity *identity = malloc(size);
    if (!identity)
        return NULL;
    *identity = *model;
    identity->refs = 1;
    identity->memory_bytes = size;
    identity->lines = NULL;
    struct slice *lists = (struct slice *)(identity + 1);
    identity->group_keys = (uint32_t *)(lists + list_len);
    struct text_cursor cursor = {(char *)(identity->group_keys + model->group_count)};
    identity->tenant = copy_guid(&cursor, model->tenant);
    identity->oid = config_is_guid(model->oid) ? copy_guid(&cursor, model->oid)
                                               : copy_text(&cursor, model->oid);
    identity->app = copy_guid(&cursor, model->app);
    identity->sub = copy_text(&cursor, model->sub);
    identity->name = copy_text(&cursor, model->name);
    identity->uti = copy_text(&cursor, model->uti);
    identity->kid = copy_text(&cursor, model->kid);
    identity->sid = copy_text(&cursor, model->sid);
    identity->roles = copy_list(&cursor, &lists, model->roles, model->role_count, copy_text);
    identity->scopes = copy_list(&cursor, &lists, model->scopes, model->scope_count, copy_text);
    identity->groups = copy_list(&cursor, &lists, model->groups, model->group_count,
                                 groups_by_name ? copy_text : copy_guid);
    policy_group_keys(identity->groups, identity->group_count, identity->group_keys);
    identity->acrs = copy_list(&cursor, &lists, model->acrs, model->acrs_count, copy_text);
    return identity;
}

struct identity *identity_with_groups(const struct identity *identity, const struct slice *groups,
                                      size_t count, uint64_t until_ms) {
    struct slice *all = malloc((identity->group_count + count + 1) * sizeof *all);
    if (!all)
        return NULL;
    struct identity model = *identity;
    model.groups = all;
    model.groups_unknown = false;
    model.groups_until_ms = until_ms;
    for (size_t i = 0; i < identity->group_count; i++)
        all[i] = identity->groups[i];
    for (size_t i = 0; i < count; i++)
        if (!identity_has_group(identity, groups[i]))
            all[model.group_count++] = groups[i];
    struct identity *resolved = identity_new(&model, false);
    free(all);
    return resolved;
}

struct identity *identity_ref(struct identity *identity) {
    identity->refs++;
    return identity;
}

void identity_unref(struct identity *identity) {
    if (identity && --identity->refs == 0) {
        identity_lines_drop(identity);
        free(identity);
    }
}

static bool list_has(const struct slice *items, size_t count, struct slice wanted) {
    if (count > LINEAR_SEARCH_MAX)
        return bsearch(&wanted, items, count, sizeof *items, compare_slices) != NULL;
    for (size_t i = 0; i < count; i++)
        if (slice_eq(items[i], wanted))
            return true;
    return false;
}

bool identity_has_role(const struct identity *identity, struct slice role) {
    return list_has(identity->roles, identity->role_count, role);
}

bool identity_has_scope(const struct identity *identity, struct slice scope) {
    return list_has(identity->scopes, identity->scope_count, scope);
}

bool identity_has_group(const struct identity *identity, struct slice group) {
    return list_has(identity->groups, identity->group_count, group);
}

bool identity_has_acrs(const struct identity *identity, struct slice acrs) {
    return list_has(identity->acrs, identity->acrs_count, acrs);
}
