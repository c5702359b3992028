/* Which definition of a tool was approved: SHA-256 over its canonical JSON, field by field, in a
 * file that `barkeep pin` writes. Contract section 7. */
#ifndef BARKEEP_PROXY_MCP_PINS_H
#define BARKEEP_PROXY_MCP_PINS_H

#include "config/config.h"
#include "core/json_text.h"
#include "core/status.h"

struct mcp_pins;

/* Whether a route's pins file is read at all. `mcp` may be NULL: a route for plain HTTP. */
static inline bool mcp_pins_are_in_force(const struct config_mcp *mcp) {
    return mcp && mcp->pins_file && mcp->pinning != MCP_PINNING_OFF;
}

enum mcp_pin_verdict {
    MCP_PIN_SAME,
    MCP_PIN_WORDS_CHANGED, /* title, description, icons only */
    MCP_PIN_CHANGED,       /* schema, annotations, or what is not known */
    MCP_PIN_UNKNOWN        /* no such tool in the file */
};

/* The file never changes once loaded; shared by all workers. Nothing was listed yet. A file that is
 * not there approves nothing. NULL with *err when it cannot be read or says nonsense. */
struct mcp_pins *mcp_pins_load(const char *path, struct error *err);
bool mcp_pins_are_missing(const struct mcp_pins *pins); /* there was no such file */
/* The same file, perhaps changed, for the same server: what it listed to `former` (NULL: none) is
 * held against what is approved now. `former` itself when the file says the same. A file that was
 * there and is gone is no approval withdrawn: STATUS_NOT_FOUND's words in *err. */
struct mcp_pins *mcp_pins_load_after(const char *path, struct mcp_pins *former, struct error *err);
struct mcp_pins *mcp_pins_ref(struct mcp_pins *pins);
void mcp_pins_unref(struct mcp_pins *pins); /* NULL is fine */

/* A tool as it stands in an answer to tools/list; remembered for mcp_pins_may_call(). *out_is_news
 * says that nobody was told of this definition yet. From any thread. */
enum mcp_pin_verdict mcp_pins_judge(struct mcp_pins *pins, const struct json_text *json,
                                    uint32_t tool, bool *out_is_news);
/* A tool that is in the file and was not listed otherwise since. */
bool mcp_pins_may_call(const struct mcp_pins *pins, struct slice name);

#endif
