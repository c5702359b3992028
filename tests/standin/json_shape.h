/* Checks the shape of JSON objects we take in: which members, of what type. */
#ifndef BARKEEP_STANDIN_JSON_SHAPE_H
#define BARKEEP_STANDIN_JSON_SHAPE_H

#include <jansson.h>

#include "core/status.h"

enum json_member_type {
    MEMBER_STRING,
    MEMBER_GUID,
    MEMBER_STRINGS, /* array of strings */
    MEMBER_GUIDS,   /* array of GUIDs */
    MEMBER_OBJECT,
    MEMBER_ARRAY,
    MEMBER_INTEGER,
    MEMBER_BOOL,
    MEMBER_ANY,
};

struct json_member {
    const char *name; /* NULL ends the table */
    enum json_member_type type;
    int is_required;
};

/* STATUS_INVALID names `path`, the member and what is wrong with it: not in the table, missing, or
 * of another type. */
enum status json_shape_check(const json_t *object, const char *path,
                             const struct json_member *members, struct error *err);

#endif
