/* Routes that lose their requests to others, and addresses that no connection has. */
#include "config_case.h"

#define UP "upstream: \"http://127.0.0.1:1\""
#define EVERYONE "to: {everyone: true}"
#define FROM(networks) "access: [{role: Reader, " EVERYONE ", when: {client: " networks "}}]"
#define RATE(rest) "access: [{role: Reader, " EVERYONE ", rate: {requests: 1, window: 1s" rest "}}]"

static void warns_of_routes_that_lose_their_requests(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {"routes:\n- {name: a, host: a.example, " UP "}\n- {name: b, path: /b, " UP "}",
         "3:19: routes[1].path", "on `a.example` such requests go to route `a`"},
        {"routes:\n- {name: a, host: a.b.example, path: /b, " UP "}\n"
         "- {name: b, host: \"*.example\", path: /b/c, " UP "}",
         "3:38: routes[1].path", "on `a.b.example`"},
        {"routes:\n- {name: a, host: \"*.b.example\", " UP "}\n"
         "- {name: b, host: \"*.example\", path: /b, upstream: [\"http://10.0.0.1:2\", "
         "\"http://127.0.0.1:1/api\"]}",
         "3:38: routes[1].path", "give this route that host, or put its rules there too"},
        {"routes:\n- {name: a, identity_headers: assertion, " UP "}\n"
         "- {name: b, path: /.well-known/barkeep/jwks.json, " UP "}",
         "3:19: routes[1].path", "barkeep answers /.well-known/barkeep/jwks.json itself"},
    };
    WARN_ALL(CASES);
    static const char *const TEXTS[] = {
        /* other backends */
        "routes:\n- {name: a, host: a.example, " UP "}\n"
        "- {name: b, path: /b, upstream: \"http://127.0.0.1:2\"}",
        /* the same path: rules by host */
        "routes:\n- {name: a, host: a.example, " UP "}\n- {name: b, " UP "}",
        "routes:\n- {name: a, host: a.example, path: /a, " UP "}\n- {name: b, path: /ab, " UP "}",
        /* other hosts */
        "routes:\n- {name: a, host: a.example, " UP "}\n"
        "- {name: b, host: b.example, path: /b, " UP "}",
        "routes:\n- {name: a, host: \"*.a.example\", " UP "}\n"
        "- {name: b, host: \"*.b.example\", path: /b, " UP "}",
        "routes:\n- {name: a, host: xample, " UP "}\n"
        "- {name: b, host: \"*.example\", path: /b, " UP "}",
        "routes:\n- {name: a, " UP "}\n- {name: b, path: /b, " UP "}",
        /* nothing of barkeep's own is there */
        "routes:\n- {name: b, path: /.well-known/barkeep/jwks.json, " UP "}",
        "routes:\n- {name: a, identity_headers: assertion, " UP "}\n"
        "- {name: b, path: /.well-known/barkeep, " UP "}",
    };
    SILENT_ALL(TEXTS);
}

static void warns_of_addresses_that_no_connection_has(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {FROM("10.0.0.0/8"), "1:62: access[0].when.client",
         "every connection comes from it; name the proxy"},
        {FROM("[10.0.0.0/8, 2001:db8::/32]"), "1:62: access[0].when.client",
         "trusted_proxies, as in [127.0.0.1]"},
        {"listen: unix:/x\n" FROM("127.0.0.1"), "2:62: access[0].when.client",
         "connections through a unix socket have no address"},
        {"deny: [{" EVERYONE ", when: {client: 192.0.2.7}}]", "1:46: deny[0].when.client",
         "can never match"},
        {RATE(", per: client"), "1:53: access[0].rate", "counts all callers as one"},
        {"routes: [{name: r, " UP ", rate: {per: client, requests: 1, window: 1s}}]",
         "1:58: routes[0].rate", "or write per: identity"},
    };
    WARN_ALL(CASES);
    static const char *const TEXTS[] = {
        FROM("127.0.0.1"),
        FROM("[10.0.0.0/8, \"::1\"]"),
        FROM("0.0.0.0/0"),
        "trusted_proxies: [127.0.0.1]\n" FROM("10.0.0.0/8"),
        "trusted_proxies: [127.0.0.1]\n" RATE(", per: client"),
        RATE(""),
        RATE(", per: identity"),
    };
    SILENT_ALL(TEXTS);
    static const struct config_case OPEN[] = {
        {"listen: 10.0.0.1:80\n" FROM("10.0.0.0/8"), "1:9: listen", "without TLS"},
        {"listen: [127.0.0.1:1, 10.0.0.1:80]\n" RATE(", per: client"), "1:23: listen[1]",
         "listen on 127.0.0.1 behind what ends TLS"},
        {"trusted_proxies: [10.0.0.1, 0.0.0.0/0]\n" FROM("10.0.0.0/8"), "1:18: trusted_proxies",
         "whoever connects is believed"},
    };
    WARN_ALL(OPEN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warns_of_routes_that_lose_their_requests),
        cmocka_unit_test(warns_of_addresses_that_no_connection_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
