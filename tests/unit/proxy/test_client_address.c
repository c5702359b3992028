/* Who calls: entries one by one, then whole requests as trusted and untrusted peers send them. */
#include "h1_cases.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "config/network.h"
#include "proxy/client_address.h"

static const struct {
    struct slice entry;
    const char *text; /* NULL: refused */
} address_entries[] = {
    {TEXT("192.0.2.7"), "192.0.2.7"},
    {TEXT("192.0.2.7:443"), "192.0.2.7"},
    {TEXT("192.0.2.7:65535"), "192.0.2.7"},
    {TEXT("2001:db8::1"), "2001:db8::1"},
    {TEXT("2001:DB8:0:0:0:0:0:1"), "2001:db8::1"},
    {TEXT("[2001:db8::1]"), "2001:db8::1"},
    {TEXT("[2001:db8::1]:443"), "2001:db8::1"},
    {TEXT("::ffff:192.0.2.7"), "192.0.2.7"},
    {TEXT("[::ffff:192.0.2.7]:80"), "192.0.2.7"},
    {TEXT("::ffff:c000:207"), "192.0.2.7"},
    {TEXT("::1"), "::1"},
    {TEXT("0.0.0.0"), "0.0.0.0"},
    {TEXT(""), NULL},
    {TEXT(" "), NULL},
    {TEXT("unknown"), NULL},
    {TEXT("_hidden"), NULL},
    {TEXT("_192.0.2.7"), NULL},
    {TEXT("localhost"), NULL},
    {TEXT("client.example"), NULL},
    {TEXT("\"192.0.2.7\""), NULL},
    {TEXT("\"[2001:db8::1]:443\""), NULL},
    {TEXT("for=192.0.2.7"), NULL},
    {TEXT("192.0.2.7 "), NULL},
    {TEXT(" 192.0.2.7"), NULL},
    {TEXT("192.0.2.7 10.0.0.1"), NULL},
    {TEXT("192.0.2.7;10.0.0.1"), NULL},
    {TEXT("192.0.2.7\0"), NULL},
    {TEXT("192.0.2.7\0.evil"), NULL},
    {TEXT("192.0.2"), NULL},
    {TEXT("192.0.2.7.8"), NULL},
    {TEXT("192.0.2.256"), NULL},
    {TEXT("192.0.2.-7"), NULL},
    {TEXT("192.0.2.+7"), NULL},
    {TEXT("192.0.2.07"), NULL},
    {TEXT("0300.0.2.7"), NULL},
    {TEXT("0xc0.0.2.7"), NULL},
    {TEXT("3221225991"), NULL},
    {TEXT("192.0.2.7/32"), NULL},
    {TEXT("192.0.2.7:"), NULL},
    {TEXT("192.0.2.7:x"), NULL},
    {TEXT("192.0.2.7:-1"), NULL},
    {TEXT("192.0.2.7:65536"), NULL},
    {TEXT("192.0.2.7:0443"), NULL},
    {TEXT("192.0.2.7:443:443"), NULL},
    {TEXT("[192.0.2.7]"), NULL},
    {TEXT("[192.0.2.7]:443"), NULL},
    {TEXT("["), NULL},
    {TEXT("[]"), NULL},
    {TEXT("[::1"), NULL},
    {TEXT("::1]"), NULL},
    {TEXT("[::1]443"), NULL},
    {TEXT("[::1]:"), NULL},
    {TEXT("[::1]:443x"), NULL},
    {TEXT("[::1]]:443"), NULL},
    {TEXT("[[::1]]"), NULL},
    {TEXT("[ ::1]"), NULL},
    {TEXT("fe80::1%eth0"), NULL},
    {TEXT("[fe80::1%25eth0]:443"), NULL},
    {TEXT("fe80::1%2"), NULL},
    {TEXT(":::1"), NULL},
    {TEXT("1::2::3"), NULL},
    {TEXT("12345::1"), NULL},
    {TEXT("::g"), NULL},
    {TEXT("1:2:3:4:5:6:7:8:9"), NULL},
    {TEXT("::ffff:192.0.2"), NULL},
    {TEXT("0000000000000000000000000000000000000000000000000000000000::1"), NULL},
};

static void reads_addresses_and_nothing_else(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(address_entries); i++) {
        struct client_address address = {.text = "untouched"};
        bool is_good = client_address_parse(address_entries[i].entry, &address);
        if (is_good != (address_entries[i].text != NULL))
            fail_msg("%.*s is %s", SLICE_ARGS(address_entries[i].entry),
                     is_good ? "taken" : "refused");
        assert_string_equal(address.text,
                            address_entries[i].text ? address_entries[i].text : "untouched");
    }
}

