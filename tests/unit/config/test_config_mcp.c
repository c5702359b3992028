/* `mcp` on routes, and `mcp:` actions. */
#include "config_case.h"

#define ROUTE(text)                                                                                \
    "routes:\n- name: base\n  path: /mcp\n  upstream: \"http://127.0.0.1:3000\"\n" text "\n"
#define MCP(text) ROUTE("  access: [{actions: [\"mcp:*\"], to: {app_role: A}}]\n  mcp: {" text "}")
#define ENTRA(audience) "entra: {tenant: " TENANT ", audience: " audience "}\n"
#define RESOURCE "https://gw.example/mcp"
#define ACTIONS(text) ROUTE("  mcp: {}\n  access:\n  - to: {app_role: A}\n    actions: [" text "]")
#define WHEN(text) ACTIONS("{action: \"mcp:tools/call:q\", when: {" text "}}")

static void reads_every_key(void **state) {
    (void)state;
    struct config *config = case_good(ENTRA("[" CLIENT ", \"" RESOURCE "\"]") MCP(
        "resource: " RESOURCE ", denial: tool_error, revisions: [2025-06-18, 2026-07-28],\n"
        "    max_body: 1MiB, max_result: 2MiB, calls_per_session: 7,\n"
        "    allowed_origins: [https://app.example, \"http://127.0.0.1:6274\"],\n"
        "    server_requests: pass, pins: pins.json, pinning: block,\n"
        "    facade: {client_id: 6F0A9B18-2C3D-4E5F-8091-A2B3C4D5E6F7,\n"
        "             redirect_uris: [https://app.example/callback, \"cursor://oauth\"]}"));
    const struct config_mcp *mcp = config->routes[0].mcp;
    assert_string_equal(mcp->resource, RESOURCE);
    assert_int_equal(mcp->denial, MCP_DENIAL_TOOL_ERROR);
    assert_int_equal(mcp->revisions, MCP_REVISION_2025_06_18 | MCP_REVISION_2026_07_28);
    assert_int_equal(mcp->max_body_bytes, 1 << 20);
    assert_int_equal(mcp->max_result_bytes, 2 << 20);
    assert_int_equal(mcp->calls_per_session, 7);
    assert_int_equal(mcp->allowed_origins.count, 2);
    assert_true(mcp->passes_server_requests);
    assert_string_equal(mcp->pins_file, "/etc/barkeep/pins.json");
    assert_int_equal(mcp->pinning, MCP_PINNING_BLOCK);
    assert_string_equal(mcp->facade->client_id, GROUP);
    assert_int_equal(mcp->facade->redirect_uris.count, 2);
    config_unref(config);
}

static void has_the_defaults_of_the_contract(void **state) {
    (void)state;
    struct config *config = case_good(MCP("allowed_origins: []"));
    const struct config_mcp *mcp = config->routes[0].mcp;
    assert_null(mcp->resource);
    assert_int_equal(mcp->denial, MCP_DENIAL_EXPLAIN);
    assert_int_equal(mcp->revisions, MCP_REVISIONS_ALL);
    assert_int_equal(mcp->max_body_bytes, 4 << 20);
    assert_int_equal(mcp->max_result_bytes, 16 << 20);
    assert_int_equal(mcp->calls_per_session, 0);
    assert_int_equal(mcp->allowed_origins.count, 0);
    assert_false(mcp->passes_server_requests);
    assert_null(mcp->pins_file);
    assert_int_equal(mcp->pinning, MCP_PINNING_OFF);
    assert_null(mcp->facade);
    config_unref(config);
}

static void takes_the_short_facade_when_the_client_is_known(void **state) {
    (void)state;
    struct config *config = case_good(MCP("resource: " RESOURCE ", facade: true"));
    assert_string_equal(config->routes[0].mcp->facade->client_id, CLIENT);
    config_unref(config);
    config = case_good(MCP("resource: " RESOURCE ", facade: false"));
    assert_null(config->routes[0].mcp->facade);
    config_unref(config);
}

