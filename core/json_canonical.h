/* One spelling for each JSON value (RFC 8785), to be hashed and compared. Numbers are the doubles
 * nearest to them; those beyond all doubles, which the RFC has no form for, keep their digits. */
#ifndef BARKEEP_CORE_JSON_CANONICAL_H
#define BARKEEP_CORE_JSON_CANONICAL_H

#include "core/buf.h"
#include "core/json_text.h"

/* Appends it. False without memory or beyond the buffer's limit. */
bool json_canonical_write(const struct json_text *json, uint32_t value, struct buf *out);
/* SHA-256 of that, in lower-case hex. */
bool json_canonical_digest(const struct json_text *json, uint32_t value, char out_hex[65]);

#endif