static void tells_peers(void **state) {
    (void)state;
    struct sockaddr_storage peer = {0};
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)(void *)&peer;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)(void *)&peer;
    struct client_address address, same;
    ipv4->sin_family = AF_INET;
    inet_pton(AF_INET, "192.0.2.7", &ipv4->sin_addr);
    client_address_of_peer(&peer, &address);
    assert_true(address.is_ip);
    assert_string_equal(address.text, "192.0.2.7");
    peer = (struct sockaddr_storage){0};
    ipv6->sin6_family = AF_INET6;
    inet_pton(AF_INET6, "::ffff:192.0.2.7", &ipv6->sin6_addr);
    client_address_of_peer(&peer, &same);
    assert_string_equal(same.text, "192.0.2.7");
    assert_memory_equal(same.bytes, address.bytes, 16);
    inet_pton(AF_INET6, "2001:db8::1", &ipv6->sin6_addr);
    client_address_of_peer(&peer, &address);
    assert_string_equal(address.text, "2001:db8::1");
    peer = (struct sockaddr_storage){.ss_family = AF_UNIX};
    client_address_of_peer(&peer, &address);
    assert_false(address.is_ip);
    assert_string_equal(address.text, "unix");
}

#define FOR(value) "X-Forwarded-For: " value "\r\n"

struct scene {
    struct config_network networks[3];
    struct config_networks trusted;
    struct client_address peer;
    struct arena arena;
    struct reading reading;
    struct forwarding forwarding;
};

/* 10.0.0.0/8, 192.0.2.9 and 2001:db8:ffff::/48 are proxies. */
static void scene_open(struct scene *scene, const char *peer) {
    static const char *const names[] = {"10.0.0.0/8", "192.0.2.9", "2001:db8:ffff::/48"};
    *scene = (struct scene){.trusted = {scene->networks, COUNT(names)}};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_true(network_parse(slice_of_str(names[i]), &scene->networks[i]));
    if (!client_address_parse(slice_of_str(peer), &scene->peer))
        scene->peer = (struct client_address){.text = "unix"};
    arena_init(&scene->arena, (size_t)128 * 1024);
}

static void scene_read(struct scene *scene, const char *headers) {
    char text[32768];
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h.example\r\n%s\r\n", headers);
    arrival_done(&scene->reading.arrival);
    read_request(&scene->reading, slice_of_str(text));
    assert_int_equal(scene->reading.outcome, H1_COMPLETE);
    forwarding_of_peer(&scene->forwarding, &scene->peer, SLICE("h.example"));
    assert_true(forwarding_read(&scene->forwarding, &scene->trusted, &scene->reading.request,
                                &scene->arena));
}

static void scene_close(struct scene *scene) {
    arrival_done(&scene->reading.arrival);
    arena_done(&scene->arena);
}

