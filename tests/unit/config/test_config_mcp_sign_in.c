/* What `check` says of MCP servers that clients could not sign in to. */
#include "config_case.h"

#define OTHER "c5a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
#define UP "upstream: \"http://127.0.0.1:3000\""
#define ACCESS "access: [{actions: [\"mcp:*\"], to: {app_role: A}}]"
#define FACADE(more) "facade: {client_id: " CLIENT more "}"
#define ROUTES "routes:\n"
#define MCP(name, path, resource, more)                                                            \
    "- {name: " name ", path: " path ", " UP ", " ACCESS ", mcp: {resource: \"" resource           \
    "\", " more "}}\n"
#define PLAIN(name, more)                                                                          \
    "- {name: " name ", upstream: \"http://127.0.0.1:3001\", access: [{role: Reader, to: "         \
    "{app_role: A}}], " more "}\n"
#define URL "https://gw.example/mcp"
#define TOOLS(more) MCP("tools", "/mcp", URL, more)
#define ENTRA(audience) "entra: {tenant: " TENANT ", audience: [" CLIENT ", \"" audience "\"]}\n"
#define TWO_TENANTS                                                                                \
    "entra: {tenant: [" TENANT ", " OTHER "], audience: [" CLIENT ", \"" URL "\"]}\n"
#define RESOURCE(path, url) ROUTES MCP("tools", path, url, "denial: hide")
#define AT_RESOURCE "[0].mcp.resource"

static void signs_in_to_one_tenant(void **state) {
    (void)state;
    static const char *const SILENT[] = {ENTRA(URL) ROUTES TOOLS(FACADE(""))};
    SILENT_ALL(SILENT);
    static const struct config_case CASES[] = {
        {TWO_TENANTS ROUTES TOOLS(FACADE("")), "3:157: routes[0].mcp.facade",
         "the first tenant alone, " TENANT},
    };
    WARN_ALL(CASES);
}

static void compares_the_resource_with_the_application_id_uri(void **state) {
    (void)state;
    static const char *const SILENT[] = {
        ENTRA(URL) RESOURCE("/mcp", URL),
        ENTRA(URL "/") RESOURCE("/mcp", URL "/"),
        ENTRA("https://gw.example:8443/mcp") RESOURCE("/mcp", "https://gw.example:8443/mcp"),
        ENTRA("https://gw.example:80/mcp") RESOURCE("/mcp", "https://gw.example:80/mcp"),
        ENTRA("https://gw.example/Mcp") RESOURCE("/Mcp", "https://gw.example/Mcp"),
        "entra: {tenant: " TENANT ", audience: [\"api://gw\", " CLIENT ", \"" URL
        "\"]}\n" RESOURCE("/mcp", URL),
        ENTRA("api://gw") ROUTES TOOLS(FACADE("")),
    };
    SILENT_ALL(SILENT);
    static const struct config_case CASES[] = {
        {ENTRA("api://gw") RESOURCE("/mcp", URL), "3:131: routes" AT_RESOURCE,
         "not in entra.audience: clients ask"},
        {ENTRA(URL "/") RESOURCE("/mcp", URL), "3:131: routes" AT_RESOURCE,
         "which has `" URL "/`: audiences are compared letter for letter"},
        {ENTRA(URL) RESOURCE("/mcp", URL "/"), "3:131: routes" AT_RESOURCE, "which has `" URL "`"},
        {ENTRA("https://GW.example/mcp") RESOURCE("/mcp", URL), "3:131: routes" AT_RESOURCE,
         "which has `https://GW.example/mcp`"},
        {ENTRA("https://gw.example/MCP") RESOURCE("/mcp", URL), "3:131: routes" AT_RESOURCE,
         "which has `https://gw.example/MCP`"},
        {ENTRA(URL) RESOURCE("/mcp", "https://GW.example/mcp"), "3:131: routes" AT_RESOURCE,
         "spelled otherwise by clients: `" URL "`"},
        {ENTRA(URL) RESOURCE("/mcp", "https://gw.example:443/mcp"), "3:131: routes" AT_RESOURCE,
         "spelled otherwise by clients: `" URL "`"},
    };
    WARN_ALL(CASES);
}

