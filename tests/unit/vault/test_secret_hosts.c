#include "vault/secret_hosts.h"

#include "vault_case.h"

static struct arena arena;

static int start_arena(void **state) {
    (void)state;
    arena_init(&arena, 64 * 1024);
    return 0;
}

static int stop_arena(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct rendered_hosts read_tag(const char *tag) {
    struct rendered_hosts hosts = {NULL, 99};
    assert_true(secret_hosts_read(tag, &arena, &hosts));
    return hosts;
}

static bool may_go_to(const char *tag, const char *host, uint16_t port) {
    const struct rendered_hosts hosts = read_tag(tag);
    return secret_hosts_hold(&hosts, slice_of_str(host), port);
}

static void goes_where_the_tag_says(void **state) {
    static const struct {
        const char *tag, *host;
        uint16_t port;
        bool is_let;
    } rows[] = {
        {"db.example", "db.example", 443, true},
        {"db.example", "db.example", 1, true},
        {"DB.Example", "db.example", 443, true},
        {"db.example", "DB.EXAMPLE", 443, true},
        {"db.example", "db.example.evil.test", 443, false},
        {"db.example", "evil-db.example", 443, false},
        {"db.example", "example", 443, false},
        {"db.example", "", 443, false},
        {"db.example:5432", "db.example", 5432, true},
        {"db.example:5432", "db.example", 443, false},
        {"a.example:1 a.example:2", "a.example", 2, true},
        {"a.example:1 a.example:2", "a.example", 3, false},
        {"  a.example   b.example ", "b.example", 80, true},
        {"a_b.example", "a_b.example", 80, true},
        {"127.0.0.1:8080", "127.0.0.1", 8080, true},
        {"127.0.0.1:8080", "localhost", 8080, false},
        {"[::1]", "::1", 80, true},
        {"[::1]:8080", "::1", 8080, true},
        {"[::1]:8080", "::1", 80, false},
        {"[0:0:0:0:0:0:0:1]", "::1", 80, true},
        {"[2001:DB8::a]", "2001:db8:0::A", 80, true},
        {"[2001:db8::a]", "2001:db8::b", 80, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (may_go_to(rows[i].tag, rows[i].host, rows[i].port) != rows[i].is_let)
            fail_msg("\"%s\" and %s:%u", rows[i].tag, rows[i].host, rows[i].port);
}

/* In each there is a host that would be let if the rest did not count. */
static void goes_nowhere_with_a_tag_that_is_not_understood(void **state) {
    static const char *const tags[] = {
        "",
        "   ",
        "db.example https://db.example",
        "db.example *.example",
        "db.example *",
        "db.example db.example/path",
        "db.example user@db.example",
        "db.example other.example:",
        "db.example other.example:0",
        "db.example other.example:65536",
        "db.example other.example:http",
        "db.example other.example:1:2",
        "db.example :443",
        "db.example ::1",
        "db.example [::1",
        "db.example [127.0.0.1]",
        "db.example [db.example]",
        "db.example [::1]x",
        "db.example 127.1",
        "db.example 0x7f.1",
        "db.example other..example",
        "db.example .example",
        "db.example other.example.",
        "db.example,other.example",
        "db.example\tother.example",
        "db.example\nother.example",
        "db.example caf\xc3\xa9.example",
        ("\xef\xbb\xbf"
         "db.example"),
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        const struct rendered_hosts hosts = read_tag(tags[i]);
        if (hosts.count != 0 || secret_hosts_hold(&hosts, SLICE("db.example"), 443))
            fail_msg("\"%s\" lets something through", tags[i]);
    }
    assert_true(may_go_to("db.example other.example", "db.example", 443));
}

static void goes_nowhere_with_a_tag_that_is_too_long(void **state) {
    (void)state;
    char *tag = repeated(' ', 1025);
    memcpy(tag, "db.example", 10);
    assert_false(may_go_to(tag, "db.example", 443));
    tag[1024] = '\0';
    assert_true(may_go_to(tag, "db.example", 443));
    free(tag);
}

static void keeps_items_in_lower_case(void **state) {
    (void)state;
    const struct rendered_hosts hosts = read_tag("A.Example:443 [2001:DB8::1]");
    assert_int_equal(hosts.count, 2);
    assert_true(slice_eq_str(hosts.items[0], "a.example:443"));
    assert_true(slice_eq_str(hosts.items[1], "[2001:db8::1]"));
}

static void says_when_there_is_no_memory(void **state) {
    struct rendered_hosts hosts = {NULL, 99};
    struct arena small;
    (void)state;
    arena_init(&small, 0);
    assert_false(secret_hosts_read("db.example", &small, &hosts));
    arena_done(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(goes_where_the_tag_says, start_arena, stop_arena),
        cmocka_unit_test_setup_teardown(goes_nowhere_with_a_tag_that_is_not_understood, start_arena,
                                        stop_arena),
        cmocka_unit_test_setup_teardown(goes_nowhere_with_a_tag_that_is_too_long, start_arena,
                                        stop_arena),
        cmocka_unit_test_setup_teardown(keeps_items_in_lower_case, start_arena, stop_arena),
        cmocka_unit_test(says_when_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