static const struct {
    const char *peer;
    const char *headers;
    const char *client;
    const char *chain;
} forwarded_clients[] = {
    /* nobody else is believed */
    {"203.0.113.5", "", "203.0.113.5", "203.0.113.5"},
    {"203.0.113.5", FOR("198.51.100.1"), "203.0.113.5", "203.0.113.5"},
    {"203.0.113.5", FOR("10.0.0.1"), "203.0.113.5", "203.0.113.5"},
    {"192.0.2.8", FOR("198.51.100.1"), "192.0.2.8", "192.0.2.8"},
    {"2001:db8:fffe::1", FOR("198.51.100.1"), "2001:db8:fffe::1", "2001:db8:fffe::1"},
    {"unix", FOR("198.51.100.1"), "unix", "unix"},
    /* trusted peers are */
    {"10.0.0.1", "", "10.0.0.1", "10.0.0.1"},
    {"10.0.0.1", FOR("198.51.100.1"), "198.51.100.1", "198.51.100.1, 10.0.0.1"},
    {"192.0.2.9", FOR("198.51.100.1:4711"), "198.51.100.1", "198.51.100.1, 192.0.2.9"},
    {"2001:db8:ffff::1", FOR("[2001:DB8::7]:443"), "2001:db8::7", "2001:db8::7, 2001:db8:ffff::1"},
    {"10.0.0.1", FOR("::ffff:198.51.100.1"), "198.51.100.1", "198.51.100.1, 10.0.0.1"},
    {"10.0.0.1", "x-FORWARDED-for: 198.51.100.1\r\n", "198.51.100.1", "198.51.100.1, 10.0.0.1"},
    /* what the client made up stays behind */
    {"10.0.0.1", FOR("10.9.9.9, 127.0.0.1, 198.51.100.1"), "198.51.100.1",
     "198.51.100.1, 10.0.0.1"},
    {"10.0.0.1", FOR("10.9.9.9,198.51.100.1"), "198.51.100.1", "198.51.100.1, 10.0.0.1"},
    {"10.0.0.1", FOR("garbage, 198.51.100.1"), "198.51.100.1", "198.51.100.1, 10.0.0.1"},
    /* proxies behind proxies */
    {"10.0.0.1", FOR("203.0.113.5, 198.51.100.1, 192.0.2.9, 10.0.0.2"), "198.51.100.1",
     "198.51.100.1, 192.0.2.9, 10.0.0.2, 10.0.0.1"},
    {"10.0.0.1", FOR("203.0.113.5 \t,\t198.51.100.1 , 10.0.0.2\t"), "198.51.100.1",
     "198.51.100.1, 10.0.0.2, 10.0.0.1"},
    /* all of them trusted: the left-most */
    {"10.0.0.1", FOR("10.0.0.3, 10.0.0.2"), "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"},
    /* several lines are one list */
    {"10.0.0.1", FOR("203.0.113.5") FOR("198.51.100.1"), "198.51.100.1", "198.51.100.1, 10.0.0.1"},
    {"10.0.0.1", FOR("203.0.113.5, 198.51.100.1") "Accept: */*\r\n" FOR("10.0.0.3, 10.0.0.2"),
     "198.51.100.1", "198.51.100.1, 10.0.0.3, 10.0.0.2, 10.0.0.1"},
    {"10.0.0.1", FOR("") FOR("198.51.100.1"), "198.51.100.1", "198.51.100.1, 10.0.0.1"},
    /* what cannot be read ends the walk at who reported it */
    {"10.0.0.1", FOR("198.51.100.1, unknown"), "10.0.0.1", "10.0.0.1"},
    {"10.0.0.1", FOR("198.51.100.1,"), "10.0.0.1", "10.0.0.1"},
    {"10.0.0.1", FOR("198.51.100.1") FOR(""), "10.0.0.1", "10.0.0.1"},
    {"10.0.0.1", FOR(""), "10.0.0.1", "10.0.0.1"},
    {"10.0.0.1", FOR(","), "10.0.0.1", "10.0.0.1"},
    {"10.0.0.1", FOR("198.51.100.1, fe80::1%eth0"), "10.0.0.1", "10.0.0.1"},
    {"10.0.0.1", FOR("198.51.100.1, _hidden, 10.0.0.2"), "10.0.0.2", "10.0.0.2, 10.0.0.1"},
    {"10.0.0.1", FOR("198.51.100.1, , 10.0.0.2"), "10.0.0.2", "10.0.0.2, 10.0.0.1"},
    {"10.0.0.1", FOR("198.51.100.1 10.0.0.2"), "10.0.0.1", "10.0.0.1"},
    /* others' ways of saying it are not read */
    {"10.0.0.1", "Forwarded: for=198.51.100.1\r\n", "10.0.0.1", "10.0.0.1"},
    {"10.0.0.1", "X-Real-IP: 198.51.100.1\r\nTrue-Client-IP: 198.51.100.1\r\n", "10.0.0.1",
     "10.0.0.1"},
    {"10.0.0.1", "X-Forwarded-Forx: 198.51.100.1\r\n", "10.0.0.1", "10.0.0.1"},
    /* a client cannot have the proxy's word taken out */
    {"10.0.0.1", "Connection: x-forwarded-for\r\n" FOR("198.51.100.1"), "198.51.100.1",
     "198.51.100.1, 10.0.0.1"},
};

static void finds_the_client_behind_trusted_proxies(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(forwarded_clients); i++) {
        struct scene scene;
        scene_open(&scene, forwarded_clients[i].peer);
        scene_read(&scene, forwarded_clients[i].headers);
        const struct forwarding *forwarding = &scene.forwarding;
        if (!slice_eq_str(forwarding->chain, forwarded_clients[i].chain) ||
            strcmp(forwarding->client->text, forwarded_clients[i].client) != 0)
            fail_msg("%s %s: %s, %.*s", forwarded_clients[i].peer, forwarded_clients[i].headers,
                     forwarding->client->text, SLICE_ARGS(forwarding->chain));
        scene_close(&scene);
    }
}

