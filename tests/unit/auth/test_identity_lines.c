/* Lines are made once per token and route, made anew in time, bounded, and gone with the identity.
 */
#include "assertion_case.h"

struct bench {
    struct line_shelf *shelf;
    struct assertion_signer *signer;
    struct identity *identity;
};

static struct assertion_signer *new_signer(void) {
    struct assertion_key key = case_key();
    struct assertion_signer *signer = assertion_signer_new(&key, "barkeep", NULL, 0);
    assertion_key_done(&key);
    return signer;
}

static struct bench bench_open(size_t max_bytes) {
    struct identity model = case_model();
    struct bench bench = {line_shelf_new(max_bytes), new_signer(), case_identity(&model)};
    assert_non_null(bench.shelf);
    return bench;
}

static void bench_close(struct bench *bench) {
    identity_unref(bench->identity);
    assert_int_equal(line_shelf_bytes(bench->shelf), 0);
    line_shelf_free(bench->shelf);
    assertion_signer_unref(bench->signer);
}

static struct identity_lines *get_for(const struct bench *bench, struct identity *identity,
                                      size_t route, int64_t now_sec) {
    const struct line_order order = {.route = route,
                                     .has_easyauth = true,
                                     .signer = bench->signer,
                                     .view = case_view(identity),
                                     .now_sec = now_sec};
    struct identity_lines *lines = NULL;
    assert_int_equal(line_shelf_get(bench->shelf, identity, &order, &lines), STATUS_OK);
    return lines;
}

/* A pointer to compare with: whether the lines are the same ones. */
static const char *text_at(const struct bench *bench, size_t route, int64_t now_sec) {
    struct identity_lines *lines = get_for(bench, bench->identity, route, now_sec);
    const char *text = identity_lines_text(lines).ptr;
    identity_lines_unref(lines);
    return text;
}

static void makes_lines_once_per_route(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 20);
    const char *first = text_at(&bench, 0, NOW), *other = text_at(&bench, 1, NOW);
    assert_ptr_not_equal(first, other);
    assert_ptr_equal(text_at(&bench, 0, NOW + 1), first);
    assert_ptr_equal(text_at(&bench, 1, NOW + 1), other);
    bench_close(&bench);
}

static void holds_both_kinds_of_headers(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 20);
    struct identity_lines *lines = get_for(&bench, bench.identity, 0, NOW);
    struct slice text = identity_lines_text(lines);
    assert_true(slice_starts_with(text, SLICE("X-MS-CLIENT-PRINCIPAL-ID: " OID "\r\n")));
    assert_true(slice_ends_with(text, SLICE("\r\n")));
    char *copy = slice_strdup(text);
    const char *at = strstr(copy, "\r\nX-Barkeep-Assertion: ");
    assert_non_null(at);
    struct slice token = slice_of_str(at + strlen("\r\nX-Barkeep-Assertion: "));
    token.len -= 2;
    json_decref(case_verified(bench.signer, token));
    free(copy);
    identity_lines_unref(lines);
    bench_close(&bench);
}

static void renews_an_assertion_before_it_expires(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 20);
    struct identity_lines *first = get_for(&bench, bench.identity, 0, NOW);
    const char *text = identity_lines_text(first).ptr;
    assert_ptr_equal(text_at(&bench, 0, NOW + 239), text);
    assert_ptr_not_equal(text_at(&bench, 0, NOW + 240), text);
    assert_true(slice_starts_with(identity_lines_text(first), SLICE("X-MS"))); /* still ours */
    identity_lines_unref(first);
    bench_close(&bench);
}

static void makes_an_assertion_anew_when_the_clock_goes_back(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 20);
    struct identity_lines *first = get_for(&bench, bench.identity, 0, NOW);
    assert_ptr_not_equal(text_at(&bench, 0, NOW - 1), identity_lines_text(first).ptr);
    identity_lines_unref(first);
    bench_close(&bench);
}

static void keeps_what_ends_with_the_token(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 20);
    const char *text = text_at(&bench, 0, NOW + 3400);
    assert_ptr_equal(text_at(&bench, 0, NOW + 3599), text);
    bench_close(&bench);
}

static void makes_an_assertion_anew_with_a_new_key(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 20);
    struct identity_lines *first = get_for(&bench, bench.identity, 0, NOW);
    assertion_signer_unref(bench.signer);
    bench.signer = new_signer();
    assert_ptr_not_equal(text_at(&bench, 0, NOW), identity_lines_text(first).ptr);
    identity_lines_unref(first);
    bench_close(&bench);
}

