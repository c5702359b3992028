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

/* The file never changes once loaded; shared by all workers. Nothing was listed yet, so nothing may
 * be called. A file that is not there approves nothing. NULL with *err when it cannot be read or
 * says nonsense. */
struct mcp_pins *mcp_pins_load(const char *path, struct error *err);
bool mcp_pins_are_missing(const struct mcp_pins *pins); /* there was no such file */
/* The same file, perhaps changed, for the same server: what it listed to `former` (NULL: none) is
 * held against what is approved now. `former` itself when the file says the same. A file that was
 * there and is gone is no approval withdrawn: STATUS_NOT_FOUND's words in *err. */
struct mcp_pins *mcp_pins_load_after(const char *path, struct mcp_pins *former, struct error *err);
struct mcp_pins *mcp_pins_ref(struct mcp_pins *pins);
void mcp_pins_unref(struct mcp_pins *pins); /* NULL is fine */

/* Number of an answer to tools/list whose tools are to be judged: a tool that comes twice in one is
 * as the worse of its definitions. */
uint64_t mcp_pins_begin_listing(struct mcp_pins *pins);
/* A tool as it stands in that answer; remembered for mcp_pins_may_call(). *out_is_news says that
 * nobody was told of this definition yet. From any thread. */
enum mcp_pin_verdict mcp_pins_judge(struct mcp_pins *pins, uint64_t listing,
                                    const struct json_text *json, uint32_t tool, bool *out_is_news);
/* A tool that is in the file and was last listed as it is there. */
bool mcp_pins_may_call(const struct mcp_pins *pins, struct slice name);
/* A tool that is in the file, of which no list has told yet. */
bool mcp_pins_await_listing(const struct mcp_pins *pins, struct slice name);

#endif
