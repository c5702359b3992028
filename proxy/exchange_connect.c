/* From a route to a connection: whose turn it is among its upstreams, an idle connection or a new
 * one, the next address or upstream when that fails before anything was sent. */
#include "proxy/exchange.h"

/* Draws the upstream whose turn it is. */
static void exchange_choose_target(struct exchange *exchange) {
    struct worker *worker = exchange->worker;
    const struct config_route *route = exchange_route(exchange);
    size_t first = worker->first_pool[exchange->route];
    size_t turn = 0;
    if (route->upstream_count > 1) {
        turn = worker->upstream_pools[first].turn++ % route->upstream_count;
    }
    exchange->target = &route->upstreams[turn];
    exchange->pool = first + turn;
    exchange->targets_left = route->upstream_count - 1;
}

/* Nothing was sent yet: another upstream of the route may do. False when all were tried. */
static bool exchange_choose_next_target(struct exchange *exchange) {
    if (exchange->targets_left == 0) {
        return false;
    }
    const struct config_route *route = exchange_route(exchange);
    size_t first = exchange->worker->first_pool[exchange->route];
    size_t turn = (exchange->pool - first + 1) % route->upstream_count;
    exchange->target = &route->upstreams[turn];
    exchange->pool = first + turn;
    exchange->address = 0;
    exchange->targets_left--;
    return true;
}

static void exchange_refuse_unreachable(struct exchange *exchange, const char *detail) {
    exchange_refuse(exchange, REASON_UPSTREAM_UNREACHABLE, 0, detail);
}

/* Tries addresses, then the other upstreams, until one starts connecting. False when the exchange
 * was refused. */
static bool exchange_open_upstream(struct exchange *exchange) {
    struct worker *worker = exchange->worker;
    const struct upstream_addresses *addresses;
    do {
        struct upstream_pool *pool = &worker->upstream_pools[exchange->pool];
        addresses = &exchange->snapshot->addresses->upstreams[exchange->pool];
        if (exchange->address == 0 && !exchange->has_retried) {
            exchange->upstream = upstream_take_idle(worker, pool, exchange);
        }
        while (!exchange->upstream && exchange->address < addresses->count) {
            exchange->upstream =
                upstream_connect(worker, pool, addresses, exchange->address, exchange);
            if (!exchange->upstream) {
                exchange->address++;
            }
        }
    } while (!exchange->upstream && exchange_choose_next_target(exchange));
    if (!exchange->upstream) {
        exchange_refuse_unreachable(exchange, addresses->count == 0
                                                  ? "the upstream's name does not resolve"
                                                  : "no connection to the upstream could be made");
        return false;
    }
    if (!exchange->upstream->is_connected) {
        exchange_set_deadline(exchange, exchange_route(exchange)->connect_timeout_ms);
    }
    return true;
}

void exchange_step_connect(struct exchange *exchange) {
    if (!exchange->target) {
        exchange_choose_target(exchange);
    }
    for (;;) {
        if (!exchange->upstream && !exchange_open_upstream(exchange)) {
            return;
        }
        struct upstream *upstream = exchange->upstream;
        if (upstream->is_connected) {
            break;
        }
        if (!upstream->conn.can_write && !upstream->conn.is_broken) {
            return; /* the event will come */
        }
        if (upstream_connect_succeeded(upstream)) {
            upstream->conn.is_broken = false;
            break;
        }
        upstream_close(upstream);
        exchange->upstream = NULL;
        exchange->address++;
    }
    exchange_move(exchange, PHASE_REQUEST);
}
