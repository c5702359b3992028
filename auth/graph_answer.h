/* What Microsoft Graph says, judged. azure.md B.2. */
#ifndef BARKEEP_AUTH_GRAPH_ANSWER_H
#define BARKEEP_AUTH_GRAPH_ANSWER_H

#include "config/config.h"

/* Some 25,000 ids: more than anybody is in. */
#define GRAPH_ANSWER_MAX_BYTES (1024 * 1024)
#define GRAPH_URL_SIZE 300

enum graph_extent {
    GRAPH_SUBSET, /* of what was asked about: anything else makes the answer a lie */
    GRAPH_ALL,    /* whatever the principal is in: what was not asked about is passed over */
};

/* Marks in `is_member` those of `asked` (lower case, sorted by bytes) that the answer's `value`
 * lists. STATUS_INVALID, err says why, when the answer is anything but a whole list of object ids:
 * then nothing of it counts. */
enum status graph_answer_members(struct slice json, enum graph_extent extent,
                                 const struct slice *asked, size_t count, bool *is_member,
                                 struct error *err);

/* The `code` of an error document, cut to what may be logged; "" when there is none. */
void graph_answer_code(struct slice json, char *out_code, size_t size);

/* Where Graph is by the login authority's own metadata (`msgraph_host`), with the authority's
 * scheme, without trailing slash. STATUS_INVALID, err says why, when it names no usable host: a
 * bare host[:port], plain http on loopback only. */
enum status graph_answer_url(struct slice metadata, const struct config_entra *entra,
                             char out_url[GRAPH_URL_SIZE], struct error *err);

#endif