static void reads_actions(void **state) {
    (void)state;
    struct config *config = case_good(
        ACTIONS("\"mcp:tools/call:a:b*\", \"mcp:**\",\n"
                "    {action: \"mcp:tools/call:q\", when: {/database: {one_of: [sales, 5, true]},\n"
                "     /sql: {matches: \"^SELECT \", max_length: 10}, /n: {min: -0.5, max: 1e3},\n"
                "     /m: {equals: \"5\"}, /force: {absent: true}}}"));
    const struct config_entry *entry = &config->routes[0].access.items[0];
    assert_int_equal(entry->action_count, 3);
    assert_string_equal(entry->actions[0].mcp->method, "tools/call");
    assert_string_equal(entry->actions[0].mcp->name, "a:b*");
    assert_string_equal(entry->actions[0].text, "mcp:tools/call:a:b*");
    assert_string_equal(entry->actions[1].mcp->method, "*");
    assert_null(entry->actions[1].mcp->name);
    const struct config_mcp_action *action = entry->actions[2].mcp;
    assert_int_equal(action->test_count, 7);
    assert_string_equal(action->tests[0].pointer, "/database");
    assert_int_equal(action->tests[0].test, TEST_ONE_OF);
    assert_string_equal(action->tests[0].values.items[0], "\"sales\"");
    assert_string_equal(action->tests[0].values.items[1], "5");
    assert_string_equal(action->tests[0].values.items[2], "true");
    assert_string_equal(action->tests[1].text, "^SELECT ");
    assert_int_equal(action->tests[2].length, 10);
    assert_string_equal(action->tests[3].text, "1e3");
    assert_string_equal(action->tests[4].text, "-0.5");
    assert_string_equal(action->tests[5].values.items[0], "\"5\"");
    assert_int_equal(action->tests[6].test, TEST_ABSENT);
    assert_string_equal(entry->actions[2].text,
                        "mcp:tools/call:q when /database is one of \"sales\", 5, true and /sql "
                        "matches ^SELECT  and /sql has at most 10 characters and /n is at most "
                        "1e3 and /n is at least -0.5 and /m equals \"5\" and /force is absent");
    config_unref(config);
}

