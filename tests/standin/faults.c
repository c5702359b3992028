/* What tests may ask for. Faults are used up in the order they were asked for; counters know every
 * request, faulted or not. */
#include "faults.h"

#include <stdlib.h>
#include <string.h>

#include "json_shape.h"
#include "must.h"
#include "vault_reply.h"

#define MAX_FAULTS 64
#define MAX_COUNTED_PATHS 1000
#define MAX_DELAY_MS 600000
#define MAX_VALUE_BYTES (16 << 20)
#define UNTIL_CLEARED (-1)

static const char *const endpoint_names[ENDPOINT_COUNT] = {
    [ENDPOINT_METADATA] = "metadata", [ENDPOINT_KEYS] = "keys",
    [ENDPOINT_TOKEN] = "token",       [ENDPOINT_VAULT] = "vault",
    [ENDPOINT_IMDS] = "imds",         [ENDPOINT_GRAPH] = "graph",
    [ENDPOINT_ARC] = "arc",           [ENDPOINT_APP_SERVICE] = "app_service",
    [ENDPOINT_OTHER] = "other",       [ENDPOINT_AUTHORIZE] = "authorize",
};

struct fault {
    enum endpoint endpoint;
    int64_t left;        /* UNTIL_CLEARED, or how many requests it still hits */
    unsigned status;     /* 0: only delays (or cuts) */
    int64_t retry_after; /* -1: none */
    int64_t delay_ms;
    bool is_cut;
    char *body;  /* NULL: an error document */
    char *match; /* NULL: everything; otherwise a part of host and path */
};

static const struct json_member fault_members[] = {
    {"endpoint", MEMBER_STRING, 1},     {"count", MEMBER_INTEGER, 0},
    {"status", MEMBER_INTEGER, 0},      {"retry_after", MEMBER_INTEGER, 0},
    {"delay_ms", MEMBER_INTEGER, 0},    {"close", MEMBER_BOOL, 0},
    {"body", MEMBER_STRING, 0},         {"match", MEMBER_STRING, 0},
    {"value_bytes", MEMBER_INTEGER, 0}, {NULL, MEMBER_ANY, 0},
};

void faults_init(struct faults *faults) {
    *faults = (struct faults){.by_request = must(json_object())};
}

static void fault_done(struct fault *fault) {
    free(fault->body);
    free(fault->match);
}

void faults_clear(struct faults *faults) {
    for (size_t i = 0; i < faults->pending_count; i++)
        fault_done(&faults->pending[i]);
    free(faults->pending);
    faults->pending = NULL;
    faults->pending_count = 0;
}

void faults_done(struct faults *faults) {
    faults_clear(faults);
    json_decref(faults->by_request);
}

static void count_request(struct faults *faults, enum endpoint endpoint,
                          const struct request *request) {
    faults->requests[endpoint]++;
    char *name = must_printf("%s %s", request->method, request->path);
    json_t *known = json_object_get(faults->by_request, name);
    if (known)
        json_integer_set(known, json_integer_value(known) + 1);
    else if (json_object_size(faults->by_request) < MAX_COUNTED_PATHS)
        json_object_set_new(faults->by_request, name, json_integer(1));
    free(name);
}

static struct fault *find_fault(struct faults *faults, enum endpoint endpoint,
                                const struct request *request) {
    char *place = must_printf("%s%s", request->host, request->path);
    struct fault *found = NULL;
    for (size_t i = 0; i < faults->pending_count && !found; i++) {
        struct fault *fault = &faults->pending[i];
        if (fault->endpoint == endpoint && (!fault->match || strstr(place, fault->match)))
            found = fault;
    }
    free(place);
    return found;
}

static void use_up(struct faults *faults, struct fault *fault) {
    if (fault->left == UNTIL_CLEARED || --fault->left > 0)
        return;
    fault_done(fault);
    size_t behind = faults->pending_count - (size_t)(fault - faults->pending) - 1;
    memmove(fault, fault + 1, behind * sizeof(*fault));
    faults->pending_count--;
}

static const char *vault_code(unsigned status) {
    switch (status) {
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "SecretNotFound";
    case 429:
        return "Throttled";
    case 503:
        return "ServiceUnavailable";
    default:
        return "InternalServerError";
    }
}

static const char *graph_code(unsigned status) {
    switch (status) {
    case 401:
        return "InvalidAuthenticationToken";
    case 403:
        return "Authorization_RequestDenied";
    case 404:
        return "Request_ResourceNotFound";
    case 429:
        return "TooManyRequests";
    case 503:
        return "serviceNotAvailable";
    default:
        return "generalException";
    }
}

/* The vault and Graph word their errors differently from Entra and IMDS (azure.md B.2, C.2, C.5,
 * D.5). */
static void answer_wrongly(struct reply *reply, const struct fault *fault) {
    const char *reason = fault->endpoint == ENDPOINT_VAULT && fault->status == 429
                             ? "Request was not processed because too many requests were received. "
                               "Reason: VaultRequestTypeLimitReached"
                             : "a test asked for this answer";
    if (fault->body)
        reply_text(reply, fault->status, "application/json; charset=utf-8", fault->body);
    else if (fault->endpoint == ENDPOINT_VAULT)
        reply_json(reply, fault->status,
                   json_pack("{s:{s:s, s:s}}", "error", "code", vault_code(fault->status),
                             "message", reason));
    else if (fault->endpoint == ENDPOINT_GRAPH)
        reply_json(reply, fault->status,
                   json_pack("{s:{s:s, s:s}}", "error", "code", graph_code(fault->status),
                             "message", reason));
    else
        reply_error(reply, fault->status,
                    fault->status >= 429 ? "temporarily_unavailable" : "invalid_request", "%s",
                    reason);
}

