/* Random configurations of rules, and random requests for them. Included by one translation unit a
 * test. */
#ifndef BARKEEP_TESTS_RANDOM_RULES_H
#define BARKEEP_TESTS_RANDOM_RULES_H

#include "random_mcp.h"

#define PATH_MAX_BYTES 256

enum { FEW = 6, MANY = 400 };

static char ids[MANY][37]; /* of users, groups, applications and tenants alike */
static char words[MANY][16];

static const char *const methods[] = {"GET", "POST", "DELETE", "PURGE", "get", "LIST"};
static const char *const patterns[] = {
    "/**",    "/",       "/a/**",    "/a/*",       "/*/b", "/a",     "/a*/**",
    "/**/b",  "/a/**/b", "/q/%2F/*", "/a%3Ab",     "/a:b", "/**/**", "/*",
    "/a%2Fb", "/a/b/",   "/a%2fb/*", "/a*b*/**/c", "/%2A", "/b/%2F", "/**/a/**"};
static const char *const pieces[] = {"a",   "b",   "c",    "ab",    "a:b", "a%3Ab", "%2F",
                                     "%2f", "a*b", "%3Bx", "a%2Fb", "%2a", "q",     "a%2f%2Fb"};
static const char *const contexts[] = {"c1", "c2", "c3"};

static inline void make_values(void) {
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "%08x-2c3d-4e5f-8091-%012x", i * 2654435761u, i);
        (void)snprintf(words[i], sizeof words[i], "Thing.%u", i);
    }
}

/* How many different values the configuration at hand uses. */
static size_t variety;

static inline const char *any_id(void) {
    return ids[below(variety)];
}

static inline const char *any_word(void) {
    return words[below(variety)];
}

static inline const char *any_context(void) {
    return contexts[below(COUNT(contexts))];
}

static inline const char *any_method(void) {
    return methods[below(COUNT(methods))];
}

static inline struct config_strings none(void) {
    return (struct config_strings){0};
}

/* Does the configuration at hand have routes for MCP servers? */
static bool has_mcp;

static inline struct config_action *make_actions(size_t count) {
    struct config_action *actions = make(count, sizeof *actions);
    for (size_t i = 0; i < count; i++) {
        if (has_mcp && !one_in(4)) {
            actions[i].mcp = make_mcp_action();
            continue;
        }
        actions[i].methods = one_in(2) ? none() : some(any_method, 3);
        actions[i].pattern = patterns[one_in(2) ? 0 : below(COUNT(patterns))];
    }
    return actions;
}

static inline struct config_principal make_principal(void) {
    if (one_in(8))
        return (struct config_principal){.everyone = true};
    struct config_principal to = {0};
    size_t keys = one_in(3) ? 2 : 1;
    for (size_t i = 0; i < keys; i++) {
        switch (below(8)) {
        case 0:
            to.users = some(any_id, 3);
            break;
        case 1:
            to.apps = some(any_id, 3);
            break;
        case 2:
            to.app_roles = some(any_word, 3);
            break;
        case 3:
            to.scopes = some(any_word, 2);
            break;
        case 4:
            to.tenants = some(any_id, 3);
            break;
        default:
            to.groups = some(any_id, 3);
        }
    }
    return to;
}

static inline struct config_networks make_networks(void) {
    struct config_networks networks = {.count = below(2) + 1};
    networks.items = make(networks.count, sizeof *networks.items);
    for (size_t i = 0; i < networks.count; i++) {
        struct config_network *network = &networks.items[i];
        network->address[10] = network->address[11] = 0xff;
        network->address[12] = 10;
        network->address[13] = (unsigned char)below(2);
        network->prefix_bits = (uint8_t)(one_in(3) ? 104 : 112);
        if (network->prefix_bits == 104)
            network->address[13] = 0;
    }
    return networks;
}

static inline struct config_condition make_condition(void) {
    struct config_condition when = {0};
    if (!one_in(4))
        return when;
    if (one_in(2))
        when.clients = make_networks();
    if (one_in(2))
        when.acrs = some(any_context, 2);
    when.mfa = one_in(4);
    return when;
}

