/* The small things a configuration is read with: quantities, hosts, URLs, suggestions, quoting, the
 * index of names and the list of problems. */
#include "config_case.h"

#include "config/duration.h"
#include "config/host.h"
#include "config/name_index.h"
#include "config/problem.h"
#include "config/quote.h"
#include "config/suggest.h"
#include "config/url.h"

static void reads_durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } GOOD[] = {
        {"0s", 0},
        {"1ms", 1},
        {"250ms", 250},
        {"5s", 5000},
        {"10m", 600000},
        {"24h", 86400000},
        {"18446744073709551615ms", UINT64_MAX},
    };
    static const char *const BAD[] = {"",
                                      "5",
                                      "s",
                                      "5 s",
                                      "5S",
                                      "-5s",
                                      "+5s",
                                      "05s",
                                      "1.5s",
                                      "1e3s",
                                      "5s ",
                                      " 5s",
                                      "1h30m",
                                      "1d",
                                      "18446744073709551616ms",
                                      "18446744073709551615s"};
    uint64_t ms = 0;
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        assert_true(duration_parse(slice_of_str(GOOD[i].text), &ms));
        assert_true(ms == GOOD[i].ms);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        if (duration_parse(slice_of_str(BAD[i]), &ms))
            fail_msg("`%s` was taken for a duration", BAD[i]);
    }
}

static void reads_sizes(void **state) {
    (void)state;
    uint64_t bytes = 0;
    assert_true(size_parse(SLICE("4096"), &bytes) && bytes == 4096);
    assert_true(size_parse(SLICE("64KiB"), &bytes) && bytes == 65536);
    assert_true(size_parse(SLICE("1MiB"), &bytes) && bytes == 1048576);
    assert_true(size_parse(SLICE("2GiB"), &bytes) && bytes == 2147483648u);
    static const char *const BAD[] = {"",
                                      "KiB",
                                      "1KB",
                                      "1kib",
                                      "1 KiB",
                                      "-1",
                                      "0x10",
                                      "1.5MiB",
                                      "18446744073709551616",
                                      "17179869184GiB"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        if (size_parse(slice_of_str(BAD[i]), &bytes))
            fail_msg("`%s` was taken for a size", BAD[i]);
    }
}

static void writes_quantities_as_they_are_read(void **state) {
    (void)state;
    struct quantity_text text;
    assert_string_equal(duration_format(0, &text), "0s");
    assert_string_equal(duration_format(90000, &text), "90s");
    assert_string_equal(duration_format(3600000, &text), "1h");
    assert_string_equal(duration_format(1500, &text), "1500ms");
    assert_string_equal(size_format(1048576, &text), "1MiB");
    assert_string_equal(size_format(1025, &text), "1025");
}

static void tells_hosts_from_what_looks_like_one(void **state) {
    (void)state;
    static const char *const GOOD[] = {"a",       "a-b.example",     "a_b",
                                       "1a.2b",   "127.0.0.1",       "::1",
                                       "fe80::1", "xn--4ca.example", "3com.example"};
    static const char *const BAD[] = {"",       ".",         "a.",        ".a",
                                      "a..b",   "-a",        "a-",        "a b",
                                      "a/b",    "a@b",       "127.1",     "1",
                                      "0x7f.1", "256.1.1.1", "1.2.3.4.5", "0177.0.0.1",
                                      "a.1",    "[::1]",     "::1%lo",    "\xc3\xa4.example",
                                      "a:b"};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        assert_true(host_is_valid(slice_of_str(GOOD[i])));
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        if (host_is_valid(slice_of_str(BAD[i])))
            fail_msg("`%s` was taken for a host", BAD[i]);
    }
    char label[65];
    memset(label, 'a', 64);
    label[64] = '\0';
    assert_false(host_is_valid(slice_of_str(label)));
    assert_true(host_is_valid(slice_of(label, 63)));
    assert_false(host_is_valid(slice_of("a\0b", 3)));
}

static void knows_loopback(void **state) {
    (void)state;
    static const char *const YES[] = {"127.0.0.1",       "127.255.0.9", "::1",
                                      "0:0:0:0:0:0:0:1", "localhost",   "LocalHost"};
    static const char *const NO[] = {"126.0.0.1",
                                     "10.0.0.1",
                                     "0.0.0.0",
                                     "::",
                                     "::2",
                                     "::ffff:10.0.0.1",
                                     "::ffff:127.0.0.1",
                                     "localhost.example",
                                     "127.0.0.1.example",
                                     "",
                                     "169.254.169.254"};
    for (size_t i = 0; i < sizeof YES / sizeof *YES; i++)
        assert_true(host_is_loopback(slice_of_str(YES[i])));
    for (size_t i = 0; i < sizeof NO / sizeof *NO; i++)
        assert_false(host_is_loopback(slice_of_str(NO[i])));
}

