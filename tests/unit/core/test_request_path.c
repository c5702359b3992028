/* The path cases of the security catalogue, and what must hold for every accepted path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/request_path.h"

struct path_case {
    const char *raw;
    enum path_verdict verdict;
    const char *canonical; /* NULL when refused */
};

static enum path_verdict canonical(struct slice raw, char **out_bytes, struct request_path *path) {
    /* Exactly as large as promised, so that a sanitizer sees one byte too many. */
    *out_bytes = malloc(raw.len ? raw.len : 1);
    assert_non_null(*out_bytes);
    return request_path_canonical(raw, *out_bytes, path);
}

static void assert_cases(const struct path_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct path_case *expected = &cases[i];
        char *bytes;
        struct request_path path = {0};
        enum path_verdict verdict = canonical(slice_of_str(expected->raw), &bytes, &path);
        if (verdict != expected->verdict)
            fail_msg("%s: verdict %d, expected %d", expected->raw, verdict, expected->verdict);
        if (expected->canonical && !slice_eq_str(path.text, expected->canonical))
            fail_msg("%s: became %.*s, expected %s", expected->raw, SLICE_ARGS(path.text),
                     expected->canonical);
        free(bytes);
    }
}

#define ASSERT_CASES(cases) assert_cases((cases), sizeof(cases) / sizeof *(cases))

static void keeps_plain_paths(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"/", PATH_OK, "/"},
        {"/a", PATH_OK, "/a"},
        {"/a/", PATH_OK, "/a/"},
        {"/a/b.c/d-e_f~g", PATH_OK, "/a/b.c/d-e_f~g"},
        {"/!$&'()*+,=:@", PATH_OK, "/!$&'()*+,=:@"},
        {"/...", PATH_OK, "/..."},
        {"/.a/..b/c.", PATH_OK, "/.a/..b/c."},
        {"/a%3bx=1/b", PATH_OK, "/a%3Bx=1/b"},
    };
    ASSERT_CASES(cases);
}

static void normalises_escapes(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"/%61dmin/x", PATH_OK, "/admin/x"},
        {"/adm%69n/x", PATH_OK, "/admin/x"},
        {"/%7euser/%41%2D%5f", PATH_OK, "/~user/A-_"},
        {"/a%20b%3fc%23d", PATH_OK, "/a%20b%3Fc%23d"},
        {"/a%3b", PATH_OK, "/a%3B"},
        {"/file%2etxt", PATH_OK, "/file.txt"},
        {"/public/%252e%252e/admin/x", PATH_OK, "/public/%252e%252e/admin/x"},
        {"/caf%c3%a9/%e2%82%ac/%f0%9f%8d%ba", PATH_OK, "/caf%C3%A9/%E2%82%AC/%F0%9F%8D%BA"},
    };
    ASSERT_CASES(cases);
}

static void resolves_literal_dot_segments(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"/public/../admin/x", PATH_OK, "/admin/x"},
        {"/./admin/x", PATH_OK, "/admin/x"},
        {"/admin/./x", PATH_OK, "/admin/x"},
        {"/admin/x/.", PATH_OK, "/admin/x/"},
        {"/admin/y/../x", PATH_OK, "/admin/x"},
        {"/a/b/..", PATH_OK, "/a/"},
        {"/a/..", PATH_OK, "/"},
        {"/a/../", PATH_OK, "/"},
        {"/.", PATH_OK, "/"},
        {"/./", PATH_OK, "/"},
        {"/a/./../b/./c/../d", PATH_OK, "/b/d"},
        {"/public%23/../admin", PATH_OK, "/admin"},
    };
    ASSERT_CASES(cases);
}

static void refuses_to_climb_above_the_root(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"/..", PATH_AMBIGUOUS, NULL},        {"/../", PATH_AMBIGUOUS, NULL},
        {"/../admin", PATH_AMBIGUOUS, NULL},  {"/./..", PATH_AMBIGUOUS, NULL},
        {"/a/../../b", PATH_AMBIGUOUS, NULL}, {"/a/../b/../..", PATH_AMBIGUOUS, NULL},
        {"/a/../b", PATH_OK, "/b"},
    };
    ASSERT_CASES(cases);
}

