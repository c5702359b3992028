/* What a JSON Schema demands, its words aside. Private to pin*.c. */
#ifndef BARKEEP_PROXY_MCP_PIN_SHAPE_H
#define BARKEEP_PROXY_MCP_PIN_SHAPE_H

#include "proxy/mcp/pin.h"

/* Digest of the schema without `title`, `description`, `examples` and `$comment`, where these are
 * keywords: a property may well be called so, and counts. False without memory. */
bool mcp_pin_shape(const struct json_text *json, uint32_t schema, char out_hex[PIN_DIGEST_SIZE]);

#endif