static void believes_nobody_when_none_is_trusted(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, "10.0.0.1");
    scene.trusted.count = 0;
    scene_read(&scene, FOR("198.51.100.1") "X-Forwarded-Proto: https\r\n"
                                           "X-Forwarded-Host: other.example\r\n");
    assert_string_equal(scene.forwarding.client->text, "10.0.0.1");
    assert_false(scene.forwarding.is_https);
    assert_true(slice_eq_str(scene.forwarding.host, "h.example"));
    scene_close(&scene);
}

static void believes_trusted_peers_about_scheme_and_host(void **state) {
    (void)state;
    static const struct {
        const char *peer;
        const char *headers;
        bool is_https;
        const char *host;
    } cases[] = {
        {"10.0.0.1", "", false, "h.example"},
        {"10.0.0.1", "X-Forwarded-Proto: https\r\n", true, "h.example"},
        {"10.0.0.1", "X-Forwarded-Proto: http\r\n", false, "h.example"},
        {"203.0.113.5", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: o.example\r\n", false,
         "h.example"},
        {"unix", "X-Forwarded-Proto: https\r\n", false, "h.example"},
        {"10.0.0.1", "X-Forwarded-Proto: HTTPS\r\n", false, "h.example"},
        {"10.0.0.1", "X-Forwarded-Proto: https, http\r\n", false, "h.example"},
        {"10.0.0.1", "X-Forwarded-Proto: wss\r\n", false, "h.example"},
        {"10.0.0.1", "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n", false,
         "h.example"},
        {"10.0.0.1", "X-Forwarded-Host: o.example:8443\r\n", false, "o.example:8443"},
        {"10.0.0.1", "X-Forwarded-Host: o.example, p.example\r\n", false, "h.example"},
        {"10.0.0.1", "X-Forwarded-Host: o.example\r\nX-Forwarded-Host: p.example\r\n", false,
         "h.example"},
        {"10.0.0.1", "X-Forwarded-Host: o.example/../x\r\n", false, "h.example"},
        {"10.0.0.1", "X-Forwarded-Host: user@o.example\r\n", false, "h.example"},
        {"10.0.0.1", "X-Forwarded-Host:\r\n", false, "h.example"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct scene scene;
        scene_open(&scene, cases[i].peer);
        scene_read(&scene, cases[i].headers);
        if (scene.forwarding.is_https != cases[i].is_https ||
            !slice_eq_str(scene.forwarding.host, cases[i].host))
            fail_msg("%s %s: %d %.*s", cases[i].peer, cases[i].headers, scene.forwarding.is_https,
                     SLICE_ARGS(scene.forwarding.host));
        scene_close(&scene);
    }
}

static void walks_a_thousand_entries(void **state) {
    (void)state;
    struct scene scene;
    char headers[32768];
    size_t len = (size_t)snprintf(headers, sizeof headers, "X-Forwarded-For: 198.51.100.1");
    for (int i = 0; i < 1000; i++)
        len +=
            (size_t)snprintf(headers + len, sizeof headers - len, ",10.1.%d.%d", i / 250, i % 250);
    snprintf(headers + len, sizeof headers - len, "\r\n");
    scene_open(&scene, "10.0.0.1");
    scene_read(&scene, headers);
    assert_string_equal(scene.forwarding.client->text, "198.51.100.1");
    assert_true(slice_starts_with(scene.forwarding.chain, SLICE("198.51.100.1, 10.1.0.0, ")));
    assert_true(slice_ends_with(scene.forwarding.chain, SLICE(", 10.1.3.249, 10.0.0.1")));
    scene_close(&scene);
}

static void says_when_memory_is_short(void **state) {
    (void)state;
    struct scene scene;
    scene_open(&scene, "10.0.0.1");
    scene_read(&scene, FOR("198.51.100.1"));
    struct arena none;
    arena_init(&none, 16);
    forwarding_of_peer(&scene.forwarding, &scene.peer, SLICE("h.example"));
    assert_false(forwarding_read(&scene.forwarding, &scene.trusted, &scene.reading.request, &none));
    arena_done(&none);
    scene_close(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_addresses_and_nothing_else),
        cmocka_unit_test(tells_peers),
        cmocka_unit_test(finds_the_client_behind_trusted_proxies),
        cmocka_unit_test(believes_nobody_when_none_is_trusted),
        cmocka_unit_test(believes_trusted_peers_about_scheme_and_host),
        cmocka_unit_test(walks_a_thousand_entries),
        cmocka_unit_test(says_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
