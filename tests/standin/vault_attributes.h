/* What secrets, keys and certificates have in common: attributes and tags. azure.md D.2. */
#ifndef BARKEEP_STANDIN_VAULT_ATTRIBUTES_H
#define BARKEEP_STANDIN_VAULT_ATTRIBUTES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define TIME_UNSET (-1)

struct attributes {
    bool is_enabled;
    int64_t not_before; /* seconds since the epoch, or TIME_UNSET */
    int64_t expires;
    int64_t created;
    int64_t updated;
};

/* Enabled, without times, made now. */
struct attributes attributes_fresh(void);
/* Changes what `document` names (`enabled`, `nbf`, `exp`; may be NULL or null), all or nothing. */
enum status attributes_update(struct attributes *attributes, const json_t *document,
                              struct error *err);
/* The caller owns the object. */
json_t *attributes_json(const struct attributes *attributes);

/* At most 15 strings of at most 512 bytes. */
enum status tags_check(const json_t *tags, struct error *err);

#endif
