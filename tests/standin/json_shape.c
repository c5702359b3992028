/* Checks the shape of JSON objects we take in: one table a kind of object, and what is not in the
 * table is refused. */
#include "json_shape.h"

#include <stdbool.h>
#include <string.h>

#include "encoding.h"

static const char *const type_names[] = {
    [MEMBER_STRING] = "a string",
    [MEMBER_GUID] = "a GUID",
    [MEMBER_STRINGS] = "a list of strings",
    [MEMBER_GUIDS] = "a list of GUIDs",
    [MEMBER_OBJECT] = "an object",
    [MEMBER_ARRAY] = "a list",
    [MEMBER_INTEGER] = "a whole number",
    [MEMBER_BOOL] = "true or false",
    [MEMBER_ANY] = "any value",
};

static bool are_strings(const json_t *list, bool must_be_guids) {
    if (!json_is_array(list))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || (must_be_guids && !guid_is_valid(text)))
            return false;
    }
    return true;
}

static bool has_type(const json_t *value, enum json_member_type type) {
    switch (type) {
    case MEMBER_STRING:
        return json_is_string(value);
    case MEMBER_GUID:
        return guid_is_valid(json_string_value(value));
    case MEMBER_STRINGS:
        return are_strings(value, false);
    case MEMBER_GUIDS:
        return are_strings(value, true);
    case MEMBER_OBJECT:
        return json_is_object(value);
    case MEMBER_ARRAY:
        return json_is_array(value);
    case MEMBER_INTEGER:
        return json_is_integer(value);
    case MEMBER_BOOL:
        return json_is_boolean(value);
    case MEMBER_ANY:
        return true;
    }
    return false;
}

static const struct json_member *find_member(const struct json_member *members, const char *name) {
    for (; members->name; members++)
        if (strcmp(members->name, name) == 0)
            return members;
    return NULL;
}

enum status json_shape_check(const json_t *object, const char *path,
                             const struct json_member *members, struct error *err) {
    if (!json_is_object(object))
        return error_set(err, STATUS_INVALID, "%s must be an object", path);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        const struct json_member *member = find_member(members, name);
        if (!member)
            return error_set(err, STATUS_INVALID, "%s: unknown member \"%.60s\"", path, name);
        if (!has_type(value, member->type))
            return error_set(err, STATUS_INVALID, "%s.%s must be %s", path, name,
                             type_names[member->type]);
    }
    for (; members->name; members++)
        if (members->is_required && !json_object_get(object, members->name))
            return error_set(err, STATUS_INVALID, "%s: \"%s\" is missing", path, members->name);
    return STATUS_OK;
}
