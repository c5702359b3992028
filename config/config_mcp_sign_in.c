/* What clients of an MCP server would meet when they sign in: a resource that Entra ID knows by
 * another spelling, paths that go to another route, facades that stand in each other's way. */
#include "config/config_parts.h"

#include "config/url.h"

/* Routes looked at; well below a tenth of a second. */
#define LOOKS_MAX 2000000

struct sign_in_check {
    struct loader *loader;
    const struct config *config;
    bool *is_warned; /* by route: it was told already that it loses paths */
    size_t budget;
};

/* As the router has it: the exact host, then the longer suffix, then any. 0: it does not fit. */
static size_t host_fit(const char *pattern, struct slice host) {
    if (!pattern)
        return 1;
    struct slice text = slice_of_str(pattern);
    if (text.ptr[0] != '*')
        return slice_eq_nocase(text, host) ? SIZE_MAX : 0;
    struct slice suffix = slice_skip(text, 1);
    bool fits =
        host.len > suffix.len && slice_eq_nocase(slice_skip(host, host.len - suffix.len), suffix);
    return fits ? suffix.len + 1 : 0;
}

/* The route that requests for this path of this host go to; NULL: none. */
static const struct config_route *route_at(struct sign_in_check *check, struct slice host,
                                           struct slice path) {
    const struct config_route *best = NULL;
    size_t best_fit = 0;
    for (size_t i = 0; i < check->config->route_count; i++) {
        const struct config_route *route = &check->config->routes[i];
        size_t fit = host_fit(route->host, host);
        if (check->budget == 0)
            return NULL;
        check->budget--;
        if (fit == 0 || fit < best_fit ||
            !config_path_is_at_or_below(path, slice_of_str(route->path)))
            continue;
        if (fit > best_fit || strlen(route->path) > strlen(best->path)) {
            best = route;
            best_fit = fit;
        }
    }
    return best;
}

static size_t index_of(const struct sign_in_check *check, const struct config_route *route) {
    return (size_t)(route - check->config->routes);
}

static const struct node *node_of(const struct sign_in_check *check,
                                  const struct config_route *route) {
    const struct node *node = node_find(check->loader->root, SLICE("routes"))->first;
    for (size_t i = index_of(check, route); node && i > 0; i--)
        node = node->next;
    return node;
}

static const struct node *path_node_of(const struct sign_in_check *check,
                                       const struct config_route *route) {
    const struct node *node = node_of(check, route);
    const struct node *path = node_find(node, SLICE("path"));
    return path ? path : node;
}

/* As a browser's URL writes it: host in lower case, no port that is the scheme's own. */
static const char *normal_form(struct loader *loader, const char *resource, const struct url *url) {
    struct slice authority = url->authority, own = url->is_https ? SLICE(":443") : SLICE(":80");
    const char *path = url->authority.ptr + url->authority.len;
    if (slice_ends_with(authority, own))
        authority.len -= own.len;
    return LOADER_FORMAT(loader, "%.*s%s%s", (int)(url->authority.ptr - resource), resource,
                         loader_copy_lower(loader, authority), path);
}

/* Without regard to what is easily overlooked. */
static bool is_nearly(const char *audience, const char *resource) {
    struct slice a = slice_of_str(audience), b = slice_of_str(resource);
    a.len -= slice_ends_with(a, SLICE("/")) ? 1 : 0;
    b.len -= slice_ends_with(b, SLICE("/")) ? 1 : 0;
    return slice_eq_nocase(a, b);
}

static bool is_same(const char *audience, const char *resource) {
    return strcmp(audience, resource) == 0;
}

static const char *find_audience(const struct config_entra *entra, const char *resource,
                                 bool (*fits)(const char *, const char *)) {
    for (size_t i = 0; i <= entra->issuer_count; i++) {
        const struct config_strings *audiences =
            i == 0 ? &entra->audiences : &entra->issuers[i - 1].audiences;
        for (size_t j = 0; j < audiences->count; j++)
            if (fits(audiences->items[j], resource))
                return audiences->items[j];
    }
    return NULL;
}

static void check_audience(struct sign_in_check *check, const struct node *resource,
                           const struct config_route *route, const char *normal) {
    const struct config_entra *entra = &check->config->entra;
    if (!entra->is_present || route->mcp->facade || find_audience(entra, normal, is_same))
        return;
    const char *near = find_audience(entra, normal, is_nearly);
    if (near)
        loader_warning(
            check->loader, resource,
            "is not in entra.audience, which has %s: audiences are compared letter for "
            "letter, and clients ask Entra ID for a token by this URL; write both alike, "
            "as the application's ID URI is written",
            QUOTE(slice_of_str(near)));
    else
        loader_warning(check->loader, resource,
                       "is not in entra.audience: clients ask Entra ID for a token by this URL, "
                       "which has to be the application's ID URI; add it to both, or write "
                       "`facade`");
}

static void check_spelling(struct sign_in_check *check, const struct node *resource,
                           const struct config_route *route, const struct url *url) {
    const char *written = route->mcp->resource;
    const char *normal = normal_form(check->loader, written, url);
    if (strcmp(normal, written) != 0)
        loader_warning(check->loader, resource,
                       "is spelled otherwise by clients: %s; Entra ID compares it letter for "
                       "letter, so write it like that, as the application's ID URI too",
                       QUOTE(slice_of_str(normal)));
    check_audience(check, resource, route, normal);
}