static void bounds_all_lines_by_recency(void **state) {
    (void)state;
    enum { CALLERS = 40, LIMIT = 64 * 1024 };
    struct bench bench = bench_open(LIMIT);
    struct identity model = case_model();
    struct identity *callers[CALLERS];
    const char *first = text_at(&bench, 0, NOW);
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i] = case_identity(&model);
        identity_lines_unref(get_for(&bench, callers[i], 0, NOW));
        assert_true(line_shelf_bytes(bench.shelf) <= LIMIT);
        assert_ptr_equal(text_at(&bench, 0, NOW), first); /* in use, hence kept */
    }
    assert_null(callers[0]->lines);
    assert_non_null(callers[CALLERS - 1]->lines);
    for (size_t i = 0; i < CALLERS; i++)
        identity_unref(callers[i]);
    bench_close(&bench);
}

static void bounds_the_routes_of_one_caller(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 24);
    size_t most = 0;
    for (size_t route = 0; route < 64; route++) {
        text_at(&bench, route, NOW);
        if (line_shelf_bytes(bench.shelf) > most)
            most = line_shelf_bytes(bench.shelf);
        assert_true(route < 16 || line_shelf_bytes(bench.shelf) <= most);
    }
    const char *last = text_at(&bench, 63, NOW);
    assert_ptr_equal(text_at(&bench, 63, NOW), last);
    bench_close(&bench);
}

static void lines_too_large_for_the_shelf_are_used_and_not_kept(void **state) {
    (void)state;
    struct bench bench = bench_open(100);
    struct identity_lines *lines = get_for(&bench, bench.identity, 0, NOW);
    assert_true(identity_lines_text(lines).len > 100);
    assert_null(bench.identity->lines);
    identity_lines_unref(lines);
    bench_close(&bench);
}

static void a_user_of_lines_outlives_the_identity_and_the_shelf(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 20);
    struct identity_lines *lines = get_for(&bench, bench.identity, 0, NOW);
    line_shelf_clear(bench.shelf);
    assert_null(bench.identity->lines);
    bench_close(&bench);
    assert_true(slice_starts_with(identity_lines_text(lines), SLICE("X-MS")));
    identity_lines_unref(lines);
}

/* Looked-up groups make another identity of the same caller: nothing of the old one's goes over. */
static void another_identity_begins_without_lines(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 20);
    text_at(&bench, 0, NOW);
    struct slice group = SLICE(GROUP_C);
    struct identity *resolved = identity_with_groups(bench.identity, &group, 1, 1);
    assert_null(resolved->lines);
    identity_unref(resolved);
    bench_close(&bench);
}

static void says_why_there_are_none(void **state) {
    (void)state;
    struct bench bench = bench_open(1 << 20);
    struct assertion_signer *idle = assertion_signer_new(NULL, "barkeep", NULL, 0);
    struct line_order order = {.signer = idle, .view = case_view(bench.identity), .now_sec = NOW};
    struct identity_lines *lines = NULL;
    assert_int_equal(line_shelf_get(bench.shelf, bench.identity, &order, &lines), STATUS_NOT_FOUND);
    order.signer = NULL;
    assert_int_equal(line_shelf_get(bench.shelf, bench.identity, &order, &lines), STATUS_OK);
    assert_int_equal(identity_lines_text(lines).len, 0);
    identity_lines_unref(lines);
    assertion_signer_unref(idle);
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_lines_once_per_route),
        cmocka_unit_test(holds_both_kinds_of_headers),
        cmocka_unit_test(renews_an_assertion_before_it_expires),
        cmocka_unit_test(makes_an_assertion_anew_when_the_clock_goes_back),
        cmocka_unit_test(keeps_what_ends_with_the_token),
        cmocka_unit_test(makes_an_assertion_anew_with_a_new_key),
        cmocka_unit_test(bounds_all_lines_by_recency),
        cmocka_unit_test(bounds_the_routes_of_one_caller),
        cmocka_unit_test(lines_too_large_for_the_shelf_are_used_and_not_kept),
        cmocka_unit_test(a_user_of_lines_outlives_the_identity_and_the_shelf),
        cmocka_unit_test(another_identity_begins_without_lines),
        cmocka_unit_test(says_why_there_are_none),
    };
    return cmocka_run_group_tests(tests, case_start, NULL);
}
