/* What `barkeep pin` prints of approved and listed tools. Everything that a server wrote is shown
 * so that nothing in it hides: what a terminal obeys or does not show is escaped. */
#ifndef BARKEEP_PROXY_PIN_REPORT_H
#define BARKEEP_PROXY_PIN_REPORT_H

#include "proxy/mcp/pin_file.h"
#include "proxy/pin_listing.h"

enum pin_state {
    PIN_STATE_SAME,
    PIN_STATE_NEW,
    PIN_STATE_GONE,
    PIN_STATE_WORDS,
    PIN_STATE_CHANGED
};

/* One tool, approved or listed or both. */
struct pin_row {
    enum pin_state state;
    const struct mcp_pin *approved; /* NULL: new */
    const struct pin_tool *listed;  /* NULL: gone */
    struct mcp_pin_changes changes; /* when it is both */
};

/* All tools of both sides in the order of their names. */
struct pin_rows {
    const struct mcp_pin_list *approved;
    const struct pin_listing *listed;
    size_t next_approved, next_listed;
};

/* False at the end. */
bool pin_rows_next(struct pin_rows *rows, struct pin_row *out_row);
struct slice pin_row_name(const struct pin_row *row);

/* "changed   NAME: inputSchema, annotations added\n" */
void pin_print_row(const struct pin_row *row);
/* Prints what differs, with the definitions as they are listed. True when anything does. */
bool pin_print_diff(struct pin_rows rows);
void pin_print_list(const struct mcp_pin_list *list);

/* Where the tools belong to. */
struct pin_place {
    const char *route, *file;
};

/* The same as one JSON object. *out_differs as above; false when it could not be written. */
bool pin_put_diff(struct pin_rows rows, struct pin_place place, bool *out_differs);
bool pin_put_list(const struct mcp_pin_list *list, struct pin_place place);

#endif