static void refuses_dot_segments_that_came_encoded(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"/public/%2e%2e/admin/x", PATH_AMBIGUOUS, NULL},
        {"/public/.%2e/admin/x", PATH_AMBIGUOUS, NULL},
        {"/public/%2E./admin/x", PATH_AMBIGUOUS, NULL},
        {"/public/%2e/admin/x", PATH_AMBIGUOUS, NULL},
        {"/public/%2E", PATH_AMBIGUOUS, NULL},
        {"/public/%2e%2e", PATH_AMBIGUOUS, NULL},
        {"/%2e%2e%2e", PATH_OK, "/..."},
        {"/api%2e/admin", PATH_OK, "/api./admin"},
        {"/public%2e%2e/admin", PATH_OK, "/public../admin"},
    };
    ASSERT_CASES(cases);
}

static void refuses_empty_segments(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"//", PATH_AMBIGUOUS, NULL},         {"//admin/x", PATH_AMBIGUOUS, NULL},
        {"///admin/x", PATH_AMBIGUOUS, NULL}, {"/.//admin/x", PATH_AMBIGUOUS, NULL},
        {"/a//", PATH_AMBIGUOUS, NULL},       {"/public//../admin", PATH_AMBIGUOUS, NULL},
        {"/a/b/", PATH_OK, "/a/b/"},
    };
    ASSERT_CASES(cases);
}

static void refuses_path_parameters(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"/public/..;/admin/x", PATH_AMBIGUOUS, NULL},
        {"/public/;/../admin", PATH_AMBIGUOUS, NULL},
        {"/public/.;x/admin", PATH_AMBIGUOUS, NULL},
        {"/public/..%3Bx/admin", PATH_AMBIGUOUS, NULL},
        {"/public/..%3b/admin", PATH_AMBIGUOUS, NULL},
        {"/public/%2e%2e;/admin", PATH_AMBIGUOUS, NULL},
        {"/public/%3b", PATH_AMBIGUOUS, NULL},
        {"/admin;x=1/x", PATH_AMBIGUOUS, NULL},
        {"/public/a%3B..%3Bb=c", PATH_OK, "/public/a%3B..%3Bb=c"},
        {"/public/...%3Bx", PATH_OK, "/public/...%3Bx"},
    };
    ASSERT_CASES(cases);
}

static void refuses_backslashes(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"/public/..\\admin", PATH_AMBIGUOUS, NULL},
        {"/public/%5c..%5cadmin", PATH_AMBIGUOUS, NULL},
        {"/a%5Cb", PATH_AMBIGUOUS, NULL},
        {"/a%7Cb", PATH_OK, "/a%7Cb"},
    };
    ASSERT_CASES(cases);
}

static void refuses_what_is_no_path(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"", PATH_MALFORMED, NULL},
        {"*", PATH_MALFORMED, NULL},
        {"admin", PATH_MALFORMED, NULL},
        {"http://a/b", PATH_MALFORMED, NULL},
        {"/public/%", PATH_MALFORMED, NULL},
        {"/public/%2", PATH_MALFORMED, NULL},
        {"/public/%z", PATH_MALFORMED, NULL},
        {"/public/%zz", PATH_MALFORMED, NULL},
        {"/public/%2g", PATH_MALFORMED, NULL},
        {"/public/%u002e", PATH_MALFORMED, NULL},
        {"/admin#x", PATH_MALFORMED, NULL},
        {"/admin?x", PATH_MALFORMED, NULL},
        {"/a b", PATH_MALFORMED, NULL},
        {"/a\"b", PATH_MALFORMED, NULL},
        {"/a<b>", PATH_MALFORMED, NULL},
        {"/a[0]", PATH_MALFORMED, NULL},
        {"/a^b", PATH_MALFORMED, NULL},
        {"/a`b", PATH_MALFORMED, NULL},
        {"/a{b}", PATH_MALFORMED, NULL},
        {"/a|b", PATH_MALFORMED, NULL},
        {"/a\tb", PATH_MALFORMED, NULL},
        {"/a\x7F", PATH_MALFORMED, NULL},
        {"/caf\xC3\xA9", PATH_MALFORMED, NULL},
        {"/\xFF", PATH_MALFORMED, NULL},
        {"/public/%25", PATH_OK, "/public/%25"},
    };
    ASSERT_CASES(cases);
}

