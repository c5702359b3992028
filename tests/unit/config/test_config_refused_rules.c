/* What is refused of routes and of the rules for them. */
#include "refusal_case.h"

static void refuses_bad_roles_and_actions(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        "roles: {X: {actions: [\"* /**\", \"M-SEARCH /a/*/b*c/**\", \"GET /\"]}}",
        "roles: {X: {actions: [\"GET,PUT /\"], not_actions: []}}",
        "roles: {X: {actions: [\"GET /api/\"]}}",
        "roles: {X: {actions: [\"GET   /%2F/a%20b\"]}}",
    };
    static const struct config_case CASES[] = {
        {"roles: []", "1:8: roles", "must map names to roles"},
        {"roles: {Reader: {actions: [\"* /**\"]}}", "1:9: roles.Reader", "built in"},
        {"roles: {Contributor: {actions: [\"* /**\"]}}", "1:9: roles.Contributor", "built in"},
        {"roles: {X: Reader}", "1:12: roles.X", "must be a mapping"},
        {"roles: {X: {actions: []}}", "1:22: roles.X.actions", "allow nothing"},
        {"roles: {X: {actions: \"* /**\"}}", "1:22: roles.X.actions", "must be a list"},
        {"roles: {X: {actions: [GET]}}", "1:23: roles.X.actions[0]",
         "must be METHOD PATH, such as \"GET,HEAD /api/**\" or \"* /**\"; got `GET`"},
        {"roles: {X: {actions: [\"get /\"]}}", "1:23: roles.X.actions[0]", "upper case, got `get`"},
        {"roles: {X: {actions: [\"G3T /\"]}}", "1:23: roles.X.actions[0]", "`G3T` is no method"},
        {"roles: {X: {actions: [\"GET,,PUT /\"]}}", "1:23: roles.X.actions[0]", "is no method"},
        {"roles: {X: {actions: [\"GET, PUT /\"]}}", "1:23: roles.X.actions[0]",
         "separated by commas without spaces, as in \"GET,PUT /**\"; got `GET, PUT /`"},
        {"roles: {X: {actions: [\"GET PUT /**\"]}}", "1:23: roles.X.actions[0]",
         "separated by commas"},
        {"roles: {X: {actions: [\"GET * /**\"]}}", "1:23: roles.X.actions[0]",
         "separated by commas"},
        {"roles: {X: {actions: [\"GET api/x\"]}}", "1:23: roles.X.actions[0]",
         "must begin with `/`"},
        {"roles: {X: {actions: [\"GET,* /\"]}}", "1:23: roles.X.actions[0]", "write it alone"},
        {"roles: {X: {actions: [\"/api GET\"]}}", "1:23: roles.X.actions[0]", "is no method"},
        {"roles: {X: {actions: [\"GET api\"]}}", "1:23: roles.X.actions[0]", "begin with `/`"},
        {"roles: {X: {actions: [\"GET /a?b=c\"]}}", "1:23: roles.X.actions[0]", "query"},
        {"roles: {X: {actions: [\"GET /a#b\"]}}", "1:23: roles.X.actions[0]", "fragment"},
        {"roles: {X: {actions: [\"GET /a//b\"]}}", "1:23: roles.X.actions[0]", "empty segment"},
        {"roles: {X: {actions: [\"GET /a/../b\"]}}", "1:23: roles.X.actions[0]", "`..` segments"},
        {"roles: {X: {actions: [\"GET /./b\"]}}", "1:23: roles.X.actions[0]", "`..` segments"},
        {"roles: {X: {actions: [\"GET /%2e%2e/b\"]}}", "1:23: roles.X.actions[0]",
         "no request can have"},
        {"roles: {X: {actions: [\"GET /a b\"]}}", "1:23: roles.X.actions[0]", "no request can"},
        {"roles: {X: {actions: [\"GET /%zz\"]}}", "1:23: roles.X.actions[0]", "no request can"},
        {"roles: {X: {actions: [\"GET /a\\\\b\"]}}", "1:23: roles.X.actions[0]", "no request can"},
        {"roles: {X: {actions: [\"GET /\xc3\xa4\"]}}", "1:23: roles.X.actions[0]",
         "percent-encode"},
        {"roles: {X: {actions: [\"GET /a/**b\"]}}", "1:23: roles.X.actions[0]", "whole segment"},
        {"roles: {X: {actions: [\"GET /***\"]}}", "1:23: roles.X.actions[0]", "whole segment"},
        {"roles: {X: {actions: [7]}}", "1:23: roles.X.actions[0]", "METHOD PATH"},
        {"roles: {X: {actions: [\"* /**\"], not_actions: [\"DELETE\"]}}",
         "1:47: roles.X.not_actions[0]", "METHOD PATH"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static const char *const GOOD_RULES[] = {
    "access: [{actions: [\"GET /a\"], to: {user: " GROUP "}}]",
    "access: [{role: Contributor, to: [{group: [" GROUP ", " CLIENT "]}, {scope: a.b}]}]",
    "deny: [{to: {tenant: " TENANT ", everyone: true}}]",
    "entra: {tenant: " TENANT ", audience: x, groups: {form: name}}\n"
    "access: [{role: Reader, to: {group: Domain Users}}]",
};

static const struct config_case BAD_RULES[] = {
    {"access: {role: Reader}", "1:9: access", "must be a list of entries"},
    {"access: [Reader]", "1:10: access[0]", "must be a mapping"},
    {"access: [{role: Raeder, to: {everyone: true}}]", "1:17: access[0].role",
     "did you mean `Reader`?"},
    {"access: [{role: Nobody, to: {everyone: true}}]", "1:17: access[0].role", "no role `Nobody`"},
    {"access: [{role: Reader, actions: [\"* /\"], to: {everyone: true}}]",
     "1:25: access[0].actions", "keep one of the two"},
    {"access: [{actions: [], to: {everyone: true}}]", "1:20: access[0].actions", "empty list"},
    {"access: [{role: Reader, to: {everyone: true}, credential: x}]", "1:59: access[0].credential",
     "no credential `x`"},
    {CREDENTIAL("{bearer: local/x}\n  admin: {bearer: local/x}\naccess: [{role: Reader, to: "
                "{everyone: true}, credential: admn}]"),
     "6:59: access[0].credential", "did you mean `admin`?"},
    {"access: [{role: Reader, to: everyone}]", "1:29: access[0].to", "must be a mapping"},
    {"access: [{role: Reader, to: []}]", "1:29: access[0].to", "about nobody"},
    {"access: [{role: Reader, to: {}}]", "1:29: access[0].to", "names nobody"},
    {"access: [{role: Reader, to: [{everyone: true}, {}]}]", "1:48: access[0].to[1]",
     "names nobody"},
    {"access: [{role: Reader, to: {everyone: false}}]", "1:40: access[0].to.everyone",
     "must be true"},
    {"access: [{role: Reader, to: {everyone: yes}}]", "1:40: access[0].to.everyone",
     "must be true"},
    {"access: [{role: Reader, to: {group: Admins}}]", "1:37: access[0].to.group", "not its name"},
    {"access: [{role: Reader, to: {group: 6f0a9b182c3d4e5f8091a2b3c4d5e6f7}}]",
     "1:37: access[0].to.group", "write it as " GROUP},
    {"access: [{role: Reader, to: {group: \"{" GROUP "}\"}}]", "1:37: access[0].to.group",
     "leave the brackets out"},
    {"access: [{role: Reader, to: {app: 6fOa9b18-2c3d-4e5f-8091-a2b3c4d5e6f7}}]",
     "1:35: access[0].to.app", "look at its character 3: `O` is none of 0 to 9 and a to f"},
    {"access: [{role: Reader, to: {app: 6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f}}]",
     "1:35: access[0].to.app", "copy it again: it has 31 digits"},
    {"access: [{role: Reader, to: {user: ada@contoso.example}}]", "1:36: access[0].to.user",
     "not the sign-in name"},
    {"access: [{role: Reader, to: {group: []}}]", "1:37: access[0].to.group", "empty list"},
    {"access: [{role: Reader, to: {user: a@b.example}}]", "1:36: access[0].to.user", "not a GUID"},
    {"access: [{role: Reader, to: {app: [" GROUP ", x]}}]", "1:74: access[0].to.app[1]",
     "not a GUID"},
    {"access: [{role: Reader, to: {tenant: contoso}}]", "1:38: access[0].to.tenant", "not a GUID"},
    {"access: [{role: Reader, to: {scope: a b}}]", "1:37: access[0].to.scope",
     "write several values as a list"},
    {"access: [{role: Reader, to: {app_role: \"\"}}]", "1:40: access[0].to.app_role", "empty text"},
    {"access: [{role: Reader, to: {app_role: 7}}]", "1:40: access[0].to.app_role", "quotes"},
    {"deny: {to: {everyone: true}}", "1:7: deny", "must be a list"},
    {"deny: [{to: {everyone: true}, actions: []}]", "1:40: deny[0].actions", "empty list"},
    {ROUTE("  access: [{role: Reader, to: {everyone: true}},\n    {role: Reader, to: {group: "
           "x}}]"),
     "5:32: routes[0].access[1].to.group", "`x` is not a GUID"},
    {ROUTE("  deny: [{to: {user: x}}]"), "4:22: routes[0].deny[0].to.user", "not a GUID"},
};

static void refuses_bad_rules(void **state) {
    (void)state;
    ACCEPT_ALL(GOOD_RULES);
    REFUSE_ALL(BAD_RULES);
}

static void refuses_bad_conditions(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        "access: [{role: Reader, to: {everyone: true}, when: {acrs: c1}}]",
        "access: [{role: Reader, to: {everyone: true}, when: {acrs: [c99, \"c10\"]}}]",
        "access: [{role: Reader, to: {everyone: true}, when: {mfa: true}}]",
        "deny: [{to: {everyone: true}, when: {acrs: c7, mfa: true}}]",
    };
    static const struct config_case CASES[] = {
        {"access: [{role: Reader, to: {everyone: true}, when: c1}]", "1:53: access[0].when",
         "must be a mapping"},
        {"access: [{role: Reader, to: {everyone: true}, when: {}}]", "1:53: access[0].when",
         "holds no condition"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: c0}}]",
         "1:60: access[0].when.acrs", "c1 to c99; got `c0`"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: c100}}]",
         "1:60: access[0].when.acrs", "c1 to c99"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: c01}}]",
         "1:60: access[0].when.acrs", "c1 to c99"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: C1}}]",
         "1:60: access[0].when.acrs", "c1 to c99"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: c}}]",
         "1:60: access[0].when.acrs", "c1 to c99"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: p1}}]",
         "1:60: access[0].when.acrs", "c1 to c99"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: \"c1 \"}}]",
         "1:60: access[0].when.acrs", "c1 to c99"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: 1}}]",
         "1:60: access[0].when.acrs", "quotes"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: []}}]",
         "1:60: access[0].when.acrs", "empty list"},
        {"access: [{role: Reader, to: {everyone: true}, when: {acrs: [c1, x]}}]",
         "1:65: access[0].when.acrs[1]", "c1 to c99; got `x`"},
        {"access: [{role: Reader, to: {everyone: true}, when: {mfa: false}}]",
         "1:59: access[0].when.mfa", "must be true"},
        {"access: [{role: Reader, to: {everyone: true}, when: {mfa: \"true\"}}]",
         "1:59: access[0].when.mfa", "must be true"},
        {ROUTE("  deny: [{to: {everyone: true}, when: {mfa: 1}}]"),
         "4:45: routes[0].deny[0].when.mfa", "must be true"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static const char *const GOOD_ROUTES[] = {
    ROUTE("  host: \"*.example\"\n  path: /a/"),
    ROUTE("  host: 10.0.0.1\n  path: /"),
    ROUTE("  host: \"[::1]\""),
    ROUTE("  path: /a%20b"),
    ROUTE("- name: s\n  path: /s\n  upstream: [\"unix:/run/s.sock\", \"http://[::1]:1/base/\"]"),
    ROUTE("- name: s\n  host: b.example\n  upstream: HTTP://internal"),
    ROUTE("  timeouts: {connect: 1ms, head: 24h, idle: 1000h}\n  limits: {body: 1}"),
    ROUTE("  retry: off\n  preserve_host: true\n  encoded_slashes: pass"),
    ROUTE("  websocket: true"),
    ROUTE("  balance: least_connections"),
    ROUTE("  health: {failures: none, pause: 1ms}"),
    ROUTE("  upstream_networks: 127.0.0.0/8"),
    ROUTE("  limits: {requests: none}"),
};

static const struct config_case BAD_ROUTES[] = {
    {"routes: [x]", "1:10: routes[0]", "must be a mapping"},
    {ROUTE("- name: r\n  path: /b\n  upstream: http://127.0.0.1"), "4:9: routes[1].name",
     "has the name `r` already"},
    {"routes: [{name: a b, upstream: \"http://127.0.0.1\"}]", "1:17: routes[0].name",
     "letters, digits"},
    {"routes: [{name: 7, upstream: \"http://127.0.0.1\"}]", "1:17: routes[0].name", "quotes"},
    {ROUTE("  host: a.example:80"), "4:9: routes[0].host", "without port"},
    {ROUTE("  host: \"*\""), "4:9: routes[0].host", "leave the key out"},
    {ROUTE("  host: \"a.*.example\""), "4:9: routes[0].host", "*.suffix"},
    {ROUTE("  host: \"*.\""), "4:9: routes[0].host", "*.suffix"},
    {ROUTE("  host: \"::1\""), "4:9: routes[0].host", "*.suffix"},
    {ROUTE("  host: a..b"), "4:9: routes[0].host", "*.suffix"},
    {ROUTE("  host: a.example."), "4:9: routes[0].host", "*.suffix"},
    {ROUTE("  host: [a.example]"), "4:9: routes[0].host", "got a list"},
    {ROUTE("  path: api"), "4:9: routes[0].path", "begin with `/`"},
    {ROUTE("  path: /api/**"), "4:9: routes[0].path", "is a prefix"},
    {ROUTE("  path: /a//b"), "4:9: routes[0].path", "empty segment"},
    {ROUTE("  path: //"), "4:9: routes[0].path", "empty segment"},
    {ROUTE("  path: /a/../b"), "4:9: routes[0].path", "`..` segments"},
    {ROUTE("  path: /%61pi"), "4:9: routes[0].path", "is the same as `/api`"},
    {ROUTE("  path: /a?x"), "4:9: routes[0].path", "query"},
    {ROUTE("  path: /a\\b"), "4:9: routes[0].path", "no request can have"},
    {ROUTE("- name: s\n  upstream: http://127.0.0.1"), "4:3: routes[1]",
     "route `r` has the same host and path"},
    {ROUTE("  path: /a\n- name: s\n  path: /a/\n  upstream: http://127.0.0.1"),
     "6:9: routes[1].path", "route `r` has the same host and path"},
    {ROUTE("  host: A.example\n- name: s\n  host: a.EXAMPLE\n  upstream: http://127.0.0.1"),
     "5:3: routes[1]", "route `r` has the same host and path"},
    {"routes: [{name: r, upstream: \"ftp://a.example\"}]", "1:30: routes[0].upstream",
     "must begin with"},
    {"routes: [{name: r, upstream: \"127.0.0.1:80\"}]", "1:30: routes[0].upstream",
     "is written http://HOST:PORT"},
    {"routes: [{name: r, upstream: \"http://127.0.0.1:0\"}]", "1:30: routes[0].upstream",
     "1-65535"},
    {"routes: [{name: r, upstream: \"http://127.0.0.1:\"}]", "1:30: routes[0].upstream",
     "host:port"},
    {"routes: [{name: r, upstream: \"http://::1:80\"}]", "1:30: routes[0].upstream", "in brackets"},
    {"routes: [{name: r, upstream: \"http://u@127.0.0.1\"}]", "1:30: routes[0].upstream",
     "user name"},
    {"routes: [{name: r, upstream: \"http://127.0.0.1?x\"}]", "1:30: routes[0].upstream", "query"},
    {"routes: [{name: r, upstream: \"http://127.0.0.1/#x\"}]", "1:30: routes[0].upstream",
     "fragment"},
    {"routes: [{name: r, upstream: \"http://127.0.0.1\\\\@evil\"}]", "1:30: routes[0].upstream",
     "backslashes"},
    {"routes: [{name: r, upstream: \"http://127.0.0.1/a/../b\"}]", "1:30: routes[0].upstream",
     "`..` segments"},
    {"routes: [{name: r, upstream: \"http://127.0.0.1/%61\"}]", "1:30: routes[0].upstream",
     "the same as `/a`"},
    {"routes: [{name: r, upstream: \"http://0x7f.1\"}]", "1:30: routes[0].upstream",
     "malformed host"},
    {"routes: [{name: r, upstream: \"unix:x\"}]", "1:30: routes[0].upstream", "absolute path"},
    {"routes: [{name: r, upstream: []}]", "1:30: routes[0].upstream", "empty list"},
    {"routes: [{name: r, upstream: [\"http://127.0.0.1\", 7]}]", "1:51: routes[0].upstream[1]",
     "quotes"},
    {ROUTE("  encoded_slashes: yes"), "4:20: routes[0].encoded_slashes", "one of refuse|pass"},
    {ROUTE("  credential: x"), "4:15: routes[0].credential", "no credential `x`; there are none"},
    {ROUTE("  timeouts: {connect: 0s}"), "4:23: routes[0].timeouts.connect", "from 1ms"},
    {ROUTE("  timeouts: {head: 5}"), "4:20: routes[0].timeouts.head", "must be a duration"},
    {ROUTE("  timeouts: {idle: none}"), "4:20: routes[0].timeouts.idle", "must be a duration"},
    {ROUTE("  limits: {body: 10MB}"), "4:18: routes[0].limits.body", "KiB, MiB or GiB"},
    {ROUTE("  limits: {body: 0}"), "4:18: routes[0].limits.body", "must be from 1"},
    {ROUTE("  limits: {body: 99999999999GiB}"), "4:18: routes[0].limits.body", "size"},
    {ROUTE("  preserve_host: yes"), "4:18: routes[0].preserve_host",
     "must be true or false, without quotes, got `yes`"},
    {ROUTE("  preserve_host: \"true\""), "4:18: routes[0].preserve_host", "without quotes"},
    {ROUTE("  balance: random"), "4:12: routes[0].balance", "least_connections"},
    {ROUTE("  health: {failures: 0}"), "4:22: routes[0].health.failures", "1"},
    {ROUTE("  health: {pause: 0s}"), "4:19: routes[0].health.pause", "1ms"},
    {ROUTE("  upstream_networks: lan"), "4:22: routes[0].upstream_networks", "10.0.0.0/8"},
    {ROUTE("  upstream_networks: []"), "4:22: routes[0].upstream_networks", "empty list"},
    {ROUTE("  limits: {requests: 0}"), "4:22: routes[0].limits.requests", "1"},
    {ROUTE("  websocket: on"), "4:14: routes[0].websocket", "must be true or false"},
    {ROUTE("  retry: always"), "4:10: routes[0].retry", "one of off|safe"},
    {ROUTE("  allow_plaintext_credential: 1"), "4:31: routes[0].allow_plaintext_credential",
     "true or false"},
};

static void refuses_bad_routes(void **state) {
    (void)state;
    ACCEPT_ALL(GOOD_ROUTES);
    REFUSE_ALL(BAD_ROUTES);
}

#define FAR_ROUTE(rest)                                                                            \
    CREDENTIAL("{bearer: local/x}\nroutes:\n- name: r\n  upstream: http://db.example\n" rest)

static void refuses_credentials_in_the_clear(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        FAR_ROUTE("  credential: c\n  allow_plaintext_credential: true"),
        CREDENTIAL("{bearer: local/x}\nroutes: [{name: r, credential: c, upstream: "
                   "[\"http://127.9.9.9\", \"http://localhost\", \"http://[::1]\", \"unix:/x\"]}]"),
        "routes: [{name: r, upstream: \"http://db.example\"}]",
    };
    static const struct config_case CASES[] = {
        {FAR_ROUTE("  credential: c"), "7:13: routes[0].upstream", "`c` would cross the network"},
        {FAR_ROUTE("  access: [{role: Reader, to: {everyone: true}, credential: c}]"),
         "7:13: routes[0].upstream", "unencrypted"},
        {FAR_ROUTE("access: [{role: Reader, to: {everyone: true}, credential: c}]"),
         "7:13: routes[0].upstream", "unencrypted"},
        {FAR_ROUTE("  credential: c\n  allow_plaintext_credential: false"),
         "7:13: routes[0].upstream", "allow_plaintext_credential: true"},
        {CREDENTIAL("{bearer: local/x}\nroutes: [{name: r, credential: c, upstream: "
                    "[\"http://127.0.0.1\", \"http://10.0.0.1\"]}]"),
         "5:66: routes[0].upstream[1]", "unencrypted"},
        {CREDENTIAL("{bearer: local/x}\nroutes: [{name: r, credential: c, upstream: "
                    "\"http://localhost.example\"}]"),
         "5:45: routes[0].upstream", "unencrypted"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_roles_and_actions),    cmocka_unit_test(refuses_bad_rules),
        cmocka_unit_test(refuses_bad_conditions),           cmocka_unit_test(refuses_bad_routes),
        cmocka_unit_test(refuses_credentials_in_the_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
