/* What is accepted with a warning, and what must not be warned about. */
#include "config_case.h"

#define LOCAL "vaults: {local: \"file:/s\"}\ncredentials: {c: {bearer: local/x}}\n"
#define PROD "identity: {managed: system}\nvaults: {prod: \"https://x.vault.azure.net\"}\n"
#define GRANTED "access: [{role: Reader, to: {everyone: true}, credential: c}]\n"

#define FAR_ROUTE(rest)                                                                            \
    "routes:\n- {name: far, upstream: \"https://db.example:8443/base\", " rest "}\n"
#define EXCHANGE "credentials: {c: {on_behalf_of: {scope: api://o/Read}}}\n"

static const struct config_case WARNED_ONCE[] = {
    {"listen: 0.0.0.0:8080", "1:9: listen", "`0.0.0.0:8080` is reachable from other machines"},
    {"listen: :8080", "1:9: listen", "without TLS"},
    {"listen: [127.0.0.1:1, {address: 10.0.0.1:2}]", "1:23: listen[1]", "`10.0.0.1:2`"},
    {"listen: gw.example:80", "1:9: listen", "give it tls"},
    {"admin: 0.0.0.0:9090", "1:8: admin", "health, metrics and the status page"},
    {LOCAL, "2:15: credentials.c", "no access entry and no route gives this credential"},
    {"vaults: {local: \"file:/s\"}", "1:10: vaults.local", "no credential uses this vault"},
    {LOCAL GRANTED "secrets: {local/y: {refresh: 1m}}", "4:11: secrets.local/y",
     "no credential uses this secret"},
    {"roles: {X: {actions: [\"* /\"]}}", "1:9: roles.X", "no access entry gives this role"},
    {"assertion: {issuer: https://gw.example}", "1:1: assertion", "no route sends assertions"},
    {"access: []", "4:10: routes[0]", "nobody can reach this route"},
    {"access: [{role: Reader, to: {tenant: " CLIENT "}}]", "1:38: access[0].to.tenant",
     "can never match"},
    {"entra: {tenant: " TENANT ", audience: api://x, token_versions: [2]}", "1:65: entra.audience",
     "no token can match"},
    {"entra: {tenant: " TENANT ", audience: 8D1E6F20-1B2C-4D3E-8F90-A1B2C3D4E5F6}",
     "1:65: entra.audience", "write " CLIENT},
    {"entra: {tenant: " TENANT ", audience: api://x, groups: {overage: graph, form: name}}",
     "1:92: entra.groups.overage", "no effect with {form: name}"},
    {"access: [{role: Reader, to: {group: " GROUP "}}]", "3:1: entra",
     "looking their groups up needs `identity`"},
    {"deny: [{to: {app_role: X, group: " GROUP "}}]", "3:1: entra", "groups_unknown"},
    {"entra: {tenant: " TENANT ", audience: api://x, groups: {overage: graph}}\n"
     "routes: [{name: a, upstream: \"http://127.0.0.1:1\", access: [{role: Reader, "
     "to: [{everyone: true}, {group: " GROUP "}]}]}]",
     "1:74: entra.groups", "write groups: {overage: refuse}"},
    {"identity: {client: {id: " CLIENT ", secret_file: f}, endpoint: \"http://127.0.0.1\"}",
     "1:90: identity.endpoint", "has no effect"},
    {"identity: {managed: system}\nvaults: {prod: \"https://vault.example\"}\n"
     "credentials: {c: {bearer: prod/x}}\n" GRANTED,
     "2:16: vaults.prod", "not a Key Vault of this cloud (NAME.vault.azure.net)"},
    {"credentials: {c: {headers: {X-Api-Key: hunter2}}}\n" GRANTED, "1:18: credentials.c",
     "holds no secret of a vault"},
    {LOCAL "routes:\n- {name: a, path: /a, upstream: \"http://127.0.0.1:1\", credential: c}\n"
           "- {name: b, path: /b, upstream: \"http://127.0.0.1:2\", credential: c}",
     "5:67: routes[1].credential", "another upstream on route `a` too"},
    {LOCAL "routes:\n- {name: a, path: /a, upstream: \"http://127.0.0.1:1\", credential: c}\n"
           "- name: b\n  upstream: unix:/x\n"
           "  access: [{role: Reader, to: {everyone: true}, credential: c}]",
     "7:61: routes[1].access[0].credential", "share a secret"},
    {LOCAL "routes:\n- {name: a, path: /a, upstream: [\"http://127.0.0.1:1\", "
           "\"http://127.0.0.1:2\"], credential: c}\n"
           "- {name: b, path: /b, upstream: [\"http://127.0.0.1:1\", \"http://127.0.0.1:3\"], "
           "credential: c}",
     "5:91: routes[1].credential", "another upstream on route `a` too"},
    {"vaults: {local: \"file:/s\"}\n"
     "credentials: {c: {bearer: local/x}, d: {headers: {X: \"a{local/y}{local/x}\"}}}\n"
     "routes:\n- {name: a, path: /a, upstream: \"http://127.0.0.1:1\", credential: c}\n"
     "- {name: b, path: /b, upstream: \"http://127.0.0.1:2\", credential: d}",
     "5:67: routes[1].credential", "goes to another upstream too, in `c` on route `a`"},
    {LOCAL "routes:\n- {name: a, path: /a, upstream: \"http://127.0.0.1:1\"}\n"
           "- {name: b, path: /b, upstream: \"http://127.0.0.1:2\"}\n" GRANTED,
     "6:59: access[0].credential", "of `a` and of `b` too"},
    {LOCAL FAR_ROUTE("tls: {verify: false}, credential: c"), "4:71: routes[0].tls.verify",
     "is given the credential `c`"},
    {FAR_ROUTE("tls: {verify: false}"), "2:71: routes[0].tls.verify",
     "whoever answers in the upstream's place is believed"},
    {LOCAL FAR_ROUTE("preserve_host: true, credential: c"), "4:72: routes[0].preserve_host",
     "callers choose the Host with which the credential `c` goes out"},
    {LOCAL GRANTED "routes: [{name: r, upstream: \"https://a.example\", preserve_host: true}]",
     "4:66: routes[0].preserve_host", "give the route a `host`"},
    {"vaults: {a: {url: \"file:/x\", api_version: 7.5}}\n"
     "credentials: {c: {bearer: a/x}}\n" GRANTED,
     "1:30: vaults.a.api_version", "has no effect"},
    {"identity: {workload: {client_id: " CLIENT ", token_file: f}, "
     "endpoint: \"http://127.0.0.1\"}",
     "1:98: identity.endpoint", "has no effect"},
    {"identity: {client: {id: " CLIENT ", secret_file: f}}\n" EXCHANGE
     "access: [{role: Reader, to: [{app: " GROUP "}, {app: " CLIENT "}], credential: c}]",
     "3:29: access[0].to", "only applications match"},
    {"identity: {client: {id: " CLIENT ", secret_file: f}}\n" EXCHANGE
     "access: []\nroutes: [{name: r, upstream: \"https://a.example\", credential: c, "
     "access: [{role: Reader, to: {app: " GROUP "}}]}]",
     "4:94: routes[0].access[0].to", "use an entra_token"},
    {"identity: {client: {id: " GROUP ", secret_file: f}}\n" EXCHANGE GRANTED,
     "2:19: credentials.c.on_behalf_of", "does not list `identity`'s " GROUP},
    {"credentials: {c: {query: {key: hunter2}}}\n" GRANTED, "1:18: credentials.c",
     "holds no secret of a vault"},
};