static inline struct config_entry make_entry(const struct config *config, bool is_deny) {
    static unsigned number;
    struct config_entry entry = {.role = CONFIG_NONE, .credential = CONFIG_NONE};
    entry.label = arena_printf(&arena, "%s-%u", is_deny ? "deny" : "access", number++);
    /* On an MCP server's route what a deny leaves is not asked for: its actions are its own. */
    if (one_in(2) && !(is_deny && has_mcp)) {
        entry.role = below(config->role_count);
    } else if (!is_deny || !one_in(3)) {
        entry.action_count = below(3);
        entry.actions = make_actions(entry.action_count);
    }
    entry.to_count = one_in(10) ? 0 : below(2) + 1;
    entry.to = make(entry.to_count, sizeof *entry.to);
    for (size_t i = 0; i < entry.to_count; i++)
        entry.to[i] = make_principal();
    entry.when = make_condition();
    if (!is_deny && one_in(2))
        entry.credential = below(3);
    entry.is_shadow = one_in(6);
    return entry;
}

static inline struct config_entries make_entries(const struct config *config, bool is_deny,
                                                 size_t count) {
    struct config_entries entries = {.count = count};
    entries.items = make(count, sizeof *entries.items);
    for (size_t i = 0; i < count; i++)
        entries.items[i] = make_entry(config, is_deny);
    return entries;
}

/* Mostly a few entries; now and then enough for every way of finding them. */
static inline size_t any_length(bool is_deny) {
    if (one_in(12))
        return below(variety == FEW ? 30 : MANY);
    return below(is_deny ? 3 : 7);
}

static inline void make_config(struct config *config) {
    static struct config_mcp mcp;
    has_mcp = one_in(2);
    variety = one_in(8) ? MANY : FEW;
    *config = (struct config){.role_count = 3, .route_count = 2};
    config->roles = make(config->role_count, sizeof *config->roles);
    for (size_t i = 0; i < config->role_count; i++) {
        struct config_role *role = &config->roles[i];
        role->action_count = below(2) + 1;
        role->actions = make_actions(role->action_count);
        role->not_action_count = below(2);
        role->not_actions = make_actions(role->not_action_count);
    }
    config->access = make_entries(config, false, any_length(false));
    config->deny = make_entries(config, true, any_length(true));
    config->routes = make(config->route_count, sizeof *config->routes);
    for (size_t i = 0; i < config->route_count; i++) {
        struct config_route *route = &config->routes[i];
        route->access = make_entries(config, false, any_length(false));
        route->deny = make_entries(config, true, any_length(true));
        route->credential = one_in(2) ? CONFIG_NONE : below(3);
        route->is_shadow = one_in(5);
        route->mcp = has_mcp && !one_in(4) ? &mcp : NULL;
    }
}

static inline struct slice *some_slices(const char *(*any)(void), size_t count) {
    struct slice *slices = make(count, sizeof *slices);
    for (size_t i = 0; i < count; i++)
        slices[i] = slice_of_str(any());
    return slices;
}

static inline struct identity *make_identity(void) {
    struct identity model = {.type = one_in(3) ? PRINCIPAL_APP : PRINCIPAL_USER};
    model.tenant = slice_of_str(any_id());
    model.oid = slice_of_str(any_id());
    model.app = slice_of_str(any_id());
    model.role_count = below(3);
    model.roles = some_slices(any_word, model.role_count);
    model.scope_count = below(3);
    model.scopes = some_slices(any_word, model.scope_count);
    model.group_count = variety == MANY && one_in(3) ? below(300) : below(3);
    if (one_in(500))
        model.group_count = 1200; /* more keys than a caller's list of them holds */
    model.groups = some_slices(any_id, model.group_count);
    model.groups_unknown = one_in(5);
    model.acrs_count = below(2);
    model.acrs = some_slices(any_context, model.acrs_count);
    model.has_mfa = one_in(2);
    model.accepts_claims_challenge = one_in(2);
    struct identity *identity = identity_new(&model, false);
    assert_non_null(identity);
    return identity;
}

static inline struct slice make_path(void) {
    char *path = make(PATH_MAX_BYTES, 1);
    size_t segments = below(5), len = 0;
    for (size_t i = 0; i < segments; i++) {
        const char *piece = pieces[one_in(2) ? below(3) : below(COUNT(pieces))];
        len += (size_t)snprintf(path + len, PATH_MAX_BYTES - len, "/%s", piece);
    }
    if (segments == 0 || one_in(6))
        path[len++] = '/';
    return slice_of(path, len);
}

static inline void make_client(unsigned char client[16]) {
    static const unsigned char first[] = {10, 10, 10, 11};
    memset(client, 0, 16);
    client[10] = client[11] = 0xff;
    client[12] = first[below(COUNT(first))];
    client[13] = (unsigned char)below(3);
    client[15] = 7;
}

#endif
