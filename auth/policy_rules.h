/* The rules as policy_new() lays them out and policy_decide() reads them. Private to policy*.c. */
#ifndef BARKEEP_AUTH_POLICY_RULES_H
#define BARKEEP_AUTH_POLICY_RULES_H

#include "auth/path_pattern.h"
#include "auth/policy.h"
#include "auth/policy_index.h"
#include "auth/policy_mcp.h"
#include "core/arena.h"

struct slice_list {
    struct slice *items;
    size_t count;
};

struct action {
    bool any_method;
    uint32_t method_bits;
    struct slice_list other_methods;
    struct path_pattern pattern;
    struct path_pattern folded; /* for subtracting: against every reading of the path */
};

/* Those for plain HTTP, and those for MCP servers. */
struct action_list {
    struct action *items;
    size_t count;
    struct mcp_action_list mcp;
};

/* "and" over the lists that are not empty, "or" within each. */
struct principal {
    struct slice_list users, groups, apps, app_roles, scopes, tenants;
};

struct entry {
    const struct config_entry *config;
    bool is_deny;
    bool covers_everything; /* a deny without actions */
    struct action_list actions;
    struct action_list not_actions;
    bool leaves_mcp;              /* some mcp: action is not taken away again */
    struct principal *principals; /* one for each of the configuration's */
    size_t principal_count;
    struct slice_list contexts; /* `when`: any of these */
};

struct entry_list {
    struct entry *items;
    size_t count;
    struct policy_index index;
};

struct route_rules {
    struct entry_list deny;
    struct entry_list access;
    size_t credential;
    bool is_shadow;
    bool is_mcp; /* only mcp: actions grant */
};

struct policy {
    struct arena arena;
    struct action_list *roles_actions; /* by role, shared by the entries that grant it */
    struct action_list *roles_not_actions;
    size_t role_count;
    struct route_rules *routes;
    size_t route_count;
    struct route_rules everywhere;
    struct argument_places places; /* of the pointers that all of them have */
    struct slice_list groups;      /* all that any rule names */
};

#endif
