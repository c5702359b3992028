/* Configurations that must be refused, each for one reason, at one place, with words that help.
 * Each table stands beside good values of the same keys. */
#include "config_case.h"

#define ROUTE(rest) "routes:\n- name: r\n  upstream: http://127.0.0.1:3000\n" rest
#define ENTRA(rest) "entra:\n  tenant: " TENANT "\n  audience: " CLIENT "\n" rest
#define ISSUER(name, metadata, issuer, audience, tenant)                                           \
    ENTRA("  issuers:\n    - name: " name "\n      metadata: " metadata "\n      issuer: " issuer  \
          "\n      audience: " audience "\n      tenant: " tenant)
#define C_METADATA "https://c.example/x"
#define C_ISSUER "https://c.example/"
#define VAULTS                                                                                     \
    "identity: {managed: system}\nvaults: {prod: \"https://x.vault.azure.net\", local: "           \
    "\"file:/s\"}\n"
#define CREDENTIAL(value) VAULTS "credentials:\n  c: " value

static void accepts_the_base(void **state) {
    (void)state;
    config_unref(case_good(""));
}

static void refuses_what_is_no_configuration(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"", "0:0: ", "is empty"},
        {"# only a comment\n", "0:0: ", "is empty"},
        {"---\n", "0:0: ", "is empty"},
        {"~\n", "0:0: ", "is empty"},
        {"hello\n", "1:1: ", "must be a mapping"},
        {"- listen\n", "1:1: ", "must be a mapping"},
        {"a: 1\n---\nb: 2\n", "2:1: ", "a second document"},
        {"listen: [a\n", "2:1: ", "not valid YAML"},
        {"listen:\n\t- a\n", "2:1: ", "indent with spaces"},
        {"drain: 5s\n\tstate: x\n", "2:1: ", "indent with spaces, not with a tab"},
        {"log:\n  level: info\n \ton_full: drop\n", "3:2: ", "not with a tab"},
        {"access: [* /**]\n", "1:11: ", "begins with `*` in quotes"},
        {"? [a]\n: b\n", "1:3: ", "a key must be plain text"},
        {"\"\": b\n", "1:1: ", "a key must not be empty"},
        {"\"a\\0b\": b\n", "1:1: ", "a key must not be empty"},
        {"listen: \xff\n", "1:9: ", "not valid YAML"},
        {"&a b: 1\n", "1:1: ", "a key must not have an anchor"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct problem_list problems;
        struct config *config = case_parse_whole(CASES[i].yaml, &problems);
        assert_null(config);
        if (!case_has_only(&problems, PROBLEM_ERROR, CASES[i].where, CASES[i].fragment)) {
            case_print(CASES[i].yaml, &problems);
            fail_msg("expected %s ... %s", CASES[i].where, CASES[i].fragment);
        }
        problem_list_done(&problems);
    }
}

static void refuses_yaml_that_hides_something(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"drain: 5s\ndrain: 6s", "2:1: drain", "twice"},
        {"drain: 5s\n'drain': 6s", "2:1: drain", "twice"},
        {"limits: {headers: 5, headers: 6}", "1:22: limits.headers", "twice"},
        {"drain: &x 5s", "1:8: drain", "anchors"},
        {"drain: *x", "1:8: drain", "aliases"},
        {"drain: !!str 5s", "1:8: drain", "tags"},
        {"limits: !x {headers: 5}", "1:9: limits", "tags"},
        {"listen: &x [127.0.0.1:1]", "1:9: listen", "anchors"},
        {"drain: |\n  5s", "1:8: drain", "line breaks"},
        {"drain: \"5\\0s\"", "1:8: drain", "control characters"},
        {"<<: {drain: 5s}", "1:1: <<", "unknown key"},
    };
    REFUSE_ALL(CASES);
}

static void refuses_unknown_keys_with_a_suggestion(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"lisen: x", "1:1: lisen", "did you mean `listen`?"},
        {"Listen: x", "1:1: Listen", "did you mean `listen`?"},
        {"zebra: x", "1:1: zebra", "the configuration takes: listen, admin"},
        {"expose_reason: true", "1:1: expose_reason", "did you mean `expose_reasons`?"},
        {"stat: /var/lib/barkeep", "1:1: stat", "did you mean `state`?"},
        {ISSUER("customers", C_METADATA, C_ISSUER, "shop", TENANT "\n      issuers: x"),
         "10:7: entra.issuers[0].issuers", "did you mean `issuer`?"},
        {"mcp: {}", "1:1: mcp", "unknown key"},
        {ENTRA("  audiance: x"), "4:3: entra.audiance", "did you mean `audience`?"},
        {ENTRA("  keys: {refesh: 1h}"), "4:10: entra.keys.refesh", "did you mean `refresh`?"},
        {ENTRA("  groups: {from: id}"), "4:12: entra.groups.from", "did you mean `form`?"},
        {"listen: {address: \":1\", ssl: {}}", "1:25: listen.ssl", "unknown key"},
        {"log: {levle: info}", "1:7: log.levle", "did you mean `level`?"},
        {"limits: {header: 1}", "1:10: limits.header", "did you mean `headers`?"},
        {"roles: {X: {actions: [\"* /\"], action: []}}", "1:31: roles.X.action",
         "did you mean `actions`?"},
        {ROUTE("  sockets: true"), "4:3: routes[0].sockets", "unknown key"},
        {ROUTE("  mcp: {}"), "4:3: routes[0].mcp", "unknown key"},
        {ROUTE("  hosts: a.example"), "4:3: routes[0].hosts", "did you mean `host`?"},
        {ROUTE("  timeouts: {heads: 1s}"), "4:14: routes[0].timeouts.heads", "`head`?"},
        {ROUTE("  limits: {boddy: 1}"), "4:12: routes[0].limits.boddy", "`body`?"},
        {"access: [{role: Reader, to: {everyone: true}, wehn: {mfa: true}}]",
         "1:47: access[0].wehn", "did you mean `when`?"},
        {"access: [{role: Reader, to: {gruop: " GROUP "}}]", "1:30: access[0].to.gruop",
         "did you mean `group`?"},
        {"deny: [{role: Reader, to: {everyone: true}}]", "1:9: deny[0].role", "unknown key"},
        {CREDENTIAL("{quary: {}, bearer: local/x}"), "4:7: credentials.c.quary",
         "did you mean `query`?"},
        {"routes: [{name: r, upstream: \"https://a.example\", tls: {cas: f}}]",
         "1:57: routes[0].tls.cas", "did you mean `ca`?"},
        {CREDENTIAL("{basic: {user: a, username: a, password: local/x}}"),
         "4:15: credentials.c.basic.user", "unknown key"},
        {CREDENTIAL("{basic: {username: {secert: local/x, secret: local/x}, password: local/x}}"),
         "4:26: credentials.c.basic.username.secert", "did you mean `secret`?"},
        {CREDENTIAL("{bearer: local/x}\nsecrets: {local/x: {refersh: 1m}}"),
         "5:21: secrets.local/x.refersh", "did you mean `refresh`?"},
    };
    REFUSE_ALL(CASES);
}