static void refuses_controls_raw_and_encoded(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 0x21; byte++) {
        bool is_control = byte < 0x20;
        char text[16];
        snprintf(text, sizeof text, "/a%%%02xb", byte);
        char *bytes;
        struct request_path path = {0};
        assert_int_equal(canonical(slice_of_str(text), &bytes, &path),
                         is_control ? PATH_MALFORMED : PATH_OK);
        free(bytes);
        const char raw[] = {'/', 'a', (char)byte, 'b'};
        assert_int_equal(canonical(slice_of(raw, sizeof raw), &bytes, &path), PATH_MALFORMED);
        free(bytes);
    }
    static const struct path_case cases[] = {
        {"/admin%00x", PATH_MALFORMED, NULL},
        {"/public/%0d%0aX-Injected:1", PATH_MALFORMED, NULL},
        {"/a%7f", PATH_MALFORMED, NULL},
        {"/a%7e", PATH_OK, "/a~"},
    };
    ASSERT_CASES(cases);
}

static void refuses_invalid_utf8_and_lookalikes(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"/%C0%AE%C0%AE", PATH_MALFORMED, NULL},
        {"/%E0%80%AF", PATH_MALFORMED, NULL},
        {"/%F0%80%80%AF", PATH_MALFORMED, NULL},
        {"/%ED%A0%80", PATH_MALFORMED, NULL},
        {"/%F4%90%80%80", PATH_MALFORMED, NULL},
        {"/%F8%88%80%80%80", PATH_MALFORMED, NULL},
        {"/%80", PATH_MALFORMED, NULL},
        {"/%C3", PATH_MALFORMED, NULL},
        {"/%C3a", PATH_MALFORMED, NULL},
        {"/%C3%28", PATH_MALFORMED, NULL},
        {"/%E2%82", PATH_MALFORMED, NULL},
        {"/%FF", PATH_MALFORMED, NULL},
        {"/a%ef%bc%8fb", PATH_AMBIGUOUS, NULL},
        {"/a%EF%BC%BCb", PATH_AMBIGUOUS, NULL},
        {"/%EF%BC%8E%EF%BC%8E/admin", PATH_AMBIGUOUS, NULL},
        {"/%EF%BC%85%32e", PATH_AMBIGUOUS, NULL},
        {"/a%EF%BC%9B", PATH_AMBIGUOUS, NULL},
        {"/a%E2%81%84b", PATH_AMBIGUOUS, NULL},
        {"/a%E2%88%95b", PATH_AMBIGUOUS, NULL},
        {"/%E2%80%A5/admin", PATH_AMBIGUOUS, NULL},
        {"/a%E3%80%82", PATH_AMBIGUOUS, NULL},
        {"/a%E2%84%80b", PATH_AMBIGUOUS, NULL},
        {"/%CD%BE", PATH_AMBIGUOUS, NULL},
        {"/%E2%82%AC%C3%A9", PATH_OK, "/%E2%82%AC%C3%A9"},
    };
    ASSERT_CASES(cases);
}