/* False when barkeep serves nothing about this resource. */
static bool check_host(struct sign_in_check *check, const struct node *resource,
                       const struct config_route *route, const struct url *url) {
    struct slice path = url->path.len ? url->path : SLICE("/");
    const struct config_route *other = route_at(check, url->host, path);
    if (other == route)
        return true;
    if (route->host && host_fit(route->host, url->host) == 0)
        loader_warning(check->loader, resource,
                       "has another host than the route, %s: requests for it come to this route "
                       "only if something before barkeep changes their Host",
                       QUOTE(slice_of_str(route->host)));
    else if (other)
        loader_warning(check->loader, resource,
                       "is on route %s: requests for this URL go there, so that clients of this "
                       "route find no metadata to sign in by; write the URL of this route",
                       QUOTE(slice_of_str(other->name)));
    return false;
}

/* A route of the operator's own with such a path keeps it. */
static void check_path(struct sign_in_check *check, const struct config_route *route,
                       const struct url *url, struct slice path) {
    const struct config_route *taker = route_at(check, url->host, path);
    if (taker && strlen(taker->path) > 1)
        loader_warning(check->loader, path_node_of(check, taker),
                       "takes %s, where clients of route %s sign in: give this route another path, "
                       "or one of the two another host",
                       QUOTE(path), QUOTE(slice_of_str(route->name)));
}

static void check_paths(struct sign_in_check *check, const struct config_route *route,
                        const struct url *url) {
    static const struct slice of_facades[] = {{"/.well-known/oauth-authorization-server", 39},
                                              {"/authorize", 10},
                                              {"/token", 6},
                                              {"/register", 9}};
    size_t count = route->mcp->facade ? sizeof of_facades / sizeof *of_facades : 0;
    check_path(check, route, url, SLICE("/.well-known/oauth-protected-resource"));
    for (size_t i = 0; i < count; i++)
        check_path(check, route, url, of_facades[i]);
}

/* What a route at "/" would be asked, were there no MCP server on its host. */
static void check_root(struct sign_in_check *check, const struct config_route *route,
                       const struct url *url) {
    const struct config_route *loser = route_at(check, url->host, SLICE("/register"));
    if (!loser || loser->mcp || strlen(loser->path) > 1 || check->is_warned[index_of(check, loser)])
        return;
    check->is_warned[index_of(check, loser)] = true;
    loader_warning(check->loader, path_node_of(check, loser),
                   "does not get /authorize, /register and /token of %s: barkeep answers them "
                   "itself, for clients that sign in to route %s; give one of the two another "
                   "host%s",
                   QUOTE(url->host), QUOTE(slice_of_str(route->name)),
                   route->mcp->facade ? "" : ", or write routes for those that the upstream has");
}

static bool strings_are_same(const struct config_strings *a, const struct config_strings *b) {
    bool is_same_list = a->count == b->count;
    for (size_t i = 0; is_same_list && i < a->count; i++)
        is_same_list = strcmp(a->items[i], b->items[i]) == 0;
    return is_same_list;
}

/* The facade before this one on the same host, which answers for both. */
static const struct config_route *
facade_before(struct sign_in_check *check, const struct config_route *route, struct slice host) {
    for (const struct config_route *other = check->config->routes; other < route; other++) {
        struct url url;
        if (check->budget == 0)
            return NULL;
        check->budget--;
        if (other->mcp && other->mcp->facade && other->mcp->resource &&
            !url_parse(slice_of_str(other->mcp->resource), &url) && slice_eq_nocase(url.host, host))
            return other;
    }
    return NULL;
}

static void check_facade(struct sign_in_check *check, const struct node *mcp,
                         const struct config_route *route, const struct url *url) {
    const struct config_mcp_facade *facade = route->mcp->facade;
    const struct config_strings *tenants = &check->config->entra.tenants;
    const struct node *node = node_find(mcp, SLICE("facade"));
    const struct config_route *first = facade_before(check, route, url->host);
    if (tenants->count > 1)
        loader_key_warning(check->loader, node,
                           "signs in to the first tenant alone, %s: users of the others would have "
                           "to be its guests",
                           tenants->items[0]);
    if (first && (strcmp(first->mcp->facade->client_id, facade->client_id) != 0 ||
                  !strings_are_same(&first->mcp->facade->redirect_uris, &facade->redirect_uris)))
        loader_key_warning(check->loader, node,
                           "has no effect: one host has one facade, and on %s that is route %s's; "
                           "write the same client_id and redirect_uris there and here, or give "
                           "one of the two another host",
                           QUOTE(url->host), QUOTE(slice_of_str(first->name)));
}

static void check_route(struct sign_in_check *check, const struct node *node,
                        const struct config_route *route) {
    struct url url;
    const struct node *mcp = node_find(node, SLICE("mcp"));
    const struct node *denial = node_find(mcp, SLICE("denial"));
    const struct node *resource = node_find(mcp, SLICE("resource"));
    if (!route->mcp->resource) {
        if (route->mcp->denial == MCP_DENIAL_CHALLENGE && denial)
            loader_warning(check->loader, denial,
                           "names no metadata in its challenge, so that clients cannot sign in "
                           "again; add `resource`");
        return;
    }
    if (url_parse(slice_of_str(route->mcp->resource), &url))
        return;
    check_spelling(check, resource, route, &url);
    if (!check_host(check, resource, route, &url))
        return;
    check_paths(check, route, &url);
    check_root(check, route, &url);
    if (route->mcp->facade)
        check_facade(check, mcp, route, &url);
}

void config_check_mcp_sign_in(struct loader *loader) {
    const struct config *config = loader->config;
    const struct node *routes = node_find(loader->root, SLICE("routes"));
    const struct node *node = routes ? routes->first : NULL;
    struct sign_in_check check = {
        loader, config, loader_array(loader, config->route_count + 1, sizeof(bool)), LOOKS_MAX};
    for (size_t i = 0; node && check.is_warned && i < config->route_count; i++, node = node->next)
        if (config->routes[i].mcp)
            check_route(&check, node, &config->routes[i]);
}
