#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "auth/revocation.h"

#define TENANT_A "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define TENANT_B "11111111-2222-4333-8444-555555555555"
#define MIRA "e0d1c2b3-a495-4867-9588-776655443322"
#define INES "5b60718a-92a3-4b4c-8d5e-6f708192a3b4"
#define NOW 1795424400
#define NOW_TEXT "2026-11-23T09:00:00Z"

static const struct identity mira = {
    .tenant = {TENANT_A, 36},
    .oid = {MIRA, 36},
    .uti = {"9aXw4nLr2kCqYt7ePm0bAA", 22},
    .sid = {"00a1b2c3-session", 16},
    .issued_sec = NOW,
};

static struct revocation_list *parse(const char *text) {
    struct revocation_list *list = NULL;
    struct error err = {0};
    enum status status = revocation_list_parse(slice_of_str(text), &list, &err);
    if (status != STATUS_OK)
        fail_msg("%s: %s", text, err.text);
    return list;
}

/* "no", "yes", or the time before which tokens are revoked. */
static const char *verdict(const char *text, const struct identity *identity) {
    static char answer[32];
    struct revocation_list *list = parse(text);
    struct revocation revocation = {0};
    if (!revocation_list_find(list, identity, &revocation))
        snprintf(answer, sizeof answer, "no");
    else if (revocation.has_not_before)
        snprintf(answer, sizeof answer, "%lld", (long long)revocation.not_before_sec);
    else
        snprintf(answer, sizeof answer, "yes");
    revocation_list_unref(list);
    return answer;
}

struct row {
    const char *text;
    const char *expected;
};

static void judge(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *found = verdict(rows[i].text, &mira);
        if (strcmp(found, rows[i].expected) != 0)
            fail_msg("\"%s\": %s, not %s", rows[i].text, found, rows[i].expected);
    }
}

#define JUDGE(rows) judge((rows), sizeof(rows) / sizeof *(rows))

static void finds_whom_an_entry_names(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"", "no"},
        {"oid " MIRA "\n", "yes"},
        {"oid " MIRA, "yes"},
        {"oid E0D1C2B3-A495-4867-9588-776655443322\n", "yes"},
        {"oid " INES "\n", "no"},
        {"tenant " TENANT_A " oid " MIRA "\n", "yes"},
        {"tenant " TENANT_B " oid " MIRA "\n", "no"},
        {"tenant " TENANT_A " oid " INES "\n", "no"},
        {"uti 9aXw4nLr2kCqYt7ePm0bAA\n", "yes"},
        {"uti 9AXW4NLR2KCQYT7EPM0BAA\n", "no"},
        {"uti 9aXw4nLr2kCqYt7ePm0bA\n", "no"},
        {"sid 00a1b2c3-session\n", "yes"},
        {"uti 00a1b2c3-session\n", "no"},
        {"sid " MIRA "\n", "no"},
        {"uti a\nsid b\noid " INES "\noid " MIRA "\n", "yes"},
    };
    JUDGE(rows);
}

static void reads_blanks_and_comments(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"# nobody\n\n   \n\t# still nobody\n", "no"},
        {"#oid " MIRA "\n", "no"},
        {"  oid\t " MIRA "   # left on Monday\n", "yes"},
        {"oid " MIRA "\r\nuti x\r\n", "yes"},
        {"oid " MIRA " #\n", "yes"},
        {"\n\n\noid " MIRA "\n\n", "yes"},
    };
    JUDGE(rows);
}

static void revokes_only_tokens_issued_before_the_time(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"oid " MIRA " not-before 2026-11-23T08:59:59Z\n", "no"},
        {"oid " MIRA " not-before " NOW_TEXT "\n", "no"},
        {"oid " MIRA " not-before 1795424400\n", "no"},
        {"oid " MIRA " not-before 2026-11-23T09:00:01Z\n", "1795424401"},
        {"oid " MIRA " not-before 2026-11-23T10:00:01+01:00 # left\n", "1795424401"},
        {"oid " MIRA " not-before 1795424401\n", "1795424401"},
        {"tenant " TENANT_A " oid " MIRA " not-before 1795424401\n", "1795424401"},
        {"tenant " TENANT_A " oid " MIRA " not-before 1\n", "no"},
        {"tenant " TENANT_B " oid " MIRA " not-before 1795424401\n", "no"},
    };
    JUDGE(rows);
}