static void refuses_bad_routes(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        MCP("resource: \"http://127.0.0.1:8080/mcp/\""),
        MCP("resource: https://gw.example/mcp/sub"),
        MCP("revisions: 2025-03-26"),
        MCP("allowed_origins: https://app.example:8443"),
    };
    ACCEPT_ALL(GOOD);
    static const struct config_case CASES[] = {
        {MCP("resource: gw.example/mcp"), "6:19: routes[0].mcp.resource", "https://"},
        {MCP("resource: \"http://gw.example/mcp\""), "6:19: routes[0].mcp.resource",
         "must be https"},
        {MCP("resource: \"https://gw.example/mcp#x\""), "6:19: routes[0].mcp.resource", "fragment"},
        {MCP("resource: \"https://gw.example/mcp?x\""), "6:19: routes[0].mcp.resource", "query"},
        {MCP("resource: https://gw.example/mcpx"), "6:19: routes[0].mcp.resource",
         "not on this route"},
        {MCP("resource: https://gw.example"), "6:19: routes[0].mcp.resource", "not on this route"},
        {MCP("denial: hidden"), "6:17: routes[0].mcp.denial", "did you mean `hide`?"},
        {MCP("revisions: []"), "6:20: routes[0].mcp.revisions", "empty list"},
        {MCP("revisions: [2024-11-05]"), "6:21: routes[0].mcp.revisions[0]", "2025-03-26"},
        {MCP("max_body: 1"), "6:19: routes[0].mcp.max_body", "from 1KiB to 64MiB"},
        {MCP("max_result: 1GiB"), "6:21: routes[0].mcp.max_result", "to 256MiB"},
        {MCP("allowed_origins: \"*\""), "6:26: routes[0].mcp.allowed_origins", "an origin"},
        {MCP("allowed_origins: \"null\""), "6:26: routes[0].mcp.allowed_origins", "an origin"},
        {MCP("allowed_origins: [https://a.example/]"), "6:27: routes[0].mcp.allowed_origins[0]",
         "an origin"},
        {MCP("allowed_origins: [https://A.example]"), "6:27: routes[0].mcp.allowed_origins[0]",
         "an origin"},
        {MCP("allowed_origins: [\"https://a.example:443\"]"),
         "6:27: routes[0].mcp.allowed_origins[0]", "an origin"},
        {MCP("pinning: block"), "6:18: routes[0].mcp.pinning", "needs `pins`"},
        {MCP("facade: true"), "6:9: routes[0].mcp.facade", "needs `resource`"},
        {MCP("resource: " RESOURCE ", facade: {}"), "6:51: routes[0].mcp.facade.client_id",
         "is missing"},
        {ENTRA("\"" RESOURCE "\"") MCP("resource: " RESOURCE ", facade: true"),
         "7:51: routes[0].mcp.facade", "which application"},
        {MCP("resource: " RESOURCE ", facade: {client_id: " CLIENT
             ", redirect_uris: [\"http://app.example/\"]}"),
         "6:117: routes[0].mcp.facade.redirect_uris[0]", "must be https"},
        {MCP("resource: " RESOURCE ", facade: {client_id: " CLIENT
             ", redirect_uris: [\"https://app.example/*\"]}"),
         "6:117: routes[0].mcp.facade.redirect_uris[0]", "whole redirect URI"},
        {MCP("pinnning: off"), "6:9: routes[0].mcp.pinnning", "did you mean `pinning`?"},
        {ROUTE("  websocket: true\n  mcp: {}"), "5:3: routes[0].websocket", "cannot be with `mcp`"},
    };
    REFUSE_ALL(CASES);
}

#define AT "8:15: routes[0].access[0].actions[0]"
#define AT_WHEN(column, path) "8:" column ": routes[0].access[0].actions[0].when" path

