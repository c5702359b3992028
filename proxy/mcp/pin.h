/* One tool's definition as digests: SHA-256 over the canonical JSON (RFC 8785) of the whole and of
 * each member. Two of them say what became of the tool, and whether only words did. */
#ifndef BARKEEP_PROXY_MCP_PIN_H
#define BARKEEP_PROXY_MCP_PIN_H

#include "core/arena.h"
#include "core/json_text.h"
#include "core/status.h"
#include "proxy/mcp/pins.h"

enum {
    PIN_NAME_BYTES_MAX = 256, /* of tools and of members */
    PIN_FIELDS_MAX = 64,
    PIN_DIGEST_SIZE = 65 /* lower-case hex and a NUL */
};

/* A member of the definition, whatever it is called. */
struct mcp_pin_field {
    struct slice name;
    char digest[PIN_DIGEST_SIZE];
    char shape[PIN_DIGEST_SIZE]; /* of a schema: without its words; "": it has none */
};

struct mcp_pin {
    struct slice name;
    char digest[PIN_DIGEST_SIZE]; /* of the whole */
    struct mcp_pin_field *fields; /* sorted by name, bytewise */
    size_t field_count;
};

/* How a field differs from what was approved. */
enum mcp_pin_difference { PIN_FIELD_WORDS, PIN_FIELD_CHANGED, PIN_FIELD_ADDED, PIN_FIELD_GONE };

struct mcp_pin_change {
    struct slice field;
    enum mcp_pin_difference difference;
};

struct mcp_pin_changes {
    struct mcp_pin_change items[2 * PIN_FIELDS_MAX];
    size_t count;
    enum mcp_pin_verdict verdict; /* never MCP_PIN_UNKNOWN */
};

/* Reads the definition at `tool`; what it points to lies in `arena`. STATUS_INVALID when it is no
 * object with a name, or beyond the bounds above; the reason in *err. */
enum status mcp_pin_read(const struct json_text *json, uint32_t tool, struct arena *arena,
                         struct mcp_pin *out_pin, struct error *err);
/* What `listed` has otherwise than `approved`, in the order of the fields. */
void mcp_pin_compare(const struct mcp_pin *approved, const struct mcp_pin *listed,
                     struct mcp_pin_changes *out_changes);
/* Bytewise: the order of tools and fields everywhere. */
int mcp_pin_order(struct slice a, struct slice b);
/* The pin called `name` among `count`, sorted; NULL: none. */
const struct mcp_pin *mcp_pin_find(const struct mcp_pin *pins, size_t count, struct slice name);

#endif
