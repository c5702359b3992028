/* What is refused of those who are trusted and of secrets: issuers, identities, vaults, assertions,
 * credentials. */
#include "refusal_case.h"

static const char *const GOOD_ENTRA_SETTINGS[] = {
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

static const struct config_case BAD_ENTRA_SETTINGS[] = {
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
    {"entra: {tenant: " TENANT ", audience: [a, {}]}", "1:69: entra.audience[1]", "got a mapping"},
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
    {ISSUER("customers", C_METADATA, "customers", "shop", TENANT), "7:15: entra.issuers[0].issuer",
     "must be a URL"},
    {ISSUER("customers", C_METADATA, "https://login.microsoftonline.com/" TENANT "/v2.0", "shop",
            TENANT),
     "7:15: entra.issuers[0].issuer", "of the Entra authority itself"},
    {ISSUER("customers", C_METADATA, "https://sts.windows.net/" TENANT "/", "shop", TENANT),
     "7:15: entra.issuers[0].issuer", "of the Entra authority itself"},
    {ISSUER("customers", C_METADATA, C_ISSUER, "shop", "common"), "9:15: entra.issuers[0].tenant",
     "not a GUID"},
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

static void refuses_bad_entra_settings(void **state) {
    (void)state;
    ACCEPT_ALL(GOOD_ENTRA_SETTINGS);
    REFUSE_ALL(BAD_ENTRA_SETTINGS);
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

static const char *const GOOD_IDENTITIES_AND_VAULTS[] = {
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

static const struct config_case BAD_IDENTITIES_AND_VAULTS[] = {
    {"identity: system", "1:11: identity", "must be a mapping"},
    {"identity: {managed: user}", "1:21: identity.managed", "must be system, or the client id"},
    {"identity: {managed: true}", "1:21: identity.managed", "must be system"},
    {"identity: {client: {id: x, secret_file: f}}", "1:25: identity.client.id", "not a GUID"},
    {"identity: {client: {id: " CLIENT ", secret_file: []}}", "1:76: identity.client.secret_file",
     "path of a file"},
    {"identity: {managed: system, tenant: x}", "1:37: identity.tenant", "not a GUID"},
    {"identity: {managed: system, authority: \"http://a.example\"}", "1:40: identity.authority",
     "loopback"},
    {"identity: {managed: system, endpoint: \"http://169.254.169.253\"}", "1:39: identity.endpoint",
     "loopback"},
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

static void refuses_bad_identities_and_vaults(void **state) {
    (void)state;
    ACCEPT_ALL(GOOD_IDENTITIES_AND_VAULTS);
    REFUSE_ALL(BAD_IDENTITIES_AND_VAULTS);
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

static const char *const GOOD_CREDENTIALS[] = {
    CREDENTIAL("{basic: {username: admin, password: prod/a}}"),
    CREDENTIAL("{basic: {username: {secret: local/u.txt}, password: local/a_b}}"),
    CREDENTIAL("{bearer: prod/a/0123456789abcdef0123456789ABCDEF}"),
    CREDENTIAL("{headers: {Authorization: \"Token {prod/a}\", X-Plain: \"{{}} } {local/b}\"}}"),
    CREDENTIAL("{headers: {X: \"$${{A}}{local/b}\"}}"),
    CREDENTIAL("{bearer: local/x}\nsecrets: {local/x: {refresh: 1m, max_stale: 1m}}"),
};

static const struct config_case BAD_CREDENTIALS[] = {
    {"credentials: []", "1:14: credentials", "must map names to credentials"},
    {CREDENTIAL("hunter2"), "4:6: credentials.c", "must be a mapping"},
    {CREDENTIAL("{bearer: hunter2}"), "4:15: credentials.c.bearer", "VAULT/NAME"},
    {CREDENTIAL("{bearer: 12345}"), "4:15: credentials.c.bearer", "VAULT/NAME"},
    {CREDENTIAL("{bearer: \"\"}"), "4:15: credentials.c.bearer", "VAULT/NAME"},
    {CREDENTIAL("{bearer: pord/a}"), "4:15: credentials.c.bearer", "did you mean `prod`?"},
    {CREDENTIAL("{bearer: prod/a_b}"), "4:15: credentials.c.bearer", "1 to 127 letters"},
    {CREDENTIAL("{bearer: prod/}"), "4:15: credentials.c.bearer", "1 to 127 letters"},
    {CREDENTIAL("{bearer: prod/a/}"), "4:15: credentials.c.bearer", "32 hexadecimal digits"},
    {CREDENTIAL("{bearer: prod/a/0123456789abcdef0123456789abcdeg}"), "4:15: credentials.c.bearer",
     "32 hexadecimal digits"},
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
    {CREDENTIAL("{headers: {Connection: \"{local/a}\"}}"), "4:17: credentials.c.headers.Connection",
     "no credential may set"},
    {CREDENTIAL("{headers: {X-Forwarded-For: \"{local/a}\"}}"),
     "4:17: credentials.c.headers.X-Forwarded-For", "no credential may set"},
    {CREDENTIAL("{headers: {X: \"{local/a}\", x: \"{local/a}\"}}"), "4:33: credentials.c.headers.x",
     "another spelling"},
    {CREDENTIAL("{bearer: \"${HOME}\"}"), "4:15: credentials.c.bearer", "no environment variables"},
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

static void refuses_bad_credentials(void **state) {
    (void)state;
    ACCEPT_ALL(GOOD_CREDENTIALS);
    REFUSE_ALL(BAD_CREDENTIALS);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_entra_settings),
        cmocka_unit_test(refuses_two_issuers_of_one_name),
        cmocka_unit_test(refuses_bad_identities_and_vaults),
        cmocka_unit_test(refuses_bad_assertions),
        cmocka_unit_test(refuses_bad_credentials),
        cmocka_unit_test(never_repeats_what_stands_where_a_secret_belongs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