static void refuses_bad_actions(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        ACTIONS("\"mcp:tools/call:*\""),
        WHEN("/a~1b~0: {equals: false}"),
        WHEN("/a: {equals: 9007199254740991}"),
    };
    ACCEPT_ALL(GOOD);
    static const struct config_case CASES[] = {
        {ACTIONS("\"mcp:\""), AT, "mcp:METHOD"},
        {ACTIONS("\"mcp::x\""), AT, "mcp:METHOD"},
        {ACTIONS("\"mcp:tools call\""), AT, "mcp:METHOD"},
        {ACTIONS("\"mcp:tools/call:\""), AT, "leave its `:` out"},
        {ACTIONS("\"mcp:tools/call:a\\tb\""), AT, "control characters"},
        {ACTIONS("{action: \"GET /\", when: {/a: {equals: 1}}}"),
         "8:24: routes[0].access[0].actions[0].action", "conditions are about mcp:"},
        {ACTIONS("{when: {/a: {equals: 1}}}"), AT ".action", "is missing"},
        {ACTIONS("{action: \"mcp:*\"}"), AT ".when", "is missing"},
        {WHEN(""), AT_WHEN("50", ""), "empty mapping"},
        {WHEN("a: {equals: 1}"), AT_WHEN("51", ".a"), "JSON pointer"},
        {WHEN("/a~2: {equals: 1}"), AT_WHEN("51", "./a~2"), "JSON pointer"},
        {WHEN("mfa: true"), AT_WHEN("51", ".mfa"), "in a `when` of the entry itself"},
        {ROUTE("  mcp: {}\n  access:\n  - to: {app_role: A}\n    actions: [\"mcp:*\"]\n"
               "    when: {/a: {equals: 1}}"),
         "9:12: routes[0].access[0].when./a", "looked at by its actions"},
        {ACTIONS("mcp: tools/call:a"), AT ".mcp", "write `mcp:tools/call:a`"},
        {ACTIONS("tools/call:a"), AT, "or `mcp:tools/call:a` for an MCP server"},
        {ACTIONS("\"MCP:tools/call:a\""), AT, "or `mcp:tools/call:a` for an MCP server"},
        {ACTIONS("search_*"), AT, "or `mcp:tools/call:search_*` for an MCP server"},
        {WHEN("/a: {}"), AT_WHEN("55", "./a"), "asks nothing"},
        {WHEN("/a: {equal: 1}"), AT_WHEN("56", "./a.equal"), "did you mean `equals`?"},
        {WHEN("/a: {equals: [1]}"), AT_WHEN("64", "./a.equals"), "write one_of"},
        {WHEN("/a: {equals: 0x10}"), AT_WHEN("64", "./a.equals"), "as JSON writes it"},
        {WHEN("/a: {equals: 9007199254740992}"), AT_WHEN("64", "./a.equals"), "within"},
        {WHEN("/a: {max: \"5\"}"), AT_WHEN("61", "./a.max"), "must be a number"},
        {WHEN("/a: {one_of: []}"), AT_WHEN("64", "./a.one_of"), "an empty one"},
        {WHEN("/a: {matches: \"a**\"}"), AT_WHEN("65", "./a.matches"), "two operators"},
        {WHEN("/a: {matches: \"\\\\d+\"}"), AT_WHEN("65", "./a.matches"), "write [0-9]"},
        {WHEN("/a: {max_length: -1}"), AT_WHEN("68", "./a.max_length"), "got `-1`"},
        {WHEN("/a: {absent: false}"), AT_WHEN("64", "./a.absent"), "must be true"},
        {WHEN("/a: {absent: true, equals: 1}"), AT_WHEN("55", "./a"), "can never hold"},
    };
    REFUSE_ALL(CASES);
}

static void warns_of_what_has_no_effect(void **state) {
    (void)state;
    static const char *const SILENT[] = {
        ENTRA("\"" RESOURCE "\"") MCP("resource: " RESOURCE),
        MCP("resource: " RESOURCE ", facade: true"),
        MCP("pins: pins.json, pinning: warn"),
        ENTRA("\"" RESOURCE "\"") MCP("resource: " RESOURCE ", denial: challenge"),
        ACTIONS("\"mcp:tools/*\", \"mcp:resources/read:file://a\", \"mcp:notifications/*\""),
        WHEN("/a: {equals: 1}"),
        ROUTE("  mcp: {}\n  access: [{actions: [\"GET /\", \"mcp:ping\"], to: {app_role: B}},\n"
              "    {actions: [\"mcp:*\"], to: {app_role: A}}]"),
    };
    SILENT_ALL(SILENT);
    static const struct config_case CASES[] = {
        {MCP("resource: " RESOURCE), "6:19: routes[0].mcp.resource", "not in entra.audience"},
        {ENTRA("\"" RESOURCE "\"")
             ROUTE("  host: other.example\n  access: [{actions: [\"mcp:*\"], to: {app_role: A}}]\n"
                   "  mcp: {resource: " RESOURCE "}"),
         "8:19: routes[0].mcp.resource", "another host than the route"},
        {MCP("pinning: warn"), "6:18: routes[0].mcp.pinning", "without `pins`"},
        {MCP("pins: pins.json"), "6:9: routes[0].mcp.pins", "has no effect"},
        {MCP("denial: challenge"), "6:17: routes[0].mcp.denial", "add `resource`"},
        {ROUTE("  mcp: {}\n  access: [{role: Reader, to: {app_role: B}}]"), "2:3: routes[0]",
         "only `mcp:` actions grant"},
        {ROUTE("  mcp: {}\n  access: [{role: Reader, to: {app_role: B}},\n"
               "    {actions: [\"mcp:*\"], to: {app_role: A}}]"),
         "6:12: routes[0].access[0]", "grants nothing"},
        {ROUTE("  access: [{actions: [\"mcp:*\"], to: {app_role: A}}]"),
         "5:23: routes[0].access[0].actions[0]", "this route is for plain HTTP"},
        {"access: [{actions: [\"mcp:*\"], to: {app_role: A}}]", "1:21: access[0].actions[0]",
         "no route is for an MCP server"},
        {ACTIONS("\"mcp:tools/cal\""), AT, "did you mean `tools/call`?"},
        {ACTIONS("\"mcp:sampling/createMessage\""), AT, "meant by mcp:tools/call:NAME"},
        {ACTIONS("\"mcp:tools/list:a\""), AT, "leave the name out"},
        {ACTIONS("\"mcp:tools/call: a\""), AT, "begins with a space"},
        {ACTIONS("\"mcp:tasks/get:a\""), AT, "leave the name out"},
        {ACTIONS("{action: \"mcp:resources/read\", when: {/a: {equals: 1}}}"),
         "8:24: routes[0].access[0].actions[0].action", "have arguments"},
        {ACTIONS("\"mcp:tools/*\"") "deny: [{to: {everyone: true}, actions: [\"mcp:tool/call\"]}]",
         "9:41: deny[0].actions[0]", "did you mean `tools/call`?"},
    };
    WARN_ALL(CASES);
}