static void judges_the_pieces_between_encoded_slashes(void **state) {
    (void)state;
    static const struct path_case cases[] = {
        {"/public/..%2fadmin/x", PATH_AMBIGUOUS, NULL},
        {"/public%2f..%2fadmin", PATH_AMBIGUOUS, NULL},
        {"/public%2F%2e%2E", PATH_AMBIGUOUS, NULL},
        {"/public%2F.%2Fx", PATH_AMBIGUOUS, NULL},
        {"/public%2F..;x%2Fy", PATH_AMBIGUOUS, NULL},
        {"/public;x=%2F..%2Fadmin", PATH_AMBIGUOUS, NULL},
        {"/public%2F;x", PATH_AMBIGUOUS, NULL},
        {"/a%2fb/c", PATH_OK, "/a%2fb/c"},
        {"/a%2Fb", PATH_OK, "/a%2Fb"},
        {"/group%2Fproject%3Bv=1%2F2", PATH_OK, "/group%2Fproject%3Bv=1%2F2"},
        {"/api/queues/%2F/name", PATH_OK, "/api/queues/%2F/name"},
        {"/api/queues/%2fprod/name", PATH_OK, "/api/queues/%2fprod/name"},
    };
    ASSERT_CASES(cases);
}

static void tells_encoded_slashes(void **state) {
    (void)state;
    char bytes[32];
    struct request_path path;
    assert_int_equal(request_path_canonical(SLICE("/a%2fb"), bytes, &path), PATH_OK);
    assert_true(path.has_encoded_slash);
    assert_int_equal(request_path_canonical(SLICE("/a/b%252f"), bytes, &path), PATH_OK);
    assert_false(path.has_encoded_slash);
}

static void stays_linear_on_long_paths(void **state) {
    (void)state;
    enum { LEN = 3 * 8192 };
    char *raw = malloc(LEN);
    char *bytes = malloc(LEN);
    assert_non_null(raw);
    assert_non_null(bytes);
    struct request_path path;
    for (size_t i = 0; i < LEN; i++)
        raw[i] = "/.."[i % 3];
    assert_int_equal(request_path_canonical(slice_of(raw, LEN), bytes, &path), PATH_AMBIGUOUS);
    for (size_t i = 0; i < LEN; i++)
        raw[i] = i < LEN / 2 ? "/a"[i % 2] : "/.."[i % 3];
    assert_int_equal(request_path_canonical(slice_of(raw, LEN), bytes, &path), PATH_OK);
    for (size_t i = 0; i < LEN; i++)
        raw[i] = i == 0 ? '/' : "%2e"[(i - 1) % 3];
    assert_int_equal(request_path_canonical(slice_of(raw, LEN - 2), bytes, &path), PATH_OK);
    free(raw);
    free(bytes);
}

static const char *const fragments[] = {
    "/",   "/",   "/",   ".",      "..",     "a",         "B",    "%2e", "%2E",    "%2f",
    "%2F", "%61", "%25", "%252e",  "%c3%a9", "%E2%82%AC", "%3b",  ";",   ";x=1",   "%20",
    "~",   "-",   "%7e", "public", "/../",   "/./",       "%2e.", ":",   "@!$&'(", "%3F",
    "\\",  "%5c", "%",   "%00",    "%C0",    "%ef%bc%8f", " ",    "?",   "admin",  "%2f..",
};

