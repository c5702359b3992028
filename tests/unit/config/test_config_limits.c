/* Where a call comes from and how often: `when: {client: ...}`, `trusted_proxies`, `rate`, and the
 * trying out of rules with `shadow`. */
#include "config_case.h"

#define ENTRY(rest) "access: [{role: Reader, to: {everyone: true}, " rest "}]"
#define DENY(rest) "deny: [{to: {app_role: X}, " rest "}]"
#define ROUTE(rest) "routes: [{name: base, upstream: \"http://127.0.0.1:3000\", " rest "}]"

static void reads_clients(void **state) {
    (void)state;
    struct config *config = case_good(ENTRY("when: {client: [10.0.0.0/8, \"::1\"]}"));
    const struct config_networks *clients = &config->access.items[0].when.clients;
    static const unsigned char TEN[16] = {[10] = 0xff, [11] = 0xff, [12] = 10};
    assert_int_equal(clients->count, 2);
    assert_int_equal(clients->items[0].prefix_bits, 104);
    assert_memory_equal(clients->items[0].address, TEN, sizeof TEN);
    assert_int_equal(clients->items[1].prefix_bits, 128);
    assert_true(config_networks_hold(clients, TEN));
    config_unref(config);
    config = case_good(DENY("when: {client: 192.0.2.7}"));
    assert_int_equal(config->deny.items[0].when.clients.count, 1);
    config_unref(config);
}

static void reads_trusted_proxies(void **state) {
    (void)state;
    struct config *config = case_good("trusted_proxies: [10.0.0.0/8, 2001:db8::/32]");
    assert_int_equal(config->trusted_proxies.count, 2);
    config_unref(config);
    config = case_good("trusted_proxies: []");
    assert_int_equal(config->trusted_proxies.count, 0);
    config_unref(config);
    config = case_good("");
    assert_int_equal(config->trusted_proxies.count, 0);
    config_unref(config);
}

static void reads_rates_with_their_defaults(void **state) {
    (void)state;
    struct config *config = case_good(ENTRY("rate: {requests: 100, window: 1s}"));
    const struct config_rate *rate = &config->access.items[0].rate;
    assert_true(rate->is_present);
    assert_false(rate->is_per_client);
    assert_int_equal(rate->requests, 100);
    assert_int_equal(rate->window_ms, 1000);
    assert_int_equal(rate->burst, 100);
    assert_false(config->routes[0].rate.is_present);
    config_unref(config);
    config = case_good(ROUTE("rate: {per: client, requests: 5, window: 1m, burst: 200}"));
    rate = &config->routes[0].rate;
    assert_true(rate->is_present && rate->is_per_client);
    assert_int_equal(rate->window_ms, 60000);
    assert_int_equal(rate->burst, 200);
    assert_false(config->access.items[0].rate.is_present);
    config_unref(config);
}

static void reads_shadow(void **state) {
    (void)state;
    struct config *config =
        case_good("access: [{role: Reader, to: {everyone: true}}, "
                  "{role: Contributor, to: {everyone: true}, shadow: true}]\n" DENY(
                      "shadow: true") "\n" ROUTE("shadow: true"));
    assert_false(config->access.items[0].is_shadow);
    assert_true(config->access.items[1].is_shadow);
    assert_true(config->deny.items[0].is_shadow);
    assert_true(config->routes[0].is_shadow);
    config_unref(config);
    config = case_good("");
    assert_false(config->routes[0].is_shadow);
    config_unref(config);
}

static void refuses_bad_values(void **state) {
    (void)state;
    static const struct config_case CASES[] = {
        {ENTRY("when: {client: 10.1.2.3/8}"), "1:62: access[0].when.client",
         "write 10.0.0.0/8 for the network, or 10.1.2.3 for that address alone"},
        {ENTRY("when: {client: []}"), "1:62: access[0].when.client", "empty list"},
        {ENTRY("when: {client: [10.0.0.0/8, intranet]}"), "1:75: access[0].when.client[1]",
         "such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32; got `intranet`"},
        {ENTRY("when: {client: 10}"), "1:62: access[0].when.client", "put it in quotes"},
        {ENTRY("when: {client: {a: b}}"), "1:62: access[0].when.client", "got a mapping"},
        {"trusted_proxies: [2001:db8::1/32]", "1:19: trusted_proxies[0]", "write 2001:db8::/32"},
        {"trusted_proxies: true", "1:18: trusted_proxies", "put it in quotes"},
        {"trusted_proxies: [[10.0.0.0/8]]", "1:19: trusted_proxies[0]", "got a list"},
        {ENTRY("rate: 100"), "1:53: access[0].rate", "must be a mapping"},
        {ENTRY("rate: {window: 1s}"), "1:53: access[0].rate.requests", "is missing"},
        {ENTRY("rate: {requests: 1}"), "1:53: access[0].rate.window", "is missing"},
        {ENTRY("rate: {requests: 0, window: 1s}"), "1:64: access[0].rate.requests",
         "from 1 to 1000000, got `0`"},
        {ENTRY("rate: {requests: 1, window: 1s, burst: 1000001}"), "1:86: access[0].rate.burst",
         "from 1 to 1000000"},
        {ENTRY("rate: {requests: 1, window: 1}"), "1:75: access[0].rate.window",
         "must be a duration: a whole number with ms, s, m or h, such as 1s; got `1`"},
        {ENTRY("rate: {requests: 1, window: 25h}"), "1:75: access[0].rate.window",
         "from 100ms to 24h"},
        {ENTRY("rate: {requests: 1, window: 1s, per: route}"), "1:84: access[0].rate.per",
         "must be one of identity|client"},
        {DENY("rate: {requests: 1, window: 1s}"), "1:28: deny[0].rate", "unknown key"},
        {ENTRY("shadow: yes"), "1:55: access[0].shadow", "must be true or false"},
        {ROUTE("shadow: log"), "1:66: routes[0].shadow", "must be true or false"},
    };
    REFUSE_ALL(CASES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_clients),
        cmocka_unit_test(reads_trusted_proxies),
        cmocka_unit_test(reads_rates_with_their_defaults),
        cmocka_unit_test(reads_shadow),
        cmocka_unit_test(refuses_bad_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
