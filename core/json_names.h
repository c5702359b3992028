/* Whether the names of an object differ. Private to core. */
#ifndef BARKEEP_CORE_JSON_NAMES_H
#define BARKEEP_CORE_JSON_NAMES_H

#include "core/json_text.h"

/* STATUS_OK; STATUS_INVALID with a name that reads like an earlier one; STATUS_NO_MEMORY. `object`
 * has been read to its end. Time is linear in its names' bytes, whoever chose them. */
enum status json_names_differ(const struct json_text *json, uint32_t object,
                              uint32_t *out_duplicate);

#endif