static uint32_t next_random(uint32_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static size_t random_path(uint32_t *seed, char *raw, size_t size) {
    size_t len = 0;
    raw[len++] = '/';
    uint32_t count = next_random(seed) % 12;
    /* The last ten fragments are mostly refused: use them seldom, so that most paths pass. */
    size_t usable = sizeof fragments / sizeof *fragments - (next_random(seed) % 8 ? 10 : 0);
    for (uint32_t i = 0; i < count; i++) {
        const char *fragment = fragments[next_random(seed) % usable];
        if (len + strlen(fragment) > size)
            break;
        memcpy(raw + len, fragment, strlen(fragment));
        len += strlen(fragment);
    }
    return len;
}

static void assert_no_dot_segment(struct slice text) {
    size_t start = 1;
    for (size_t i = 1; i <= text.len; i++) {
        if (i < text.len && text.ptr[i] != '/')
            continue;
        struct slice segment = slice_of(text.ptr + start, i - start);
        assert_false(slice_eq_str(segment, ".") || slice_eq_str(segment, ".."));
        assert_true(segment.len > 0 || i == text.len);
        start = i + 1;
    }
}

static void canonical_form_is_a_fixed_point(void **state) {
    (void)state;
    uint32_t seed = 0x5eed1234;
    size_t accepted = 0;
    for (int round = 0; round < 300000; round++) {
        char raw[256];
        char once_bytes[256];
        char twice_bytes[256];
        struct request_path once;
        struct request_path twice;
        size_t len = random_path(&seed, raw, sizeof raw);
        if (request_path_canonical(slice_of(raw, len), once_bytes, &once) != PATH_OK)
            continue;
        accepted++;
        assert_true(once.text.len <= len);
        assert_no_dot_segment(once.text);
        if (request_path_canonical(once.text, twice_bytes, &twice) != PATH_OK ||
            !slice_eq(once.text, twice.text))
            fail_msg("%.*s is not a fixed point (from %.*s)", SLICE_ARGS(once.text), (int)len, raw);
    }
    assert_true(accepted > 10000);
}

static void splits_target_at_first_question_mark(void **state) {
    (void)state;
    struct slice path;
    struct slice query;
    bool has_query;
    request_target_split(SLICE("/public?/../admin?x"), &path, &query, &has_query);
    assert_true(slice_eq_str(path, "/public"));
    assert_true(slice_eq_str(query, "/../admin?x"));
    assert_true(has_query);
    request_target_split(SLICE("/a?"), &path, &query, &has_query);
    assert_true(slice_eq_str(path, "/a"));
    assert_true(slice_is_empty(query));
    assert_true(has_query);
    request_target_split(SLICE("/a"), &path, &query, &has_query);
    assert_true(slice_eq_str(path, "/a"));
    assert_true(slice_is_empty(query));
    assert_false(has_query);
}

static void finds_what_is_below_a_prefix(void **state) {
    (void)state;
    static const struct {
        const char *path, *prefix, *below; /* below NULL: not below */
    } cases[] = {
        {"/a", "/", "/a"},        {"/", "/", "/"},          {"/a", "/a", "/"},
        {"/a/", "/a", "/"},       {"/a/b", "/a", "/b"},     {"/a/b/", "/a", "/b/"},
        {"/ab", "/a", NULL},      {"/", "/a", NULL},        {"/A/b", "/a", NULL},
        {"/a", "/a/b", NULL},     {"/a/b/c", "/a/b", "/c"}, {"/a../b", "/a", NULL},
        {"/a%3Bx/b", "/a", NULL}, {"/a%2Fb", "/a", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice below = {0};
        bool is_below =
            request_path_below(slice_of_str(cases[i].path), slice_of_str(cases[i].prefix), &below);
        assert_int_equal(is_below, cases[i].below != NULL);
        if (is_below)
            assert_true(slice_eq_str(below, cases[i].below));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_plain_paths),
        cmocka_unit_test(normalises_escapes),
        cmocka_unit_test(resolves_literal_dot_segments),
        cmocka_unit_test(refuses_to_climb_above_the_root),
        cmocka_unit_test(refuses_dot_segments_that_came_encoded),
        cmocka_unit_test(refuses_empty_segments),
        cmocka_unit_test(refuses_path_parameters),
        cmocka_unit_test(refuses_backslashes),
        cmocka_unit_test(refuses_what_is_no_path),
        cmocka_unit_test(refuses_controls_raw_and_encoded),
        cmocka_unit_test(refuses_invalid_utf8_and_lookalikes),
        cmocka_unit_test(judges_the_pieces_between_encoded_slashes),
        cmocka_unit_test(tells_encoded_slashes),
        cmocka_unit_test(stays_linear_on_long_paths),
        cmocka_unit_test(canonical_form_is_a_fixed_point),
        cmocka_unit_test(splits_target_at_first_question_mark),
        cmocka_unit_test(finds_what_is_below_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