bool faults_apply(struct faults *faults, enum endpoint endpoint, const struct request *request,
                  struct reply *reply) {
    count_request(faults, endpoint, request);
    struct fault *fault = find_fault(faults, endpoint, request);
    if (!fault)
        return false;
    faults->faulted[endpoint]++;
    reply->delay_ms = fault->delay_ms;
    reply->is_cut = fault->is_cut;
    bool is_answered = fault->is_cut || fault->status != 0;
    if (fault->retry_after >= 0)
        reply_header(reply, "Retry-After", "%lld", (long long)fault->retry_after);
    if (fault->status && endpoint == ENDPOINT_VAULT)
        vault_reply_headers(reply, request);
    if (fault->status)
        answer_wrongly(reply, fault);
    use_up(faults, fault);
    return is_answered;
}

static enum status read_endpoint(const json_t *document, enum endpoint *out_endpoint,
                                 struct error *err) {
    const char *name = json_string_value(json_object_get(document, "endpoint"));
    for (int i = 0; i < ENDPOINT_OTHER; i++)
        if (strcmp(endpoint_names[i], name) == 0) {
            *out_endpoint = (enum endpoint)i;
            return STATUS_OK;
        }
    return error_set(
        err, STATUS_INVALID,
        "endpoint must be metadata, keys, token, authorize, vault, imds, arc, app_service or "
        "graph, "
        "got \"%.40s\"",
        name);
}

static enum status read_number(const json_t *document, const char *name, int64_t min, int64_t max,
                               int64_t *number, struct error *err) {
    const json_t *value = json_object_get(document, name);
    if (!value)
        return STATUS_OK;
    if (json_integer_value(value) < min || json_integer_value(value) > max)
        return error_set(err, STATUS_INVALID, "%s must be from %lld to %lld", name, (long long)min,
                         (long long)max);
    *number = json_integer_value(value);
    return STATUS_OK;
}

static char *copy_text(const json_t *document, const char *name) {
    const char *text = json_string_value(json_object_get(document, name));
    return text ? must_strdup(text) : NULL;
}

/* A secret of so many bytes, more than the vault itself would take. */
static char *large_body(int64_t value_bytes) {
    char *value = must_array((size_t)value_bytes + 1, 1);
    memset(value, 'x', (size_t)value_bytes);
    char *body = must_printf("{\"value\":\"%s\"}", value);
    free(value);
    return body;
}

enum status faults_add(struct faults *faults, const json_t *document, struct error *err) {
    struct fault fault = {.left = 1, .retry_after = -1};
    int64_t answer = 0;
    int64_t value_bytes = 0;
    if (faults->pending_count == MAX_FAULTS)
        return error_set(err, STATUS_LIMIT, "at most %d faults wait at a time", MAX_FAULTS);
    enum status status = json_shape_check(document, "fault", fault_members, err);
    if (status == STATUS_OK)
        status = read_endpoint(document, &fault.endpoint, err);
    if (status == STATUS_OK)
        status = read_number(document, "count", UNTIL_CLEARED, 1000000, &fault.left, err);
    if (status == STATUS_OK)
        status = read_number(document, "status", 200, 599, &answer, err);
    if (status == STATUS_OK)
        status = read_number(document, "retry_after", 0, 86400, &fault.retry_after, err);
    if (status == STATUS_OK)
        status = read_number(document, "delay_ms", 0, MAX_DELAY_MS, &fault.delay_ms, err);
    if (status == STATUS_OK)
        status = read_number(document, "value_bytes", 1, MAX_VALUE_BYTES, &value_bytes, err);
    if (status != STATUS_OK)
        return status;
    fault.is_cut = json_is_true(json_object_get(document, "close"));
    fault.status = (unsigned)answer;
    if (fault.left == 0 || (!fault.status && !fault.is_cut && fault.delay_ms == 0))
        return error_set(err, STATUS_INVALID,
                         "a fault needs a count and one of status, delay_ms, close");
    if (fault.is_cut && fault.status)
        return error_set(err, STATUS_INVALID, "close and status exclude each other");
    fault.body = value_bytes ? large_body(value_bytes) : copy_text(document, "body");
    fault.match = copy_text(document, "match");
    struct fault *place = must_grow(&faults->pending, &faults->pending_count, sizeof(*place));
    *place = fault;
    return STATUS_OK;
}

json_t *faults_counters(const struct faults *faults) {
    json_t *counters = must(json_object());
    json_t *faulted = must(json_object());
    for (int i = 0; i < ENDPOINT_COUNT; i++) {
        json_object_set_new(counters, endpoint_names[i],
                            must(json_integer((json_int_t)faults->requests[i])));
        json_object_set_new(faulted, endpoint_names[i],
                            must(json_integer((json_int_t)faults->faulted[i])));
    }
    json_object_set_new(counters, "faulted", faulted);
    json_object_set_new(counters, "requests", must(json_deep_copy(faults->by_request)));
    return counters;
}

void faults_reset_counters(struct faults *faults) {
    memset(faults->requests, 0, sizeof(faults->requests));
    memset(faults->faulted, 0, sizeof(faults->faulted));
    json_object_clear(faults->by_request);
}
