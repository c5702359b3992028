/* `mcp`: a route whose upstream is a server of the Model Context Protocol. */
#include "config/config_parts.h"

#include "config/host.h"
#include "config/scalar.h"
#include "config/url.h"

#define MIB (UINT64_C(1) << 20)

static void read_resource(struct loader *loader, const struct node *node, void *target) {
    struct slice text;
    struct url url;
    if (!loader_read_text(loader, node, "a URL such as https://gw.example/mcp", &text))
        return;
    const char *wrong = url_parse(text, &url);
    if (wrong)
        loader_error(loader, node,
                     "%s; write the URL that clients are given, such as "
                     "https://gw.example/mcp",
                     wrong);
    else if (!url.is_https && !host_is_loopback(url.host))
        loader_error(loader, node,
                     "must be https: clients sign in for it; http is for loopback addresses");
    else
        *(const char **)target = loader_copy(loader, text);
}

const char *const CONFIG_MCP_REVISIONS[MCP_REVISION_COUNT] = {"2025-03-26", "2025-06-18",
                                                              "2025-11-25", "2026-07-28"};

unsigned config_mcp_revision_of(struct slice text) {
    for (unsigned i = 0; i < MCP_REVISION_COUNT; i++)
        if (slice_eq_str(text, CONFIG_MCP_REVISIONS[i]))
            return 1u << i;
    return 0;
}

static void read_revisions(struct loader *loader, const struct node *node, void *target) {
    unsigned revisions = 0;
    if (node->kind == NODE_LIST && node->count == 0)
        loader_error(loader, node, "is an empty list: no client could speak");
    for (const struct node *item = node_item_first(node); item; item = node_item_next(node, item)) {
        unsigned revision = node_is_text(item) ? config_mcp_revision_of(item->text) : 0;
        if (!revision && item->kind != NODE_BROKEN)
            loader_error(
                loader, item, "must be one of 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28%s%s",
                item->source.len ? ", got " : "", item->source.len ? QUOTE(item->source) : "");
        revisions |= revision;
    }
    *(unsigned *)target = revisions;
}

/* As browsers send it: scheme, host in lower case, port unless it is the scheme's own. */
static bool is_origin(struct slice text) {
    struct url url;
    char lower[256];
    if (text.len >= sizeof lower || url_parse(text, &url) || text.ptr[text.len - 1] == '/' ||
        url.path.len > 0)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z')
            return false;
    return !slice_ends_with(url.authority, url.is_https ? SLICE(":443") : SLICE(":80"));
}

static const char *read_origin(struct loader *loader, const struct node *node) {
    struct slice text;
    if (!loader_read_text(loader, node, "an origin such as https://app.example", &text))
        return NULL;
    if (is_origin(text))
        return loader_copy(loader, text);
    loader_error(loader, node,
                 "must be an origin as browsers send it: scheme, host in lower case, and a port "
                 "that is not the scheme's own, such as https://app.example; got %s",
                 QUOTE(node->source));
    return NULL;
}

static void read_origins(struct loader *loader, const struct node *node, void *target) {
    if (node->kind == NODE_LIST && node->count == 0)
        return;
    loader_read_strings(loader, node, read_origin, target);
}

static void read_pins(struct loader *loader, const struct node *node, void *target) {
    struct slice path;
    if (loader_read_text(loader, node, "a file", &path))
        *(const char **)target = loader_copy_path(loader, path);
}

static void read_client_id(struct loader *loader, const struct node *node, void *target) {
    const char *guid = loader_read_guid(loader, node);
    if (guid)
        *(const char **)target = guid;
}

/* Compared as text, so nothing may be left open. */
static const char *read_redirect_uri(struct loader *loader, const struct node *node) {
    struct slice text;
    if (!loader_read_text(loader, node, "a redirect URI such as https://app.example/callback",
                          &text))
        return NULL;
    struct slice before_query = slice_of(text.ptr, slice_index(text, '?'));
    size_t scheme = slice_index(text, ':');
    struct url url;
    bool is_web = slice_starts_with(text, SLICE("http"));
    bool is_open = slice_index(text, '*') != text.len || slice_index(text, '#') != text.len ||
                   slice_index(text, ' ') != text.len || scheme == 0 || scheme == text.len;
    const char *wrong = is_web ? url_parse(before_query, &url) : NULL;
    if (is_open || wrong) {
        loader_error(loader, node,
                     "must be a whole redirect URI without `*` and `#`, such as "
                     "https://app.example/callback; got %s",
                     QUOTE(node->source));
        return NULL;
    }
    if (is_web && !url.is_https && !host_is_loopback(url.host)) {
        loader_error(loader, node,
                     "must be https: a code that crosses the network unencrypted is "
                     "anybody's; http is for loopback addresses");
        return NULL;
    }
    return loader_copy(loader, text);
}

