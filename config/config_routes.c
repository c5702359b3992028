/* `routes`: from a host and a path to an upstream, and the rules on the way. */
#include "config/config_parts.h"

#include "config/header_name.h"
#include "config/host.h"

#define HOUR_MS 3600000ull

static void read_name(struct loader *loader, const struct node *node, void *target) {
    struct slice name;
    if (!loader_read_text(loader, node, "the route's name", &name))
        return;
    bool is_good = name.len <= 128;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        is_good = is_good && (is_letter || (c >= '0' && c <= '9') || strchr("._-", c));
    }
    if (!is_good)
        loader_error(loader, node,
                     "a route's name is made of letters, digits, `.`, `_` and `-`, at most 128; "
                     "got %s",
                     QUOTE(node->source));
    else if (name_index_find(&loader->routes, name) != NAME_INDEX_ABSENT)
        loader_error(loader, node, "another route has the name %s already", QUOTE(node->source));
    else {
        *(const char **)target = loader_copy(loader, name);
        loader_index(loader, &loader->routes, name, loader->config->route_count);
    }
}

static bool is_route_host(struct slice host) {
    if (slice_starts_with(host, SLICE("*.")))
        host = slice_skip(host, 2);
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        return host_is_ipv6(slice_of(host.ptr + 1, host.len - 2));
    return host_is_valid(host) && !host_is_ipv6(host);
}

static void read_host(struct loader *loader, const struct node *node, void *target) {
    struct slice host;
    if (!loader_read_text(loader, node, "a host name such as api.example or *.example", &host))
        return;
    if (is_route_host(host))
        *(const char **)target = loader_copy_lower(loader, host);
    else
        loader_error(loader, node,
                     "must be a host name without port, exact or as *.suffix (leave the key out "
                     "for any host); got %s",
                     QUOTE(node->source));
}

static void read_path(struct loader *loader, const struct node *node, void *target) {
    struct slice path;
    if (!loader_read_text(loader, node, "a path such as /api", &path))
        return;
    if (slice_index(path, '*') != path.len) {
        loader_error(loader, node,
                     "is a prefix: everything below it belongs to the route, so write it without "
                     "`*`; got %s",
                     QUOTE(node->source));
        return;
    }
    if (path.len > 1 && path.ptr[path.len - 1] == '/' && path.ptr[path.len - 2] != '/')
        path.len--;
    const char *canonical = config_read_path(loader, node, path, false);
    if (canonical)
        *(const char **)target = canonical;
}

static void read_token_header(struct loader *loader, const struct node *node, void *target) {
    struct slice name;
    if (!loader_read_text(loader, node, "a header's name such as X-Barkeep-Authorization", &name))
        return;
    if (slice_eq_nocase(name, SLICE("Authorization")))
        return;
    if (!header_name_is_valid(name))
        loader_error(loader, node,
                     "a header's name is made of letters, digits and `-`, at most 256; got %s",
                     QUOTE(node->source));
    else if (header_name_is_reserved(name) || slice_eq_nocase(name, SLICE("Cookie")))
        loader_error(loader, node,
                     "no token can come in this header: it belongs to the message's framing, to "
                     "the application's own state, or to barkeep itself; got %s",
                     QUOTE(node->source));
    else
        *(const char **)target = loader_copy(loader, name);
}

static void read_access(struct loader *loader, const struct node *node, void *target) {
    struct config_route *route = target;
    const char *scope = LOADER_FORMAT(loader, "routes.%s.", route->name ? route->name : "");
    config_read_entries(loader, node, &ACCESS_SCHEMA, scope, &route->access);
}

static void read_deny(struct loader *loader, const struct node *node, void *target) {
    struct config_route *route = target;
    const char *scope = LOADER_FORMAT(loader, "routes.%s.", route->name ? route->name : "");
    config_read_entries(loader, node, &DENY_SCHEMA, scope, &route->deny);
}

#define TIMEOUT_ROW(key_, member, fallback_, summary_)                                             \
    {                                                                                              \
        .key = key_, .type = SCHEMA_MS, OFFSET_IN(config_route, member), .fallback = fallback_,    \
        .min = 1, .max = 1000 * HOUR_MS, .summary = summary_                                       \
    }

static const struct schema_row TIMEOUT_ROWS[] = {
    TIMEOUT_ROW("connect", connect_timeout_ms, "5s", "how long connecting may take"),
    TIMEOUT_ROW("head", head_timeout_ms, "60s", "how long the upstream's answer may take to begin"),
    TIMEOUT_ROW("idle", idle_timeout_ms, "5m", "how long a body may stand still"),
    {0},
};

