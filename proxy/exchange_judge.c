/* From the head to the decision: route, token, rules, credential. Nothing here touches an upstream.
 */
#include "auth/entra.h"
#include "core/clock.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/router.h"

static struct slice host_name(struct slice host) {
    struct slice name;
    return h1_host_is_valid(host, &name) ? name : host;
}

/* The target's one canonical reading. False when it was refused. */
static bool exchange_read_target(struct exchange *exchange) {
    struct slice raw_path;
    request_target_split(exchange->request.target, &raw_path, &exchange->query,
                         &exchange->has_query);
    char *bytes = arena_alloc(&exchange->arena, raw_path.len);
    if (!bytes) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
        return false;
    }
    switch (request_path_canonical(raw_path, bytes, &exchange->path)) {
    case PATH_OK:
        return true;
    case PATH_MALFORMED:
        exchange_refuse(exchange, REASON_BAD_REQUEST, 0, "the request target is not a valid path");
        return false;
    case PATH_AMBIGUOUS:
        break;
    }
    exchange_refuse(exchange, REASON_PATH_AMBIGUOUS, 0,
                    "the path could be read in more than one way");
    return false;
}

void exchange_step_route(struct exchange *exchange) {
    if (slice_eq(exchange->request.target, SLICE("*"))) {
        exchange_refuse(exchange, REASON_BAD_REQUEST, 0, "the target * is not served");
        return;
    }
    if (!exchange_read_target(exchange)) {
        return;
    }
    exchange->route =
        router_find(exchange->snapshot->rules->router, host_name(exchange->request.host),
                    exchange->path.text, &exchange->below);
    if (exchange->route == CONFIG_NONE) {
        exchange_refuse(exchange, REASON_NO_ROUTE, 0, "no route matches this host and path");
        return;
    }
    const struct config_route *route = exchange_route(exchange);
    if (exchange->path.has_encoded_slash && !route->pass_encoded_slashes) {
        exchange_refuse(exchange, REASON_PATH_AMBIGUOUS, 0, "%2F is not accepted on this route");
        return;
    }
    if (exchange->request.body == BODY_LENGTH &&
        exchange->request.content_length > route->body_limit_bytes) {
        exchange_refuse(exchange, REASON_BODY_TOO_LARGE, 0,
                        "the body is larger than this route takes");
        return;
    }
    exchange_move(exchange, PHASE_AUTHENTICATE);
}

static void count_token_check(struct exchange *exchange, enum token_check check) {
    metric_add(&exchange->worker->metrics.token_checks[check], 1);
}

/* Verifies in full. True when the identity is known now. */
static bool exchange_verify(struct exchange *exchange, struct slice token,
                            const unsigned char digest[32], int64_t now_sec) {
    switch (entra_verify(exchange_config(exchange), exchange->snapshot->ring, token, now_sec,
                         &exchange->verdict)) {
    case TOKEN_ACCEPTED:
        count_token_check(exchange, TOKEN_CHECK_ACCEPTED);
        exchange->identity = exchange->verdict.identity;
        token_cache_insert(exchange->worker->tokens, digest, &exchange->verdict);
        return true;
    case TOKEN_REFUSED:
        count_token_check(exchange, TOKEN_CHECK_REFUSED);
        exchange_refuse(exchange, exchange->verdict.reason, 0, exchange->verdict.detail);
        return false;
    case TOKEN_NEEDS_KEYS:
        break;
    }
    count_token_check(exchange, TOKEN_CHECK_KEYS_MISSING);
    if (!exchange->asked_for_keys) {
        exchange->asked_for_keys = true;
        exchange->want = want_post_keys(exchange->worker, exchange, exchange->verdict.tenant_index,
                                        exchange->verdict.version);
        if (exchange->want) {
            exchange_move(exchange, PHASE_WAIT_KEYS);
            return false;
        }
    }
    exchange_refuse(exchange, exchange->verdict.reason, 0, exchange->verdict.detail);
    return false;
}

