/* What tests may ask for: wrong answers on demand, and how often each endpoint was asked. */
#ifndef BARKEEP_STANDIN_FAULTS_H
#define BARKEEP_STANDIN_FAULTS_H

#include "core/status.h"
#include "reply.h"
#include "request.h"

enum endpoint {
    ENDPOINT_METADATA,
    ENDPOINT_KEYS,
    ENDPOINT_TOKEN,
    ENDPOINT_AUTHORIZE,
    ENDPOINT_VAULT,
    ENDPOINT_IMDS,
    ENDPOINT_ARC,
    ENDPOINT_APP_SERVICE,
    ENDPOINT_GRAPH,
    ENDPOINT_OTHER,
    ENDPOINT_COUNT,
};

struct fault;

struct faults {
    struct fault *pending; /* in the order they were asked for */
    size_t pending_count;
    uint64_t requests[ENDPOINT_COUNT];
    uint64_t faulted[ENDPOINT_COUNT];
    json_t *by_request; /* {"GET /path": n} */
};

void faults_init(struct faults *faults);
void faults_done(struct faults *faults);

/* Counts the request. True when a fault answered it (in `reply`). A fault that only delays leaves
 * the answer to the endpoint: false, with reply->delay_ms set. */
bool faults_apply(struct faults *faults, enum endpoint endpoint, const struct request *request,
                  struct reply *reply);

/* {"endpoint", "count", "status", "retry_after", "delay_ms", "close", "body", "match"}: README. */
enum status faults_add(struct faults *faults, const json_t *document, struct error *err);
void faults_clear(struct faults *faults);

/* The caller owns it. */
json_t *faults_counters(const struct faults *faults);
void faults_reset_counters(struct faults *faults);

#endif
