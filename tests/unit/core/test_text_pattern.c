/* Held against the C library's regexec(), which knows the same language and is bounded by nothing.
 */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/text_pattern.h"

static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, (size_t)64 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_done(&arena);
    return 0;
}

static const struct text_pattern *compile(const char *expression) {
    const char *problem;
    size_t at;
    const struct text_pattern *pattern =
        text_pattern_new(&arena, slice_of_str(expression), &problem, &at);
    if (!pattern)
        print_message("%s: %s at %zu\n", expression, problem ? problem : "no memory", at);
    assert_non_null(pattern);
    return pattern;
}

static bool matches(const char *expression, const char *text) {
    return text_pattern_matches(compile(expression), slice_of_str(text));
}

static void matches_as_posix_says(void **state) {
    (void)state;
    static const char *const GOOD[][2] = {
        {"^SELECT ", "SELECT 1"},
        {"b", "abc"},
        {"^a.c$", "abc"},
        {"^(a|bc|d)$", "bc"},
        {"^(a|bc|d)$", "d"},
        {"^a{2,3}$", "aaa"},
        {"^a{2}$", "aa"},
        {"^a{2,}$", "aaaaa"},
        {"^a{0,1}$", ""},
        {"^(ab){0}c$", "c"},
        {"^[^0-9]+$", "abc"},
        {"^[]x]$", "]"},
        {"^[a-]$", "-"},
        {"^[[:alpha:]_]+$", "a_b"},
        {"^\\.\\*$", ".*"},
        {"^.$", "\xc3\xa4"},
        {"^[\xc3\xa0-\xc3\xbc]$", "\xc3\xa4"},
        {"^(a*)*$", "aaa"},
        {"a$|^b", "xa"},
        {"^$", ""},
        {"^.$", "\n"},
        {"^(x|(y|z)+){2}$", "yzx"},
        {"^[\\]$", "\\"},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        if (!matches(GOOD[i][0], GOOD[i][1]))
            fail_msg("%s does not match %s", GOOD[i][0], GOOD[i][1]);
    static const char *const BAD[][2] = {
        {"^SELECT ", " SELECT 1"},
        {"^SELECT ", "select 1"},
        {"^a.c$", "abcd"},
        {"^(a|bc|d)$", "b"},
        {"^a{2,3}$", "a"},
        {"^a{2,3}$", "aaaa"},
        {"^[^0-9]+$", "a1"},
        {"^.$", "ab"},
        {"^$", "\n"},
        {"^a$", "a\n"},
        {"a", ""},
        {".", "\xff"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (matches(BAD[i][0], BAD[i][1]))
            fail_msg("%s matches %s", BAD[i][0], BAD[i][1]);
}

static void refuses_what_posix_leaves_undefined(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "",      "*a",    "a**",  "a*?",           "(|a)",        "a|",      "()",      "(a",
        "a)",    "[a",    "[",    "[b-a]",         "[[:x:]]",     "[[.a.]]", "[[=a=]]", "\\d",
        "\\1",   "a\\",   "a{",   "a{1",           "a{2,1}",      "a{256}",  "a{,2}",   "^*",
        "(?:a)", "[\\d]", "\xff", "((a{99}){99})", "a{255}{255}",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        const char *problem = NULL;
        size_t at;
        if (text_pattern_new(&arena, slice_of_str(BAD[i]), &problem, &at))
            fail_msg("%s is taken", BAD[i]);
        assert_non_null(problem);
    }
    char longest[TEXT_PATTERN_BYTES_MAX + 2];
    memset(longest, 'a', sizeof longest);
    const char *problem;
    size_t at;
    assert_null(text_pattern_new(&arena, slice_of(longest, sizeof longest - 1), &problem, &at));
    assert_non_null(text_pattern_new(&arena, slice_of(longest, 900), &problem, &at));
    assert_null(text_pattern_new(&arena, slice_of("a\0b", 3), &problem, &at));
}

static void says_what_is_wrong_with_a_group(void **state) {
    (void)state;
    static const char *const BAD[][2] = {
        {"(", "a `(` without its `)`"},
        {"(a", "a `(` without its `)`"},
        {"(?i)select", "`(?`, which POSIX does not know"},
        {"()", "an empty alternative or group"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        const char *problem = NULL;
        size_t at;
        assert_null(text_pattern_new(&arena, slice_of_str(BAD[i][0]), &problem, &at));
        if (!strstr(problem, BAD[i][1]))
            fail_msg("%s: %s", BAD[i][0], problem);
    }
}

static unsigned below(unsigned limit) {
    return (unsigned)rand() % limit;
}

static size_t put(char *out, const char *text) {
    size_t len = strlen(text);
    memcpy(out, text, len + 1);
    return len;
}

/* A random expression over a, b and c. Anchors and {0} inside groups are left out: the C library
 * takes `(a{0}$)` for the empty text (glibc 2.41). */
static size_t make_expression(char *out, unsigned depth) {
    static const char *const ATOMS[] = {"a", "b", "c", ".", "[ab]", "[^a]", "[b-c]", "\\."};
    static const char *const OPERATORS[] = {"*", "+", "?", "{2}", "{0,2}", "{1,}", "{2,3}", "{3}"};
    size_t len = 0, pieces = 1 + below(3);
    for (size_t i = 0; i < pieces; i++) {
        if (i > 0 && below(4) == 0)
            len += put(out + len, "|");
        if (depth > 0 && below(3) == 0) {
            len += put(out + len, "(");
            len += make_expression(out + len, depth - 1);
            len += put(out + len, ")");
        } else {
            len += put(out + len, ATOMS[below(8)]);
        }
        if (below(2))
            len += put(out + len, OPERATORS[below(8)]);
    }
    return len;
}

static void agrees_with_the_c_library(void **state) {
    (void)state;
    const char *given = getenv("SEED");
    unsigned seed = given ? (unsigned)atoi(given) : (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    srand(seed);
    size_t compared = 0;
    for (size_t i = 0; i < 4000; i++) {
        char expression[1024], text[12];
        const char *problem;
        size_t at;
        regex_t regex;
        size_t begin = below(2) ? put(expression, "^") : 0;
        size_t end = begin + make_expression(expression + begin, 3);
        put(expression + end, below(3) ? "" : "$");
        const struct text_pattern *pattern =
            text_pattern_new(&arena, slice_of_str(expression), &problem, &at);
        if (!pattern || regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB) != 0)
            continue;
        for (size_t j = 0; j < 20; j++) {
            size_t len = below(8);
            for (size_t k = 0; k < len; k++)
                text[k] = "abc."[below(4)];
            text[len] = '\0';
            bool expected = regexec(&regex, text, 0, NULL, 0) == 0;
            if (text_pattern_matches(pattern, slice_of(text, len)) != expected)
                fail_msg("seed %u: %s and \"%s\": expected %d", seed, expression, text, expected);
            compared++;
        }
        regfree(&regex);
    }
    assert_true(compared > 10000);
}

/* Expressions that take others exponential time, or all memory. */
static void takes_time_linear_in_the_text(void **state) {
    (void)state;
    static const char *const HARD[] = {"(a*)*b", "(a|a)*b", "(a|b)*a(a|b){60}c", "^(a?){60}a{60}$"};
    char text[8192];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof HARD / sizeof *HARD; i++) {
        clock_t start = clock();
        assert_false(text_pattern_matches(compile(HARD[i]), slice_of(text, sizeof text)));
        assert_true(clock() - start < CLOCKS_PER_SEC * 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(matches_as_posix_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_posix_leaves_undefined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_what_is_wrong_with_a_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(agrees_with_the_c_library, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_time_linear_in_the_text, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
