/* The table of methods holds together: what is in it can be found, and nothing else. */
#include "tests/unit/mcp/message_cases.h"

static void finds_exact_bytes_only(void **state) {
    (void)state;
    static const char *const others[] = {"Tools/call", "tools/call ", "tools//call", "tools",
                                         "",           "tools/callx"};
    for (size_t i = 0; i < COUNT(others); i++)
        assert_null(mcp_method_find(slice_of_str(others[i])));
    assert_non_null(mcp_method_find(SLICE("tools/call")));
}

static void knows_what_lists_hold_and_what_it_is_for(void **state) {
    (void)state;
    static const char *const lists[][4] = {
        {"tools", "tools/list", "name", "tools/call"},
        {"prompts", "prompts/list", "name", "prompts/get"},
        {"resources", "resources/list", "uri", "resources/read"},
        {"resourceTemplates", "resources/templates/list", "uriTemplate", "resources/read"}};
    for (size_t i = 0; i < COUNT(lists); i++) {
        const struct mcp_method *method = mcp_method_of_list_member(slice_of_str(lists[i][0]));
        assert_non_null(method);
        assert_ptr_equal(method, mcp_method_find(slice_of_str(lists[i][1])));
        assert_int_equal(method->gate, POLICY_MCP_LIST);
        assert_slice(method->item_member, lists[i][2]);
        assert_slice(method->uses, lists[i][3]);
        assert_non_null(mcp_method_find(method->uses));
    }
    assert_null(mcp_method_of_list_member(SLICE("")));
    assert_null(mcp_method_of_list_member(SLICE("Tools")));
}

static void assert_gate(const char *text, enum policy_mcp_gate gate, bool legacy, bool modern,
                        unsigned sides) {
    const struct mcp_method *method = mcp_method_find(slice_of_str(text));
    if (!method || method->gate != gate || method->in_legacy != legacy ||
        method->in_modern != modern || (unsigned)method->direction != sides)
        fail_msg("%s", text);
}

static void knows_era_side_and_gate_of_each(void **state) {
    (void)state;
    assert_gate("initialize", POLICY_MCP_SOME, true, false, MCP_FROM_CLIENT);
    assert_gate("server/discover", POLICY_MCP_SOME, false, true, MCP_FROM_CLIENT);
    assert_gate("ping", POLICY_MCP_SOME, true, false, MCP_FROM_EITHER);
    assert_gate("tools/call", POLICY_MCP_NAME, true, true, MCP_FROM_CLIENT);
    assert_gate("resources/read", POLICY_MCP_NAME, true, true, MCP_FROM_CLIENT);
    assert_gate("resources/subscribe", POLICY_MCP_NAME, true, false, MCP_FROM_CLIENT);
    assert_gate("completion/complete", POLICY_MCP_NAME, true, true, MCP_FROM_CLIENT);
    assert_gate("subscriptions/listen", POLICY_MCP_METHOD, false, true, MCP_FROM_CLIENT);
    assert_gate("tasks/get", POLICY_MCP_METHOD, true, true, MCP_FROM_EITHER);
    assert_gate("tasks/update", POLICY_MCP_METHOD, false, true, MCP_FROM_CLIENT);
    assert_gate("sampling/createMessage", POLICY_MCP_METHOD, true, false, MCP_FROM_SERVER);
    assert_gate("notifications/progress", POLICY_MCP_SOME, true, true, MCP_FROM_EITHER);
    assert_gate("notifications/message", POLICY_MCP_SOME, true, true, MCP_FROM_SERVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_exact_bytes_only),
        cmocka_unit_test(knows_what_lists_hold_and_what_it_is_for),
        cmocka_unit_test(knows_era_side_and_gate_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
