/* application/x-www-form-urlencoded: query strings and token requests. */
#ifndef BARKEEP_STANDIN_FORM_H
#define BARKEEP_STANDIN_FORM_H

#include "core/slice.h"

#define FORM_MAX_PAIRS 128

struct form_pair {
    char *name;
    char *value;
};

struct form {
    struct form_pair *pairs;
    size_t count;
};

/* Names are decoded too: Azure's JavaScript clients send `api%2Dversion` (azure.md D.1). False on a
 * broken escape, an encoded NUL or too many pairs; `form` is then empty. */
bool form_parse(struct form *form, struct slice text);
void form_done(struct form *form);
/* The first value of that name, or NULL. */
const char *form_get(const struct form *form, const char *name);

#endif