static const struct schema TIMEOUT_SCHEMA = {"timeouts", TIMEOUT_ROWS};

static const struct schema_row ROUTE_LIMIT_ROWS[] = {
    {.key = "body",
     .type = SCHEMA_BYTES_NONE,
     OFFSET_IN(config_route, body_limit_bytes),
     .fallback = "none",
     .min = 1,
     .max = UINT64_MAX - 1,
     .summary = "the longest request body, such as 10MiB, or none"},
    {.key = "requests",
     .type = SCHEMA_COUNT_NONE,
     OFFSET_IN(config_route, requests_limit),
     .fallback = "none",
     .min = 1,
     .max = 1000000,
     .summary = "how many requests each upstream has at once, or none: what comes beyond is "
                "refused as overloaded"},
    {0},
};

static const struct schema ROUTE_LIMIT_SCHEMA = {"a route's limits", ROUTE_LIMIT_ROWS};

static const struct schema_row ROUTE_ROWS[] = {
    {.key = "name",
     .type = SCHEMA_OTHER,
     .read = read_name,
     OFFSET_IN(config_route, name),
     .is_required = true,
     .pattern = "^[A-Za-z0-9._-]{1,128}$",
     .summary = "a name for logs and metrics"},
    {.key = "host",
     .type = SCHEMA_OTHER,
     .read = read_host,
     OFFSET_IN(config_route, host),
     .summary = "the host that callers ask for, exact or as *.suffix; default: any"},
    {.key = "path",
     .type = SCHEMA_OTHER,
     .read = read_path,
     OFFSET_IN(config_route, path),
     .fallback = "/",
     .pattern = "^/[^*]*$",
     .summary = "the path prefix, whole segments, as in /api"},
    {.key = "upstream",
     .type = SCHEMA_OTHER,
     .read = config_read_upstreams,
     .shape = SHAPE_ONE_OR_LIST,
     .is_required = true,
     .pattern = "^([Hh][Tt][Tt][Pp][Ss]?://|unix:/).",
     .summary = "where requests go: http://host:port, https://host/base or unix:/path, or a list"},
    {.key = "balance",
     .type = SCHEMA_CHOICE,
     OFFSET_IN(config_route, balance),
     .choices = "round_robin|least_connections",
     .fallback = "round_robin",
     .summary = "which of several upstreams is next: each in turn, or the one with the fewest "
                "requests under way"},
    {.key = "health",
     .type = SCHEMA_MAPPING,
     OFFSET_IN(config_route, health),
     .child = &HEALTH_SCHEMA,
     .summary = "when an upstream is left alone: {failures: 5, pause: 5s, max_pause: 1m}"},
    {.key = "upstream_networks",
     .type = SCHEMA_OTHER,
     .read = config_read_clients,
     .shape = SHAPE_ONE_OR_LIST,
     OFFSET_IN(config_route, upstream_networks),
     .pattern = PATTERN_NETWORK,
     .summary = "the only addresses that names of upstreams may lead to, such as 10.0.0.0/8; "
                "default: any but this machine's own and link-local ones"},
    {.key = "encoded_slashes",
     .type = SCHEMA_SWITCH,
     OFFSET_IN(config_route, pass_encoded_slashes),
     .choices = "refuse|pass",
     .fallback = "refuse",
     .summary = "whether %2F may stand in a path, where it is an ordinary character"},
    {.key = "credential",
     .type = SCHEMA_OTHER,
     .read = config_read_credential_name,
     OFFSET_IN(config_route, credential),
     .summary = "the credential of access entries that name none"},
    {.key = "access",
     .type = SCHEMA_OTHER,
     .read = read_access,
     .shape = SHAPE_LIST,
     .child = &ACCESS_SCHEMA,
     .summary = "who may do what, first match grants"},
    {.key = "deny",
     .type = SCHEMA_OTHER,
     .read = read_deny,
     .shape = SHAPE_LIST,
     .child = &DENY_SCHEMA,
     .summary = "who may not do what, any match refuses"},
    {.key = "rate",
     .type = SCHEMA_OTHER,
     .read = config_read_rate,
     OFFSET_IN(config_route, rate),
     .child = &RATE_SCHEMA,
     .summary =
         "how often a caller may call: {per: identity, requests: 100, window: 1s, burst: 200}"},
    {.key = "shadow",
     .type = SCHEMA_BOOL,
     OFFSET_IN(config_route, is_shadow),
     .fallback = "false",
     .summary = "true: the rules are tried out: the audit says what they would have refused, and "
                "whoever has a valid token passes"},
    {.key = "timeouts",
     .type = SCHEMA_MAPPING,
     .child = &TIMEOUT_SCHEMA,
     .summary = "{connect: 5s, head: 60s, idle: 5m}"},
    {.key = "limits",
     .type = SCHEMA_MAPPING,
     .child = &ROUTE_LIMIT_SCHEMA,
     .summary = "{body: none, requests: none}"},
    {.key = "websocket",
     .type = SCHEMA_BOOL,
     OFFSET_IN(config_route, websocket),
     .fallback = "false",
     .summary = "true: callers may open WebSockets, judged as a GET of their path"},
    {.key = "preserve_host",
     .type = SCHEMA_BOOL,
     OFFSET_IN(config_route, preserve_host),
     .fallback = "false",
     .summary = "true: the upstream sees the Host that the caller sent"},
    {.key = "token_header",
     .type = SCHEMA_OTHER,
     .read = read_token_header,
     OFFSET_IN(config_route, token_header),
     .fallback = "Authorization",
     .summary = "the header callers bring their token in, such as X-Barkeep-Authorization; then "
                "their own Authorization reaches the upstream"},
    {.key = "identity_headers",
     .type = SCHEMA_CHOICE,
     OFFSET_IN(config_route, identity_headers),
     .choices = "none|easyauth|assertion|both",
     .fallback = "none",
     .summary = "whether the upstream is told who calls: in App Service's headers, in a signed "
                "X-Barkeep-Assertion, or both"},
    {.key = "retry",
     .type = SCHEMA_SWITCH,
     OFFSET_IN(config_route, retry_safe),
     .choices = "off|safe",
     .fallback = "safe",
     .summary = "safe: what can be repeated without harm is sent again when a connection broke"},
    {.key = "scrub",
     .type = SCHEMA_BOOL,
     OFFSET_IN(config_route, scrub),
     .fallback = "true",
     .summary = "whether injected secrets are taken out of the upstream's answers"},
    {.key = "tls",
     .type = SCHEMA_MAPPING,
     OFFSET_IN(config_route, tls),
     .child = &UPSTREAM_TLS_SCHEMA,
     .summary = "for https upstreams: {ca: FILE, verify: true, server_name: HOST, certificate: "
                "CREDENTIAL}"},
    {.key = "mcp",
     .type = SCHEMA_OTHER,
     .read = config_read_mcp,
     OFFSET_IN(config_route, mcp),
     .child = &MCP_SCHEMA,
     .summary = "the upstream is an MCP server: {resource: URL} and what else is to hold for it; "
                "then `mcp:` actions grant"},
    {.key = "allow_plaintext_credential",
     .type = SCHEMA_BOOL,
     OFFSET_IN(config_route, allow_plaintext_credential),
     .fallback = "false",
     .summary = "true: credentials may cross the network unencrypted to this upstream"},
    {0},
};

