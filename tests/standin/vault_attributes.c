/* What secrets, keys and certificates have in common: attributes and tags. */
#include "vault_attributes.h"

#include <string.h>

#include "core/clock.h"
#include "must.h"

#define MAX_TAGS 15
#define MAX_TAG_TEXT 512

struct attributes attributes_fresh(void) {
    int64_t now = clock_wall_sec();
    return (struct attributes){.is_enabled = true,
                               .not_before = TIME_UNSET,
                               .expires = TIME_UNSET,
                               .created = now,
                               .updated = now};
}

/* Absent and null leave `*time` as it is. */
static enum status read_time(const json_t *document, const char *name, int64_t *time,
                             struct error *err) {
    const json_t *value = json_object_get(document, name);
    if (!value || json_is_null(value))
        return STATUS_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return error_set(err, STATUS_INVALID, "attributes.%s must be whole seconds", name);
    *time = json_integer_value(value);
    return STATUS_OK;
}

enum status attributes_update(struct attributes *attributes, const json_t *document,
                              struct error *err) {
    if (!document || json_is_null(document))
        return STATUS_OK;
    if (!json_is_object(document))
        return error_set(err, STATUS_INVALID, "attributes must be an object");
    const json_t *enabled = json_object_get(document, "enabled");
    if (enabled && !json_is_boolean(enabled) && !json_is_null(enabled))
        return error_set(err, STATUS_INVALID, "attributes.enabled must be true or false");
    struct attributes changed = *attributes;
    enum status status = read_time(document, "nbf", &changed.not_before, err);
    if (status == STATUS_OK)
        status = read_time(document, "exp", &changed.expires, err);
    if (status != STATUS_OK)
        return status;
    if (json_is_boolean(enabled))
        changed.is_enabled = json_is_true(enabled);
    *attributes = changed;
    return STATUS_OK;
}

static void put_time(json_t *object, const char *name, int64_t time) {
    if (time != TIME_UNSET)
        json_object_set_new(object, name, must(json_integer(time)));
}

json_t *attributes_json(const struct attributes *attributes) {
    json_t *object = must(json_pack("{s:b}", "enabled", attributes->is_enabled));
    put_time(object, "nbf", attributes->not_before);
    put_time(object, "exp", attributes->expires);
    put_time(object, "created", attributes->created);
    put_time(object, "updated", attributes->updated);
    json_object_set_new(object, "recoveryLevel", must(json_string("Recoverable+Purgeable")));
    json_object_set_new(object, "recoverableDays", must(json_integer(90)));
    return object;
}

enum status tags_check(const json_t *tags, struct error *err) {
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
