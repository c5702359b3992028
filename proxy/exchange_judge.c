/* From the head to the decision: route, token, rules, credential. Nothing here touches an upstream.
 */
#include "auth/entra.h"
#include "auth/key_slot.h"
#include "auth/unknown_kids.h"
#include "core/clock.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/judgement.h"
#include "proxy/websocket.h"

static bool exchange_passes(struct exchange *exchange, struct judgement_refusal refusal) {
    if (refusal.reason != REASON_NONE) {
        exchange_refuse(exchange, refusal.reason, 0, refusal.detail);
    }
    return refusal.reason == REASON_NONE;
}

/* False when it was refused. */
static bool exchange_read_target(struct exchange *exchange) {
    struct judgement_target target;
    char *bytes = arena_alloc(&exchange->arena, exchange->request.target.len);
    if (!bytes) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
        return false;
    }
    struct judgement_refusal refusal =
        judgement_read_target(exchange->request.target, bytes, &target);
    exchange->query = target.query;
    exchange->has_query = target.has_query;
    if (refusal.reason == REASON_NONE) {
        exchange->path = target.path;
    }
    return exchange_passes(exchange, refusal);
}

/* False when it was refused. */
static bool exchange_read_wish(struct exchange *exchange) {
    const char *problem = NULL;
    enum websocket_wish wish = WEBSOCKET_NOT_WISHED;
    if (exchange_route(exchange)->websocket) {
        wish = websocket_read_wish(&exchange->request, &problem);
    }
    exchange->opens_websocket = wish != WEBSOCKET_NOT_WISHED;
    if (wish == WEBSOCKET_MALFORMED) {
        exchange_refuse(exchange, REASON_BAD_REQUEST, 0, problem);
        return false;
    }
    if (wish == WEBSOCKET_WISHED) {
        exchange->request.body = BODY_NONE; /* Content-Length: 0 need not cross */
    }
    return true;
}

void exchange_step_route(struct exchange *exchange) {
    if (slice_eq(exchange->request.target, SLICE("*"))) {
        exchange_refuse(exchange, REASON_BAD_REQUEST, 0, "the target * is not served");
        return;
    }
    if (!exchange_find_caller(exchange) || !exchange_read_target(exchange)) {
        return;
    }
    if (exchange_begins_own_page(exchange)) {
        return;
    }
    if (!exchange_passes(exchange, judgement_find_route(exchange_config(exchange),
                                                        exchange->snapshot->rules->router,
                                                        exchange->request.host, &exchange->path,
                                                        &exchange->route, &exchange->below))) {
        return;
    }
    const struct config_route *route = exchange_route(exchange);
    if (!route->mcp && exchange->mcp) {
        exchange_refuse(exchange, REASON_OVERLOADED, 0,
                        "the configuration changed while the message arrived; send it again");
        return;
    }
    if (route->mcp && !exchange_mcp_admits(exchange)) {
        return;
    }
    if (exchange->request.body == BODY_LENGTH &&
        exchange->request.content_length > route->body_limit_bytes) {
        exchange_refuse(exchange, REASON_BODY_TOO_LARGE, 0,
                        "the body is larger than this route takes");
        return;
    }
    if (exchange_read_wish(exchange)) {
        exchange_move(exchange, PHASE_AUTHENTICATE);
    }
}

static void count_token_check(struct exchange *exchange, enum token_check check) {
    metric_add(&exchange->worker->metrics.token_checks[check], 1);
}

/* Whether a fresh look at the keys may help this token: not when it came back from one, not before
 * the keeper would look again, not for a key id that the set in force was searched for already. */
static bool exchange_may_ask_for_keys(const struct exchange *exchange) {
    const struct token_result *verdict = &exchange->verdict;
    const struct key_ring_slot *slot = key_ring_slot(exchange->snapshot->ring, verdict->slot);
    bool is_kid_unknown = verdict->reason == REASON_TOKEN_KEY_UNKNOWN;
    if (exchange->asked_for_keys) {
        if (is_kid_unknown && slot->generation != exchange->asked_generation) {
            unknown_kids_add(exchange->worker->unknown_kids, verdict->slot, verdict->kid,
                             slot->generation);
        }
        return false;
    }
    return clock_monotonic_ms() >= slot->closed_until_ms &&
           !(is_kid_unknown && unknown_kids_has(exchange->worker->unknown_kids, verdict->slot,
                                                verdict->kid, slot->generation));
}

/* True when the exchange is parked until the keeper has looked. */
static bool exchange_ask_for_keys(struct exchange *exchange) {
    size_t slot = exchange->verdict.slot;
    if (!exchange_may_ask_for_keys(exchange)) {
        return false;
    }
    exchange->asked_for_keys = true;
    exchange->asked_generation = key_ring_slot(exchange->snapshot->ring, slot)->generation;
    exchange->want = want_post_keys(exchange, slot, exchange->asked_generation);
    if (!exchange->want) {
        return false;
    }
    exchange_move(exchange, PHASE_WAIT_KEYS);
    return true;
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
    if (exchange_ask_for_keys(exchange)) {
        return false;
    }
    exchange_refuse(exchange, exchange->verdict.reason, 0, exchange->verdict.detail);
    return false;
}