static void knows_where_requests_for_the_resource_go(void **state) {
    (void)state;
    static const char *const SILENT[] = {
        ENTRA(URL) ROUTES TOOLS("denial: hide") PLAIN("deep", "path: /mcp/deep"),
        ENTRA(URL) ROUTES TOOLS("denial: hide, revisions: 2026-07-28, max_body: 1MiB")
            PLAIN("app", "host: app.example, path: /mcp"),
        ENTRA(URL) ROUTES "- {name: tools, host: \"*.example\", path: /mcp, " UP ", " ACCESS
                          ", mcp: {resource: \"" URL "\"}}\n",
    };
    SILENT_ALL(SILENT);
    static const struct config_case CASES[] = {
        {ENTRA(URL "/deep") ROUTES MCP("tools", "/mcp", URL "/deep", "denial: hide")
             PLAIN("deep", "path: /mcp/deep"),
         "3:131: routes" AT_RESOURCE, "requests for this URL go there"},
        {ENTRA(URL) ROUTES TOOLS("denial: hide") PLAIN("app", "host: gw.example, path: /mcp"),
         "3:131: routes" AT_RESOURCE, "is on route `app`"},
        {ENTRA(URL) ROUTES "- {name: tools, host: \"*.gw.example\", path: /mcp, " UP ", " ACCESS
                           ", mcp: {resource: \"" URL "\"}}\n",
         "3:153: routes" AT_RESOURCE, "another host than the route, `*.gw.example`"},
    };
    WARN_ALL(CASES);
}

static void knows_who_loses_the_paths_of_a_sign_in(void **state) {
    (void)state;
    static const char *const SILENT[] = {
        ENTRA(URL) ROUTES TOOLS(FACADE("")) PLAIN("app", "path: /app"),
        ENTRA(URL) ROUTES TOOLS(FACADE("")) PLAIN("app", "host: app.example, path: /"),
        ENTRA(URL) ROUTES TOOLS(FACADE("")) PLAIN("app", "host: app.example, path: /token"),
        ENTRA(URL) ROUTES TOOLS(FACADE("")) PLAIN("app", "path: /tokens"),
        ENTRA(URL) ROUTES TOOLS("denial: hide") PLAIN("app", "path: /token"),
        ENTRA(URL) ROUTES "- {name: tools, path: /mcp, " UP ", " ACCESS
                          ", mcp: {}}\n" PLAIN("app", "path: /"),
        ENTRA("https://gw.example/") ROUTES MCP("tools", "/", "https://gw.example/", FACADE("")),
    };
    SILENT_ALL(SILENT);
#define LOSES "does not get /authorize, /register and /token of `gw.example`"
    static const struct config_case CASES[] = {
        {ENTRA(URL) ROUTES TOOLS(FACADE("")) PLAIN("app", "path: /"), "4:101: routes[1].path",
         LOSES},
        {ENTRA(URL) ROUTES TOOLS("denial: hide") PLAIN("app", "host: gw.example, path: /"),
         "3:131: routes[0].mcp.resource", "is on route `app`"},
        {ENTRA(URL) ROUTES TOOLS("denial: hide") PLAIN("app", "path: /"), "4:101: routes[1].path",
         "or write routes for those"},
        {ENTRA(URL) ROUTES TOOLS(FACADE("")) PLAIN("app", "path: /token"), "4:101: routes[1].path",
         "takes `/token`, where clients of route `tools` sign in"},
        {ENTRA(URL) ROUTES TOOLS(FACADE("")) PLAIN("app", "host: gw.example, path: /register"),
         "4:119: routes[1].path", "takes `/register`"},
        {ENTRA(URL) ROUTES TOOLS("denial: hide")
             PLAIN("app", "path: /.well-known/oauth-protected-resource"),
         "4:101: routes[1].path", "takes `/.well-known/oauth-protected-resource`"},
    };
    WARN_ALL(CASES);
}

#define SECOND(more) MCP("second", "/second", "https://gw.example/second", more)
#define BACK ", redirect_uris: [\"https://app.example/cb\"]"

static void knows_that_one_host_has_one_facade(void **state) {
    (void)state;
    static const char *const SILENT[] = {
        ENTRA(URL) ROUTES TOOLS(FACADE(BACK)) SECOND(FACADE(BACK)),
        ENTRA(URL) ROUTES TOOLS(FACADE(BACK))
            MCP("second", "/second", "https://two.example/second", FACADE("")),
    };
    SILENT_ALL(SILENT);
    static const struct config_case CASES[] = {
        {ENTRA(URL) ROUTES TOOLS(FACADE(BACK)) SECOND(FACADE("")), "4:164: routes[1].mcp.facade",
         "on `gw.example` that is route `tools`'s"},
        {ENTRA(URL) ROUTES TOOLS(FACADE("")) SECOND("facade: {client_id: " OTHER "}"),
         "4:164: routes[1].mcp.facade", "one host has one facade"},
    };
    WARN_ALL(CASES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_in_to_one_tenant),
        cmocka_unit_test(compares_the_resource_with_the_application_id_uri),
        cmocka_unit_test(knows_where_requests_for_the_resource_go),
        cmocka_unit_test(knows_who_loses_the_paths_of_a_sign_in),
        cmocka_unit_test(knows_that_one_host_has_one_facade),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
