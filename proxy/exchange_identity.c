/* What a route's upstream is told of the caller: the token header, and the identity headers that
 * its configuration asks for. */
#include "auth/identity_lines.h"
#include "core/clock.h"
#include "proxy/exchange.h"

bool exchange_find_token(struct exchange *exchange, struct slice *out_value) {
    const struct h1_request *request = &exchange->request;
    const char *name = exchange_route(exchange)->token_header;
    size_t count = request->authorization_count;
    struct slice value = request->authorization;
    if (name) {
        count = h1_request_find_header(request, slice_of_str(name), &value);
    }
    if (count > 1 || request->authorization_count > 1) {
        exchange_refuse(exchange, REASON_BAD_REQUEST, 0,
                        count > 1 && name ? "more than one header with a token"
                                          : "more than one Authorization header");
        return false;
    }
    if (count == 0) {
        exchange_refuse(exchange, REASON_TOKEN_MISSING, 0,
                        name ? "send an Entra ID access token as Bearer in this route's own header"
                             : "send an Entra ID access token as Authorization: Bearer");
        return false;
    }
    *out_value = value;
    return true;
}

static enum status exchange_order_lines(struct exchange *exchange) {
    const struct snapshot *snapshot = exchange->snapshot;
    const struct config_route *route = exchange_route(exchange);
    struct line_order order = {
        .route = exchange->route,
        .has_easyauth = config_sends_easyauth(route),
        .signer = config_sends_assertion(route) ? snapshot->assertions : NULL,
        .view = {.identity = exchange->identity, .audience = route->name},
        .now_sec = clock_wall_sec(),
    };
    order.view.named_groups = policy_groups(snapshot->rules->policy, &order.view.named_group_count);
    return line_shelf_get(exchange->worker->lines, exchange->identity, &order, &exchange->lines);
}

/* There is nothing to sign with: perhaps its secret can be had. */
static void exchange_want_assertion_key(struct exchange *exchange) {
    const struct config *config = exchange_config(exchange);
    if (config->assertion.has_key && !exchange->asked_for_assertion_key) {
        exchange->asked_for_assertion_key = true;
        exchange->want = want_post_credential(exchange, secret_store_assertion_key(config), 0);
        if (exchange->want) {
            exchange_move(exchange, PHASE_WAIT_CREDENTIAL);
            return;
        }
    }
    exchange_refuse(exchange, REASON_SECRET_UNAVAILABLE, 0,
                    "the key that signs assertions cannot be read now");
}

bool exchange_make_identity_lines(struct exchange *exchange) {
    if (exchange_route(exchange)->identity_headers == IDENTITY_HEADERS_NONE || exchange->lines) {
        return true;
    }
    switch (exchange_order_lines(exchange)) {
    case STATUS_OK:
        return true;
    case STATUS_NOT_FOUND:
        exchange_want_assertion_key(exchange);
        return false;
    case STATUS_LIMIT:
        exchange_refuse(exchange, REASON_HEAD_TOO_LARGE, 0,
                        "what the token says of its caller does not fit into identity headers");
        return false;
    default:
        exchange_refuse(exchange, REASON_OVERLOADED, 0, "no memory for the identity headers");
        return false;
    }
}

int64_t exchange_token_left_ms(const struct exchange *exchange) {
    int64_t skew_sec = worker_config(exchange->worker)->entra.clock_skew_sec;
    return (exchange->identity->expires_sec + skew_sec) * 1000 - clock_wall_ms();
}
