/* Networks, and who is in them. */
#include "config_case.h"

#include "config/network.h"

static bool holds(const char *network, const char *address) {
    struct config_network outer, inner;
    assert_true(network_parse(slice_of_str(network), &outer));
    assert_true(network_parse(slice_of_str(address), &inner));
    struct config_networks networks = {&outer, 1};
    return config_networks_hold(&networks, inner.address);
}

static void holds_its_addresses(void **state) {
    (void)state;
    assert_true(holds("10.0.0.0/8", "10.255.255.255"));
    assert_false(holds("10.0.0.0/8", "11.0.0.0"));
    assert_true(holds("192.0.2.7", "192.0.2.7"));
    assert_false(holds("192.0.2.7", "192.0.2.6"));
    assert_true(holds("192.0.2.128/25", "192.0.2.200"));
    assert_false(holds("192.0.2.128/25", "192.0.2.127"));
    assert_true(holds("192.0.2.6/31", "192.0.2.7"));
    assert_true(holds("0.0.0.0/0", "203.0.113.9"));
    assert_true(holds("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(holds("2001:db8::/32", "2001:db9::1"));
    assert_true(holds("::1", "::1"));
    assert_false(holds("::1", "::2"));
    assert_true(holds("2001:db8::fffe/127", "2001:db8::ffff"));
}

static void mapped_addresses_are_ipv4(void **state) {
    (void)state;
    assert_true(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_true(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
    assert_false(holds("::/0", "10.1.2.3"));
    assert_true(holds("::/0", "2001:db8::1"));
    assert_false(holds("0.0.0.0/0", "2001:db8::1"));
    assert_false(holds("0.0.0.0/0", "::1"));
}

static void empty_list_holds_nobody(void **state) {
    (void)state;
    static const unsigned char ANY[16];
    struct config_networks none = {0};
    assert_false(config_networks_hold(&none, ANY));
}

static void refuses_what_is_no_network(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"",
                                        "/8",
                                        "10.0.0.0/33",
                                        "10.0.0.0/",
                                        "10.0.0.0/-1",
                                        "10.0.0/8",
                                        "10.0.0.*",
                                        "10.0.0.0/08",
                                        "10.0.0.0/8/8",
                                        "010.0.0.0",
                                        "0x0a.0.0.0",
                                        "167772160",
                                        "::1/129",
                                        "fe80::1%lo",
                                        "[::1]",
                                        "10.0.0.0 /8",
                                        " 10.0.0.0/8",
                                        "localhost",
                                        "::1/",
                                        "a.example",
                                        "1:2:3:4:5:6:7:8:9",
                                        "10.0.0.0/255.0.0.0"};
    struct config_network network;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        if (network_parse(slice_of_str(TEXTS[i]), &network))
            fail_msg("`%s` was taken", TEXTS[i]);
    }
    assert_false(network_parse(slice_of("10.0.0.1\0x", 10), &network));
    assert_true(network_parse(SLICE("10.0.0.1"), &network));
}

static void tells_network_from_host_bits(void **state) {
    (void)state;
    static const char *const CASES[][2] = {{"10.1.2.3/8", "10.0.0.0/8"},
                                           {"192.0.2.255/25", "192.0.2.128/25"},
                                           {"2001:db8::1/32", "2001:db8::/32"},
                                           {"::ffff:10.0.0.1/104", "10.0.0.0/8"}};
    struct network_text text;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct config_network network;
        assert_true(network_parse(slice_of_str(CASES[i][0]), &network));
        assert_true(network_has_host_bits(&network));
        struct config_network clean = network_of(&network);
        assert_false(network_has_host_bits(&clean));
        assert_string_equal(network_format(&clean, &text), CASES[i][1]);
    }
}

static void compares_networks(void **state) {
    (void)state;
    static const struct {
        const char *inner, *outer;
        bool is_within;
    } CASES[] = {
        {"10.1.0.0/16", "10.0.0.0/8", true}, {"10.0.0.0/8", "10.1.0.0/16", false},
        {"10.0.0.0/8", "10.0.0.0/8", true},  {"11.0.0.0/16", "10.0.0.0/8", false},
        {"10.0.0.0/8", "::/0", false},       {"2001:db8::/48", "2001:db8::/32", true},
        {"192.0.2.1", "192.0.2.0/24", true}, {"::1", "::/0", true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct config_network inner, outer;
        assert_true(network_parse(slice_of_str(CASES[i].inner), &inner));
        assert_true(network_parse(slice_of_str(CASES[i].outer), &outer));
        assert_int_equal(network_is_within(&inner, &outer), CASES[i].is_within);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_its_addresses),
        cmocka_unit_test(mapped_addresses_are_ipv4),
        cmocka_unit_test(empty_list_holds_nobody),
        cmocka_unit_test(refuses_what_is_no_network),
        cmocka_unit_test(tells_network_from_host_bits),
        cmocka_unit_test(compares_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
