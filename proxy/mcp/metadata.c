/* Pages about signing in, made from configuration alone. What clients ask for first decides how
 * they go on, so that a path that is not served says so in JSON: some parse whatever a 404 brings.
 */
#include "proxy/mcp/metadata.h"

#include "core/json_out.h"
#include "proxy/mcp/facade.h"
#include "proxy/mcp/resource.h"
#include "proxy/mcp/scopes.h"

/* One path of those that OAuth clients look for. `below`: what follows it, for another resource or
 * another issuer. */
struct known_path {
    struct slice path;
    bool takes_below;
    enum mcp_page page; /* with a facade */
};

#define TEXT(literal)                                                                              \
    { (literal), sizeof(literal) - 1 }
static const struct known_path known_paths[] = {
    {TEXT(MCP_RESOURCE_WELL_KNOWN), true, MCP_PAGE_RESOURCE},
    {TEXT("/.well-known/oauth-authorization-server"), true, MCP_PAGE_FACADE},
    {TEXT("/.well-known/openid-configuration"), true, MCP_PAGE_FACADE},
    {TEXT("/register"), false, MCP_PAGE_REGISTER},
    {TEXT("/authorize"), false, MCP_PAGE_AUTHORIZE},
    {TEXT("/token"), false, MCP_PAGE_TOKEN},
};

/* Every request passes here: what is none of them is told by its first bytes. */
static const struct known_path *find_known(struct slice path, struct slice *out_below) {
    for (size_t i = 0; i < sizeof known_paths / sizeof *known_paths; i++) {
        const struct known_path *known = &known_paths[i];
        struct slice below = slice_skip(path, known->path.len);
        bool fits = below.len == 0 || (known->takes_below && below.ptr[0] == '/');
        if (slice_starts_with(path, known->path) && fits) {
            *out_below = slice_eq(below, SLICE("/")) ? SLICE("") : below;
            return known;
        }
    }
    return NULL;
}

struct page_search {
    const struct config *config;
    const struct router *router;
    struct slice host;
};

static bool is_on_host(const struct page_search *search, size_t route,
                       struct mcp_resource *out_resource) {
    struct slice below;
    if (!mcp_resource_read(search->config->routes[route].mcp, out_resource)) {
        return false;
    }
    struct slice path = out_resource->path.len ? out_resource->path : SLICE("/");
    return router_find(search->router, search->host, path, &below) == route;
}

/* The route whose resource has this path; CONFIG_NONE when there is none. */
static size_t find_resource(const struct page_search *search, struct slice path) {
    struct mcp_resource resource;
    for (size_t i = 0; i < search->config->route_count; i++) {
        if (is_on_host(search, i, &resource) && slice_eq(resource.path, path)) {
            return i;
        }
    }
    return CONFIG_NONE;
}

/* One whose URL has this host comes before those that are only reached by it. */
static size_t find_first(const struct page_search *search, bool with_facade) {
    struct mcp_resource resource;
    size_t found = CONFIG_NONE;
    for (size_t i = 0; i < search->config->route_count; i++) {
        if ((with_facade && !facade_is_on(search->config, i)) ||
            !is_on_host(search, i, &resource)) {
            continue;
        }
        if (slice_eq_nocase(resource.host, search->host)) {
            return i;
        }
        found = found == CONFIG_NONE ? i : found;
    }
    return found;
}

static bool is_claimed(const struct page_search *search, struct slice path) {
    struct slice below;
    size_t route = router_find(search->router, search->host, path, &below);
    return route != CONFIG_NONE && strlen(search->config->routes[route].path) > 1;
}

static size_t find_route_of(const struct page_search *search, const struct known_path *known,
                            struct slice below, size_t first) {
    if (known->page != MCP_PAGE_RESOURCE) {
        return below.len ? CONFIG_NONE : find_first(search, true);
    }
    size_t route = find_resource(search, below);
    return route == CONFIG_NONE && below.len == 0 ? first : route;
}

static struct slice without_last_slash(struct slice text) {
    return slice_ends_with(text, SLICE("/")) ? slice_of(text.ptr, text.len - 1) : text;
}

enum mcp_page mcp_page_find(const struct config *config, const struct router *router,
                            struct slice host, struct slice path, size_t *out_route) {
    const struct page_search search = {config, router, host};
    struct slice below;
    const struct known_path *known = find_known(path, &below);
    size_t first = known ? find_first(&search, false) : CONFIG_NONE;
    if (first == CONFIG_NONE || is_claimed(&search, path)) {
        return MCP_PAGE_NONE;
    }
    size_t route = find_route_of(&search, known, without_last_slash(below), first);
    if (route == CONFIG_NONE) {
        return MCP_PAGE_NOT_HERE;
    }
    *out_route = route;
    return known->page;
}

static void write_tenants(struct json_out *out, const struct config_entra *entra) {
    for (size_t i = 0; i < entra->tenants.count; i++) {
        struct buf issuer;
        buf_init(&issuer, JSON_OUT_MAX_STRING);
        buf_printf(&issuer, "%s/%s/v2.0", entra->authority, entra->tenants.items[i]);
        json_out_str(out, NULL, buf_slice(&issuer));
        buf_done(&issuer);
    }
}

static void write_authorization_servers(struct json_out *out, const struct config *config,
                                        size_t route) {
    struct mcp_resource resource;
    bool is_facade =
        facade_is_on(config, route) && mcp_resource_read(config->routes[route].mcp, &resource);
    if (!is_facade && config->entra.tenants.count == 0) {
        return;
    }
    json_out_array_begin(out, "authorization_servers");
    if (is_facade) {
        json_out_str(out, NULL, resource.origin);
    } else {
        write_tenants(out, &config->entra);
    }
    json_out_array_end(out);
}

void mcp_write_resource_metadata(struct buf *out, const struct config *config, size_t route) {
    struct json_out json;
    json_out_init(&json, out);
    json_out_object_begin(&json, NULL);
    json_out_cstr(&json, "resource", config->routes[route].mcp->resource);
    write_authorization_servers(&json, config, route);
    mcp_write_supported_scopes(&json, config, route, false);
    json_out_array_begin(&json, "bearer_methods_supported");
    json_out_cstr(&json, NULL, "header");
    json_out_array_end(&json);
    json_out_object_end(&json);
    buf_append_char(out, '\n');
}

void mcp_write_not_here(struct buf *out) {
    struct json_out json;
    json_out_init(&json, out);
    json_out_object_begin(&json, NULL);
    json_out_cstr(&json, "error", "not_found");
    json_out_cstr(&json, "error_description", "this authorization server does not exist");
    json_out_object_end(&json);
    buf_append_char(out, '\n');
}
