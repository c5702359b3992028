/* Upstreams by https: what the route's `tls` may say, and which credentials may go where. */
#include "config_case.h"

#define CREDENTIALS                                                                                \
    "vaults: {local: \"file:/s\"}\n"                                                               \
    "credentials: {key: {bearer: local/x}, shown: {client_certificate: local/y}}\n"
#define ROUTE(upstream, rest) "routes:\n- name: r\n  upstream: " upstream "\n  tls: {" rest "}\n"
#define BARE(upstream, rest) "routes:\n- name: r\n  upstream: " upstream "\n" rest
#define FAR "https://db.example"

static void refuses_bad_tls(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        ROUTE(FAR, ""),
        ROUTE(FAR, "ca: /etc/ca.pem, verify: true, server_name: db.internal"),
        ROUTE(FAR, "server_name: 10.0.0.7"),
        ROUTE("[https://a.example, \"https://[::1]:8443/b\"]", "verify: false"),
        CREDENTIALS ROUTE(FAR, "certificate: shown"),
    };
    static const struct config_case CASES[] = {
        {ROUTE("http://127.0.0.1", ""), "4:3: routes[0].tls", "is for https upstreams"},
        {ROUTE("unix:/run/x", "ca: f"), "4:3: routes[0].tls", "is for https upstreams"},
        {BARE(FAR, "  tls: true"), "4:8: routes[0].tls", "must be a mapping"},
        {ROUTE(FAR, "ca: [a]"), "4:13: routes[0].tls.ca", "path of a PEM file"},
        {ROUTE(FAR, "ca: \"\""), "4:13: routes[0].tls.ca", "empty text"},
        {ROUTE(FAR, "verify: no"), "4:17: routes[0].tls.verify", "must be true or false"},
        {ROUTE(FAR, "server_name: a..b"), "4:22: routes[0].tls.server_name", "host name"},
        {ROUTE(FAR, "server_name: a.example:443"), "4:22: routes[0].tls.server_name",
         "without port"},
        {ROUTE(FAR, "server_name: https://a.example"), "4:22: routes[0].tls.server_name",
         "got `https://a.example`"},
        {CREDENTIALS ROUTE(FAR, "certificate: key"), "6:22: routes[0].tls.certificate",
         "`key` must be of kind client_certificate"},
        {CREDENTIALS ROUTE(FAR, "certificate: x"), "6:22: routes[0].tls.certificate",
         "no credential `x`; there are: `key`, `shown`"},
        {ROUTE(FAR, "certificates: x"), "4:9: routes[0].tls.certificates",
         "did you mean `certificate`?"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void refuses_routes_that_mix_https_and_plain(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        BARE("[https://a.example, https://b.example:8443]", ""),
        BARE("[\"http://127.0.0.1\", \"unix:/x\"]", ""),
    };
    static const struct config_case CASES[] = {
        {BARE("[https://a.example, http://b.example]", ""), "3:33: routes[0].upstream[1]",
         "other upstreams of this route are https"},
        {BARE("[\"unix:/x\", https://b.example]", ""), "3:14: routes[0].upstream[0]",
         "other upstreams of this route are https"},
        {BARE("[https://a.example, ftp://b.example]", ""), "3:33: routes[0].upstream[1]",
         "must begin with"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void refuses_credentials_where_they_cannot_go(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        CREDENTIALS BARE(FAR, "  credential: key"),
        CREDENTIALS BARE(FAR, "  credential: shown"),
        CREDENTIALS BARE("http://127.0.0.1", "  credential: key"),
        CREDENTIALS BARE(FAR,
                         "  access: [{role: Reader, to: {everyone: true}, credential: shown}]"),
    };
    static const struct config_case CASES[] = {
        {CREDENTIALS BARE("http://db.example", "  credential: key"), "5:13: routes[0].upstream",
         "`key` would cross the network unencrypted; use https"},
        {CREDENTIALS BARE("http://127.0.0.1", "  credential: shown"), "5:13: routes[0].upstream",
         "`shown` is a client certificate, which only an https upstream can be shown"},
        {CREDENTIALS BARE("http://127.0.0.1", "  allow_plaintext_credential: true\n"
                                              "  credential: shown"),
         "5:13: routes[0].upstream", "is a client certificate"},
        {CREDENTIALS BARE("unix:/x", "  access: [{role: Reader, to: {everyone: true}, "
                                     "credential: shown}]"),
         "5:13: routes[0].upstream", "`shown` is a client certificate"},
        {CREDENTIALS BARE("http://127.0.0.1",
                          "  credential: key\n"
                          "access: [{role: Reader, to: {everyone: true}, credential: shown}]"),
         "5:13: routes[0].upstream", "`shown` is a client certificate"},
    };
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

static void lists_credentials_in_the_order_of_the_file(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"vaults: {local: \"file:/s\"}\n"
         "credentials: {zeta: {bearer: local/x}, eta: {bearer: local/x}, beta: {bearer: local/x}, "
         "alpha: {bearer: local/x}, omega: {bearer: local/x}, tau: {bearer: local/x}}\n" BARE(
             FAR, "  credential: nothing-like-it"),
         "6:15: routes[0].credential", "there are: `zeta`, `eta`, `beta`, `alpha` and 2 more"},
    };
    REFUSE_ALL(CASES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_tls),
        cmocka_unit_test(refuses_routes_that_mix_https_and_plain),
        cmocka_unit_test(refuses_credentials_where_they_cannot_go),
        cmocka_unit_test(lists_credentials_in_the_order_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