static void knows_what_an_action_covers(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {ROUTE("  mcp: {}\n  access:\n  - {to: {app_role: A}, actions: [\"mcp:tools/*\"]}\n"
               "  - {to: {app_role: A}, actions: [\"mcp:tools/call:a*\"]}"),
         "8:5: routes[0].access[1]", "can never match"},
        {"roles: {Wide: {actions: [\"mcp:*\"], not_actions: [\"mcp:tools/call:drop_*\"]}}\n" ROUTE(
             "  mcp: {}\n  access:\n  - {to: {everyone: true}, role: Wide}\n"
             "  - {to: {app_role: A}, actions: [\"mcp:tools/call:dr\", \"mcp:resources/*\"]}"),
         "9:5: routes[0].access[1]", "can never match"},
    };
    WARN_ALL(CASES);
    static const char *const SILENT[] = {
        ROUTE("  mcp: {}\n  access:\n  - {to: {app_role: A}, actions: [\"mcp:tools/call:a\"]}\n"
              "  - {to: {app_role: A}, actions: [\"mcp:tools/call:a*\"]}"),
        ROUTE("  mcp: {}\n  access:\n  - to: {app_role: A}\n    actions: [{action: \"mcp:*\", "
              "when: {/a: {equals: 1}}}]\n"
              "  - {to: {app_role: A}, actions: [\"mcp:tools/call:a*\"]}"),
        "roles: {Wide: {actions: [\"mcp:*\"], not_actions: [\"mcp:tools/call:drop_*\"]}}\n" ROUTE(
            "  mcp: {}\n  access:\n  - {to: {everyone: true}, role: Wide}\n"
            "  - {to: {app_role: A}, actions: [\"mcp:tools/call:d*\"]}\n"
            "  - {to: {app_role: B}, actions: [\"mcp:tools/*\"]}\n"
            "  - {to: {app_role: C}, actions: [\"mcp:tools/call:drop_x\"]}"),
    };
    SILENT_ALL(SILENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_key),
        cmocka_unit_test(has_the_defaults_of_the_contract),
        cmocka_unit_test(takes_the_short_facade_when_the_client_is_known),
        cmocka_unit_test(reads_actions),
        cmocka_unit_test(refuses_bad_routes),
        cmocka_unit_test(refuses_bad_actions),
        cmocka_unit_test(warns_of_what_has_no_effect),
        cmocka_unit_test(knows_what_an_action_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
