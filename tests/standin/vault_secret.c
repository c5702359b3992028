/* Secrets: values out of documents. A backup is the versions as JSON in base64url; the real one is
 * sealed, which no client can tell. */
#include "vault_secret.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "must.h"

#define MAX_VALUE_BYTES ((size_t)25 * 1024)
#define MAX_CONTENT_TYPE 255

enum status vault_secret_update(struct vault_version *version, const json_t *document,
                                struct error *err) {
    const json_t *type = json_object_get(document, "contentType");
    json_t *tags = json_object_get(document, "tags");
    if (type && !json_is_null(type) &&
        (!json_is_string(type) || json_string_length(type) > MAX_CONTENT_TYPE))
        return error_set(err, STATUS_INVALID, "contentType must be a string of at most %d bytes",
                         MAX_CONTENT_TYPE);
    enum status status = tags && !json_is_null(tags) ? tags_check(tags, err) : STATUS_OK;
    if (status == STATUS_OK)
        status =
            attributes_update(&version->attributes, json_object_get(document, "attributes"), err);
    if (status != STATUS_OK)
        return status;
    if (json_is_string(type)) {
        free(version->content_type);
        version->content_type = must_strdup(json_string_value(type));
    }
    if (json_is_object(tags)) {
        json_decref(version->tags);
        version->tags = must(json_deep_copy(tags));
    }
    version->attributes.updated = clock_wall_sec();
    return STATUS_OK;
}

/* A version goes in only when all of the document is good. */
static enum status check(const char *name, const json_t *document, struct error *err) {
    const json_t *value = json_object_get(document, "value");
    if (!object_name_is_valid(name))
        return error_set(err, STATUS_INVALID, "a secret's name is 1-127 letters, digits, hyphens");
    if (!json_is_string(value))
        return error_set(err, STATUS_INVALID, "value must be a string");
    if (json_string_length(value) > MAX_VALUE_BYTES)
        return error_set(err, STATUS_INVALID, "value must be at most 25 KiB");
    struct vault_version trial = {.attributes = attributes_fresh()};
    enum status status = vault_secret_update(&trial, document, err);
    free(trial.content_type);
    json_decref(trial.tags);
    return status;
}

static enum status set_with_id(struct vault *vault, const char *name, const char *id,
                               const json_t *document, struct vault_version **out_version,
                               struct error *err) {
    enum status status = check(name, document, err);
    struct vault_version *version;
    if (status == STATUS_OK)
        status = vault_add(vault, COLLECTION_SECRETS, name, id, &version, err);
    if (status != STATUS_OK)
        return status;
    must_hold(vault_secret_update(version, document, err) == STATUS_OK);
    version->value = must_strdup(json_string_value(json_object_get(document, "value")));
    *out_version = version;
    return STATUS_OK;
}

enum status vault_secret_set(struct vault *vault, const char *name, const json_t *document,
                             struct vault_version **out_version, struct error *err) {
    return set_with_id(vault, name, NULL, document, out_version, err);
}

static json_t *version_document(const struct vault_version *version) {
    json_t *document = must(
        json_pack("{s:s, s:s, s:o, s:s*}", "id", version->id, "value", version->value, "attributes",
                  attributes_json(&version->attributes), "contentType", version->content_type));
    if (version->tags)
        json_object_set(document, "tags", version->tags);
    return document;
}

char *vault_secret_backup(const struct vault_object *secret) {
    json_t *versions = must(json_array());
    for (size_t i = 0; i < secret->version_count; i++)
        json_array_append_new(versions, version_document(&secret->versions[i]));
    json_t *document = must(json_pack("{s:s, s:o}", "name", secret->name, "versions", versions));
    char *text = must(json_dumps(document, JSON_COMPACT));
    char *backup = base64url_encode(text, strlen(text));
    free(text);
    json_decref(document);
    return backup;
}

static enum status restore(struct vault *vault, const json_t *document,
                           struct vault_object **out_secret, struct error *err) {
    const char *name = json_string_value(json_object_get(document, "name"));
    const json_t *versions = json_object_get(document, "versions");
    if (!name || json_array_size(versions) == 0)
        return error_set(err, STATUS_INVALID, "value is not a backup of this vault's");
    if (vault_find(vault, COLLECTION_SECRETS, name) ||
        vault_conflict(vault, COLLECTION_SECRETS, name))
        return error_set(err, STATUS_DENIED, "%s", name);
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *item = json_array_get(versions, i);
        const char *id = json_string_value(json_object_get(item, "id"));
        struct vault_version *version;
        if (!id || strlen(id) != VERSION_SIZE - 1)
            return error_set(err, STATUS_INVALID, "value is not a backup of this vault's");
        enum status status = set_with_id(vault, name, id, item, &version, err);
        if (status != STATUS_OK)
            return status;
    }
    *out_secret = vault_find(vault, COLLECTION_SECRETS, name);
    return STATUS_OK;
}

enum status vault_secret_restore(struct vault *vault, const char *backup,
                                 struct vault_object **out_secret, struct error *err) {
    size_t len = 0;
    unsigned char *text = base64url_decode(slice_of_str(backup), &len);
    json_t *document = text ? json_loadb((const char *)text, len, 0, NULL) : NULL;
    enum status status = restore(vault, document, out_secret, err);
    json_decref(document);
    free(text);
    return status;
}