void exchange_step_authenticate(struct exchange *exchange) {
    struct slice value;
    struct slice token;
    enum reason reason;
    if (!exchange_find_token(exchange, &value)) {
        return;
    }
    if (entra_bearer_token(value, &token, &reason) != STATUS_OK) {
        exchange_refuse(exchange, reason, 0,
                        "the token's header holds no well-formed bearer token");
        return;
    }
    const struct config *config = exchange_config(exchange);
    int64_t now_sec = clock_wall_sec();
    unsigned char *digest = exchange->token_digest;
    if (token.len <= config->limits.token_bytes) {
        if (!token_cache_digest(exchange->worker->tokens, token, digest)) {
            exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
            return;
        }
        exchange->identity = token_cache_find(exchange->worker->tokens, digest, now_sec,
                                              config->entra.clock_skew_sec);
    }
    if (exchange->identity) {
        metric_add(&exchange->worker->metrics.token_cache_hits, 1);
    } else if (!exchange_verify(exchange, token, digest, now_sec)) {
        return;
    }
    if (exchange_is_refused_as_revoked(exchange)) {
        return;
    }
    exchange_move(exchange, exchange_route(exchange)->mcp ? PHASE_MCP_MESSAGE : PHASE_AUTHORIZE);
}

void exchange_take_groups(struct exchange *exchange, const struct group_want *groups) {
    if (!groups->groups) {
        return;
    }
    struct identity *identity = identity_with_groups(exchange->identity, groups->groups->items,
                                                     groups->groups->count, groups->until_ms);
    if (identity) {
        token_cache_replace(exchange->worker->tokens, exchange->token_digest, identity);
        identity_unref(exchange->identity);
        exchange->identity = identity;
    }
}

/* True when the exchange was parked or refused for the sake of the caller's groups. What cannot be
 * found out is never "no groups"; a route under shadow refuses nobody for it. */
static bool exchange_needs_groups(struct exchange *exchange) {
    if (!judgement_needs_groups(exchange_config(exchange), &exchange->decision)) {
        return false;
    }
    if (!exchange->asked_for_groups) {
        exchange->asked_for_groups = true;
        exchange->want = want_post_groups(exchange, exchange->identity);
        if (exchange->want) {
            exchange_move(exchange, PHASE_WAIT_GROUPS);
            return true;
        }
    }
    if (exchange_route(exchange)->is_shadow && exchange->decision.is_allowed) {
        return false;
    }
    exchange_refuse(exchange, REASON_GROUPS_UNAVAILABLE, 0,
                    "the token does not carry the caller's groups, and they cannot be looked up "
                    "now");
    return true;
}

static void exchange_ask_about(const struct exchange *exchange, const struct ruleset *rules,
                               size_t route, struct slice below, const struct policy_mcp *mcp,
                               struct decision *out_decision) {
    const struct client_address *client = exchange->forwarding.client;
    const struct policy_question question = {.route = route,
                                             .identity = exchange->identity,
                                             .method = exchange->method,
                                             .path_below = below,
                                             .mcp = mcp,
                                             .client = client->is_ip ? client->bytes : NULL};
    policy_decide(rules->policy, &question, NULL, out_decision);
}

/* A message has to be granted, and all that it refers to: what is not decides. */
static void exchange_ask(const struct exchange *exchange, const struct ruleset *rules, size_t route,
                         struct slice below, struct decision *out_decision) {
    struct decision decision;
    struct policy_mcp reference;
    exchange_ask_about(exchange, rules, route, below, exchange_mcp_question(exchange),
                       out_decision);
    for (size_t i = 0;
         out_decision->is_allowed && exchange_mcp_reference_at(exchange, i, &reference); i++) {
        exchange_ask_about(exchange, rules, route, below, &reference, &decision);
        if (!decision.is_allowed) {
            *out_decision = decision;
        }
    }
}

static bool exchange_mcp_is_granted_now(const struct exchange *exchange,
                                        const struct policy_mcp *mcp) {
    const struct ruleset *rules = exchange->worker->snapshot->rules;
    struct slice below;
    struct decision decision;
    size_t route =
        router_find(rules->router, judgement_host(exchange->host), exchange->path.text, &below);
    if (route == CONFIG_NONE || !rules->config->routes[route].mcp) {
        return false;
    }
    exchange_ask_about(exchange, rules, route, below, mcp, &decision);
    return decision.is_allowed;
}

/* A stream may outlive the rules that let it begin: what it shows, those in force grant too. */
bool exchange_mcp_is_granted(const struct exchange *exchange, const struct policy_mcp *mcp) {
    struct decision decision;
    exchange_ask_about(exchange, exchange->snapshot->rules, exchange->route, exchange->below, mcp,
                       &decision);
    return decision.is_allowed &&
           (!exchange_is_of_former_rules(exchange) || exchange_mcp_is_granted_now(exchange, mcp));
}