static void warns_once_each(void **state) {
    (void)state;
    WARN_ALL(WARNED_ONCE);
}

/* As audit lines and explanations know it; the path has its number only. */
static void names_the_route(void **state) {
    (void)state;
    static const struct config_case WARNED[] = {
        {"access: []\nroutes: [{name: r, upstream: \"http://127.0.0.1\"}]", "2:10: routes[0]",
         "{group: OBJECT_ID}}] (route `r`)"},
        {"routes: [{name: q, path: /q, upstream: \"http://127.0.0.1\"}, "
         "{name: r, upstream: \"http://127.0.0.1\", shadow: true}]",
         "1:109: routes[1].shadow", "(route `r`)"},
    };
    static const struct config_case REFUSED[] = {
        {"routes: [{name: r, upstream: \"http://127.0.0.1\", acess: []}]", "1:50: routes[0].acess",
         "(route `r`)"},
        {"routes: [{name: r}]", "1:10: routes[0].upstream", "(route `r`)"},
        {"routes: [{name: r, upstream: \"http://127.0.0.1\", access: [{role: Reader, to: {group: "
         "g}}]}]",
         "1:86: routes[0].access[0].to.group", "(route `r`)"},
    };
    WARN_ALL(WARNED);
    REFUSE_ALL(REFUSED);
}

