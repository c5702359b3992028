/* From configuration alone: nobody learns from a challenge what became of a request. Entries under
 * shadow grant nothing, so their scopes are nobody's business. */
#include "proxy/mcp/scopes.h"

#include "core/glob.h"
#include "core/json_out.h"
#include "proxy/mcp/method.h"

struct wish {
    const struct mcp_method *known; /* NULL: no method of the table */
    struct slice method;
    struct slice name;
};

/* RFC 6749 3.3: what a scope may be made of; nothing of it needs quoting. */
static bool is_scope(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x21 || text.ptr[i] > 0x7e || text.ptr[i] == '"' || text.ptr[i] == '\\') {
            return false;
        }
    }
    return text.len > 0;
}

static void add_scope(struct mcp_scopes *scopes, const char *scope) {
    for (size_t i = 0; i < scopes->count; i++) {
        if (strcmp(scopes->items[i], scope) == 0) {
            return;
        }
    }
    if (scopes->count < MCP_SCOPES_MAX && is_scope(slice_of_str(scope))) {
        scopes->items[scopes->count++] = scope;
    }
}

static void add_scopes_of_entry(struct mcp_scopes *scopes, const struct config_entry *entry) {
    for (size_t i = 0; i < entry->to_count; i++) {
        for (size_t j = 0; j < entry->to[i].scopes.count; j++) {
            add_scope(scopes, entry->to[i].scopes.items[j]);
        }
    }
}

static bool names_fit(const struct config_mcp_action *action, const struct wish *wish) {
    return !action->name || glob_match(slice_of_str(action->name), wish->name);
}

static bool action_grants(const struct config_mcp_action *action, const struct wish *wish) {
    enum policy_mcp_gate gate = wish->known ? wish->known->gate : POLICY_MCP_METHOD;
    struct slice method = slice_of_str(action->method);
    switch (gate) {
    case POLICY_MCP_SOME:
        return true;
    case POLICY_MCP_LIST:
        return glob_match(method, wish->method) || glob_match(method, wish->known->uses);
    case POLICY_MCP_NAME:
        return glob_match(method, wish->method) && names_fit(action, wish);
    case POLICY_MCP_METHOD:
        break;
    }
    return glob_match(method, wish->method);
}

static bool role_takes(const struct config_role *role, const struct wish *wish) {
    for (size_t i = 0; i < role->not_action_count; i++) {
        const struct config_mcp_action *action = role->not_actions[i].mcp;
        if (action && action->test_count == 0 &&
            glob_match(slice_of_str(action->method), wish->method) && names_fit(action, wish)) {
            return true;
        }
    }
    return false;
}

static bool entry_grants(const struct config *config, const struct config_entry *entry,
                         const struct wish *wish) {
    const struct config_role *role =
        entry->role == CONFIG_NONE ? NULL : &config->roles[entry->role];
    const struct config_action *actions = role ? role->actions : entry->actions;
    size_t count = role ? role->action_count : entry->action_count;
    if (role && role_takes(role, wish)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (actions[i].mcp && action_grants(actions[i].mcp, wish)) {
            return true;
        }
    }
    return false;
}

/* `wish` NULL: all entries. */
static bool gather(const struct config *config, const struct config_entries *entries,
                   const struct wish *wish, struct mcp_scopes *scopes) {
    bool is_granted = false;
    for (size_t i = 0; i < entries->count; i++) {
        const struct config_entry *entry = &entries->items[i];
        if (!entry->is_shadow && (!wish || entry_grants(config, entry, wish))) {
            add_scopes_of_entry(scopes, entry);
            is_granted = true;
        }
    }
    return is_granted;
}

void mcp_scopes_of_route(const struct config *config, size_t route, struct mcp_scopes *out_scopes) {
    out_scopes->count = 0;
    gather(config, &config->routes[route].access, NULL, out_scopes);
    gather(config, &config->access, NULL, out_scopes);
}

bool mcp_scopes_for(const struct config *config, size_t route, struct slice method,
                    struct slice name, struct mcp_scopes *out_scopes) {
    const struct wish wish = {mcp_method_find(method), method, name};
    out_scopes->count = 0;
    bool by_route = gather(config, &config->routes[route].access, &wish, out_scopes);
    bool by_top = gather(config, &config->access, &wish, out_scopes);
    return by_route || by_top;
}

static bool is_audience(const struct config_strings *audiences, const char *text) {
    for (size_t i = 0; i < audiences->count; i++) {
        if (strcmp(audiences->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

/* A facade is for those whose application has another ID URI; its client id serves in a scope where
 * no URI is known. */
static const char *scope_base(const struct config *config, const struct config_mcp *mcp) {
    const struct config_strings *audiences = &config->entra.audiences;
    if (!mcp->facade || is_audience(audiences, mcp->resource)) {
        return mcp->resource;
    }
    for (size_t i = 0; i < audiences->count; i++) {
        if (!config_is_guid(slice_of_str(audiences->items[i]))) {
            return audiences->items[i];
        }
    }
    return audiences->count ? audiences->items[0] : mcp->facade->client_id;
}

void mcp_write_scope(struct buf *out, const struct config *config, size_t route,
                     const char *scope) {
    const char *base = scope_base(config, config->routes[route].mcp);
    if (!strstr(scope, "://") && is_scope(slice_of_str(base))) {
        buf_append_str(out, base);
        buf_append_char(out, '/');
    }
    buf_append_str(out, scope);
}

void mcp_write_supported_scopes(struct json_out *out, const struct config *config, size_t route,
                                bool with_offline) {
    struct mcp_scopes scopes;
    mcp_scopes_of_route(config, route, &scopes);
    if (scopes.count == 0) {
        scopes.items[scopes.count++] = MCP_SCOPE_DEFAULT;
    }
    json_out_array_begin(out, "scopes_supported");
    for (size_t i = 0; i < scopes.count; i++) {
        struct buf text;
        buf_init(&text, JSON_OUT_MAX_STRING);
        mcp_write_scope(&text, config, route, scopes.items[i]);
        json_out_str(out, NULL, buf_slice(&text));
        buf_done(&text);
    }
    if (with_offline) {
        json_out_cstr(out, NULL, "offline_access");
    }
    json_out_array_end(out);
}