static void read_redirect_uris(struct loader *loader, const struct node *node, void *target) {
    loader_read_strings(loader, node, read_redirect_uri, target);
}

static const struct schema_row FACADE_ROWS[] = {
    {.key = "client_id",
     .type = SCHEMA_OTHER,
     .read = read_client_id,
     OFFSET_IN(config_mcp_facade, client_id),
     .is_required = true,
     .pattern = PATTERN_GUID,
     .summary = "the application (client) id that every client is told, registered in the tenant"},
    {.key = "redirect_uris",
     .type = SCHEMA_OTHER,
     .read = read_redirect_uris,
     OFFSET_IN(config_mcp_facade, redirect_uris),
     .shape = SHAPE_ONE_OR_LIST,
     .summary = "where sign-in may lead back to; default: loopback addresses alone"},
    {0},
};

static const struct schema FACADE_SCHEMA = {"a facade", FACADE_ROWS};

/* The only audience that is a GUID: the application's own id. */
static const char *own_client_id(const struct config *config) {
    const char *found = NULL;
    for (size_t i = 0; i < config->entra.audiences.count; i++) {
        const char *audience = config->entra.audiences.items[i];
        if (!config_is_guid(slice_of_str(audience)))
            continue;
        if (found)
            return NULL;
        found = audience;
    }
    return found;
}

static void read_facade(struct loader *loader, const struct node *node, void *target) {
    struct config_mcp_facade **place = target;
    bool is_short = node->kind == NODE_BOOL;
    if (is_short && !scalar_bool(node->text))
        return;
    struct config_mcp_facade *facade = loader_array(loader, 1, sizeof *facade);
    if (!facade)
        return;
    if (!is_short) {
        if (schema_read(loader, &FACADE_SCHEMA, node, facade))
            *place = facade;
        return;
    }
    facade->client_id = own_client_id(loader->config);
    if (facade->client_id)
        *place = facade;
    else
        loader_error(loader, node,
                     "which application signs in? entra.audience does not name exactly one by its "
                     "GUID; write facade: {client_id: GUID}");
}

static const struct schema_row MCP_ROWS[] = {
    {.key = "resource",
     .type = SCHEMA_OTHER,
     .read = read_resource,
     OFFSET_IN(config_mcp, resource),
     .pattern = PATTERN_URL,
     .summary = "the URL that clients are given, as in https://gw.example/mcp, which is also the "
                "application's ID URI; default: none, and no metadata for signing in is served"},
    {.key = "denial",
     .type = SCHEMA_CHOICE,
     OFFSET_IN(config_mcp, denial),
     .choices = "explain|hide|tool_error|challenge",
     .fallback = "explain",
     .summary = "what a client gets to see of a refusal: an error with its reason, what the server "
                "says of a name that it does not have, a tool's result, or 403 with a challenge"},
    {.key = "revisions",
     .type = SCHEMA_OTHER,
     .read = read_revisions,
     OFFSET_IN(config_mcp, revisions),
     .shape = SHAPE_ONE_OR_LIST,
     .pattern = "^20[0-9]{2}-[0-9]{2}-[0-9]{2}$",
     .summary = "the protocol's revisions that pass; default: all, [2025-03-26, 2025-06-18, "
                "2025-11-25, 2026-07-28]"},
    {.key = "max_body",
     .type = SCHEMA_BYTES,
     OFFSET_IN(config_mcp, max_body_bytes),
     .fallback = "4MiB",
     .min = 1024,
     .max = 64 * MIB,
     .summary = "the longest message to the server"},
    {.key = "max_result",
     .type = SCHEMA_BYTES,
     OFFSET_IN(config_mcp, max_result_bytes),
     .fallback = "16MiB",
     .min = 1024,
     .max = 256 * MIB,
     .summary = "the longest message from the server"},
    {.key = "calls_per_session",
     .type = SCHEMA_COUNT,
     OFFSET_IN(config_mcp, calls_per_session),
     .fallback = "0",
     .min = 0,
     .max = 1000000,
     .summary = "how many tools one session may call; 0: any number"},
    {.key = "allowed_origins",
     .type = SCHEMA_OTHER,
     .read = read_origins,
     OFFSET_IN(config_mcp, allowed_origins),
     .shape = SHAPE_ONE_OR_LIST,
     .accepts = ACCEPTS_TEXT | ACCEPTS_NONE,
     .pattern = PATTERN_URL,
     .summary = "pages of which origins may call, as in https://app.example, besides the "
                "resource's own"},
    {.key = "server_requests",
     .type = SCHEMA_SWITCH,
     OFFSET_IN(config_mcp, passes_server_requests),
     .choices = "refuse|pass",
     .fallback = "refuse",
     .summary = "whether the server may ask the client back: sampling, elicitation, roots"},
    {.key = "pins",
     .type = SCHEMA_OTHER,
     .read = read_pins,
     OFFSET_IN(config_mcp, pins_file),
     .summary = "the file of approved tool definitions, which `barkeep pin` writes"},
    {.key = "pinning",
     .type = SCHEMA_CHOICE,
     OFFSET_IN(config_mcp, pinning),
     .choices = "off|warn|block",
     .fallback = "off",
     .summary = "what becomes of tools that are defined otherwise than approved"},
    {.key = "facade",
     .type = SCHEMA_OTHER,
     .read = read_facade,
     OFFSET_IN(config_mcp, facade),
     .accepts = ACCEPTS_MAPPING | ACCEPTS_BOOL,
     .child = &FACADE_SCHEMA,
     .summary = "barkeep stands in for the authorization server, for clients that Entra ID does "
                "not understand: {client_id: GUID, redirect_uris: [URI]}; true: the audience's "
                "GUID is the client id"},
    {0},
};