const struct schema ROUTE_SCHEMA = {"a route", ROUTE_ROWS};

/* Reports the second of two routes with the same host and path. */
static void check_place(struct loader *loader, const struct node *node,
                        const struct config_route *route, struct name_index *places) {
    if (!route->path)
        return;
    const char *host = route->host ? route->host : "";
    const char *place = LOADER_FORMAT(loader, "%s %s", host, route->path);
    size_t other = name_index_find(places, slice_of_str(place));
    if (other == NAME_INDEX_ABSENT) {
        loader_index(loader, places, slice_of_str(place), (size_t)(route - loader->config->routes));
        return;
    }
    const struct node *path = node_find(node, SLICE("path"));
    const char *name = loader->config->routes[other].name;
    loader_error(loader, path ? path : node, "route %s has the same host and path already",
                 name ? QUOTE(slice_of_str(name)) : "before it");
}

void config_read_routes(struct loader *loader, const struct node *node, void *target) {
    struct config *config = target;
    if (node->kind != NODE_LIST || node->count == 0) {
        loader_error(loader, node, "must be a list of at least one route, got %s",
                     node->kind == NODE_LIST ? "an empty list" : node_kind_name(node));
        return;
    }
    struct name_index places = {0};
    config->routes = loader_array(loader, node->count, sizeof *config->routes);
    for (const struct node *item = node->first; config->routes && item; item = item->next) {
        struct config_route *route = &config->routes[config->route_count];
        route->credential = CONFIG_NONE;
        route->tls.certificate = CONFIG_NONE;
        route->position = item->position;
        schema_read(loader, &ROUTE_SCHEMA, item, route);
        check_place(loader, item, route, &places);
        config->route_count++;
    }
    name_index_done(&places);
}
