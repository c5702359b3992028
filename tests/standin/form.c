/* application/x-www-form-urlencoded, read with our own few lines because libmicrohttpd hands query
 * names over decoded in its own way and its post processor is a known sore spot (CVE-2023-27371).
 */
#include "form.h"

#include <stdlib.h>

#include "encoding.h"
#include "must.h"

void form_done(struct form *form) {
    for (size_t i = 0; i < form->count; i++) {
        free(form->pairs[i].name);
        free(form->pairs[i].value);
    }
    free(form->pairs);
    *form = (struct form){0};
}

static bool add_pair(struct form *form, struct slice text) {
    if (form->count == FORM_MAX_PAIRS)
        return false;
    size_t name_len = slice_index(text, '=');
    struct form_pair *pair = must_grow(&form->pairs, &form->count, sizeof(*pair));
    pair->name = percent_decode(slice_of(text.ptr, name_len), true);
    pair->value = percent_decode(slice_skip(text, name_len + 1), true);
    return pair->name && pair->value;
}

bool form_parse(struct form *form, struct slice text) {
    *form = (struct form){0};
    while (!slice_is_empty(text)) {
        size_t len = slice_index(text, '&');
        if (len > 0 && !add_pair(form, slice_of(text.ptr, len))) {
            form_done(form);
            return false;
        }
        text = slice_skip(text, len + 1);
    }
    return true;
}

const char *form_get(const struct form *form, const char *name) {
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->pairs[i].name, name) == 0)
            return form->pairs[i].value;
    return NULL;
}