static void takes_the_stricter_of_entries_about_the_same(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"oid " MIRA " not-before 1795424402\noid " MIRA " not-before 1795424401\n", "1795424402"},
        {"oid " MIRA " not-before 1795424401\noid " MIRA " not-before 1795424402\n", "1795424402"},
        {"oid " MIRA "\noid " MIRA " not-before 1\n", "yes"},
        {"oid " MIRA " not-before 1\noid " MIRA "\n", "yes"},
        {"oid " MIRA " not-before 1795424401\ntenant " TENANT_A " oid " MIRA "\n", "yes"},
        {"oid " MIRA " not-before 1795424401\nsid 00a1b2c3-session\n", "yes"},
        {"oid " MIRA " not-before 1\ntenant " TENANT_A " oid " MIRA " not-before 1795424409\n",
         "1795424409"},
    };
    JUDGE(rows);
}

static void passes_over_claims_that_the_token_lacks(void **state) {
    (void)state;
    struct identity bare = mira;
    bare.uti = bare.sid = slice_of(NULL, 0);
    assert_string_equal(verdict("uti x\nsid y\n", &bare), "no");
    assert_string_equal(verdict("uti x\nsid y\noid " MIRA "\n", &bare), "yes");
}

static void refuses_lines_that_mean_nothing(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"odi " MIRA "\n", "line 1: must begin with oid, tenant, sid or uti, got odi"},
        {"# c\n\nOID " MIRA "\n", "line 3: must begin with"},
        {MIRA "\n", "line 1: must begin with"},
        {"oid\n", "line 1: a GUID must follow"},
        {"oid mira\n", "got mira"},
        {"oid " MIRA "0\n", "a GUID must follow"},
        {"oid " MIRA " " INES "\n", "line 1: nothing more is expected, got " INES},
        {"oid " MIRA " not-before\n", "not-before needs a time"},
        {"oid " MIRA " not-before monday\n", "not-before needs a time such as"},
        {"oid " MIRA " not-before 0\n", "not-before needs a time"},
        {"oid " MIRA " not-before -5\n", "not-before needs a time"},
        {"oid " MIRA " not-before 1795424400000\n", "not-before needs a time"},
        {"oid " MIRA " not-before 2026-11-23\n", "not-before needs a time"},
        {"oid " MIRA " not-before 1 2\n", "nothing more is expected, got 2"},
        {"oid " MIRA " Not-Before 1\n", "nothing more is expected"},
        {"tenant " TENANT_A "\n", "after the tenant, `oid GUID` must follow"},
        {"tenant contoso oid " MIRA "\n", "a GUID must follow"},
        {"tenant " TENANT_A " uti x\n", "after the tenant"},
        {"tenant " TENANT_A " oid x\n", "a GUID must follow"},
        {"tenant " TENANT_A " oid " MIRA " not-before 1 more\n", "nothing more is expected"},
        {"uti\n", "the claim's value must follow"},
        {"uti x not-before 1\n", "not-before goes with oid only"},
        {"sid x y\n", "nothing more is expected, got y"},
        {"sid \xc3\xa9\n", "in printable characters, got ??"},
        {"uti 1234567890123456789012345678901234567890123456789012345678901234\n",
         "the claim's value must follow"},
        {"uti a\noid " MIRA "\nsid\n", "line 3: "},
        {"\xef\xbb\xbfoid " MIRA "\n", "line 1: must begin with"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct revocation_list *list = NULL;
        struct error err = {0};
        enum status status = revocation_list_parse(slice_of_str(rows[i].text), &list, &err);
        if (status != STATUS_INVALID || list || !strstr(err.text, rows[i].expected))
            fail_msg("\"%s\": %d \"%s\"", rows[i].text, status, err.text);
    }
}

static void refuses_bytes_that_hide_a_line(void **state) {
    (void)state;
    struct revocation_list *list = NULL;
    struct error err = {0};
    assert_int_equal(revocation_list_parse(SLICE("uti a\0b\n"), &list, &err), STATUS_INVALID);
    assert_int_equal(revocation_list_parse(SLICE("\0# x\n"), &list, &err), STATUS_INVALID);
    assert_null(list);
}

