/* Host values: what a name that resolves can look like, and nothing else. */
#include "h1_cases.h"

struct host_case {
    struct slice value;
    const char *name; /* NULL when refused */
};

static void assert_hosts(const struct host_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct slice name;
        bool is_valid = h1_host_is_valid(cases[i].value, &name);
        if (is_valid != (cases[i].name != NULL))
            fail_msg("\"%.*s\" is %s", SLICE_ARGS(cases[i].value), is_valid ? "valid" : "invalid");
        if (is_valid)
            assert_slice(name, cases[i].name);
    }
}

static void accepts_names_addresses_and_ports(void **state) {
    (void)state;
    static const struct host_case cases[] = {
        {TEXT("a"), "a"},
        {TEXT("Queues.Corp.Example"), "Queues.Corp.Example"},
        {TEXT("a.example."), "a.example."},
        {TEXT("my_service-1.local:8080"), "my_service-1.local"},
        {TEXT("a:1"), "a"},
        {TEXT("a:65535"), "a"},
        {TEXT("127.0.0.1:80"), "127.0.0.1"},
        {TEXT("[::1]"), "[::1]"},
        {TEXT("[2001:DB8::1]:443"), "[2001:DB8::1]"},
        {TEXT("[::ffff:10.0.0.1]:1"), "[::ffff:10.0.0.1]"},
    };
    assert_hosts(cases, COUNT(cases));
}

static void refuses_everything_else(void **state) {
    (void)state;
    static const struct host_case cases[] = {
        {TEXT(""), NULL},
        {TEXT(" "), NULL},
        {TEXT("a b"), NULL},
        {TEXT("a/b"), NULL},
        {TEXT("u@a"), NULL},
        {TEXT("a?b"), NULL},
        {TEXT("a#b"), NULL},
        {TEXT("a\\b"), NULL},
        {TEXT("a,b"), NULL},
        {TEXT("a;b"), NULL},
        {TEXT("a%2eb"), NULL},
        {TEXT("caf\xc3\xa9"), NULL},
        {TEXT("a\0"), NULL},
        {TEXT("a\0b"), NULL},
        {TEXT("."), NULL},
        {TEXT(".a"), NULL},
        {TEXT("a..b"), NULL},
        {TEXT("a.."), NULL},
        {TEXT(":80"), NULL},
        {TEXT("a:"), NULL},
        {TEXT("a:0"), NULL},
        {TEXT("a:080"), NULL},
        {TEXT("a:65536"), NULL},
        {TEXT("a:99999"), NULL},
        {TEXT("a:100000"), NULL},
        {TEXT("a:-1"), NULL},
        {TEXT("a:+1"), NULL},
        {TEXT("a:1x"), NULL},
        {TEXT("a:1:2"), NULL},
        {TEXT("a: 1"), NULL},
        {TEXT("::1"), NULL},
        {TEXT("[::1"), NULL},
        {TEXT("[]"), NULL},
        {TEXT("["), NULL},
        {TEXT("]"), NULL},
        {TEXT("[::1]x"), NULL},
        {TEXT("[::1]:"), NULL},
        {TEXT("[::1]]"), NULL},
        {TEXT("[[::1]]"), NULL},
        {TEXT("[1.2.3.4]"), NULL},
        {TEXT("[fe80::1%eth0]"), NULL},
        {TEXT("[v1.x]"), NULL},
        {TEXT("[::1\0]"), NULL},
        {TEXT("[::1\0x]"), NULL},
        {TEXT("[12345::]"), NULL},
        {TEXT("[1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20:21]"), NULL},
    };
    assert_hosts(cases, COUNT(cases));
}

static void bounds_the_name(void **state) {
    (void)state;
    char memory[300];
    memset(memory, 'a', sizeof memory);
    struct slice name;
    assert_true(h1_host_is_valid(slice_of(memory, 255), &name));
    assert_false(h1_host_is_valid(slice_of(memory, 256), &name));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_names_addresses_and_ports),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(bounds_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
