/* Requests that will not come as the file expects them: routes that others take the requests of,
 * and client addresses that no connection can have. */
#include "config/config_parts.h"

#include "config/host.h"
#include "config/network.h"

/* Pairs of routes compared; well below a tenth of a second. */
#define COMPARISONS_MAX 2000000

/* Answered by barkeep itself, under every host, while there are assertions. */
static const char OWN_PAGE[] = "/.well-known/barkeep/jwks.json";

static bool is_below(struct slice path, struct slice prefix) {
    if (prefix.len <= 1)
        return true;
    return slice_starts_with(path, prefix) &&
           (path.len == prefix.len || path.ptr[prefix.len] == '/');
}

/* True when some host leads to both, and to `first` first. */
static bool host_comes_first(const struct config_route *first, const struct config_route *second) {
    if (!first->host || (second->host && second->host[0] != '*'))
        return false;
    if (!second->host)
        return true;
    struct slice suffix = slice_of_str(second->host + 1);
    struct slice host = slice_of_str(first->host + (first->host[0] == '*' ? 1 : 0));
    return host.len > suffix.len && slice_ends_with(host, suffix);
}

static bool is_same_place(const struct config_upstream *a, const struct config_upstream *b) {
    if (a->is_unix || b->is_unix)
        return a->is_unix && b->is_unix && strcmp(a->unix_path, b->unix_path) == 0;
    return a->port == b->port && slice_eq_nocase(slice_of_str(a->host), slice_of_str(b->host));
}

static bool share_an_upstream(const struct config_route *a, const struct config_route *b) {
    for (size_t i = 0; i < a->upstream_count; i++)
        for (size_t j = 0; j < b->upstream_count; j++)
            if (is_same_place(&a->upstreams[i], &b->upstreams[j]))
                return true;
    return false;
}

/* Another route to the same upstream, with rules of its own, that takes requests which the longer
 * path of `route` seems to be meant for. */
static const struct config_route *overtaking(const struct config *config,
                                             const struct config_route *route, size_t *budget) {
    struct slice path = slice_of_str(route->path);
    for (size_t i = 0; i<config->route_count && * budget> 0; i++) {
        const struct config_route *other = &config->routes[i];
        --*budget;
        if (!other->host) /* comes before nobody */
            continue;
        struct slice wider = slice_of_str(other->path);
        if (wider.len < path.len && is_below(path, wider) && host_comes_first(other, route) &&
            share_an_upstream(other, route))
            return other;
    }
    return NULL;
}

static void check_routes(struct loader *loader) {
    const struct config *config = loader->config;
    const struct node *node = node_find(loader->root, SLICE("routes"))->first;
    bool has_page = config_uses_assertions(config);
    size_t budget = COMPARISONS_MAX;
    for (size_t i = 0; node && i < config->route_count; i++, node = node->next) {
        const struct config_route *route = &config->routes[i];
        const struct config_route *other = overtaking(config, route, &budget);
        const struct node *path = node_find(node, SLICE("path"));
        if (has_page && is_below(slice_of_str(route->path), slice_of_str(OWN_PAGE)))
            loader_warning(loader, path ? path : node,
                           "nobody can reach this route: barkeep answers %s itself", OWN_PAGE);
        if (other)
            loader_warning(loader, path ? path : node,
                           "on %s such requests go to route %s and its rules, to the same "
                           "upstream: a host that matches comes before a longer path; give this "
                           "route that host, or put its rules there too",
                           QUOTE(slice_of_str(other->host)), QUOTE(slice_of_str(other->name)));
    }
}

/* Whose addresses barkeep sees when nobody is believed about another. */
enum client_view { CLIENTS_OF_ANY_NETWORK, CLIENTS_ON_LOOPBACK, CLIENTS_WITHOUT_ADDRESS };

static enum client_view client_view_of(const struct config *config) {
    enum client_view view = CLIENTS_WITHOUT_ADDRESS;
    if (config->trusted_proxies.count > 0)
        return CLIENTS_OF_ANY_NETWORK;
    for (size_t i = 0; i < config->listen_count; i++) {
        const struct config_address *address = &config->listen[i];
        if (address->is_unix)
            continue;
        if (!host_is_loopback(slice_of_str(address->host)))
            return CLIENTS_OF_ANY_NETWORK;
        view = CLIENTS_ON_LOOPBACK;
    }
    return view;
}

static bool touches_loopback(const struct config_networks *networks) {
    struct config_network loopback[2] = {{.prefix_bits = 0}};
    network_parse(SLICE("127.0.0.0/8"), &loopback[0]);
    network_parse(SLICE("::1"), &loopback[1]);
    for (size_t i = 0; i < networks->count; i++)
        for (size_t j = 0; j < 2; j++)
            if (network_is_within(&networks->items[i], &loopback[j]) ||
                network_is_within(&loopback[j], &networks->items[i]))
                return true;
    return false;
}

static void check_entries(struct loader *loader, const struct node *list,
                          const struct config_entries *entries, enum client_view view) {
    const struct node *node = list ? list->first : NULL;
    for (size_t i = 0; node && i < entries->count; i++, node = node->next) {
        const struct config_networks *clients = &entries->items[i].when.clients;
        bool is_seen = view == CLIENTS_ON_LOOPBACK && touches_loopback(clients);
        if (clients->count > 0 && !is_seen)
            loader_warning(loader, node_find(node_find(node, SLICE("when")), SLICE("client")),
                           "can never match: barkeep listens on this machine alone, and %s; name "
                           "the proxy in front of it in trusted_proxies, as in [127.0.0.1]",
                           view == CLIENTS_ON_LOOPBACK
                               ? "every connection comes from it"
                               : "connections through a unix socket have no address");
    }
}

static void check_rate(struct loader *loader, const struct node *parent,
                       const struct config_rate *rate) {
    if (rate->is_present && rate->is_per_client)
        loader_warning(loader, node_find(parent, SLICE("rate")),
                       "counts all callers as one: barkeep listens on this machine alone, so every "
                       "connection comes from it; name the proxy in front of it in "
                       "trusted_proxies, as in [127.0.0.1], or write per: identity");
}

static void check_rates(struct loader *loader, const struct node *list,
                        const struct config_entries *entries) {
    const struct node *node = list ? list->first : NULL;
    for (size_t i = 0; node && i < entries->count; i++, node = node->next)
        check_rate(loader, node, &entries->items[i].rate);
}

static void check_clients(struct loader *loader) {
    const struct config *config = loader->config;
    enum client_view view = client_view_of(config);
    if (view == CLIENTS_OF_ANY_NETWORK)
        return;
    const struct node *node = node_find(loader->root, SLICE("routes"))->first;
    for (size_t i = 0; node && i < config->route_count; i++, node = node->next) {
        const struct config_route *route = &config->routes[i];
        check_entries(loader, node_find(node, SLICE("access")), &route->access, view);
        check_entries(loader, node_find(node, SLICE("deny")), &route->deny, view);
        check_rate(loader, node, &route->rate);
        check_rates(loader, node_find(node, SLICE("access")), &route->access);
    }
    const struct node *access = node_find(loader->root, SLICE("access"));
    check_entries(loader, access, &config->access, view);
    check_entries(loader, node_find(loader->root, SLICE("deny")), &config->deny, view);
    check_rates(loader, access, &config->access);
}

void config_check_reach(struct loader *loader) {
    check_routes(loader);
    check_clients(loader);
}