const struct schema MCP_SCHEMA = {"mcp", MCP_ROWS};

void config_read_mcp(struct loader *loader, const struct node *node, void *target) {
    struct config_mcp *mcp = loader_array(loader, 1, sizeof *mcp);
    if (!mcp)
        return;
    mcp->position = node->position;
    mcp->revisions = MCP_REVISIONS_ALL;
    const struct node *pins = node_find(node, SLICE("pins"));
    if (pins)
        mcp->pins_position = pins->position;
    if (schema_read(loader, &MCP_SCHEMA, node, mcp))
        *(struct config_mcp **)target = mcp;
}

static void check_resource(struct loader *loader, const struct node *mcp,
                           const struct config_route *route) {
    struct url url;
    const struct node *resource = node_find(mcp, SLICE("resource"));
    if (!route->path || url_parse(slice_of_str(route->mcp->resource), &url))
        return;
    if (!config_path_is_at_or_below(url.path, slice_of_str(route->path)))
        loader_error(loader, resource,
                     "is not on this route: its path has to be %s or below, got %s",
                     QUOTE(slice_of_str(route->path)), url.path.len ? QUOTE(url.path) : "none");
}

void config_check_mcp(struct loader *loader, const struct node *node,
                      const struct config_route *route) {
    const struct node *mcp = node_find(node, SLICE("mcp"));
    if (!route->mcp || !mcp)
        return;
    if (route->mcp->resource)
        check_resource(loader, mcp, route);
    if (route->websocket)
        loader_key_error(loader, node_find(node, SLICE("websocket")),
                         "cannot be with `mcp`: what goes through a WebSocket is not judged "
                         "message by message");
    if (route->mcp->facade && !route->mcp->resource)
        loader_key_error(loader, node_find(mcp, SLICE("facade")),
                         "needs `resource`: the URL that clients are given");
    if (route->mcp->pinning == MCP_PINNING_BLOCK && !route->mcp->pins_file)
        loader_error(loader, node_find(mcp, SLICE("pinning")),
                     "needs `pins`: the file that says which tools are approved; `barkeep pin` "
                     "writes it");
}

static void warn_of_pins(struct loader *loader, const struct node *mcp,
                         const struct config_route *route) {
    if (route->mcp->pinning == MCP_PINNING_WARN && !route->mcp->pins_file)
        loader_warning(loader, node_find(mcp, SLICE("pinning")),
                       "has no effect without `pins`: the file that says which tools are "
                       "approved");
    if (route->mcp->pinning == MCP_PINNING_OFF && route->mcp->pins_file)
        loader_key_warning(loader, node_find(mcp, SLICE("pins")),
                           "has no effect: write pinning: warn or block");
}

static bool has_mcp_action(const struct config_action *actions, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (actions[i].mcp)
            return true;
    return false;
}

static bool grants_mcp(const struct config *config, const struct config_entry *entry) {
    const struct config_role *role =
        entry->role == CONFIG_NONE ? NULL : &config->roles[entry->role];
    return role ? has_mcp_action(role->actions, role->action_count)
                : has_mcp_action(entry->actions, entry->action_count);
}

