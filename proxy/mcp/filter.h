/* What a server says to one caller: lists shown only as far as the caller may use what is on them,
 * requests to the client held back unless the route passes them, sealed names (ids of events too),
 * cache scope private.
 * Takes the body of an answer as it comes and gives what may go on. */
#ifndef BARKEEP_PROXY_MCP_FILTER_H
#define BARKEEP_PROXY_MCP_FILTER_H

#include "core/buf.h"
#include "proxy/mcp/message.h"
#include "proxy/mcp/missing_tool.h"
#include "proxy/mcp/pins.h"
#include "proxy/mcp/seal.h"

/* For whom, and by whose rules. All of it outlives the filter. */
struct mcp_view {
    const struct config_mcp *mcp;
    const struct mcp_seal *seal;
    struct mcp_holder holder;
    enum mcp_era era;
    /* May the caller ever do `method` with `name`, whatever the arguments? */
    bool (*may)(void *owner, struct slice method, struct slice name);
    void *owner;
    const struct mcp_message *asked;       /* what is answered; NULL: a stream of its own */
    struct mcp_missing_tool *missing_tool; /* learns from answers to calls; NULL: nobody does */
    struct mcp_pins *pins;                 /* NULL: none; told of every tool that is listed */
    /* A tool is listed otherwise than approved, and that is news. With `owner`; NULL: nobody asks
     */
    void (*on_unpinned)(void *owner, struct slice tool, enum mcp_pin_verdict verdict);
};

enum mcp_media { MCP_MEDIA_JSON, MCP_MEDIA_EVENTS };

enum mcp_filter_result {
    MCP_FILTER_OK,
    MCP_FILTER_MALFORMED, /* no JSON-RPC message, or an event that is none */
    MCP_FILTER_TOO_LARGE, /* beyond the route's bound for a result */
    MCP_FILTER_NO_MEMORY
};

struct mcp_filter;

struct mcp_filter *mcp_filter_new(const struct mcp_view *view, enum mcp_media media);
void mcp_filter_free(struct mcp_filter *filter); /* NULL is fine */

/* Appends to `out` what may go on. Of JSON that is everything, with the last bytes; of an event
 * stream each event when it is whole, comments and blank lines at once. */
enum mcp_filter_result mcp_filter_take(struct mcp_filter *filter, struct slice bytes, bool is_last,
                                       struct buf *out);

/* Memory for what it collects. */
size_t mcp_filter_held_bytes(const struct mcp_filter *filter);

struct mcp_filter_counts {
    uint64_t hidden;    /* items taken out of lists */
    uint64_t held_back; /* what the server asks or says by itself, and results that ask */
};
struct mcp_filter_counts mcp_filter_counts(const struct mcp_filter *filter);

#endif
