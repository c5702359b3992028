/* Where names may lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "config/network.h"
#include "proxy/address_class.h"

static const struct config_upstream far = {.host = "app.example"};
static const struct config_upstream local = {.host = "localhost", .is_loopback = true};
static const struct config_networks anywhere = {0};

static bool may_lead(const struct config_upstream *upstream, const char *text,
                     const struct config_networks *networks) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return address_is_allowed((struct sockaddr *)&v4, upstream, networks);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_is_allowed((struct sockaddr *)&v6, upstream, networks);
}

static void allows_ordinary_addresses(void **state) {
    (void)state;
    static const char *const texts[] = {"10.0.0.7",    "192.168.1.1",     "203.0.113.9",
                                        "2001:db8::1", "fd12::1",         "100.64.0.1",
                                        "169.253.0.1", "223.255.255.255", "::ffff:10.0.0.7"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!may_lead(&far, texts[i], &anywhere))
            fail_msg("%s", texts[i]);
}

static void bars_this_machine_and_its_platform(void **state) {
    (void)state;
    static const char *const texts[] = {"127.0.0.1",
                                        "127.9.9.9",
                                        "0.0.0.0",
                                        "169.254.169.254",
                                        "168.63.129.16",
                                        "224.0.0.1",
                                        "255.255.255.255",
                                        "240.0.0.1",
                                        "::1",
                                        "::",
                                        "fe80::1",
                                        "febf::1",
                                        "ff02::1",
                                        "fd00:ec2::254",
                                        "::ffff:127.0.0.1",
                                        "::ffff:169.254.169.254",
                                        "64:ff9b::7f00:1",
                                        "64:ff9b::a9fe:a9fe",
                                        "::127.0.0.1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (may_lead(&far, texts[i], &anywhere))
            fail_msg("%s", texts[i]);
}

static void keeps_localhost_on_this_machine(void **state) {
    (void)state;
    assert_true(may_lead(&local, "127.0.0.1", &anywhere));
    assert_true(may_lead(&local, "::1", &anywhere));
    assert_false(may_lead(&local, "10.0.0.7", &anywhere));
    assert_false(may_lead(&local, "169.254.169.254", &anywhere));
}

static void holds_names_to_the_routes_networks(void **state) {
    (void)state;
    struct config_network items[2];
    assert_true(network_parse(SLICE("127.0.0.0/8"), &items[0]));
    assert_true(network_parse(SLICE("2001:db8::/32"), &items[1]));
    const struct config_networks networks = {.items = items, .count = 2};
    assert_true(may_lead(&far, "127.0.0.1", &networks));
    assert_true(may_lead(&far, "2001:db8::9", &networks));
    assert_false(may_lead(&far, "10.0.0.7", &networks));
    assert_false(may_lead(&far, "::1", &networks));
    assert_true(may_lead(&local, "127.0.0.1", &networks));
    assert_false(may_lead(&local, "2001:db8::9", &networks));
}

static void bars_what_is_no_internet_address(void **state) {
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_false(address_is_allowed((struct sockaddr *)&address, &far, &anywhere));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_ordinary_addresses),
        cmocka_unit_test(bars_this_machine_and_its_platform),
        cmocka_unit_test(keeps_localhost_on_this_machine),
        cmocka_unit_test(holds_names_to_the_routes_networks),
        cmocka_unit_test(bars_what_is_no_internet_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
