/* From where the caller calls, and whether that is too often. */
#include "core/clock.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/rate_limiter.h"

#define NS_PER_SEC UINT64_C(1000000000)

bool exchange_find_caller(struct exchange *exchange) {
    forwarding_of_peer(&exchange->forwarding, &exchange->client->address, exchange->host);
    exchange->forwarding.is_https = exchange->client->conn.tls != NULL;
    if (forwarding_read(&exchange->forwarding, &exchange_config(exchange)->trusted_proxies,
                        &exchange->request, &exchange->arena)) {
        return true;
    }
    exchange_refuse(exchange, REASON_OVERLOADED, 0, "out of memory");
    return false;
}

static bool has_same_networks(const struct config_networks *a, const struct config_networks *b) {
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof *a->items) == 0);
}

bool exchange_caller_is_found_anew(const struct exchange *exchange, const struct config *config) {
    const struct config_networks *former = &exchange_config(exchange)->trusted_proxies;
    const struct config_networks *next = &config->trusted_proxies;
    const struct client_address *peer = &exchange->client->address;
    return has_same_networks(former, next) || !peer->is_ip ||
           (!config_networks_hold(former, peer->bytes) && !config_networks_hold(next, peer->bytes));
}

static bool is_entry_of(const struct config_route *route, const struct config_entry *entry) {
    return entry >= route->access.items && entry < route->access.items + route->access.count;
}

/* A route under shadow does not go by its own entries, so neither by their rates. */
static size_t gather_demands(const struct exchange *exchange, struct rate_demand *demands) {
    const struct config_route *route = exchange_route(exchange);
    const struct config_entry *entry = exchange->decision.entry;
    size_t count = 0;
    if (route->rate.is_present) {
        demands[count++] = (struct rate_demand){&route->rate, RATE_OF_ROUTE, route->name};
    }
    if (entry && entry->rate.is_present && !(route->is_shadow && is_entry_of(route, entry))) {
        demands[count++] = (struct rate_demand){&entry->rate, RATE_OF_ENTRY, entry->label};
    }
    return count;
}

bool exchange_is_too_often(struct exchange *exchange) {
    struct rate_demand demands[RATE_DEMANDS_MAX];
    size_t count = gather_demands(exchange, demands);
    if (count == 0 || exchange->was_counted) {
        return false;
    }
    const struct rate_caller caller = {.identity = exchange->identity,
                                       .client = exchange->forwarding.client};
    uint64_t wait_ns = rate_limiter_take(exchange->worker->rates, demands, count, &caller,
                                         clock_monotonic_us() * 1000);
    if (wait_ns == 0) {
        exchange->was_counted = true;
        return false;
    }
    exchange->retry_after_sec = (wait_ns + NS_PER_SEC - 1) / NS_PER_SEC;
    exchange_refuse(exchange, REASON_RATE_LIMITED, 0,
                    "this caller has made as many requests as the configured rate allows");
    return true;
}
