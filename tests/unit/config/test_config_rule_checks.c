/* Rules that can never match or change nothing, and those that look like it and do not. */
#include "config_case.h"

#define USER "e0d1c2b3-a495-4867-9588-776655443322"
#define EVERYONE "to: {everyone: true}"
#define TO_GROUP "to: {app_role: Ops}"
#define READ "{role: Reader, " EVERYONE "}"
#define ROUTE(rest) "routes:\n- {name: r, path: /r, upstream: \"http://127.0.0.1:1\", " rest "}\n"
#define TWO_TENANTS "entra: {tenant: [" TENANT ", " GROUP "], audience: x}\n"

static void warns_of_entries_behind_wider_ones(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"access:\n- {role: Reader, " EVERYONE "}\n- {role: Reader, " TO_GROUP "}",
         "3:3: access[1]", "can never match: `access[0]` before it grants the same or more"},
        {"access:\n- {actions: [\"* /a/**\"], " TO_GROUP "}\n- {role: Reader, " TO_GROUP "}\n"
         "- {actions: [\"GET,PUT /a/b*\"], " TO_GROUP "}",
         "4:3: access[2]", "`access[0]`"},
        {"access: []\n" ROUTE("access: [" READ ", " READ "]"), "3:102: routes[0].access[1]",
         "`routes.r.access[0]`"},
        {"access:\n- {role: Reader, to: {app_role: [A, B, C]}}\n"
         "- {role: Reader, to: [{app_role: [C, A]}, {app_role: B, tenant: " TENANT "}], "
         "when: {mfa: true}}",
         "3:3: access[1]", "put it before that one, or leave it out"},
        {"listen: 127.0.0.1:1\ntrusted_proxies: [127.0.0.1]\n"
         "access:\n- {role: Reader, " TO_GROUP ", when: {client: 10.0.0.0/8}}\n"
         "- {role: Reader, " TO_GROUP ", when: {client: [10.1.0.0/16, 10.9.9.9]}}",
         "5:3: access[1]", "`access[0]`"},
        {"access:\n- {role: Reader, " TO_GROUP "}\ndeny: [{" EVERYONE ", actions: [\"* /**\"]}]",
         "2:3: access[0]", "never grants: `deny[0]` refuses all of it"},
        {ROUTE("access: [{actions: [\"GET /x\"], " TO_GROUP "}], "
               "deny: [{" EVERYONE ", actions: [\"* /x\"]}]"),
         "2:64: routes[0].access[0]", "never grants: `routes.r.deny[0]`"},
        {"deny:\n- {to: {app_role: [A, B]}}\n- {to: {app_role: A}, actions: [\"* /x\"]}",
         "3:3: deny[1]", "changes nothing: `deny[0]` refuses the same or more"},
        {ROUTE("deny: [{to: {app_role: A}, actions: [\"PUT /x\"]}]") "deny:\n- {to: {app_role: A}, "
                                                                     "actions: [\"* /**\"]}",
         "2:62: routes[0].deny[0]", "`deny[0]`"},
    };
    WARN_ALL(CASES);
}

static void says_nothing_of_entries_that_add_something(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        /* narrower first */
        "access: [{role: Reader, " TO_GROUP "}, " READ "]",
        /* other actions, callers, conditions */
        "access: [{role: Reader, " TO_GROUP "}, {role: Contributor, " TO_GROUP "}]",
        "access: [{role: Reader, to: {app_role: A}}, {role: Reader, to: {app_role: [A, B]}}]",
        "access: [{role: Reader, to: {app_role: A, tenant: " TENANT "}}, "
        "{role: Reader, to: {app_role: A}}]",
        "access: [{role: Reader, to: {app_role: A}, when: {mfa: true}}, "
        "{role: Reader, to: {app_role: A}}]",
        "access: [{role: Reader, to: {app_role: A}, when: {acrs: c1}}, "
        "{role: Reader, to: {app_role: A}, when: {acrs: [c1, c2]}}]",
        "trusted_proxies: [127.0.0.1]\n"
        "access: [{role: Reader, to: {app_role: A}, when: {client: 10.1.0.0/16}}, "
        "{role: Reader, to: {app_role: A}, when: {client: 10.0.0.0/8}}]",
        "access: [{actions: [\"GET /a/*\"], " TO_GROUP "}, {actions: [\"GET /a/**\"], " TO_GROUP
        "}]",
        "access: [{actions: [\"GET /a/*\"], " TO_GROUP "}, {actions: [\"GET /a/b/c\"], " TO_GROUP
        "}]",
        "access: [{actions: [\"GET /a\"], " TO_GROUP "}, {actions: [\"HEAD /a\"], " TO_GROUP "}]",
        "roles: {R: {actions: [\"* /**\"], not_actions: [\"PUT /x\"]}}\n"
        "access: [{role: R, " TO_GROUP "}, {actions: [\"PUT /**\"], " TO_GROUP "}]",
        /* what does not decide takes nothing away */
        "access: [{role: Reader, " TO_GROUP ", shadow: true}, {role: Reader, " TO_GROUP "}]",
        "access: [{role: Reader, " TO_GROUP "}]\ndeny: [{" EVERYONE ", shadow: true}]",
        "deny: [{to: {app_role: A}, shadow: true}, {to: {app_role: A}, actions: [\"* /x\"]}]",
        /* refusals that leave something */
        "access: [{role: Reader, " EVERYONE "}]\ndeny: [{to: {app_role: A}}]",
        "access: [{role: Reader, " TO_GROUP "}]\ndeny: [{" EVERYONE ", actions: [\"GET /**\"]}]",
        "access: [{role: Reader, " TO_GROUP "}]\ndeny: [{" EVERYONE ", when: {mfa: true}}]",
        "deny: [{to: {app_role: A}, actions: [\"* /x\"]}, {to: {app_role: A}}]",
    };
    SILENT_ALL(TEXTS);
}