static void reads_urls(void **state) {
    (void)state;
    struct url url;
    assert_null(url_parse(SLICE("https://a.example"), &url));
    assert_true(url.is_https && url.port == 443 && url.path.len == 0);
    assert_null(url_parse(SLICE("HTTP://[::1]:8080/a/b/"), &url));
    assert_true(!url.is_https && url.port == 8080 && slice_eq_str(url.host, "::1"));
    assert_true(slice_eq_str(url.path, "/a/b"));
    assert_true(slice_eq_str(url.authority, "[::1]:8080"));
    static const char *const BAD[] = {"",
                                      "a.example",
                                      "http:",
                                      "http:/a",
                                      "http://",
                                      "http:///a",
                                      "ftp://a",
                                      "http://a:",
                                      "http://a:0",
                                      "http://a:65536",
                                      "http://a:b",
                                      "http://[::1",
                                      "http://[::1]x",
                                      "http://u@a",
                                      "http://a?b",
                                      "http://a#b",
                                      "http://a/b?c",
                                      "http://a\\b",
                                      "http://a b",
                                      "http://:80",
                                      "http://[]",
                                      "http://::1",
                                      "http://a@b:80",
                                      "https://a.example:443:1"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        if (!url_parse(slice_of_str(BAD[i]), &url))
            fail_msg("`%s` was taken for a URL", BAD[i]);
    }
}

static void measures_slips_of_the_pen(void **state) {
    (void)state;
    assert_int_equal(suggest_distance(SLICE("audience"), SLICE("audience")), 0);
    assert_int_equal(suggest_distance(SLICE("audiance"), SLICE("audience")), 1);
    assert_int_equal(suggest_distance(SLICE("AUDIENCE"), SLICE("audience")), 0);
    assert_int_equal(suggest_distance(SLICE("adui"), SLICE("audi")), 1);
    assert_int_equal(suggest_distance(SLICE(""), SLICE("abc")), 3);
    assert_int_equal(suggest_distance(SLICE("kitten"), SLICE("sitting")), 3);
    char longest[65];
    memset(longest, 'a', 65);
    assert_int_equal(suggest_distance(slice_of(longest, 64), slice_of(longest, 0)), 64);
    assert_true(suggest_distance(slice_of(longest, 65), SLICE("a")) == SIZE_MAX);
}

static const char *best_of(const char *mistyped) {
    static const char *const KNOWN[] = {"to", "role", "actions", "credential", "access"};
    static char best[64];
    struct suggestion suggestion;
    suggestion_init(&suggestion, slice_of_str(mistyped));
    for (size_t i = 0; i < 5; i++)
        suggestion_try(&suggestion, slice_of_str(KNOWN[i]));
    if (!suggestion.best.ptr)
        return NULL;
    snprintf(best, sizeof best, "%.*s", SLICE_ARGS(suggestion.best));
    return best;
}

static void suggests_only_what_is_near(void **state) {
    (void)state;
    assert_string_equal(best_of("rolle"), "role");
    assert_string_equal(best_of("action"), "actions");
    assert_string_equal(best_of("credentails"), "credential");
    assert_string_equal(best_of("too"), "to");
    assert_null(best_of("tls"));
    assert_null(best_of("xy"));
    assert_null(best_of("principal"));
}

static void quotes_harmlessly(void **state) {
    (void)state;
    assert_string_equal(QUOTE(SLICE("plain")), "`plain`");
    assert_string_equal(QUOTE(SLICE("a\x1b[31m\n\x7f")), "`a\\x1b[31m\\x0a\\x7f`");
    assert_string_equal(QUOTE(SLICE("\xc3\xa4\xc2\x9b")), "`\xc3\xa4\\xc2\\x9b`");
    assert_string_equal(QUOTE(SLICE("\xd7\x90\xe4\xb8\xad\xf0\x9f\x8d\xba")),
                        "`\xd7\x90\xe4\xb8\xad\xf0\x9f\x8d\xba`");
    assert_string_equal(QUOTE(slice_of(NULL, 0)), "``");
    char longest[200];
    memset(longest, 'x', sizeof longest);
    const char *quoted = QUOTE(slice_of(longest, sizeof longest));
    assert_true(strlen(quoted) < 72);
    assert_non_null(strstr(quoted, "...`"));
    for (size_t size = 1; size < 12; size++) {
        char small[12];
        assert_true(quote_escape(SLICE("\xe2\x82\xac\xe2\x82\xac\x01\x01"), small, size) < size);
    }
}

static void escapes_what_turns_text_around(void **state) {
    (void)state;
    static const struct slice turns[] = {
        SLICE("\xe2\x80\x8e"), SLICE("\xe2\x80\x8f"), SLICE("\xe2\x80\xa8"), SLICE("\xe2\x80\xa9"),
        SLICE("\xe2\x80\xaa"), SLICE("\xe2\x80\xab"), SLICE("\xe2\x80\xac"), SLICE("\xe2\x80\xad"),
        SLICE("\xe2\x80\xae"), SLICE("\xe2\x81\xa6"), SLICE("\xe2\x81\xa7"), SLICE("\xe2\x81\xa8"),
        SLICE("\xe2\x81\xa9"), SLICE("\xd8\x9c"),
    };
    struct quoted_field field;
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        const char *shown = quote_field(turns[i], &field);
        assert_int_equal(strlen(shown), 4 * turns[i].len);
        assert_int_equal(strspn(shown, "\\x0123456789abcdef"), strlen(shown));
    }
    assert_string_equal(quote_field(SLICE("\xe2\x80\x8d\xe2\x80\xa6"), &field),
                        "\xe2\x80\x8d\xe2\x80\xa6"); /* a joiner, an ellipsis */
}

