/* Which page is where, and what it says; challenges; origins. */
#include "tests/unit/mcp/page_case.h"

#define WELL_KNOWN "/.well-known/oauth-protected-resource"
#define ROUTE(name, more) "  - {name: " name ", upstream: \"http://127.0.0.1:3000\", " more "}\n"
#define MCP(name, path, resource, access)                                                          \
    ROUTE(name, "path: " path ", mcp: {resource: \"" resource "\"}, access: [" access "]")
#define READER "{actions: [\"mcp:tools/call:search_*\"], to: {scope: mcp.read}}"
#define WRITER                                                                                     \
    "{actions: [\"mcp:*\"], to: [{scope: [mcp.write, mcp.read]}, {scope: mcp.write, "              \
    "tenant: " TENANT "}]}"
#define PLAIN                                                                                      \
    CASE_HEAD "routes:\n" MCP("tools", "/mcp", "https://gw.example/mcp", READER "," WRITER)
#define BY_ROLE                                                                                    \
    CASE_HEAD "routes:\n" MCP("tools", "/mcp", "https://gw.example/mcp",                           \
                              "{actions: [\"mcp:tools/call:a\"], to: {app_role: R}}")

static void finds_metadata_of_a_resource(void **state) {
    static const char *const there[] = {WELL_KNOWN, WELL_KNOWN "/", WELL_KNOWN "/mcp",
                                        WELL_KNOWN "/mcp/"};
    static const char *const elsewhere[] = {WELL_KNOWN "/mcp2", WELL_KNOWN "/mcp/x",
                                            WELL_KNOWN "/MCP"};
    struct page_case c;
    (void)state;
    page_case_begin(&c, PLAIN);
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        assert_int_equal(page_at(&c, "gw.example", there[i]), MCP_PAGE_RESOURCE);
        assert_int_equal(c.route, 0);
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        assert_int_equal(page_at(&c, "gw.example", elsewhere[i]), MCP_PAGE_NOT_HERE);
    page_case_end(&c);
}

static void says_of_oauth_paths_that_they_are_not_here(void **state) {
    static const char *const absent[] = {"/.well-known/oauth-authorization-server",
                                         "/.well-known/openid-configuration",
                                         "/.well-known/oauth-authorization-server/mcp",
                                         "/.well-known/openid-configuration/x",
                                         "/register",
                                         "/authorize",
                                         "/token"};
    static const char *const others[] = {
        "/",        "/mcp",        "/mcp/token",   "/tokens",
        "/token/x", "/registered", WELL_KNOWN "s", "/.well-known/oauth-authorization-servers"};
    struct page_case c;
    (void)state;
    page_case_begin(&c, PLAIN);
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_int_equal(page_at(&c, "gw.example", absent[i]), MCP_PAGE_NOT_HERE);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(page_at(&c, "gw.example", others[i]), MCP_PAGE_NONE);
    page_case_end(&c);
}

static void leaves_paths_to_routes_that_claim_them(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, PLAIN ROUTE("login", "path: /token") ROUTE("rest", "path: /"));
    assert_int_equal(page_at(&c, "gw.example", "/token"), MCP_PAGE_NONE);
    assert_int_equal(page_at(&c, "gw.example", "/register"), MCP_PAGE_NOT_HERE);
    page_case_end(&c);
}

static void has_no_pages_on_hosts_of_other_routes(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, CASE_HEAD "routes:\n" ROUTE("app", "host: app.example, path: /")
                            MCP("tools", "/mcp", "https://gw.example/mcp", READER));
    assert_int_equal(page_at(&c, "app.example", "/token"), MCP_PAGE_NONE);
    assert_int_equal(page_at(&c, "app.example", WELL_KNOWN), MCP_PAGE_NONE);
    assert_int_equal(page_at(&c, "gw.example", "/token"), MCP_PAGE_NOT_HERE);
    page_case_end(&c);
}