static void refuses_what_is_missing(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"entra: {audience: x}", "1:8: entra.tenant", "is missing; write the GUID"},
        {"entra: {tenant: " TENANT "}", "1:8: entra.audience", "is missing"},
        {"routes: [{upstream: \"http://127.0.0.1\"}]", "1:10: routes[0].name", "is missing"},
        {"routes: [{name: r}]", "1:10: routes[0].upstream", "is missing"},
        {"routes: [{name: r, upstreem: \"http://127.0.0.1\"}]", "1:20: routes[0].upstreem",
         "unknown key, did you mean `upstream`?"},
        {"acess: [{role: Reader, to: {everyone: true}}]", "1:1: acess", "did you mean `access`?"},
        {"routes: []", "1:9: routes", "at least one route"},
        {"routes: {name: r}", "1:9: routes", "got a mapping"},
        {"listen: {}", "1:9: listen.address", "is missing"},
        {"listen: []", "1:9: listen", "empty list"},
        {"listen:", "1:1: listen", "has no value"},
        {"drain:", "1:1: drain", "has no value"},
        {"roles: {X: {not_actions: []}}", "1:12: roles.X.actions", "is missing"},
        {"access: [{role: Reader}]", "1:10: access[0].to", "is missing"},
        {"access: [{to: {everyone: true}}]", "1:10: access[0]", "needs `role` or `actions`"},
        {"deny: [{actions: [\"* /\"]}]", "1:8: deny[0].to", "is missing"},
        {"identity: {client: {secret_file: f}}", "1:20: identity.client.id", "is missing"},
        {"identity: {tenant: " TENANT "}", "1:11: identity", "needs one of {managed: system}"},
        {CREDENTIAL("{basic: {username: a}}"), "4:14: credentials.c.basic.password", "is missing"},
        {CREDENTIAL("{basic: {password: local/a}}"), "4:14: credentials.c.basic.username",
         "is missing"},
        {CREDENTIAL("{}"), "4:6: credentials.c",
         "one of basic, bearer, headers, query, cookie, entra_token, on_behalf_of and "
         "client_certificate"},
        {CREDENTIAL("{basic: {username: {}, password: local/a}}"),
         "4:25: credentials.c.basic.username.secret", "is missing"},
    };
    REFUSE_ALL(CASES);
}

static void names_every_required_section(void **state) {
    (void)state;
    struct problem_list problems;
    assert_null(case_parse_whole("drain: 5s\n", &problems));
    assert_int_equal(problems.error_count, 3);
    assert_string_equal(problems.items[0].path, "listen");
    assert_string_equal(problems.items[1].path, "entra");
    assert_string_equal(problems.items[2].path, "routes");
    problem_list_done(&problems);
}

