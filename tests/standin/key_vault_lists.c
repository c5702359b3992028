/* Lists: pages of at most 25, each naming the next one with a token that is the last key of this
 * one. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "encoding.h"
#include "must.h"
#include "vault_call.h"

#define MAX_PAGE 25

struct page {
    char *after; /* the last key of the page before; NULL: from the start */
    int64_t size;
    json_t *items;
    const char *last_key;
    bool is_full;
};

/* Answers itself when it returns false. */
static bool page_begin(const struct vault_call *call, struct page *page) {
    const char *asked = form_get(&call->request->query, "maxresults");
    const char *token = form_get(&call->request->query, "$skiptoken");
    uint64_t size = MAX_PAGE;
    *page = (struct page){0};
    if (asked && (!slice_parse_u64(slice_of_str(asked), MAX_PAGE, &size) || size == 0)) {
        vault_refuse_parameter(call, "maxresults must be from 1 to 25");
        return false;
    }
    if (token) {
        size_t len;
        page->after = (char *)base64url_decode(slice_of_str(token), &len);
        if (!page->after) {
            vault_refuse_parameter(call, "$skiptoken is not one of this vault's");
            return false;
        }
    }
    page->size = (int64_t)size;
    page->items = must(json_array());
    return true;
}

/* False when there is no room: another page follows. Takes the item. */
static bool page_add(struct page *page, const char *key, json_t *item) {
    if ((int64_t)json_array_size(page->items) == page->size) {
        json_decref(item);
        page->is_full = true;
        return false;
    }
    json_array_append_new(page->items, item);
    page->last_key = key;
    return true;
}

static void page_answer(const struct vault_call *call, struct page *page, const char *path) {
    json_t *next = json_null();
    if (page->is_full) {
        char *token = base64url_encode(page->last_key, strlen(page->last_key));
        char *link = must_printf("%s/%s?api-version=%s&$skiptoken=%s&maxresults=%lld", call->base,
                                 path, call->api_version, token, (long long)page->size);
        next = must(json_string(link));
        free(link);
        free(token);
    }
    reply_json(call->reply, 200, json_pack("{s:o, s:o}", "value", page->items, "nextLink", next));
    free(page->after);
}

static bool is_there(const struct vault_call *call, enum collection collection, const char *name,
                     bool is_deleted) {
    return is_deleted ? vault_find_deleted(call->vault, collection, name) != NULL
                      : vault_find(call->vault, collection, name) != NULL;
}

void vault_list(const struct vault_call *call, enum collection collection, bool is_deleted) {
    struct page page;
    const struct shelf *shelf =
        is_deleted ? &call->vault->deleted[collection] : &call->vault->shelves[collection];
    if (!page_begin(call, &page))
        return;
    for (size_t i = 0; i < shelf->count; i++) {
        const struct vault_object *object = &shelf->objects[i];
        if ((page.after && strcasecmp(object->name, page.after) <= 0) ||
            !is_there(call, collection, object->name, is_deleted))
            continue;
        json_t *item =
            vault_list_item(call->base, collection, object, vault_version(object, NULL), false);
        if (is_deleted)
            vault_mark_deleted(item, call->base, collection, object);
        if (!page_add(&page, object->name, item))
            break;
    }
    char *path = must_printf("%s%s", is_deleted ? "deleted" : "", collection_name(collection));
    page_answer(call, &page, path);
    free(path);
}

void vault_list_versions(const struct vault_call *call, enum collection collection,
                         const char *name) {
    struct page page;
    if (!page_begin(call, &page))
        return;
    const struct vault_object *object = vault_find(call->vault, collection, name);
    bool is_due = !page.after;
    for (size_t i = 0; object && i < object->version_count; i++) {
        const struct vault_version *version = &object->versions[i];
        if (is_due && !page_add(&page, version->id,
                                vault_list_item(call->base, collection, object, version, true)))
            break;
        is_due = is_due || strcasecmp(version->id, page.after) == 0;
    }
    char *path = must_printf("%s/%s/versions", collection_name(collection), name);
    page_answer(call, &page, path);
    free(path);
}