static void has_no_pages_without_a_resource(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, CASE_HEAD "routes:\n" ROUTE(
                            "tools", "path: /mcp, mcp: {denial: hide}, access: [" READER "]"));
    assert_int_equal(page_at(&c, "gw.example", WELL_KNOWN), MCP_PAGE_NONE);
    assert_int_equal(page_at(&c, "gw.example", "/token"), MCP_PAGE_NONE);
    mcp_write_challenge(&c.text, c.config, 0, 401, false, SLICE(""));
    assert_text(&c, "Bearer");
    mcp_write_challenge(&c.text, c.config, 0, 401, true, SLICE(""));
    assert_text(&c, "Bearer error=\"invalid_token\"");
    page_case_end(&c);
}

static void host_alone_is_its_whole_resource_or_the_first(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, CASE_HEAD "routes:\n" MCP("one", "/one", "https://gw.example/one", READER)
                            MCP("two", "/two", "https://gw.example/two", READER));
    assert_int_equal(page_at(&c, "gw.example", WELL_KNOWN), MCP_PAGE_RESOURCE);
    assert_int_equal(c.route, 0);
    assert_int_equal(page_at(&c, "gw.example", WELL_KNOWN "/two"), MCP_PAGE_RESOURCE);
    assert_int_equal(c.route, 1);
    page_case_end(&c);
    page_case_begin(&c, CASE_HEAD "routes:\n" MCP("one", "/one", "https://gw.example/one", READER)
                            MCP("all", "/", "https://gw.example/", READER));
    assert_int_equal(page_at(&c, "gw.example", WELL_KNOWN), MCP_PAGE_RESOURCE);
    assert_int_equal(c.route, 1);
    page_case_end(&c);
}

static void host_alone_is_for_its_own_resource_before_others(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, CASE_HEAD "routes:\n" MCP("one", "/one", "https://one.example/one", READER)
                            MCP("two", "/two", "https://two.example/two", READER));
    assert_int_equal(page_at(&c, "two.example", WELL_KNOWN), MCP_PAGE_RESOURCE);
    assert_int_equal(c.route, 1);
    assert_int_equal(page_at(&c, "TWO.example", WELL_KNOWN), MCP_PAGE_RESOURCE);
    assert_int_equal(c.route, 1);
    assert_int_equal(page_at(&c, "one.example", WELL_KNOWN), MCP_PAGE_RESOURCE);
    assert_int_equal(c.route, 0);
    assert_int_equal(page_at(&c, "10.0.0.1", WELL_KNOWN), MCP_PAGE_RESOURCE);
    assert_int_equal(c.route, 0);
    page_case_end(&c);
}

static void says_where_tokens_are_had(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, PLAIN);
    mcp_write_resource_metadata(&c.text, c.config, 0);
    assert_text(&c, "{\"resource\":\"https://gw.example/mcp\",\"authorization_servers\":"
                    "[\"https://login.microsoftonline.com/" TENANT "/v2.0\"],"
                    "\"scopes_supported\":[\"https://gw.example/mcp/mcp.read\","
                    "\"https://gw.example/mcp/mcp.write\"],"
                    "\"bearer_methods_supported\":[\"header\"]}\n");
    page_case_end(&c);
}

static void asks_for_whatever_was_consented_to_when_rules_name_no_scope(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, BY_ROLE);
    mcp_write_resource_metadata(&c.text, c.config, 0);
    buf_append_char(&c.text, '\0');
    assert_non_null(
        strstr(c.text.ptr, "\"scopes_supported\":[\"https://gw.example/mcp/.default\"]"));
    buf_clear(&c.text);
    mcp_write_scopes(&c.text, c.config, 0, SLICE("tools/call"), SLICE("a"));
    assert_text(&c, "https://gw.example/mcp/.default");
    mcp_write_scopes(&c.text, c.config, 0, SLICE("tools/call"), SLICE("b"));
    assert_text(&c, "");
    page_case_end(&c);
}