static void warns_of_principals_that_nobody_is(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"access: [{role: Reader, to: {app: " GROUP ", scope: a}}]", "1:73: access[0].to.scope",
         "can never match: `app` is about tokens that applications get for themselves"},
        {"access: [{role: Reader, to: {user: " USER ", app: " GROUP "}}]", "1:74: access[0].to.app",
         "never a user who comes through it"},
        {TWO_TENANTS "access: [{role: Reader, to: [{app_role: A}, {user: " USER "}]}]",
         "2:45: access[0].to[1]", "tokens of 2 tenants are accepted"},
        {"entra: {tenant: [" TENANT ", " GROUP "], audience: x, groups: {form: name}}\n"
         "deny: [{to: {group: Admins}}]",
         "2:13: deny[0].to", "add tenant: GUID"},
    };
    WARN_ALL(CASES);
    static const char *const TEXTS[] = {
        "access: [{role: Reader, to: [{app: " GROUP "}, {scope: a}]}]",
        "access: [{role: Reader, to: {app: " GROUP ", app_role: a}}]",
        "access: [{role: Reader, to: {user: " USER ", scope: a}}]",
        "access: [{role: Reader, to: {user: " USER "}}]",
        TWO_TENANTS "access: [{role: Reader, to: {user: " USER ", tenant: " TENANT "}}]",
        TWO_TENANTS "access: [{role: Reader, to: [{app: " USER "}, {app_role: x}, {scope: y}]}]",
    };
    SILENT_ALL(TEXTS);
}

static void knows_the_tenants_of_issuers(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        "entra:\n  tenant: " TENANT "\n  audience: x\n  issuers:\n  - name: customers\n"
        "    metadata: https://c.b2clogin.com/c/flow/v2.0/.well-known/openid-configuration\n"
        "    issuer: https://c.b2clogin.com/" GROUP "/v2.0/\n    audience: shop\n"
        "    tenant: " GROUP "\naccess: [{role: Reader, to: {tenant: " GROUP "}}]"};
    SILENT_ALL(TEXTS);
}