static void refuses_bad_addresses(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        "listen: \":8080\"",
        "listen: \"*:8080\"",
        "listen: localhost:1",
        "listen: [\"[::1]:8080\", \"unix:/run/barkeep.sock\", {address: 10.0.0.1:65535}]",
        "admin: off",
        "admin: \"unix:/run/admin.sock\"",
        "workers: 256",
        "workers: auto",
    };
    static const struct config_case CASES[] = {
        {"listen: 8080", "1:9: listen", "write 127.0.0.1:8080"},
        {"listen: localhost", "1:9: listen", "got `localhost`"},
        {"listen: 127.0.0.1:0", "1:9: listen", "port must be 1-65535, got `0`"},
        {"listen: 127.0.0.1:65536", "1:9: listen", "port must be 1-65535, got `65536`"},
        {"listen: 127.0.0.1:http", "1:9: listen", "port must be 1-65535, got `http`"},
        {"listen: 127.0.0.1:08080", "1:9: listen", "port must be 1-65535"},
        {"listen: \"::1:8080\"", "1:9: listen", "must be an address"},
        {"listen: \"[::1]\"", "1:9: listen", "must be an address"},
        {"listen: \"[::1\"", "1:9: listen", "must be an address"},
        {"listen: \"[]:1\"", "1:9: listen", "must be an address"},
        {"listen: \"[127.0.0.1]:1\"", "1:9: listen", "must be an address"},
        {"listen: 256.0.0.1:80", "1:9: listen", "no host name or address"},
        {"listen: 127.1:80", "1:9: listen", "no host name or address"},
        {"listen: a_b..c:80", "1:9: listen", "no host name or address"},
        {"listen: unix:run/x", "1:9: listen", "absolute path"},
        {"listen: \"unix:\"", "1:9: listen", "absolute path"},
        {"listen: [127.0.0.1:1, 127.0.0.1:1]", "1:23: listen[1]", "taken already"},
        {"listen: [[127.0.0.1:1]]", "1:10: listen[0]", "got a list"},
        {"listen: {address: 127.0.0.1:1, tls: {}}", "1:37: listen.tls.certificate", "is missing"},
        {"listen: {address: 127.0.0.1:1, tls: {key: k}}", "1:37: listen.tls.certificate",
         "is missing"},
        {"listen: {address: 127.0.0.1:1, tls: cert.pem}", "1:37: listen.tls", "mapping"},
        {"listen: {address: 127.0.0.1:1, tls: {certificates: []}}", "1:52: listen.tls.certificates",
         "list of"},
        {"listen: {address: 127.0.0.1:1, tls: {certificates: [{key: k}]}}",
         "1:53: listen.tls.certificates[0].certificate", "is missing"},
        {"listen: {address: 127.0.0.1:1, tls: {certificate: c, certificates: [{certificate: d}]}}",
         "1:38: listen.tls.certificate", "beside `certificates`"},
        {"listen: {address: 127.0.0.1:1, tls: {certificate: c, client_auth: optional}}",
         "1:54: listen.tls.client_auth", "needs `client_ca`"},
        {"listen: true", "1:9: listen", "put it in quotes"},
        {"listen: \"\"", "1:9: listen", "empty text"},
        {"admin: on", "1:8: admin", "must be an address"},
        {"admin: false", "1:8: admin", "must be an address"},
        {"admin: 127.0.0.1:8080", "1:8: admin", "taken already"},
        {"workers: 0", "1:10: workers", "1 to 256; got `0`"},
        {"workers: 257", "1:10: workers", "1 to 256"},
        {"workers: 1.5", "1:10: workers", "1 to 256"},
        {"workers: \"4\"", "1:10: workers", "1 to 256"},
        {"workers: many", "1:10: workers", "must be auto"},
        {"workers: 0x10", "1:10: workers", "1 to 256"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void refuses_bad_entra_settings(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        ENTRA("  clock_skew: 0s"),
        ENTRA("  clock_skew: 300s"),
        ENTRA("  authority: http://127.0.0.1:8080/"),
        ENTRA("  authority: \"http://[::1]:8080\""),
        ENTRA("  authority: http://localhost:1/base"),
        ENTRA("  token_versions: 2"),
        ENTRA("  groups: {overage: refuse, form: name}"),
        ENTRA("  groups: {overage: graph}"),
        ENTRA("  issuers: []"),
        ENTRA("  metadata_appid: " CLIENT),
        ISSUER("customers", C_METADATA, C_ISSUER, "[a, b]", TENANT),
        "state: /var/lib/barkeep",
        "state: state",
    };
    static const struct config_case CASES[] = {
        {"entra: x", "1:8: entra", "must be a mapping"},
        {"entra: {tenant: common, audience: x}", "1:17: entra.tenant", "`common` is not a GUID"},
        {"entra: {tenant: contoso.onmicrosoft.com, audience: x}", "1:17: entra.tenant", "GUID"},
        {"entra: {tenant: 3f2b8c1a6d4e4b7f9a215c0de1f2a3b4, audience: x}", "1:17: entra.tenant",
         "not a GUID"},
        {"entra: {tenant: \"{" TENANT "}\", audience: x}", "1:17: entra.tenant", "not a GUID"},
        {"entra: {tenant: 3f2b8c1g-6d4e-4b7f-9a21-5c0de1f2a3b4, audience: x}", "1:17: entra.tenant",
         "not a GUID"},
        {"entra: {tenant: [" TENANT ", 7], audience: x}", "1:56: entra.tenant[1]", "quotes"},
        {"entra: {tenant: [], audience: x}", "1:17: entra.tenant", "empty list"},
        {"entra: {tenant: " TENANT ", audience: \"\"}", "1:65: entra.audience", "empty text"},
        {"entra: {tenant: " TENANT ", audience: a b}", "1:65: entra.audience", "holds a space"},
        {"entra: {tenant: " TENANT ", audience: [a, {}]}", "1:69: entra.audience[1]",
         "got a mapping"},
        {ENTRA("  cloud: german"), "4:10: entra.cloud", "one of public|usgov|china, got `german`"},
        {ENTRA("  cloud: pubilc"), "4:10: entra.cloud", "did you mean `public`?"},
        {ENTRA("  cloud: true"), "4:10: entra.cloud", "one of"},
        {ENTRA("  authority: http://login.example"), "4:14: entra.authority",
         "plain http is accepted on loopback addresses only; write https://login.example"},
        {ENTRA("  authority: login.example"), "4:14: entra.authority", "must begin with https://"},
        {ENTRA("  authority: https://u:p@login.example"), "4:14: entra.authority", "user name"},
        {ENTRA("  authority: https://login.example?x"), "4:14: entra.authority", "query"},
        {ENTRA("  authority: \"https://login.example#x\""), "4:14: entra.authority", "fragment"},
        {ENTRA("  authority: https://"), "4:14: entra.authority", "no host"},
        {ENTRA("  authority: https://login.example:x"), "4:14: entra.authority", "port"},
        {ENTRA("  authority: http://127.0.0.1.example"), "4:14: entra.authority", "loopback"},
        {ENTRA("  authority: http://2130706433"), "4:14: entra.authority", "malformed host"},
        {ENTRA("  token_versions: []"), "4:19: entra.token_versions", "empty list"},
        {ENTRA("  token_versions: [1, 3]"), "4:23: entra.token_versions[1]", "must be 1 or 2"},
        {ENTRA("  token_versions: [\"1\"]"), "4:20: entra.token_versions[0]", "must be 1 or 2"},
        {ENTRA("  metadata_appid: orders"), "4:19: entra.metadata_appid", "not a GUID"},
        {ENTRA("  issuers: x"), "4:12: entra.issuers", "must be a list of issuers"},
        {ENTRA("  issuers: [x]"), "4:13: entra.issuers[0]", "must be a mapping"},
        {ISSUER("a b", C_METADATA, C_ISSUER, "shop", TENANT), "5:13: entra.issuers[0].name",
         "made of letters"},
        {ISSUER("../a", C_METADATA, C_ISSUER, "shop", TENANT), "5:13: entra.issuers[0].name",
         "made of letters"},
        {ISSUER("customers", "http://c.example/x", C_ISSUER, "shop", TENANT),
         "6:17: entra.issuers[0].metadata", "loopback addresses only"},
        {ISSUER("customers", C_METADATA, "https://c.example/{tenantid}/", "shop", TENANT),
         "7:15: entra.issuers[0].issuer", "without placeholders"},
        {ISSUER("customers", C_METADATA, "customers", "shop", TENANT),
         "7:15: entra.issuers[0].issuer", "must be a URL"},
        {ISSUER("customers", C_METADATA, "https://login.microsoftonline.com/" TENANT "/v2.0",
                "shop", TENANT),
         "7:15: entra.issuers[0].issuer", "of the Entra authority itself"},
        {ISSUER("customers", C_METADATA, "https://sts.windows.net/" TENANT "/", "shop", TENANT),
         "7:15: entra.issuers[0].issuer", "of the Entra authority itself"},
        {ISSUER("customers", C_METADATA, C_ISSUER, "shop", "common"),
         "9:15: entra.issuers[0].tenant", "not a GUID"},
        {ISSUER("customers", C_METADATA, C_ISSUER, "[]", TENANT), "8:17: entra.issuers[0].audience",
         "empty list"},
        {ENTRA("  clock_skew: 301s"), "4:15: entra.clock_skew", "from 0s to 5m, got `301s`"},
        {ENTRA("  clock_skew: 1500ms"), "4:15: entra.clock_skew", "whole seconds"},
        {ENTRA("  clock_skew: 60"), "4:15: entra.clock_skew", "a whole number with ms, s, m or h"},
        {ENTRA("  clock_skew: -1s"), "4:15: entra.clock_skew", "must be a duration"},
        {ENTRA("  clock_skew: [1s]"), "4:15: entra.clock_skew", "must be a duration"},
        {ENTRA("  keys: {refresh: 0s}"), "4:19: entra.keys.refresh", "from 1s to 24h"},
        {ENTRA("  keys: {refresh: 2h, max_stale: 1h}"), "4:9: entra.keys", "not be longer"},
        {ENTRA("  keys: {max_stale: 1d}"), "4:21: entra.keys.max_stale", "got `1d`"},
        {ENTRA("  keys: 1h"), "4:9: entra.keys", "must be a mapping (keys takes: refresh"},
        {ENTRA("  groups: {overage: pass}"), "4:21: entra.groups.overage",
         "must be one of graph|refuse, got `pass`"},
        {ENTRA("  groups: {form: guid}"), "4:18: entra.groups.form", "one of id|name"},
        {ENTRA("  max_token_lifetime: 0s"), "4:23: entra.max_token_lifetime", "from 1s"},
        {ENTRA("  max_token_lifetime: 99999999999999999999h"), "4:23: entra.max_token_lifetime",
         "must be a duration"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void refuses_two_issuers_of_one_name(void **state) {
    (void)state;
#define SECOND(name, issuer)                                                                       \
    ISSUER("customers", C_METADATA, C_ISSUER, "shop", TENANT)                                      \
    "\n    - {name: " name ", metadata: " C_METADATA ", issuer: " issuer                           \
    ", audience: x, tenant: " TENANT "}"
    static const char *const GOOD[] = {SECOND("partners", "https://d.example/")};
    static const struct config_case CASES[] = {
        {SECOND("customers", "https://d.example/"), "10:14: entra.issuers[1].name",
         "has this name already"},
        {SECOND("partners", C_ISSUER), "10:63: entra.issuers[1].issuer",
         "is the issuer of `customers` already"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

#define FULL_VAULT(version)                                                                        \
    "identity: {managed: system}\nvaults:\n  p: {url: \"https://x.vault.azure.net\", "             \
    "api_version: " version "}"

static void refuses_bad_identities_and_vaults(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        "identity: {managed: system, endpoint: \"http://169.254.169.254\"}",
        "identity: {managed: " CLIENT ", endpoint: \"http://127.0.0.1:1\"}",
        "identity: {client: {id: " CLIENT ", secret_file: f}, tenant: " TENANT "}",
        "vaults: {a: \"file:/x\", b: \"file:x/y\", c: \"file:///x\", d_.-1: \"file:/\"}",
        VAULTS,
        "identity: {managed: system}\nvaults: {p: \"http://127.0.0.1:8080/\"}",
        FULL_VAULT("7.4"),
        FULL_VAULT("\"7.4\""),
        FULL_VAULT("7.10"),
        FULL_VAULT("7.6-preview"),
        FULL_VAULT("7.6-preview.2"),
        FULL_VAULT("2025-07-01"),
        FULL_VAULT("2026-01-01-preview"),
        "vaults: {a: {url: \"file:/x\"}}",
    };
    static const struct config_case CASES[] = {
        {"identity: system", "1:11: identity", "must be a mapping"},
        {"identity: {managed: user}", "1:21: identity.managed", "must be system, or the client id"},
        {"identity: {managed: true}", "1:21: identity.managed", "must be system"},
        {"identity: {client: {id: x, secret_file: f}}", "1:25: identity.client.id", "not a GUID"},
        {"identity: {client: {id: " CLIENT ", secret_file: []}}",
         "1:76: identity.client.secret_file", "path of a file"},
        {"identity: {managed: system, tenant: x}", "1:37: identity.tenant", "not a GUID"},
        {"identity: {managed: system, authority: \"http://a.example\"}", "1:40: identity.authority",
         "loopback"},
        {"identity: {managed: system, endpoint: \"http://169.254.169.253\"}",
         "1:39: identity.endpoint", "loopback"},
        {"vaults: []", "1:9: vaults", "must map names to vaults"},
        {"vaults: {prod: \"https://x.vault.azure.net\"}", "1:16: vaults.prod", "needs `identity:`"},
        {"identity: {managed: system}\nvaults: {p: \"http://x.vault.azure.net\"}", "2:13: vaults.p",
         "loopback"},
        {"identity: {managed: system}\nvaults: {p: \"https://x.vault.azure.net/secrets\"}",
         "2:13: vaults.p", "without `/secrets`"},
        {"identity: {managed: system}\nvaults: {p: \"x.vault.azure.net\"}", "2:13: vaults.p",
         "must begin with https://"},
        {"identity: {managed: system}\nvaults: {p: contoso-prod}", "2:13: vaults.p",
         "https://contoso-prod.vault.azure.net if it is a Key Vault, file:/FOLDER if"},
        {"vaults: {\"a/b\": \"file:/x\"}", "1:10: vaults.a/b", "letters, digits"},
        {"vaults: {a: \"file:\"}", "1:13: vaults.a", "must name a folder"},
        {"vaults: {a: \"file://host/x\"}", "1:13: vaults.a", "must name a folder"},
        {"vaults: {a: [x]}", "1:13: vaults.a", "got a list"},
        {"vaults: {a: {}}", "1:13: vaults.a.url", "is missing"},
        {"vaults: {a: {url: x}}", "1:19: vaults.a.url", "https://x.vault.azure.net"},
        {"vaults: {a: {url: \"https://x.vault.azure.net\"}}", "1:19: vaults.a.url",
         "needs `identity:`"},
        {"vaults: {a: {url: \"file:/x\", api-version: 1}}", "1:30: vaults.a.api-version",
         "did you mean `api_version`?"},
        {FULL_VAULT("7"), "3:54: vaults.p.api_version", "such as \"7.4\" or 2025-07-01, got `7`"},
        {FULL_VAULT("7."), "3:54: vaults.p.api_version", "got `7.`"},
        {FULL_VAULT("v7.4"), "3:54: vaults.p.api_version", "got `v7.4`"},
        {FULL_VAULT("7.4.1"), "3:54: vaults.p.api_version", "must be a version"},
        {FULL_VAULT("7.4-beta"), "3:54: vaults.p.api_version", "must be a version"},
        {FULL_VAULT("7.4-preview."), "3:54: vaults.p.api_version", "must be a version"},
        {FULL_VAULT("7.4-preview.x"), "3:54: vaults.p.api_version", "must be a version"},
        {FULL_VAULT("2025-7-1"), "3:54: vaults.p.api_version", "must be a version"},
        {FULL_VAULT("2025-07-01-previews"), "3:54: vaults.p.api_version", "must be a version"},
        {FULL_VAULT("\"7.4&x=1\""), "3:54: vaults.p.api_version", "must be a version"},
        {FULL_VAULT("\"\""), "3:54: vaults.p.api_version", "must be a version"},
        {FULL_VAULT("true"), "3:54: vaults.p.api_version", "must be a version"},
        {FULL_VAULT("[7.4]"), "3:54: vaults.p.api_version", "got a list"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

#define ASSERTION(value) VAULTS "assertion: " value

static void refuses_bad_assertions(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        ASSERTION("{}"),
        ASSERTION("{key: local/key.pem}"),
        ASSERTION(
            "{key: prod/key, issuer: https://gw.example}\nsecrets: {prod/key: {refresh: 1m}}"),
        ROUTE("  identity_headers: assertion"),
        ROUTE("  identity_headers: easyauth\n  token_header: X-Barkeep-Authorization"),
        ROUTE("  identity_headers: both\n  token_header: authorization"),
    };
    static const struct config_case CASES[] = {
        {ASSERTION("local/key"), "3:12: assertion", "must be a mapping"},
        {ASSERTION("{kye: local/key}"), "3:13: assertion.kye", "did you mean `key`?"},
        {ASSERTION("{key: hunter2}"), "3:18: assertion.key", "VAULT/NAME"},
        {ASSERTION("{key: pord/key}"), "3:18: assertion.key", "did you mean `prod`?"},
        {ASSERTION("{key: []}"), "3:18: assertion.key", "VAULT/NAME"},
        {ASSERTION("{issuer: \"\"}"), "3:21: assertion.issuer", "must be a name or URL"},
        {ASSERTION("{issuer: \"a b\"}"), "3:21: assertion.issuer", "visible ASCII"},
        {ASSERTION("{issuer: \"caf\\u00e9\"}"), "3:21: assertion.issuer", "visible ASCII"},
        {ROUTE("  identity_headers: jwt"), "4:21: routes[0].identity_headers",
         "none|easyauth|assertion|both"},
        {ROUTE("  identity_headers: [easyauth]"), "4:21: routes[0].identity_headers", "must be"},
        {ROUTE("  token_header: X_Token"), "4:17: routes[0].token_header", "letters, digits"},
        {ROUTE("  token_header: \"X-Token:\""), "4:17: routes[0].token_header", "letters, digits"},
        {ROUTE("  token_header: \"\""), "4:17: routes[0].token_header", "a header's name"},
        {ROUTE("  token_header: transfer-encoding"), "4:17: routes[0].token_header", "framing"},
        {ROUTE("  token_header: Content-Length"), "4:17: routes[0].token_header", "framing"},
        {ROUTE("  token_header: Proxy-Authorization"), "4:17: routes[0].token_header", "framing"},
        {ROUTE("  token_header: Connection"), "4:17: routes[0].token_header", "framing"},
        {ROUTE("  token_header: host"), "4:17: routes[0].token_header", "framing"},
        {ROUTE("  token_header: Cookie"), "4:17: routes[0].token_header", "own state"},
        {ROUTE("  token_header: X-Barkeep-Assertion"), "4:17: routes[0].token_header",
         "barkeep itself"},
        {CREDENTIAL("{headers: {x-ms-client-principal-id: \"{local/a}\"}}"),
         "4:17: credentials.c.headers.x-ms-client-principal-id", "no credential may set"},
        {CREDENTIAL("{headers: {X-Barkeep-Assertion: \"{local/a}\"}}"),
         "4:17: credentials.c.headers.X-Barkeep-Assertion", "no credential may set"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void refuses_bad_credentials(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        CREDENTIAL("{basic: {username: admin, password: prod/a}}"),
        CREDENTIAL("{basic: {username: {secret: local/u.txt}, password: local/a_b}}"),
        CREDENTIAL("{bearer: prod/a/0123456789abcdef0123456789ABCDEF}"),
        CREDENTIAL("{headers: {Authorization: \"Token {prod/a}\", X-Plain: \"{{}} } {local/b}\"}}"),
        CREDENTIAL("{headers: {X: \"$${{A}}{local/b}\"}}"),
        CREDENTIAL("{bearer: local/x}\nsecrets: {local/x: {refresh: 1m, max_stale: 1m}}"),
    };
    static const struct config_case CASES[] = {
        {"credentials: []", "1:14: credentials", "must map names to credentials"},
        {CREDENTIAL("hunter2"), "4:6: credentials.c", "must be a mapping"},
        {CREDENTIAL("{bearer: hunter2}"), "4:15: credentials.c.bearer", "VAULT/NAME"},
        {CREDENTIAL("{bearer: 12345}"), "4:15: credentials.c.bearer", "VAULT/NAME"},
        {CREDENTIAL("{bearer: \"\"}"), "4:15: credentials.c.bearer", "VAULT/NAME"},
        {CREDENTIAL("{bearer: pord/a}"), "4:15: credentials.c.bearer", "did you mean `prod`?"},
        {CREDENTIAL("{bearer: prod/a_b}"), "4:15: credentials.c.bearer", "1 to 127 letters"},
        {CREDENTIAL("{bearer: prod/}"), "4:15: credentials.c.bearer", "1 to 127 letters"},
        {CREDENTIAL("{bearer: prod/a/}"), "4:15: credentials.c.bearer", "32 hexadecimal digits"},
        {CREDENTIAL("{bearer: prod/a/0123456789abcdef0123456789abcdeg}"),
         "4:15: credentials.c.bearer", "32 hexadecimal digits"},
        {CREDENTIAL("{bearer: prod/a/b/c}"), "4:15: credentials.c.bearer", "32 hexadecimal"},
        {CREDENTIAL("{bearer: local/a/b}"), "4:15: credentials.c.bearer", "no versions"},
        {CREDENTIAL("{bearer: local/..}"), "4:15: credentials.c.bearer", "begin with a dot"},
        {CREDENTIAL("{bearer: local/.hidden}"), "4:15: credentials.c.bearer", "begin with a dot"},
        {CREDENTIAL("{bearer: local/}"), "4:15: credentials.c.bearer", "begin with a dot"},
        {CREDENTIAL("{bearer: /a}"), "4:15: credentials.c.bearer", "names a vault"},
        {CREDENTIAL("{bearer: local/a, basic: {username: a, password: local/a}}"),
         "4:7: credentials.c.bearer", "of one kind"},
        {CREDENTIAL("{basic: {username: \"a:b\", password: local/a}}"),
         "4:25: credentials.c.basic.username", "must not hold `:`"},
        {CREDENTIAL("{basic: {username: {secret: a}, password: local/a}}"),
         "4:34: credentials.c.basic.username.secret", "VAULT/NAME"},
        {CREDENTIAL("{basic: {username: [a], password: local/a}}"),
         "4:25: credentials.c.basic.username", "got a list"},
        {CREDENTIAL("{headers: {}}"), "4:16: credentials.c.headers", "must map header names"},
        {CREDENTIAL("{headers: x}"), "4:16: credentials.c.headers", "must map header names"},
        {CREDENTIAL("{headers: {X: {local/a}}}"), "4:20: credentials.c.headers.X", "in quotes"},
        {CREDENTIAL("{headers: {X: 12345}}"), "4:20: credentials.c.headers.X", "in quotes"},
        {CREDENTIAL("{headers: {X: \"{local/a\"}}"), "4:20: credentials.c.headers.X",
         "`{` without `}`"},
        {CREDENTIAL("{headers: {X: \"{}\"}}"), "4:20: credentials.c.headers.X", "VAULT/NAME"},
        {CREDENTIAL("{headers: {X: \"a{{{nope/a}\"}}"), "4:20: credentials.c.headers.X",
         "names a vault"},
        {CREDENTIAL("{headers: {X: \"\"}}"), "4:20: credentials.c.headers.X", "must be text"},
        {CREDENTIAL("{headers: {X: \"a\\r\\nY: b{local/a}\"}}"), "4:20: credentials.c.headers.X",
         "control characters"},
        {CREDENTIAL("{headers: {X_Y: \"{local/a}\"}}"), "4:17: credentials.c.headers.X_Y",
         "letters, digits and `-`"},
        {CREDENTIAL("{headers: {\"X Y\": \"{local/a}\"}}"), "4:17: credentials.c.headers.X Y",
         "letters, digits and `-`"},
        {CREDENTIAL("{headers: {Host: \"{local/a}\"}}"), "4:17: credentials.c.headers.Host",
         "no credential may set"},
        {CREDENTIAL("{headers: {content-length: \"{local/a}\"}}"),
         "4:17: credentials.c.headers.content-length", "no credential may set"},
        {CREDENTIAL("{headers: {Transfer-Encoding: \"{local/a}\"}}"),
         "4:17: credentials.c.headers.Transfer-Encoding", "no credential may set"},
        {CREDENTIAL("{headers: {Connection: \"{local/a}\"}}"),
         "4:17: credentials.c.headers.Connection", "no credential may set"},
        {CREDENTIAL("{headers: {X-Forwarded-For: \"{local/a}\"}}"),
         "4:17: credentials.c.headers.X-Forwarded-For", "no credential may set"},
        {CREDENTIAL("{headers: {X: \"{local/a}\", x: \"{local/a}\"}}"),
         "4:33: credentials.c.headers.x", "another spelling"},
        {CREDENTIAL("{bearer: \"${HOME}\"}"), "4:15: credentials.c.bearer",
         "no environment variables"},
        {CREDENTIAL("{headers: {X: \"{local/${HOME}}\"}}"), "4:20: credentials.c.headers.X",
         "no environment variables"},
        {"secrets: []", "1:10: secrets", "must map secrets"},
        {CREDENTIAL("{bearer: local/x}\nsecrets: {local/x: 5m}"), "5:20: secrets.local/x",
         "must be a mapping"},
        {CREDENTIAL("{bearer: local/x}\nsecrets: {local: {refresh: 5m}}"), "5:11: secrets.local",
         "VAULT/NAME"},
        {CREDENTIAL("{bearer: local/x}\nsecrets: {loca/x: {refresh: 5m}}"), "5:11: secrets.loca/x",
         "did you mean `local`?"},
        {CREDENTIAL("{bearer: prod/x}\nsecrets: {prod/x/0123456789abcdef0123456789abcdef: {}}"),
         "5:11: secrets.prod/x/0123456789abcdef0123456789abcdef", "all versions"},
        {CREDENTIAL("{bearer: prod/x}\nsecrets: {prod/x: {}, prod/X: {}}"), "5:23: secrets.prod/X",
         "ignores case"},
        {CREDENTIAL("{bearer: local/x}\nsecrets: {local/x: {refresh: 0s}}"),
         "5:30: secrets.local/x.refresh", "from 1s"},
        {CREDENTIAL("{bearer: local/x}\nsecrets: {local/x: {refresh: 2h, max_stale: 1h}}"),
         "5:20: secrets.local/x", "not be longer"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void never_repeats_what_stands_where_a_secret_belongs(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        CREDENTIAL("hunter2"),
        CREDENTIAL("[hunter2]"),
        CREDENTIAL("{bearer: hunter2}"),
        CREDENTIAL("{bearer: hunter2/x}"),
        CREDENTIAL("{bearer: local/hunter2/x}"),
        CREDENTIAL("{bearer: prod/hunter2_}"),
        CREDENTIAL("{bearer: [hunter2]}"),
        CREDENTIAL("{basic: {username: a, password: hunter2}}"),
        CREDENTIAL("{basic: hunter2}"),
        CREDENTIAL("{headers: {X: \"{hunter2\"}}"),
        CREDENTIAL("{headers: {X: \"{hunter2}\"}}"),
        CREDENTIAL("{headers: {X: [hunter2]}}"),
        CREDENTIAL("{headers: {X: \"hunter2\\n\"}}"),
        CREDENTIAL("{headers: hunter2}"),
        CREDENTIAL("{bearer: \"hunter2${A}\"}"),
        CREDENTIAL("{bearer: hunter2: x}"),
        ROUTE("- name: s\n  upstream: http://u:hunter2@127.0.0.1"),
        ENTRA("  authority: https://u:hunter2@login.example"),
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct problem_list problems;
        char *document = case_document(TEXTS[i]);
        assert_null(case_parse_whole(document, &problems));
        for (size_t k = 0; k < problems.count; k++) {
            assert_null(strstr(problems.items[k].text, "hunter2"));
            assert_null(strstr(problems.items[k].path, "hunter2"));
        }
        problem_list_done(&problems);
        free(document);
    }
}

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
        {"roles: {X: {actions: [GET]}}", "1:23: roles.X.actions[0]", "must be METHOD PATH"},
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
        {"roles: {X: {actions: [\"mcp:tools/call\"]}}", "1:23: roles.X.actions[0]",
         "mcp: actions are not available"},
        {"roles: {X: {actions: [{action: \"* /\"}]}}", "1:23: roles.X.actions[0]",
         "conditions on actions are not available"},
        {"roles: {X: {actions: [7]}}", "1:23: roles.X.actions[0]", "METHOD PATH"},
        {"roles: {X: {actions: [\"* /**\"], not_actions: [\"DELETE\"]}}",
         "1:47: roles.X.not_actions[0]", "METHOD PATH"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void refuses_bad_rules(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        "access: [{actions: [\"GET /a\"], to: {user: " GROUP "}}]",
        "access: [{role: Contributor, to: [{group: [" GROUP ", " CLIENT "]}, {scope: a.b}]}]",
        "deny: [{to: {tenant: " TENANT ", everyone: true}}]",
        "entra: {tenant: " TENANT ", audience: x, groups: {form: name}}\n"
        "access: [{role: Reader, to: {group: Domain Users}}]",
    };
    static const struct config_case CASES[] = {
        {"access: {role: Reader}", "1:9: access", "must be a list of entries"},
        {"access: [Reader]", "1:10: access[0]", "must be a mapping"},
        {"access: [{role: Raeder, to: {everyone: true}}]", "1:17: access[0].role",
         "did you mean `Reader`?"},
        {"access: [{role: Nobody, to: {everyone: true}}]", "1:17: access[0].role",
         "no role `Nobody`"},
        {"access: [{role: Reader, actions: [\"* /\"], to: {everyone: true}}]",
         "1:25: access[0].actions", "keep one of the two"},
        {"access: [{actions: [], to: {everyone: true}}]", "1:20: access[0].actions", "empty list"},
        {"access: [{role: Reader, to: {everyone: true}, credential: x}]",
         "1:59: access[0].credential", "no credential `x`"},
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
        {"access: [{role: Reader, to: {group: Admins}}]", "1:37: access[0].to.group",
         "not its name"},
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
        {"access: [{role: Reader, to: {user: a@b.example}}]", "1:36: access[0].to.user",
         "not a GUID"},
        {"access: [{role: Reader, to: {app: [" GROUP ", x]}}]", "1:74: access[0].to.app[1]",
         "not a GUID"},
        {"access: [{role: Reader, to: {tenant: contoso}}]", "1:38: access[0].to.tenant",
         "not a GUID"},
        {"access: [{role: Reader, to: {scope: a b}}]", "1:37: access[0].to.scope",
         "write several values as a list"},
        {"access: [{role: Reader, to: {app_role: \"\"}}]", "1:40: access[0].to.app_role",
         "empty text"},
        {"access: [{role: Reader, to: {app_role: 7}}]", "1:40: access[0].to.app_role", "quotes"},
        {"deny: {to: {everyone: true}}", "1:7: deny", "must be a list"},
        {"deny: [{to: {everyone: true}, actions: []}]", "1:40: deny[0].actions", "empty list"},
        {ROUTE("  access: [{role: Reader, to: {everyone: true}},\n    {role: Reader, to: {group: "
               "x}}]"),
         "5:32: routes[0].access[1].to.group", "`x` is not a GUID"},
        {ROUTE("  deny: [{to: {user: x}}]"), "4:22: routes[0].deny[0].to.user", "not a GUID"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
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

static void refuses_bad_routes(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        ROUTE("  host: \"*.example\"\n  path: /a/"),
        ROUTE("  host: 10.0.0.1\n  path: /"),
        ROUTE("  host: \"[::1]\""),
        ROUTE("  path: /a%20b"),
        ROUTE(
            "- name: s\n  path: /s\n  upstream: [\"unix:/run/s.sock\", \"http://[::1]:1/base/\"]"),
        ROUTE("- name: s\n  host: b.example\n  upstream: HTTP://internal"),
        ROUTE("  timeouts: {connect: 1ms, head: 24h, idle: 1000h}\n  limits: {body: 1}"),
        ROUTE("  retry: off\n  preserve_host: true\n  encoded_slashes: pass"),
        ROUTE("  websocket: true"),
        ROUTE("  balance: least_connections"),
        ROUTE("  health: {failures: none, path: /a, interval: 100ms}"),
        ROUTE("  upstream_networks: 127.0.0.0/8"),
        ROUTE("  limits: {requests: none}"),
    };
    static const struct config_case CASES[] = {
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
        {"routes: [{name: r, upstream: \"http://::1:80\"}]", "1:30: routes[0].upstream",
         "in brackets"},
        {"routes: [{name: r, upstream: \"http://u@127.0.0.1\"}]", "1:30: routes[0].upstream",
         "user name"},
        {"routes: [{name: r, upstream: \"http://127.0.0.1?x\"}]", "1:30: routes[0].upstream",
         "query"},
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
        {ROUTE("  credential: x"), "4:15: routes[0].credential",
         "no credential `x`; there are none"},
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
        {ROUTE("  health: {path: healthz}"), "4:18: routes[0].health.path", "must begin with"},
        {ROUTE("  health: {path: /a?b}"), "4:18: routes[0].health.path", "query"},
        {ROUTE("  health: {interval: 1ms}"), "4:22: routes[0].health.interval", "100ms"},
        {ROUTE("  upstream_networks: lan"), "4:22: routes[0].upstream_networks", "10.0.0.0/8"},
        {ROUTE("  upstream_networks: []"), "4:22: routes[0].upstream_networks", "empty list"},
        {ROUTE("  limits: {requests: 0}"), "4:22: routes[0].limits.requests", "1"},
        {ROUTE("  websocket: on"), "4:14: routes[0].websocket", "must be true or false"},
        {ROUTE("  retry: always"), "4:10: routes[0].retry", "one of off|safe"},
        {ROUTE("  allow_plaintext_credential: 1"), "4:31: routes[0].allow_plaintext_credential",
         "true or false"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
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

static void refuses_bad_settings(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        "log: {audit: /var/log/barkeep/audit.jsonl, level: debug, on_full: drop}",
        "limits: {connections: 1, header_bytes: 1KiB, headers: 1, token_bytes: 4096}",
        "limits: {head_timeout: 250ms, idle_timeout: 1m}",
        "drain: 1ms\nexpose_reasons: False",
        "revoked: /etc/barkeep/revoked",
    };
    static const struct config_case CASES[] = {
        {"log: info", "1:6: log", "must be a mapping"},
        {"log: {audit: stdot}", "1:14: log.audit", "write stdout, or ./stdot"},
        {"log: {audit: stderr}", "1:14: log.audit", "write stdout, or ./stderr"},
        {"log: {audit: []}", "1:14: log.audit", "path of a file"},
        {"log: {level: warn}", "1:14: log.level", "one of error|warning|info|debug"},
        {"log: {level: inof}", "1:14: log.level", "did you mean `info`?"},
        {"log: {on_full: block}", "1:16: log.on_full", "one of refuse|drop"},
        {"limits: {connections: 0}", "1:23: limits.connections", "from 1 to 1000000, got `0`"},
        {"limits: {connections: 1e3}", "1:23: limits.connections", "whole number"},
        {"limits: {connections: -1}", "1:23: limits.connections", "whole number"},
        {"limits: {connections: 99999999999999999999}", "1:23: limits.connections", "whole number"},
        {"limits: {headers: many}", "1:19: limits.headers", "whole number"},
        {"limits: {header_bytes: 1023}", "1:24: limits.header_bytes", "from 1KiB to 1MiB"},
        {"limits: {header_bytes: 2MiB}", "1:24: limits.header_bytes", "from 1KiB to 1MiB"},
        {"limits: {header_bytes: 32 KiB}", "1:24: limits.header_bytes", "must be a size"},
        {"limits: {token_bytes: 0}", "1:23: limits.token_bytes", "must be from"},
        {"limits: {head_timeout: 25h}", "1:24: limits.head_timeout", "from 1ms to 24h"},
        {"limits: {idle_timeout: 1.5s}", "1:24: limits.idle_timeout", "must be a duration"},
        {"drain: 30", "1:8: drain", "must be a duration"},
        {"drain: 0s", "1:8: drain", "from 1ms to 24h"},
        {"drain: 1h30m", "1:8: drain", "must be a duration"},
        {"revoked: []", "1:10: revoked", "path of a file"},
        {"revoked: \"\"", "1:10: revoked", "empty text"},
        {"expose_reasons: no", "1:17: expose_reasons", "must be true or false"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void reports_several_problems_in_order_of_their_place(void **state) {
    (void)state;
    struct problem_list problems;
    char *document = case_document("drain: x\nworkers: 0\nlisten: 1\nexpose_reasons: 7");
    assert_null(case_parse_whole(document, &problems));
    assert_int_equal(problems.error_count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(problems.items[i].position.line, i + 1);
    problem_list_done(&problems);
    free(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_base),
        cmocka_unit_test(refuses_what_is_no_configuration),
        cmocka_unit_test(refuses_yaml_that_hides_something),
        cmocka_unit_test(refuses_unknown_keys_with_a_suggestion),
        cmocka_unit_test(refuses_what_is_missing),
        cmocka_unit_test(names_every_required_section),
        cmocka_unit_test(refuses_bad_addresses),
        cmocka_unit_test(refuses_bad_entra_settings),
        cmocka_unit_test(refuses_two_issuers_of_one_name),
        cmocka_unit_test(refuses_bad_identities_and_vaults),
        cmocka_unit_test(refuses_bad_assertions),
        cmocka_unit_test(refuses_bad_credentials),
        cmocka_unit_test(never_repeats_what_stands_where_a_secret_belongs),
        cmocka_unit_test(refuses_bad_roles_and_actions),
        cmocka_unit_test(refuses_bad_rules),
        cmocka_unit_test(refuses_bad_conditions),
        cmocka_unit_test(refuses_bad_routes),
        cmocka_unit_test(refuses_credentials_in_the_clear),
        cmocka_unit_test(refuses_bad_settings),
        cmocka_unit_test(reports_several_problems_in_order_of_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
