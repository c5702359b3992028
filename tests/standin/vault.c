/* Vaults, their secrets and the secrets' versions. Names and versions compare without regard to
 * case (azure.md D.1); the newest version is the last one made, enabled or not. */
#include "vault.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "must.h"

#define MAX_VALUE_BYTES ((size_t)25 * 1024)
#define MAX_CONTENT_TYPE 255
#define MAX_TAGS 15
#define MAX_TAG_TEXT 512
#define MAX_NAME 127
#define MAX_SECRETS 10000
#define MAX_VERSIONS 500

static void version_done(struct secret_version *version) {
    free(version->value);
    free(version->content_type);
    json_decref(version->tags);
}

static void secret_done(struct vault_secret *secret) {
    for (size_t i = 0; i < secret->version_count; i++)
        version_done(&secret->versions[i]);
    free(secret->versions);
    free(secret->name);
}

void vault_set_done(struct vault_set *set) {
    for (size_t i = 0; i < set->count; i++) {
        struct vault *vault = &set->vaults[i];
        for (size_t j = 0; j < vault->secret_count; j++)
            secret_done(&vault->secrets[j]);
        free(vault->secrets);
        rbac_policy_done(&vault->policy);
        free(vault->name);
        free(vault->tenant);
        free(vault->resource);
    }
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

bool secret_name_is_valid(const char *name) {
    size_t len = strlen(name);
    return len > 0 && len <= MAX_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == len;
}

struct vault_secret *vault_secret_find(const struct vault *vault, const char *name) {
    for (size_t i = 0; i < vault->secret_count; i++)
        if (strcasecmp(vault->secrets[i].name, name) == 0)
            return &vault->secrets[i];
    return NULL;
}

struct secret_version *vault_secret_version(const struct vault_secret *secret, const char *id) {
    if (!id)
        return &secret->versions[secret->version_count - 1];
    for (size_t i = 0; i < secret->version_count; i++)
        if (strcasecmp(secret->versions[i].id, id) == 0)
            return &secret->versions[i];
    return NULL;
}

static enum status check_tags(const json_t *tags, struct error *err) {
    if (!json_is_object(tags) || json_object_size(tags) > MAX_TAGS)
        return error_set(err, STATUS_INVALID, "tags must be an object of at most %d strings",
                         MAX_TAGS);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)tags, name, value) {
        if (!json_is_string(value) || strlen(name) > MAX_TAG_TEXT ||
            json_string_length(value) > MAX_TAG_TEXT)
            return error_set(err, STATUS_INVALID, "tag %.40s must be a string of at most %d bytes",
                             name, MAX_TAG_TEXT);
    }
    return STATUS_OK;
}

/* Absent and null leave `*time` as it is. */
static enum status read_time(const json_t *attributes, const char *name, int64_t *time,
                             struct error *err) {
    const json_t *value = json_object_get(attributes, name);
    if (!value || json_is_null(value))
        return STATUS_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return error_set(err, STATUS_INVALID, "attributes.%s must be whole seconds", name);
    *time = json_integer_value(value);
    return STATUS_OK;
}

static enum status read_attributes(struct secret_version *version, const json_t *attributes,
                                   struct error *err) {
    if (!attributes || json_is_null(attributes))
        return STATUS_OK;
    if (!json_is_object(attributes))
        return error_set(err, STATUS_INVALID, "attributes must be an object");
    const json_t *enabled = json_object_get(attributes, "enabled");
    if (enabled && !json_is_boolean(enabled) && !json_is_null(enabled))
        return error_set(err, STATUS_INVALID, "attributes.enabled must be true or false");
    int64_t not_before = version->not_before;
    int64_t expires = version->expires;
    enum status status = read_time(attributes, "nbf", &not_before, err);
    if (status == STATUS_OK)
        status = read_time(attributes, "exp", &expires, err);
    if (status != STATUS_OK)
        return status;
    version->not_before = not_before;
    version->expires = expires;
    if (json_is_boolean(enabled))
        version->is_enabled = json_is_true(enabled);
    return STATUS_OK;
}

enum status secret_version_update(struct secret_version *version, const json_t *document,
                                  struct error *err) {
    const json_t *type = json_object_get(document, "contentType");
    json_t *tags = json_object_get(document, "tags");
    if (type && !json_is_null(type) &&
        (!json_is_string(type) || json_string_length(type) > MAX_CONTENT_TYPE))
        return error_set(err, STATUS_INVALID, "contentType must be a string of at most %d bytes",
                         MAX_CONTENT_TYPE);
    enum status status = tags && !json_is_null(tags) ? check_tags(tags, err) : STATUS_OK;
    if (status == STATUS_OK)
        status = read_attributes(version, json_object_get(document, "attributes"), err);
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
    version->updated = clock_wall_sec();
    return STATUS_OK;
}

bool vault_secret_remove(struct vault *vault, const char *name) {
    struct vault_secret *secret = vault_secret_find(vault, name);
    if (!secret)
        return false;
    secret_done(secret);
    size_t behind = vault->secret_count - (size_t)(secret - vault->secrets) - 1;
    memmove(secret, secret + 1, behind * sizeof(*secret));
    vault->secret_count--;
    return true;
}

static struct vault_secret *secret_make(struct vault *vault, const char *name) {
    must_grow(&vault->secrets, &vault->secret_count, sizeof(*vault->secrets));
    size_t at = vault->secret_count - 1;
    while (at > 0 && strcasecmp(vault->secrets[at - 1].name, name) > 0) {
        vault->secrets[at] = vault->secrets[at - 1];
        at--;
    }
    vault->secrets[at] = (struct vault_secret){.name = must_strdup(name)};
    return &vault->secrets[at];
}

enum status vault_secret_set(struct vault *vault, const char *name, const json_t *document,
                             struct secret_version **out_version, struct error *err) {
    const json_t *value = json_object_get(document, "value");
    if (!secret_name_is_valid(name))
        return error_set(err, STATUS_INVALID, "a secret's name is 1-127 letters, digits, hyphens");
    if (!json_is_string(value))
        return error_set(err, STATUS_INVALID, "value must be a string");
    if (json_string_length(value) > MAX_VALUE_BYTES)
        return error_set(err, STATUS_INVALID, "value must be at most 25 KiB");
    struct vault_secret *secret = vault_secret_find(vault, name);
    if (secret ? secret->version_count == MAX_VERSIONS : vault->secret_count == MAX_SECRETS)
        return error_set(err, STATUS_LIMIT, "at most %d secrets and %d versions of one",
                         MAX_SECRETS, MAX_VERSIONS);
    struct secret_version fresh = {
        .is_enabled = true, .not_before = TIME_UNSET, .expires = TIME_UNSET};
    enum status status = secret_version_update(&fresh, document, err);
    if (status != STATUS_OK)
        return status;
    fresh.created = fresh.updated;
    fresh.value = must_strdup(json_string_value(value));
    hex_random(fresh.id, VERSION_SIZE - 1);
    if (!secret)
        secret = secret_make(vault, name);
    struct secret_version *place =
        must_grow(&secret->versions, &secret->version_count, sizeof(*place));
    *place = fresh;
    *out_version = place;
    return STATUS_OK;
}
