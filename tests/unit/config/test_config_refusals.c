/* Configurations that must be refused, each for one reason, at one place, with words that help.
 * Each table stands beside good values of the same keys. */
#include "refusal_case.h"

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
        {"log:\n  level: info\n on_full: drop\n", "3:2: ", "are indented alike"},
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
        cmocka_unit_test(refuses_bad_settings),
        cmocka_unit_test(reports_several_problems_in_order_of_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