void exchange_step_authenticate(struct exchange *exchange) {
    struct slice token;
    enum reason reason;
    if (exchange->request.authorization_count > 1) {
        exchange_refuse(exchange, REASON_BAD_REQUEST, 0, "more than one Authorization header");
        return;
    }
    if (exchange->request.authorization_count == 0) {
        exchange_refuse(exchange, REASON_TOKEN_MISSING, 0,
                        "send an Entra ID access token as Authorization: Bearer");
        return;
    }
    if (entra_bearer_token(exchange->request.authorization, &token, &reason) != STATUS_OK) {
        exchange_refuse(exchange, reason, 0,
                        "the Authorization header holds no well-formed bearer token");
        return;
    }
    const struct config *config = exchange_config(exchange);
    int64_t now_sec = clock_wall_sec();
    unsigned char digest[32] = {0};
    if (token.len <= config->limits.token_bytes) {
        token_cache_digest(exchange->worker->tokens, token, digest);
        exchange->identity = token_cache_find(exchange->worker->tokens, digest, now_sec,
                                              config->entra.clock_skew_sec);
    }
    if (exchange->identity) {
        metric_add(&exchange->worker->metrics.token_cache_hits, 1);
    } else if (!exchange_verify(exchange, token, digest, now_sec)) {
        return;
    }
    exchange_move(exchange, PHASE_AUTHORIZE);
}

static const char *detail_of_decision(enum reason reason) {
    switch (reason) {
    case REASON_DENIED:
        return "a deny rule matches this caller and action";
    case REASON_GROUPS_UNKNOWN:
        return "the token does not carry all of the caller's groups, and a rule about groups would "
               "decide";
    default:
        return "no access entry grants this caller this action here";
    }
}

void exchange_step_authorize(struct exchange *exchange) {
    policy_decide(exchange->snapshot->rules->policy, exchange->route, exchange->identity,
                  exchange->request.method, exchange->below, &exchange->decision);
    if (!exchange->decision.is_allowed) {
        exchange_refuse(exchange, exchange->decision.reason, 0,
                        detail_of_decision(exchange->decision.reason));
        return;
    }
    exchange_move(exchange, PHASE_CREDENTIAL);
}

/* A chunked body whose first bytes are here and wrong is refused before anything goes upstream. */
static bool upload_begins_wrong(const struct exchange *exchange) {
    if (exchange->request.body != BODY_CHUNKED) {
        return false;
    }
    struct chunked_reader reader;
    chunked_reader_init(&reader);
    struct slice rest =
        slice_skip(io_buffer_data(&exchange->client->conn.in), exchange->kept_head_bytes);
    while (rest.len > 0) {
        size_t taken = 0;
        struct slice data;
        enum chunked_outcome outcome = chunked_reader_next(&reader, rest, &taken, &data);
        if (outcome == CHUNKED_MALFORMED) {
            return true;
        }
        if (outcome == CHUNKED_END) {
            return false;
        }
        rest = slice_skip(rest, taken);
    }
    return false;
}

void exchange_step_credential(struct exchange *exchange) {
    if (upload_begins_wrong(exchange)) {
        exchange_refuse(exchange, REASON_BODY_MALFORMED, 0,
                        "the chunked coding of the body is malformed");
        return;
    }
    size_t index = exchange->decision.credential;
    if (index == CONFIG_NONE) {
        exchange_move(exchange, PHASE_CONNECT);
        return;
    }
    struct cabinet *cabinet = exchange->snapshot->cabinet;
    const struct rendered_credential *credential =
        cabinet ? cabinet_credential(cabinet, index) : NULL;
    if (credential && credential->is_available) {
        exchange->credential = credential;
        exchange_move(exchange, PHASE_CONNECT);
        return;
    }
    if (!exchange->asked_for_credential) {
        exchange->asked_for_credential = true;
        exchange->want = want_post_credential(exchange->worker, exchange, index);
        if (exchange->want) {
            exchange_move(exchange, PHASE_WAIT_CREDENTIAL);
            return;
        }
    }
    exchange_refuse(exchange, REASON_SECRET_UNAVAILABLE, 0,
                    "the backend's credential cannot be read now");
}