static void escapes_bytes_that_are_no_characters(void **state) {
    (void)state;
    struct quoted_field field;
    assert_string_equal(quote_field(SLICE("a\x9b\xff"
                                          "b"),
                                    &field),
                        "a\\x9b\\xffb");
    assert_string_equal(quote_field(SLICE("\xe2\x80"), &field), "\\xe2\\x80"); /* cut */
    assert_string_equal(quote_field(SLICE("\xc0\x9b"), &field), "\\xc0\\x9b"); /* overlong */
    assert_string_equal(quote_field(SLICE("\xed\xa0\x80"), &field), "\\xed\\xa0\\x80");
    assert_string_equal(quote_field(SLICE("a\0b"), &field), "a\\x00b");
    assert_string_equal(quote_field(SLICE("\\x9b"), &field), "\\x9b"); /* escaped already */
}

static void prints_a_bounded_part(void **state) {
    (void)state;
    static char longest[100000];
    char *text = NULL;
    size_t len = 0;
    memset(longest, 0x1b, sizeof longest);
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    quote_print(out, slice_of(longest, sizeof longest));
    fclose(out);
    assert_in_range(len, 4000, 4096);
    assert_memory_equal(text, "\\x1b\\x1b", 8);
    assert_memory_equal(text + len - 3, "...", 3);
    free(text);
}

static void finds_names_among_many(void **state) {
    (void)state;
    struct name_index index = {0};
    static char names[3000][8];
    assert_int_equal(name_index_find(&index, SLICE("n0")), NAME_INDEX_ABSENT);
    for (size_t i = 0; i < 3000; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i);
        assert_int_equal(name_index_add(&index, slice_of_str(names[i]), i), STATUS_OK);
    }
    assert_int_equal(name_index_add(&index, slice_of(NULL, 0), 7), STATUS_OK);
    for (size_t i = 0; i < 3000; i++)
        assert_int_equal(name_index_find(&index, slice_of_str(names[i])), i);
    assert_int_equal(name_index_find(&index, SLICE("n3000")), NAME_INDEX_ABSENT);
    assert_int_equal(name_index_find(&index, SLICE("")), 7);
    name_index_done(&index);
}

static void writes_problems_on_one_line(void **state) {
    (void)state;
    char text[256];
    struct problem problem = {PROBLEM_ERROR, {3, 7}, "entra.tenant", "is wrong"};
    problem_format("a.yaml", &problem, text, sizeof text);
    assert_string_equal(text, "a.yaml:3:7: error: entra.tenant: is wrong");
    problem = (struct problem){PROBLEM_WARNING, {3, 7}, "", "is odd"};
    problem_format("a\nb", &problem, text, sizeof text);
    assert_string_equal(text, "a\\x0ab:3:7: warning: is odd");
    problem = (struct problem){PROBLEM_ERROR, {0, 0}, "", "is not there"};
    problem_format("a.yaml", &problem, text, sizeof text);
    assert_string_equal(text, "a.yaml: error: is not there");
}

static void keeps_an_error_rather_than_a_warning(void **state) {
    (void)state;
    struct problem_list list = {0};
    for (uint32_t i = 0; i < 150; i++)
        problem_add(&list, PROBLEM_WARNING, (struct config_position){200 - i, 1}, "", "w");
    problem_add(&list, PROBLEM_ERROR, (struct config_position){1, 1}, "", "e");
    problem_list_sort(&list);
    assert_int_equal(list.count, 100);
    assert_int_equal(list.dropped, 51);
    assert_int_equal(list.error_count, 1);
    assert_string_equal(list.items[0].text, "e");
    assert_true(list.items[1].position.line < list.items[99].position.line);
    problem_list_done(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations),
        cmocka_unit_test(reads_sizes),
        cmocka_unit_test(writes_quantities_as_they_are_read),
        cmocka_unit_test(tells_hosts_from_what_looks_like_one),
        cmocka_unit_test(knows_loopback),
        cmocka_unit_test(reads_urls),
        cmocka_unit_test(measures_slips_of_the_pen),
        cmocka_unit_test(suggests_only_what_is_near),
        cmocka_unit_test(quotes_harmlessly),
        cmocka_unit_test(escapes_what_turns_text_around),
        cmocka_unit_test(escapes_bytes_that_are_no_characters),
        cmocka_unit_test(prints_a_bounded_part),
        cmocka_unit_test(finds_names_among_many),
        cmocka_unit_test(writes_problems_on_one_line),
        cmocka_unit_test(keeps_an_error_rather_than_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
