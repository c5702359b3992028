/* Reads audit logs back, a line at a time, whatever their size: requests come out, other events are
 * passed over, lines that are none are counted. contract section 9. */
#ifndef BARKEEP_PROXY_AUDIT_READER_H
#define BARKEEP_PROXY_AUDIT_READER_H

#include <stdio.h>

#include "core/slice.h"
#include "core/status.h"

enum { AUDIT_SHADOWS_MAX = 8 };

/* One recorded request; slices are empty where the line has null or nothing. Valid only during the
 * callback. */
struct audit_request {
    struct slice time, id, route, client, host, method, path, decision, reason, rule, credential;
    struct slice principal_type, tenant, oid, app;
    struct slice shadows[AUDIT_SHADOWS_MAX]; /* what would have decided, had it not been a trial */
    size_t shadow_count;
    unsigned status;
};

struct audit_tally {
    uint64_t requests;     /* handed out */
    uint64_t other_config; /* left out: written under another configuration */
    uint64_t unplaced;     /* of `requests`: no start or reload before them in their file */
    uint64_t other_events;
    uint64_t bad_lines; /* not one JSON object, or too long */
    uint64_t cut_lines; /* a last line without its end: perhaps still being written */
};

/* Reads `path`, "-" for stdin, to its end. Adds to `tally`. Lines name rules by their place, so
 * only those written under the configuration with `config_hash` come out, as far as the file's own
 * start and reload events tell. STATUS_IO with err when it cannot be read. */
enum status audit_read(const char *path, const char *config_hash,
                       void (*on_request)(void *owner, const struct audit_request *request),
                       void *owner, struct audit_tally *tally, struct error *err);

/* "1234 requests, 3 bad lines ..." on one line; a second one when some may be of another
 * configuration. */
void audit_tally_print(const struct audit_tally *tally, FILE *out);

#endif
