/* Vaults and the objects in them. Names and versions compare without regard to case (azure.md D.1);
 * the newest version is the last one made, enabled or not. An object is on one shelf only: deletion
 * and recovery move it at once and hide it until their time has come. */
#include "vault.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "must.h"

#define MAX_NAME 127
#define MAX_OBJECTS 10000
#define MAX_VERSIONS 500

static void version_done(struct vault_version *version) {
    free(version->value);
    free(version->content_type);
    free(version->chain_pem);
    key_pair_free(version->key);
    json_decref(version->tags);
    json_decref(version->policy);
}

static void object_done(struct vault_object *object) {
    for (size_t i = 0; i < object->version_count; i++)
        version_done(&object->versions[i]);
    free(object->versions);
    free(object->name);
}

static void shelf_done(struct shelf *shelf) {
    for (size_t i = 0; i < shelf->count; i++)
        object_done(&shelf->objects[i]);
    free(shelf->objects);
}

static void vault_done(struct vault *vault) {
    for (int i = 0; i < COLLECTION_COUNT; i++) {
        shelf_done(&vault->shelves[i]);
        shelf_done(&vault->deleted[i]);
    }
    rbac_policy_done(&vault->policy);
    access_policies_done(&vault->access);
    vault_gate_done(&vault->gate);
    json_decref(vault->orders);
    free(vault->name);
    free(vault->tenant);
    free(vault->resource);
}

void vault_set_done(struct vault_set *set) {
    for (size_t i = 0; i < set->count; i++)
        vault_done(&set->vaults[i]);
    free(set->vaults);
    json_decref(set->custom_roles);
    *set = (struct vault_set){0};
}

struct vault *vault_set_find(const struct vault_set *set, const char *name) {
    for (size_t i = 0; i < set->count; i++)
        if (strcasecmp(set->vaults[i].name, name) == 0)
            return &set->vaults[i];
    return NULL;
}

const char *collection_name(enum collection collection) {
    static const char *const names[] = {[COLLECTION_SECRETS] = "secrets",
                                        [COLLECTION_KEYS] = "keys",
                                        [COLLECTION_CERTIFICATES] = "certificates"};
    return names[collection];
}

bool object_name_is_valid(const char *name) {
    size_t len = strlen(name);
    return len > 0 && len <= MAX_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == len;
}

static struct vault_object *shelf_find(const struct shelf *shelf, const char *name) {
    for (size_t i = 0; i < shelf->count; i++)
        if (strcasecmp(shelf->objects[i].name, name) == 0)
            return &shelf->objects[i];
    return NULL;
}

/* Takes `object`; gives its place. */
static struct vault_object *shelf_put(struct shelf *shelf, struct vault_object object) {
    must_grow(&shelf->objects, &shelf->count, sizeof(*shelf->objects));
    size_t at = shelf->count - 1;
    while (at > 0 && strcasecmp(shelf->objects[at - 1].name, object.name) > 0) {
        shelf->objects[at] = shelf->objects[at - 1];
        at--;
    }
    shelf->objects[at] = object;
    return &shelf->objects[at];
}

/* The object is the caller's then. */
static struct vault_object shelf_take(struct shelf *shelf, struct vault_object *object) {
    struct vault_object taken = *object;
    size_t behind = shelf->count - (size_t)(object - shelf->objects) - 1;
    memmove(object, object + 1, behind * sizeof(*object));
    shelf->count--;
    return taken;
}

static bool is_ready(const struct vault_object *object) {
    return object->ready_ms == 0 || object->ready_ms <= clock_monotonic_ms();
}

static struct vault_object *find_ready(const struct shelf *shelf, const char *name) {
    struct vault_object *object = shelf_find(shelf, name);
    return object && is_ready(object) ? object : NULL;
}

struct vault_object *vault_find(const struct vault *vault, enum collection collection,
                                const char *name) {
    return find_ready(&vault->shelves[collection], name);
}

struct vault_version *vault_version(const struct vault_object *object, const char *id) {
    if (!id)
        return &object->versions[object->version_count - 1];
    for (size_t i = 0; i < object->version_count; i++)
        if (strcasecmp(object->versions[i].id, id) == 0)
            return &object->versions[i];
    return NULL;
}

enum status vault_add(struct vault *vault, enum collection collection, const char *name,
                      const char *id, struct vault_version **out_version, struct error *err) {
    struct shelf *shelf = &vault->shelves[collection];
    if (!object_name_is_valid(name))
        return error_set(err, STATUS_INVALID, "a name is 1-127 letters, digits, hyphens");
    struct vault_object *object = shelf_find(shelf, name);
    if (object ? object->version_count == MAX_VERSIONS : shelf->count == MAX_OBJECTS)
        return error_set(err, STATUS_LIMIT, "at most %d %s and %d versions of one", MAX_OBJECTS,
                         collection_name(collection), MAX_VERSIONS);
    if (!object)
        object = shelf_put(shelf, (struct vault_object){.name = must_strdup(name)});
    struct vault_version *version =
        must_grow(&object->versions, &object->version_count, sizeof(*version));
    version->attributes = attributes_fresh();
    hex_random(version->id, VERSION_SIZE - 1);
    if (id)
        memcpy(version->id, id, VERSION_SIZE);
    *out_version = version;
    return STATUS_OK;
}

const char *vault_conflict(const struct vault *vault, enum collection collection,
                           const char *name) {
    const struct vault_object *object = shelf_find(&vault->deleted[collection], name);
    if (object)
        return is_ready(object) ? "ObjectIsDeletedButRecoverable" : "ObjectIsBeingDeleted";
    object = shelf_find(&vault->shelves[collection], name);
    return !object || is_ready(object) ? NULL : "ObjectIsBeingRecovered";
}

bool vault_forget(struct vault *vault, enum collection collection, const char *name) {
    struct vault_object *object = shelf_find(&vault->shelves[collection], name);
    if (!object)
        return false;
    struct vault_object taken = shelf_take(&vault->shelves[collection], object);
    object_done(&taken);
    return true;
}

/* The object in its new place. */
static struct vault_object *move(struct shelf *from, struct shelf *to, struct vault_object *object,
                                 int64_t delay_ms) {
    struct vault_object taken = shelf_take(from, object);
    taken.ready_ms = delay_ms > 0 ? clock_monotonic_ms() + (uint64_t)delay_ms : 0;
    taken.deleted = clock_wall_sec();
    return shelf_put(to, taken);
}

struct vault_object *vault_delete(struct vault *vault, enum collection collection,
                                  const char *name) {
    struct vault_object *object = vault_find(vault, collection, name);
    if (!object)
        return NULL;
    return move(&vault->shelves[collection], &vault->deleted[collection], object,
                vault->delete_delay_ms);
}

struct vault_object *vault_find_deleted(const struct vault *vault, enum collection collection,
                                        const char *name) {
    return find_ready(&vault->deleted[collection], name);
}

struct vault_object *vault_recover(struct vault *vault, enum collection collection,
                                   const char *name) {
    struct vault_object *object = vault_find_deleted(vault, collection, name);
    if (!object)
        return NULL;
    return move(&vault->deleted[collection], &vault->shelves[collection], object,
                vault->recover_delay_ms);
}

bool vault_purge(struct vault *vault, enum collection collection, const char *name) {
    struct vault_object *object = vault_find_deleted(vault, collection, name);
    if (!object)
        return false;
    struct vault_object taken = shelf_take(&vault->deleted[collection], object);
    object_done(&taken);
    return true;
}