static void does_not_warn_of_what_is_fine(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        "",
        "listen: [\"127.0.0.2:1\", \"[::1]:2\", localhost:3, \"unix:/x\"]\nadmin: off",
        LOCAL GRANTED "secrets: {local/x: {refresh: 1m}}",
        PROD "credentials: {c: {bearer: prod/X}}\nsecrets: {prod/x: {refresh: 1m}}\n" GRANTED,
        "roles: {X: {actions: [\"* /\"]}}\naccess: [{role: X, to: {everyone: true}}]",
        "entra: {tenant: " TENANT ", audience: [api://x, " CLIENT "], token_versions: [2]}",
        "access: [{role: Reader, to: {tenant: " TENANT "}}]",
        "credentials: {c: {headers: {X-User: a, X-Key: \"{local/x}\"}}}\n"
        "vaults: {local: \"file:/s\"}\n" GRANTED,
        LOCAL "routes:\n- {name: a, path: /a, upstream: \"http://127.0.0.1:1\", credential: c}\n"
              "- {name: b, path: /b, upstream: \"http://127.0.0.1:1/b\", credential: c}",
        LOCAL "routes:\n- {name: a, path: /a, upstream: [\"http://127.0.0.1:1\", "
              "\"http://127.0.0.1:2\"], credential: c}\n"
              "- {name: b, path: /b, upstream: \"http://127.0.0.1:2\", credential: c}",
        "vaults: {local: \"file:/s\"}\n"
        "credentials: {c: {bearer: local/x}, d: {bearer: local/y}}\n"
        "routes:\n- {name: a, path: /a, upstream: \"http://127.0.0.1:1\", credential: c}\n"
        "- {name: b, path: /b, upstream: \"http://127.0.0.1:2\", credential: d}",
        LOCAL "routes:\n- {name: a, path: /a, upstream: \"http://127.0.0.1:1/a\"}\n"
              "- {name: b, path: /b, upstream: \"http://127.0.0.1:1/b\"}\n" GRANTED,
        LOCAL FAR_ROUTE("host: db.example, preserve_host: true, credential: c"),
        FAR_ROUTE("preserve_host: true"),
        LOCAL FAR_ROUTE("preserve_host: false, credential: c"),
        LOCAL FAR_ROUTE("tls: {ca: f, server_name: db.internal}, credential: c"),
        "vaults: {local: \"file:/s\"}\ncredentials: {c: {client_certificate: local/x}}\nroutes:\n"
        "- {name: a, path: /a, upstream: \"https://a.example\", tls: {certificate: c}}\n"
        "- {name: b, path: /b, upstream: \"https://b.example\", credential: c}",
        "identity: {client: {id: " CLIENT ", secret_file: f}}\n" EXCHANGE
        "access: [{role: Reader, to: [{app: " GROUP "}, {user: " CLIENT "}], credential: c}]",
        "access: []\nroutes: [{name: r, upstream: \"http://127.0.0.1\", access: [{role: Reader, "
        "to: "
        "{everyone: true}}]}]",
    };
    SILENT_ALL(TEXTS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warns_once_each),
        cmocka_unit_test(names_the_route),
        cmocka_unit_test(does_not_warn_of_what_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