/* `count` lines, each another user. */
static char *make_lines(size_t count) {
    char *text = malloc(count * 42 + 1), *at = text;
    assert_non_null(text);
    *at = '\0';
    for (size_t i = 0; i < count; i++)
        at += snprintf(at, 42, "oid %08zx-a495-4867-9588-776655443322\n", i);
    return text;
}

static void holds_as_many_as_it_promises(void **state) {
    (void)state;
    char *text = make_lines(REVOCATION_MAX_ENTRIES + 1);
    struct revocation_list *list = NULL;
    struct error err = {0};
    assert_int_equal(revocation_list_parse(slice_of_str(text), &list, &err), STATUS_LIMIT);
    assert_string_equal(err.text, "line 100001: more than 100000 entries");
    text[(size_t)REVOCATION_MAX_ENTRIES * 41] = '\0';
    list = parse(text);
    assert_int_equal(revocation_list_count(list), REVOCATION_MAX_ENTRIES);
    for (size_t i = 0; i < REVOCATION_MAX_ENTRIES + 1000; i++) {
        char oid[40];
        snprintf(oid, sizeof oid, "%08zx-a495-4867-9588-776655443322", i);
        struct identity identity = {.oid = slice_of_str(oid)};
        struct revocation revocation;
        assert_int_equal(revocation_list_find(list, &identity, &revocation),
                         i < REVOCATION_MAX_ENTRIES);
    }
    revocation_list_unref(list);
    free(text);
}

/* CPU time of many look-ups that find nobody. */
static double look_ups_of_a_stranger(const struct revocation_list *list) {
    struct revocation revocation;
    clock_t begun = clock();
    for (int i = 0; i < 200000; i++)
        assert_false(revocation_list_find(list, &mira, &revocation));
    return (double)(clock() - begun);
}

/* A walk would cost a hundred thousand times as much; caches may cost ten times as much. */
static void costs_the_same_whatever_its_length(void **state) {
    (void)state;
    char *text = make_lines(REVOCATION_MAX_ENTRIES);
    struct revocation_list *full = parse(text);
    struct revocation_list *one = parse("uti nobody\n");
    assert_true(look_ups_of_a_stranger(full) < 100 * (look_ups_of_a_stranger(one) + 1000));
    revocation_list_unref(one);
    revocation_list_unref(full);
    free(text);
}

static void refuses_more_text_than_it_promises(void **state) {
    (void)state;
    struct revocation_list *list = NULL;
    struct error err = {0};
    size_t len = REVOCATION_MAX_BYTES + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '\n', len);
    assert_int_equal(revocation_list_parse(slice_of(text, len), &list, &err), STATUS_LIMIT);
    assert_string_equal(err.text, "is larger than 8 MiB");
    assert_int_equal(revocation_list_parse(slice_of(text, len - 1), &list, &err), STATUS_OK);
    assert_int_equal(revocation_list_count(list), 0);
    revocation_list_unref(list);
    free(text);
}

static void lives_as_long_as_its_references(void **state) {
    (void)state;
    struct revocation_list *list = parse("oid " MIRA "\n");
    assert_ptr_equal(revocation_list_ref(list), list);
    revocation_list_unref(list);
    struct revocation revocation;
    assert_true(revocation_list_find(list, &mira, &revocation));
    revocation_list_unref(list);
    revocation_list_unref(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_whom_an_entry_names),
        cmocka_unit_test(reads_blanks_and_comments),
        cmocka_unit_test(revokes_only_tokens_issued_before_the_time),
        cmocka_unit_test(takes_the_stricter_of_entries_about_the_same),
        cmocka_unit_test(passes_over_claims_that_the_token_lacks),
        cmocka_unit_test(refuses_lines_that_mean_nothing),
        cmocka_unit_test(refuses_bytes_that_hide_a_line),
        cmocka_unit_test(holds_as_many_as_it_promises),
        cmocka_unit_test(costs_the_same_whatever_its_length),
        cmocka_unit_test(refuses_more_text_than_it_promises),
        cmocka_unit_test(lives_as_long_as_its_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