static void names_scopes_that_would_do(void **state) {
    static const char read_and_write[] =
        "https://gw.example/mcp/mcp.read https://gw.example/mcp/mcp.write";
    static const char both_ways[] =
        "https://gw.example/mcp/mcp.write https://gw.example/mcp/mcp.read";
    struct page_case c;
    (void)state;
    page_case_begin(&c, PLAIN);
    mcp_write_scopes(&c.text, c.config, 0, SLICE("tools/call"), SLICE("search_x"));
    assert_text(&c, read_and_write);
    mcp_write_scopes(&c.text, c.config, 0, SLICE("tools/call"), SLICE("drop"));
    assert_text(&c, both_ways);
    mcp_write_scopes(&c.text, c.config, 0, SLICE("tools/list"), SLICE(""));
    assert_text(&c, read_and_write);
    mcp_write_scopes(&c.text, c.config, 0, SLICE("initialize"), SLICE(""));
    assert_text(&c, read_and_write);
    mcp_write_scopes(&c.text, c.config, 0, SLICE("prompts/list"), SLICE(""));
    assert_text(&c, both_ways);
    page_case_end(&c);
}

static void names_all_scopes_before_it_is_known_which_would_do(void **state) {
    struct page_case c;
    char long_scope[3000] = {0};
    const char *items[] = {long_scope};
    (void)state;
    page_case_begin(&c, PLAIN);
    mcp_write_all_scopes(&c.text, c.config, 0);
    assert_text(&c, "https://gw.example/mcp/mcp.read https://gw.example/mcp/mcp.write");
    memset(long_scope, 'x', sizeof long_scope - 1);
    c.config->routes[0].access.items[0].to[0].scopes = (struct config_strings){items, 1};
    mcp_write_all_scopes(&c.text, c.config, 0);
    assert_text(&c, "");
    page_case_end(&c);
    page_case_begin(&c, BY_ROLE);
    mcp_write_all_scopes(&c.text, c.config, 0);
    assert_text(&c, "https://gw.example/mcp/.default");
    c.config->routes[0].mcp->resource = NULL;
    mcp_write_all_scopes(&c.text, c.config, 0);
    assert_text(&c, "");
    page_case_end(&c);
}

static void leaves_out_scopes_that_are_none(void **state) {
    static const char *const strange[] = {"a\"b", "a\\b", "a b", "a\rb", ""};
    struct page_case c;
    const char *items[] = {NULL};
    (void)state;
    page_case_begin(&c, PLAIN);
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        items[0] = strange[i];
        c.config->routes[0].access.items[0].to[0].scopes = (struct config_strings){items, 1};
        mcp_write_all_scopes(&c.text, c.config, 0);
        assert_text(&c, "https://gw.example/mcp/mcp.write https://gw.example/mcp/mcp.read");
    }
    page_case_end(&c);
}

static void challenges_as_clients_read_them(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, PLAIN);
#define METADATA "resource_metadata=\"https://gw.example" WELL_KNOWN "/mcp\""
    mcp_write_challenge(&c.text, c.config, 0, 401, false, SLICE(""));
    assert_text(&c, "Bearer " METADATA);
    mcp_write_challenge(&c.text, c.config, 0, 401, true, SLICE("a b"));
    assert_text(&c, "Bearer " METADATA ", error=\"invalid_token\", scope=\"a b\"");
    mcp_write_challenge(&c.text, c.config, 0, 403, true, SLICE("a b"));
    assert_text(&c, "Bearer error=\"insufficient_scope\", scope=\"a b\", " METADATA
                    ", error_description=\"The token does not carry what this operation needs\"");
    mcp_write_challenge(&c.text, c.config, 0, 403, true, SLICE(""));
    assert_text(&c, "Bearer error=\"insufficient_scope\", " METADATA
                    ", error_description=\"The token does not carry what this operation needs\"");
    page_case_end(&c);
}