static void warns_of_actions_that_no_request_has(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {ROUTE("access: [{actions: [\"GET /r/api/**\"], " TO_GROUP "}]"),
         "2:75: routes[0].access[0].actions[0]", "it means /r/r/api/**; write /api/**"},
        {ROUTE("deny: [{actions: [\"* /r\"], " TO_GROUP "}]"), "2:73: routes[0].deny[0].actions[0]",
         "write /"},
        {"roles: {R: {actions: [\"GET /r/**\"]}}\n" ROUTE("access: [{role: R, " TO_GROUP
                                                          "}, {role: R, to: {app_role: Other}}]"),
         "3:71: routes[0].access[0].role", "`/r/**` is judged below the route's own, /r"},
        {ROUTE("access: [{actions: [\"GET /v/%2F/x\"], " TO_GROUP "}]"),
         "2:75: routes[0].access[0].actions[0]", "the route refuses %2F"},
        {"roles: {R: {actions: [\"GET /a/**\", \"PUT /a/b\"], not_actions: [\"* /a/b\"]}}\n"
         "access: [{role: R, " TO_GROUP "}]",
         "1:36: roles.R.actions[1]", "not_actions takes all of it away with `* /a/b`"},
        {"roles: {R: {actions: [\"GET /a/\"]}}\naccess: [{role: R, " TO_GROUP "}]",
         "1:23: roles.R.actions[0]", "neither `/a` nor what is below; write /a/**"},
        {"access: [{actions: [\"GET /a\", \"PUT /a/\"], " TO_GROUP "}]",
         "1:31: access[0].actions[1]", "allows `/a/` alone"},
    };
    WARN_ALL(CASES);
    static const char *const TEXTS[] = {
        ROUTE("access: [{actions: [\"GET /rest/**\"], " TO_GROUP "}]"),
        ROUTE("encoded_slashes: pass, access: [{actions: [\"GET /v/%2F/x\"], " TO_GROUP "}]"),
        "access: [{actions: [\"GET /v/%2F/x\"], " TO_GROUP "}]",
        "access: [{actions: [\"GET /a\", \"GET /a/\"], " TO_GROUP "}]",
        "access: [{actions: [\"GET /a/**\", \"GET /a/\"], " TO_GROUP "}]",
        "access: [{actions: [\"GET /\", \"GET /a/*\"], " TO_GROUP "}]",
        "deny: [{actions: [\"GET /a/\", \"PUT /b\"], " TO_GROUP "}]",
        "roles: {R: {actions: [\"* /**\"], not_actions: [\"* /a/**\"]}}\n"
        "access: [{role: R, " TO_GROUP "}]",
        "roles: {R: {actions: [\"* /a\"], not_actions: [\"PUT /a\"]}}\n"
        "access: [{role: R, " TO_GROUP "}]",
    };
    SILENT_ALL(TEXTS);
}

static void warns_of_everything_for_everyone(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"access: [{role: Contributor, " EVERYONE "}]", "1:10: access[0]",
         "whoever has a valid token may do everything on every route"},
        {"access: [{actions: [\"* /**\"], to: [{app_role: A}, {everyone: true}]}]",
         "1:10: access[0]", "name a group"},
    };
    WARN_ALL(CASES);
    static const char *const TEXTS[] = {
        "access: [{role: Contributor, " TO_GROUP "}]",
        "access: [{role: Contributor, to: {everyone: true, app_role: A}}]",
        "access: [{role: Contributor, " EVERYONE ", when: {mfa: true}}]",
        "access: [{role: Reader, " EVERYONE "}]",
        ROUTE("access: [{role: Contributor, " EVERYONE "}]"),
        "access: [{role: Contributor, " EVERYONE ", shadow: true}, {role: Reader, " TO_GROUP "}]",
    };
    SILENT_ALL(TEXTS);
}

static void warns_of_what_shadow_makes_idle(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"access: [{role: Reader, " TO_GROUP "}, {role: Contributor, " TO_GROUP
         ", shadow: true, rate: {requests: 1, window: 1s}}]",
         "1:102: access[1].rate", "has no effect while `shadow` is true"},
        {"access: [{role: Reader, " TO_GROUP ", shadow: true}]", "4:10: routes[0]",
         "every `access` entry is under `shadow`"},
    };
    WARN_ALL(CASES);
    static const char *const TEXTS[] = {
        "access: [{role: Reader, " TO_GROUP ", rate: {requests: 1, window: 1s}}]",
    };
    SILENT_ALL(TEXTS);
}

/* Thousands of entries that are all alike but for the last letters: no answer takes long. */
static void comparing_is_bounded(void **state) {
    (void)state;
    size_t size = 1 << 20, len = 0;
    char *yaml = malloc(size);
    assert_non_null(yaml);
    len += (size_t)snprintf(yaml, size, "access:\n");
    for (int i = 0; len < 900000; i++)
        len += (size_t)snprintf(yaml + len, size - len,
                                "- {actions: [\"* /a/*/b*/%d\"], to: {app_role: r%d}}\n", i, i);
    config_unref(case_good(yaml));
    free(yaml);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warns_of_entries_behind_wider_ones),
        cmocka_unit_test(says_nothing_of_entries_that_add_something),
        cmocka_unit_test(warns_of_principals_that_nobody_is),
        cmocka_unit_test(knows_the_tenants_of_issuers),
        cmocka_unit_test(warns_of_actions_that_no_request_has),
        cmocka_unit_test(warns_of_everything_for_everyone),
        cmocka_unit_test(warns_of_what_shadow_makes_idle),
        cmocka_unit_test(comparing_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
