/* Tools as a server lists them, read from files: what `barkeep pin` holds against the approved
 * ones. */
#ifndef BARKEEP_PROXY_PIN_LISTING_H
#define BARKEEP_PROXY_PIN_LISTING_H

#include "proxy/command_line.h"
#include "proxy/mcp/pin.h"

struct pin_page; /* one answer to tools/list */

struct pin_tool {
    struct mcp_pin pin;
    const struct json_text *json;
    uint32_t value; /* the definition, in `json` */
};

struct pin_listing {
    struct arena arena;
    struct pin_page *pages;
    struct pin_tool *tools; /* sorted by name */
    size_t count;
    bool has_unpinned; /* tools beyond the bounds of a pin are left out, with a complaint */
};

/* Each file holds an answer to tools/list (JSON-RPC, or its result alone), a list of tools, or an
 * event stream with such answers; "-" is stdin. All pages of a list have to be there. False with
 * the complaint printed. pin_listing_done() either way. */
bool pin_listing_read(struct pin_listing *listing, const struct option_values *files);
void pin_listing_done(struct pin_listing *listing);

/* NULL: none of that name is listed. */
const struct pin_tool *pin_listing_find(const struct pin_listing *listing, struct slice name);

#endif