static bool any_mcp_action(const struct config *config, const struct config_entries *entries) {
    for (size_t i = 0; i < entries->count; i++)
        if (grants_mcp(config, &entries->items[i]))
            return true;
    return false;
}

/* Beside others that do grant. */
static void warn_of_plain_entries(struct loader *loader, const struct node *node,
                                  const struct config_route *route) {
    const struct node *list = node_find(node, SLICE("access"));
    const struct node *item = list ? list->first : NULL;
    for (size_t i = 0; item && i < route->access.count; i++, item = item->next)
        if (!grants_mcp(loader->config, &route->access.items[i]))
            loader_warning(loader, item,
                           "grants nothing: on a route with `mcp` only `mcp:` actions do; write "
                           "those that are meant, or leave the entry out");
}

static void warn_of_no_grant(struct loader *loader, const struct node *node,
                             const struct config_route *route) {
    const struct config *config = loader->config;
    bool has_access = route->access.count + config->access.count > 0;
    if (!route->is_shadow && has_access && !any_mcp_action(config, &route->access) &&
        !any_mcp_action(config, &config->access))
        loader_warning(
            loader, node,
            "nobody can use this route: on a route with `mcp` only `mcp:` actions grant, "
            "and no `access` entry has one; write actions: [\"mcp:*\"], or the tools "
            "that are meant, as in [\"mcp:tools/call:search_*\"]");
    else
        warn_of_plain_entries(loader, node, route);
}

/* What is written under `key` of an entry or a role; each action is judged where it stands. */
static void check_actions(struct loader *loader, const struct node *parent, const char *key,
                          const struct config_action *actions, size_t count, const char *useless) {
    const struct node *list = node_find(parent, slice_of_str(key));
    const struct node *node = list ? list->first : NULL;
    for (size_t i = 0; node && i < count; i++, node = node->next) {
        if (!actions[i].mcp)
            continue;
        const struct node *text =
            node->kind == NODE_MAPPING ? node_find(node, SLICE("action")) : node;
        if (useless)
            loader_warning(loader, text, "%s", useless);
        config_check_mcp_action(loader, text, actions[i].mcp);
    }
}

static void check_entries(struct loader *loader, const struct node *parent, const char *key,
                          const struct config_entries *entries, const char *useless) {
    const struct node *list = node_find(parent, slice_of_str(key));
    const struct node *node = list ? list->first : NULL;
    for (size_t i = 0; node && i < entries->count; i++, node = node->next)
        check_actions(loader, node, "actions", entries->items[i].actions,
                      entries->items[i].action_count, useless);
}

static void check_roles(struct loader *loader, const char *useless) {
    const struct config *config = loader->config;
    const struct node *roles = node_find(loader->root, SLICE("roles"));
    size_t built_in = config->role_count - (roles ? roles->count : 0);
    const struct node *node = roles ? roles->first : NULL;
    for (size_t i = built_in; node && i < config->role_count; i++, node = node->next) {
        const struct config_role *role = &config->roles[i];
        check_actions(loader, node, "actions", role->actions, role->action_count, useless);
        check_actions(loader, node, "not_actions", role->not_actions, role->not_action_count,
                      useless);
    }
}

void config_check_mcp_use(struct loader *loader) {
    static const char NO_ROUTE[] =
        "has no effect: no route is for an MCP server; write mcp: {resource: URL} on one";
    static const char OTHER_ROUTE[] =
        "has no effect: this route is for plain HTTP; write mcp: {resource: URL} on it, or an "
        "action such as \"GET /**\"";
    const struct config *config = loader->config;
    const struct node *routes = node_find(loader->root, SLICE("routes"));
    const struct node *node = routes ? routes->first : NULL;
    bool has_mcp = false;
    for (size_t i = 0; node && i < config->route_count; i++, node = node->next) {
        const struct config_route *route = &config->routes[i];
        const struct node *mcp = node_find(node, SLICE("mcp"));
        has_mcp |= route->mcp != NULL;
        check_entries(loader, node, "access", &route->access, route->mcp ? NULL : OTHER_ROUTE);
        check_entries(loader, node, "deny", &route->deny, route->mcp ? NULL : OTHER_ROUTE);
        if (!route->mcp || !mcp)
            continue;
        warn_of_pins(loader, mcp, route);
        warn_of_no_grant(loader, node, route);
    }
    const char *useless = has_mcp ? NULL : NO_ROUTE;
    check_entries(loader, loader->root, "access", &config->access, useless);
    check_entries(loader, loader->root, "deny", &config->deny, useless);
    check_roles(loader, useless);
    config_check_mcp_sign_in(loader);
}