static bool holds_all(const struct config_strings *whole, const struct config_strings *part) {
    for (size_t i = 0; i < part->count; i++) {
        size_t j = 0;
        while (j < whole->count && strcmp(part->items[i], whole->items[j]) != 0) {
            j++;
        }
        if (j == whole->count) {
            return false;
        }
    }
    return true;
}

/* For which audience a token was is not remembered: all that were accepted have to be still. */
static bool slot_keeps_audiences(const struct config_entra *former, size_t former_slot,
                                 const struct config_entra *next, size_t next_slot) {
    size_t former_issuer = key_slot_at(former, former_slot).issuer;
    size_t next_issuer = key_slot_at(next, next_slot).issuer;
    return former_issuer == CONFIG_NONE ? holds_all(&next->audiences, &former->audiences)
                                        : holds_all(&next->issuers[next_issuer].audiences,
                                                    &former->issuers[former_issuer].audiences);
}

/* The caller's token is of an issuer, of a version and for an audience that are accepted still. */
static bool exchange_has_issuer_in(const struct exchange *exchange,
                                   const struct config_entra *entra) {
    const struct config_entra *former = &exchange_config(exchange)->entra;
    size_t count = key_slot_count(entra);
    for (size_t slot = 0; slot < count; slot++) {
        if (key_slot_is_used(entra, slot) &&
            key_slot_is_same(former, exchange->identity->slot, entra, slot) &&
            slot_keeps_audiences(former, exchange->identity->slot, entra, slot)) {
            return true;
        }
    }
    return false;
}

static bool name_same_groups(const struct policy *a, const struct policy *b) {
    size_t count_of_a, count_of_b;
    const struct slice *of_a = policy_groups(a, &count_of_a);
    const struct slice *of_b = policy_groups(b, &count_of_b);
    bool is_same = count_of_a == count_of_b;
    for (size_t i = 0; is_same && i < count_of_a; i++) {
        is_same = slice_eq(of_a[i], of_b[i]);
    }
    return is_same;
}

/* Groups that were looked up are known only as far as the former rules named them: when the rules
 * in force name others, the caller has to come again. */
static bool exchange_knows_groups_for(const struct exchange *exchange,
                                      const struct policy *policy) {
    return exchange->identity->groups_until_ms == 0 ||
           name_same_groups(exchange->snapshot->rules->policy, policy);
}

static bool exchange_is_still_allowed(const struct exchange *exchange) {
    const struct ruleset *rules = exchange->worker->snapshot->rules;
    struct slice below;
    struct decision decision;
    size_t route =
        router_find(rules->router, judgement_host(exchange->host), exchange->path.text, &below);
    if (route == CONFIG_NONE || !exchange_knows_groups_for(exchange, rules->policy) ||
        !exchange_has_issuer_in(exchange, &rules->config->entra) ||
        !exchange_caller_is_found_anew(exchange, rules->config) ||
        (exchange->path.has_encoded_slash && !rules->config->routes[route].pass_encoded_slashes) ||
        (exchange->phase == PHASE_TUNNEL && !rules->config->routes[route].websocket) ||
        (exchange->mcp != NULL) != (rules->config->routes[route].mcp != NULL)) {
        return false;
    }
    exchange_ask(exchange, rules, route, below, &decision);
    return decision.is_allowed;
}

/* The body is still on its way, however long that takes; nothing was answered. */
static bool exchange_is_uploading(const struct exchange *exchange) {
    return exchange->phase == PHASE_REQUEST && exchange->wrote_request_head &&
           !exchange->upload.is_written && !exchange->upload_is_over;
}

void exchange_end_if_no_longer_allowed(struct exchange *exchange) {
    if ((exchange_is_streaming(exchange) || exchange_is_uploading(exchange)) &&
        exchange->identity && !exchange_is_still_allowed(exchange)) {
        exchange_abort(exchange, ABORTED_BY_RELOAD);
    }
}

void exchange_step_authorize(struct exchange *exchange) {
    exchange_ask(exchange, exchange->snapshot->rules, exchange->route, exchange->below,
                 &exchange->decision);
    if (exchange_needs_groups(exchange)) {
        return;
    }
    if (exchange->decision.needed_acrs.len || exchange->decision.needs_mfa) {
        exchange_refuse_sign_in(exchange);
        return;
    }
    if (!exchange->decision.is_allowed) {
        exchange_refuse(exchange, exchange->decision.reason, 0,
                        judgement_detail(exchange->decision.reason));
        return;
    }
    if (exchange->mcp && !exchange_mcp_passes(exchange)) {
        return;
    }
    if (!exchange_is_too_often(exchange)) {
        exchange_move(exchange, PHASE_CREDENTIAL);
    }
}
