/* A grant has to be certain, and so has what a refusal leaves: where arguments cannot be judged,
 * grants fail and refusals hold. */
#include "auth/policy_mcp.h"

static bool compile_action(struct arena *arena, struct argument_places *places,
                           const struct config_mcp_action *from, struct mcp_action *out_action) {
    struct slice name = slice_of_str(from->name);
    *out_action = (struct mcp_action){.method = glob_of(slice_of_str(from->method)),
                                      .has_name = from->name && !slice_eq_str(name, "*"),
                                      .name = glob_of(name)};
    return argument_tests_compile(arena, places, from->tests, from->test_count, &out_action->tests);
}

bool mcp_actions_compile(struct arena *arena, struct argument_places *places,
                         const struct config_action *from, size_t count,
                         struct mcp_action_list *out_list) {
    size_t wanted = 0;
    *out_list = (struct mcp_action_list){0};
    for (size_t i = 0; i < count; i++)
        wanted += from[i].mcp ? 1 : 0;
    if (wanted == 0)
        return true;
    out_list->items = arena_array(arena, wanted, sizeof *out_list->items);
    if (!out_list->items)
        return false;
    for (size_t i = 0; i < count; i++)
        if (from[i].mcp &&
            !compile_action(arena, places, from[i].mcp, &out_list->items[out_list->count++]))
            return false;
    return true;
}

void mcp_actions_done(struct mcp_action_list *list) {
    for (size_t i = 0; i < list->count; i++)
        argument_tests_done(&list->items[i].tests);
}

/* All of `narrower`, whatever its arguments. */
static bool covers(const struct mcp_action *wider, const struct mcp_action *narrower) {
    return wider->tests.count == 0 && glob_matches(&wider->method, narrower->method.pattern) &&
           (!wider->has_name ||
            (narrower->has_name && glob_matches(&wider->name, narrower->name.pattern)));
}

bool mcp_actions_leave_some(const struct mcp_action_list *actions,
                            const struct mcp_action_list *not_actions) {
    for (size_t i = 0; i < actions->count; i++) {
        bool is_taken = false;
        for (size_t j = 0; j < not_actions->count && !is_taken; j++)
            is_taken = covers(&not_actions->items[j], &actions->items[i]);
        if (!is_taken)
            return true;
    }
    return false;
}

/* Is `method` in the list with every name and all arguments? */
static bool takes_method(const struct mcp_action_list *list, struct slice method) {
    for (size_t i = 0; i < list->count; i++)
        if (!list->items[i].has_name && list->items[i].tests.count == 0 &&
            glob_matches(&list->items[i].method, method))
            return true;
    return false;
}

/* A method matches whatever the names that the action is for. */
static bool grants_method(const struct mcp_action_list *actions, struct slice method) {
    for (size_t i = 0; i < actions->count; i++)
        if (glob_matches(&actions->items[i].method, method))
            return true;
    return false;
}

static enum mcp_match with_arguments(const struct mcp_action *action,
                                     const struct policy_mcp *asked, bool is_grant,
                                     struct argument_view *view,
                                     const struct config_argument_test **out_test) {
    if (action->tests.count == 0)
        return MCP_MATCH_YES;
    if (asked->is_any_arguments)
        return is_grant ? MCP_MATCH_YES : MCP_MATCH_NO;
    enum argument_verdict verdict = argument_tests_judge(&action->tests, view, out_test);
    bool is_match = verdict == ARGUMENT_PASSES || (verdict == ARGUMENT_NOT_JUDGED && !is_grant);
    return is_match ? MCP_MATCH_YES : MCP_MATCH_OTHER_ARGUMENTS;
}

static bool name_matches(const struct mcp_action *action, const struct policy_mcp *asked,
                         bool is_grant) {
    if (!action->has_name)
        return true;
    if (!asked->has_name)
        return false;
    if (asked->name.len > POLICY_MCP_NAME_BYTES_MAX)
        return !is_grant;
    return glob_matches(&action->name, asked->name);
}

static enum mcp_match match(const struct mcp_action_list *actions, const struct policy_mcp *asked,
                            bool is_grant, struct argument_view *view,
                            const struct config_argument_test **out_test) {
    enum mcp_match best = MCP_MATCH_NO;
    for (size_t i = 0; i < actions->count && best != MCP_MATCH_YES; i++) {
        const struct mcp_action *action = &actions->items[i];
        if (!name_matches(action, asked, is_grant) || !glob_matches(&action->method, asked->method))
            continue;
        const struct config_argument_test *test = NULL;
        enum mcp_match with = with_arguments(action, asked, is_grant, view, &test);
        if (with > best) {
            best = with;
            *out_test = test;
        }
    }
    return best;
}

enum mcp_match mcp_actions_grant(const struct mcp_action_list *actions,
                                 const struct mcp_action_list *not_actions,
                                 const struct policy_mcp *asked, struct argument_view *view,
                                 const struct config_argument_test **out_test) {
    bool is_granted = false;
    struct policy_mcp nameless = *asked;
    if (slice_is_empty(asked->method) && asked->gate != POLICY_MCP_SOME)
        return MCP_MATCH_NO;
    switch (asked->gate) {
    case POLICY_MCP_NAME:
        return match(actions, asked, true, view, out_test);
    case POLICY_MCP_LIST:
        is_granted =
            grants_method(actions, asked->method) ||
            (grants_method(actions, asked->uses) && !takes_method(not_actions, asked->uses));
        break;
    case POLICY_MCP_METHOD:
        nameless.has_name = false;
        return match(actions, &nameless, true, view, out_test);
    case POLICY_MCP_SOME:
        is_granted = mcp_actions_leave_some(actions, not_actions);
        break;
    }
    return is_granted ? MCP_MATCH_YES : MCP_MATCH_NO;
}

enum mcp_match mcp_actions_take(const struct mcp_action_list *actions,
                                const struct policy_mcp *asked, struct argument_view *view,
                                const struct config_argument_test **out_test) {
    return match(actions, asked, false, view, out_test);
}
