/* Where calls may go. */
#include "client_case.h"

static void ignores_proxies_from_the_environment(void **state) {
    (void)state;
    static const char *const names[] = {"http_proxy", "all_proxy", "ALL_PROXY", "https_proxy",
                                        "HTTPS_PROXY"};
    struct server proxy = start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct server server =
        start(SERVER_REPLIES, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_true(server_start(&proxy));
    assert_true(server_start(&server));
    char proxy_url[128];
    copy_text(proxy_url, sizeof proxy_url, slice_of_str(url_of(&proxy, "")));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        setenv(names[i], proxy_url, 1);
    setenv("no_proxy", "", 1);
    struct outcome outcome = get(&server);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    unsetenv("no_proxy");
    server_stop(&server);
    server_stop(&proxy);
    assert_int_equal(outcome.status, STATUS_OK);
    assert_string_equal(outcome.body, "hello");
    assert_int_equal(atomic_load(&proxy.connections), 0);
    free(outcome.body);
}

static void refuses_urls_before_any_connection(void **state) {
    (void)state;
    static const struct {
        const char *url;
        bool allow_link_local;
        bool is_accepted;
    } cases[] = {
        {"https://vault.example/", false, true},
        {"http://127.0.0.1/", false, true},
        {"http://127.8.7.6:81/", false, true},
        {"http://localhost/", false, true},
        {"http://[::1]:80/", false, true},
        {"http://169.254.169.254/metadata", true, true},
        {"http://169.254.169.254:80", true, true},
        {"http://169.254.169.254/metadata", false, false},
        {"http://0xa9fea9fe/metadata", true, false},
        {"http://169.254.43518/metadata", true, false},
        {"http://169.254.169.253/metadata", true, false},
        {"http://169.254.169.254.example/metadata", true, false},
        {"http://169.254.169.254@example.com/", true, false},
        {"http://example.com/", false, false},
        {"http://128.0.0.1/", false, false},
        {"http://localhost.example/", false, false},
        {"http://[::2]/", false, false},
        {"http://[::ffff:127.0.0.1]/", false, false},
        {"ftp://127.0.0.1/", false, false},
        {"file:///etc/passwd", false, false},
        {"https://user:password@vault.example/", false, false},
        {"vault.example", false, false},
        {"/relative", false, false},
        {"https://", false, false},
        {"https://a b/", false, false},
        {"https://vault.example/\r\nX-Injected: 1", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {""};
        struct http_client_request request = {.url = cases[i].url,
                                              .allow_link_local = cases[i].allow_link_local};
        if (is_accepted(request, &err) != cases[i].is_accepted)
            fail_msg("%s: expected %d (%s)", cases[i].url, cases[i].is_accepted, err.text);
        assert_true(cases[i].is_accepted || err.text[0]);
    }
}

static void lets_a_request_go_to_any_link_local_address_when_it_says_so(void **state) {
    (void)state;
    static const struct {
        const char *url;
        bool is_accepted;
    } cases[] = {
        {"http://169.254.129.2:8081/msi/token", true},
        {"http://169.254.255.2:8081/msi/token?resource=x", true},
        {"http://169.254.169.254/metadata", true},
        {"http://127.0.0.1:42356/msi/token", true},
        {"http://169.253.129.2:8081/msi/token", false},
        {"http://169.255.129.2/", false},
        {"http://169.254.129.2.example/", false},
        {"http://169.254.129.2@example.com/", false},
        {"http://169.254.33026/", false},
        {"http://169.254.0x81.2/", false},
        {"http://0xa9fe8102/", false},
        {"http://0251.0376.129.2/", false},
        {"http://[::ffff:169.254.129.2]/", false},
        {"http://[fe80::1]/", false},
        {"http://172.16.0.1:8081/msi/token", false},
        {"http://10.0.0.1/", false},
        {"http://example.com/", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {""};
        struct http_client_request request = {.url = cases[i].url, .allow_any_link_local = true};
        if (is_accepted(request, &err) != cases[i].is_accepted)
            fail_msg("%s: expected %d (%s)", cases[i].url, cases[i].is_accepted, err.text);
        request.allow_any_link_local = false;
        if (strstr(cases[i].url, "//169.254.") && is_accepted(request, &err))
            fail_msg("%s: accepted without being allowed", cases[i].url);
    }
}

static void encodes_form_values(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 256);
    http_form_encode(&buf, SLICE("aZ09-._~ +&=/\xC3\xA9\n%"));
    assert_int_equal(buf.len, http_form_size(SLICE("aZ09-._~ +&=/\xC3\xA9\n%")));
    assert_true(slice_eq_str(buf_slice(&buf), "aZ09-._~%20%2B%26%3D%2F%C3%A9%0A%25"));
    buf_done(&buf);
}

static void knows_loopback_hosts(void **state) {
    (void)state;
    static const struct {
        const char *host;
        bool is_loopback;
    } cases[] = {
        {"localhost", true},
        {"LocalHost", true},
        {"127.0.0.1", true},
        {"127.255.255.254", true},
        {"::1", true},
        {"[::1]", true},
        {"[0:0:0:0:0:0:0:1]", true},
        {"", false},
        {"localhost.", false},
        {"localhost.example", false},
        {"[localhost]", false},
        {"127.1", false},
        {"0x7f000001", false},
        {"127.0.0.1.example", false},
        {"[127.0.0.1]", false},
        {"128.0.0.1", false},
        {"0.0.0.0", false},
        {"::", false},
        {"[::1", false},
        {"::ffff:127.0.0.1", false},
        {"127.0.0.1:80", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (http_host_is_loopback(slice_of_str(cases[i].host)) != cases[i].is_loopback)
            fail_msg("%s: expected %d", cases[i].host, cases[i].is_loopback);
    assert_false(http_host_is_loopback(slice_of("127.0.0.1\0x", 11)));
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ignores_proxies_from_the_environment),
        cmocka_unit_test(refuses_urls_before_any_connection),
        cmocka_unit_test(lets_a_request_go_to_any_link_local_address_when_it_says_so),
        cmocka_unit_test(encodes_form_values),
        cmocka_unit_test(knows_loopback_hosts),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
