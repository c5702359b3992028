/* The forms in which a secret is likely to come back: as it is, encoded, or escaped for the text
 * around it. Only what depends on the secret alone: of base64 the characters that its neighbours
 * have no part in. */
#ifndef BARKEEP_VAULT_LEAK_FORMS_H
#define BARKEEP_VAULT_LEAK_FORMS_H

#include "core/slice.h"

struct leak_form {
    size_t at; /* in leak_forms.bytes */
    size_t len;
};

/* No two of one value are alike. Embed; zero-initialise. In memory that is wiped when it is freed.
 */
struct leak_forms {
    char *bytes;
    size_t len;
    size_t cap;
    struct leak_form *items;
    size_t count;
    size_t first; /* of the value that was added last */
    size_t item_cap;
    bool failed; /* memory ran out: forms are missing */
};

void leak_forms_done(struct leak_forms *forms);

/* Failure is sticky: add freely, ask `failed` once at the end. */
void leak_forms_add_raw(struct leak_forms *forms, struct slice bytes);
void leak_forms_add_all(struct leak_forms *forms, struct slice value);

static inline struct slice leak_forms_at(const struct leak_forms *forms, size_t index) {
    return slice_of(forms->bytes + forms->items[index].at, forms->items[index].len);
}

#endif