static void keeps_quotes_out_of_challenges(void **state) {
    struct page_case c;
    (void)state;
    page_case_begin(&c, PLAIN);
    struct config_mcp *mcp = c.config->routes[0].mcp;
    mcp->resource = "https://gw.example/m'%22p";
    mcp_write_challenge(&c.text, c.config, 0, 401, false, SLICE(""));
    assert_text(&c, "Bearer resource_metadata=\"https://gw.example" WELL_KNOWN "/m'%22p\"");
    mcp->resource = "https://gw.example/m\"p";
    mcp_write_challenge(&c.text, c.config, 0, 401, false, SLICE(""));
    assert_text(&c, "Bearer");
    page_case_end(&c);
}

static void allows_origins_to_the_byte(void **state) {
    static const char *const others[] = {"null",
                                         "",
                                         "https://gw.example/",
                                         "https://GW.example",
                                         "https://gw.example:443",
                                         "http://gw.example",
                                         "https://gw.example.evil.example",
                                         "https://app.example:8443",
                                         "https://app.example https://gw.example",
                                         "*"};
    const char *allowed[] = {"https://app.example"};
    struct config_mcp mcp = {.resource = "https://GW.example:443/mcp",
                             .allowed_origins = {allowed, 1}};
    (void)state;
    assert_true(mcp_origin_is_allowed(&mcp, SLICE("https://gw.example")));
    assert_true(mcp_origin_is_allowed(&mcp, SLICE("https://app.example")));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(mcp_origin_is_allowed(&mcp, slice_of_str(others[i])));
    mcp.resource = "http://[::1]:8080/mcp";
    assert_true(mcp_origin_is_allowed(&mcp, SLICE("http://[::1]:8080")));
    mcp.resource = NULL;
    assert_false(mcp_origin_is_allowed(&mcp, SLICE("https://gw.example")));
    assert_true(mcp_origin_is_allowed(&mcp, SLICE("https://app.example")));
}

static void lets_pages_send_parameters_that_they_ask_for(void **state) {
    struct buf text;
    (void)state;
    buf_init(&text, 4096);
    mcp_write_preflight(&text, SLICE("https://app.example"),
                        SLICE("authorization, Mcp-Param-Region,mcp-param-, x-evil, "
                              "mcp-param-a b,mcp-param-\x01, mcp-param-z"));
    buf_append_char(&text, '\0');
    assert_string_equal(
        text.ptr,
        "Access-Control-Allow-Origin: https://app.example\r\nVary: Origin\r\n"
        "Access-Control-Expose-Headers: mcp-session-id, mcp-protocol-version, www-authenticate, "
        "x-request-id, retry-after\r\nAccess-Control-Allow-Methods: GET, POST, DELETE\r\n"
        "Access-Control-Allow-Headers: authorization, content-type, accept, mcp-protocol-version, "
        "mcp-session-id, mcp-method, mcp-name, last-event-id, Mcp-Param-Region, mcp-param-z\r\n"
        "Access-Control-Max-Age: 600\r\n");
    buf_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_metadata_of_a_resource),
        cmocka_unit_test(says_of_oauth_paths_that_they_are_not_here),
        cmocka_unit_test(leaves_paths_to_routes_that_claim_them),
        cmocka_unit_test(has_no_pages_on_hosts_of_other_routes),
        cmocka_unit_test(has_no_pages_without_a_resource),
        cmocka_unit_test(host_alone_is_its_whole_resource_or_the_first),
        cmocka_unit_test(host_alone_is_for_its_own_resource_before_others),
        cmocka_unit_test(says_where_tokens_are_had),
        cmocka_unit_test(asks_for_whatever_was_consented_to_when_rules_name_no_scope),
        cmocka_unit_test(names_scopes_that_would_do),
        cmocka_unit_test(names_all_scopes_before_it_is_known_which_would_do),
        cmocka_unit_test(leaves_out_scopes_that_are_none),
        cmocka_unit_test(challenges_as_clients_read_them),
        cmocka_unit_test(keeps_quotes_out_of_challenges),
        cmocka_unit_test(allows_origins_to_the_byte),
        cmocka_unit_test(lets_pages_send_parameters_that_they_ask_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
