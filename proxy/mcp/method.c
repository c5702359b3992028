/* One row, one method: what is not here is not forwarded, in either direction. Revisions 2025-03-26
 * to 2026-07-28, with the tasks of 2025-11-25 and of the extension to 2026-07-28. In the modern era
 * clients send no notifications over HTTP: those rows are the server's. */
#include "proxy/mcp/method.h"

enum era_set { LEGACY = 1, MODERN = 2, BOTH = 3 };

#define TEXT(literal)                                                                              \
    { (literal), sizeof(literal) - 1 }
#define ROW(name, from, notifies, eras, gate_kind, member, mirrors)                                \
    .text = TEXT(name), .direction = (from), .is_notification = (notifies),                        \
    .in_legacy = ((eras)&LEGACY) != 0, .in_modern = ((eras)&MODERN) != 0, .gate = (gate_kind),     \
    .name_member = TEXT(member), .mirrors_name = (mirrors)
#define PLAIN(name, eras)                                                                          \
    { ROW(name, MCP_FROM_CLIENT, false, eras, POLICY_MCP_SOME, "", false) }
#define NAMED(name, eras, member, mirrors)                                                         \
    { ROW(name, MCP_FROM_CLIENT, false, eras, POLICY_MCP_NAME, member, mirrors) }
#define TASK(name, from, eras, mirrors)                                                            \
    { ROW(name, from, false, eras, POLICY_MCP_METHOD, "taskId", mirrors) }
#define NOTICE(name, from, eras)                                                                   \
    { ROW(name, from, true, eras, POLICY_MCP_SOME, "", false) }
#define LIST(name, list, item, used_by)                                                            \
    {                                                                                              \
        ROW(name, MCP_FROM_CLIENT, false, BOTH, POLICY_MCP_LIST, "", false),                       \
            .list_member = TEXT(list), .item_member = TEXT(item), .uses = TEXT(used_by)            \
    }
#define ASKED(name)                                                                                \
    { ROW(name, MCP_FROM_SERVER, false, LEGACY, POLICY_MCP_METHOD, "", false) }

static const struct mcp_method methods[] = {
    NAMED("tools/call", BOTH, "name", true),
    LIST("tools/list", "tools", "name", "tools/call"),
    LIST("prompts/list", "prompts", "name", "prompts/get"),
    NAMED("prompts/get", BOTH, "name", true),
    LIST("resources/list", "resources", "uri", "resources/read"),
    LIST("resources/templates/list", "resourceTemplates", "uriTemplate", "resources/read"),
    NAMED("resources/read", BOTH, "uri", true),
    NAMED("resources/subscribe", LEGACY, "uri", false),
    NAMED("resources/unsubscribe", LEGACY, "uri", false),
    NAMED("completion/complete", BOTH, "", false),
    {ROW("subscriptions/listen", MCP_FROM_CLIENT, false, MODERN, POLICY_MCP_METHOD, "", false)},

    PLAIN("initialize", LEGACY),
    PLAIN("server/discover", MODERN),
    {ROW("ping", MCP_FROM_EITHER, false, LEGACY, POLICY_MCP_SOME, "", false)},
    PLAIN("logging/setLevel", LEGACY),
    NOTICE("notifications/initialized", MCP_FROM_CLIENT, LEGACY),
    NOTICE("notifications/roots/list_changed", MCP_FROM_CLIENT, LEGACY),

    TASK("tasks/get", MCP_FROM_EITHER, BOTH, true),
    TASK("tasks/result", MCP_FROM_EITHER, LEGACY, false),
    TASK("tasks/cancel", MCP_FROM_EITHER, BOTH, true),
    TASK("tasks/update", MCP_FROM_CLIENT, MODERN, true),
    {ROW("tasks/list", MCP_FROM_EITHER, false, LEGACY, POLICY_MCP_METHOD, "", false)},

    NOTICE("notifications/cancelled", MCP_FROM_EITHER, BOTH),
    NOTICE("notifications/progress", MCP_FROM_EITHER, BOTH),
    NOTICE("notifications/tasks/status", MCP_FROM_EITHER, LEGACY),

    ASKED("sampling/createMessage"),
    ASKED("elicitation/create"),
    ASKED("roots/list"),
    NOTICE("notifications/message", MCP_FROM_SERVER, BOTH),
    NOTICE("notifications/resources/updated", MCP_FROM_SERVER, BOTH),
    NOTICE("notifications/resources/list_changed", MCP_FROM_SERVER, BOTH),
    NOTICE("notifications/tools/list_changed", MCP_FROM_SERVER, BOTH),
    NOTICE("notifications/prompts/list_changed", MCP_FROM_SERVER, BOTH),
    NOTICE("notifications/elicitation/complete", MCP_FROM_SERVER, LEGACY),
    NOTICE("notifications/subscriptions/acknowledged", MCP_FROM_SERVER, MODERN),
};

enum { METHOD_COUNT = sizeof methods / sizeof *methods };

const struct mcp_method *mcp_method_find(struct slice text) {
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (slice_eq(methods[i].text, text)) {
            return &methods[i];
        }
    }
    return NULL;
}

const struct mcp_method *mcp_method_of_list_member(struct slice member) {
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (methods[i].list_member.len && slice_eq(methods[i].list_member, member)) {
            return &methods[i];
        }
    }
    return NULL;
}
