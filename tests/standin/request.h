/* One HTTP request as the handlers see it. */
#ifndef BARKEEP_STANDIN_REQUEST_H
#define BARKEEP_STANDIN_REQUEST_H

#include "form.h"

#define REQUEST_MAX_SEGMENTS 16
#define REQUEST_MAX_BODY_BYTES ((size_t)1 << 20)

struct request {
    const char *method;
    bool is_tls;
    char *origin;                         /* scheme://host[:port] as the client asked */
    char *host;                           /* the name alone, lower case */
    char *path;                           /* as sent, without query; for counters */
    char *segments[REQUEST_MAX_SEGMENTS]; /* decoded; empty ones are dropped (azure.md D.1) */
    size_t segment_count;
    struct form query;
    struct slice body;
    const void *connection; /* what request_header() looks into */
};

/* `target` is the raw request target in origin form, `host` the Host header or NULL (then
 * `fallback_host` counts). False when they are malformed; request_done() is due either way. */
bool request_parse(struct request *request, const char *target, const char *host,
                   const char *fallback_host);
void request_done(struct request *request);

/* NULL when absent. */
const char *request_header(const struct request *request, const char *name);
/* The token behind "Bearer "; empty when there is none. */
struct slice request_bearer(const struct request *request);

/* Whether the segments from `first` on are exactly these (NULL ends them, "*" is any). */
bool request_path_is(const struct request *request, size_t first, const char *const *segments);
bool request_method_is(const struct request *request, const char *method);

#endif
