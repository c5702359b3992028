/* mcp: actions, compiled, and held against what a message asks of a server. Private to policy*.c.
 */
#ifndef BARKEEP_AUTH_POLICY_MCP_H
#define BARKEEP_AUTH_POLICY_MCP_H

#include "auth/argument_tests.h"
#include "auth/policy.h"
#include "core/glob.h"

/* Longer names are held against patterns by nobody: they grant nothing, and are taken away. */
enum { POLICY_MCP_NAME_BYTES_MAX = 8192 };

struct mcp_action {
    struct glob method;
    bool has_name;
    struct glob name;
    struct argument_tests tests;
};

struct mcp_action_list {
    struct mcp_action *items;
    size_t count;
};

/* Those of `from` that are for MCP. mcp_actions_done() before the arena goes, in any case. False
 * without memory. */
bool mcp_actions_compile(struct arena *arena, struct argument_places *places,
                         const struct config_action *from, size_t count,
                         struct mcp_action_list *out_list);
void mcp_actions_done(struct mcp_action_list *list);

/* Does something of `actions` remain, whatever `not_actions` take away? */
bool mcp_actions_leave_some(const struct mcp_action_list *actions,
                            const struct mcp_action_list *not_actions);

enum mcp_match { MCP_MATCH_NO, MCP_MATCH_OTHER_ARGUMENTS, MCP_MATCH_YES };

/* Does one of `actions` grant what is asked, its arguments seen by `view`? For POLICY_MCP_METHOD it
 * has to be for every name. For POLICY_MCP_LIST what the list is for is enough, unless
 * `not_actions` take it away altogether. MCP_MATCH_OTHER_ARGUMENTS: all but the arguments would,
 * *out_test says which. */
enum mcp_match mcp_actions_grant(const struct mcp_action_list *actions,
                                 const struct mcp_action_list *not_actions,
                                 const struct policy_mcp *asked, struct argument_view *view,
                                 const struct config_argument_test **out_test);
/* Does one of `actions` take it away? Whatever the gate: an action is about the message's own
 * method and name. */
enum mcp_match mcp_actions_take(const struct mcp_action_list *actions,
                                const struct policy_mcp *asked, struct argument_view *view,
                                const struct config_argument_test **out_test);

#endif
