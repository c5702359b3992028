/* The exposition: every line well-formed, labels escaped, histograms cumulative, workers added up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <regex.h>

#include "proxy/metrics.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { WORKERS = 2 };

/* The places of the two routes; place 0 has no route. */
enum { PLAIN = 1, ODD = 2 };

struct scrape {
    struct route_places places;
    struct worker_metrics workers[WORKERS];
    struct worker_metrics *pointers[WORKERS];
    struct buf text;
};

static void scrape_init(struct scrape *scrape) {
    *scrape = (struct scrape){0};
    assert_int_equal(route_places_init(&scrape->places), STATUS_OK);
    assert_int_equal(route_places_find(&scrape->places, "plain", 1), PLAIN);
    assert_int_equal(route_places_find(&scrape->places, "a \"b\"\\c\nd", 2), ODD);
    buf_init(&scrape->text, 1024 * 1024);
    for (size_t i = 0; i < WORKERS; i++) {
        worker_metrics_init(&scrape->workers[i]);
        assert_int_equal(worker_metrics_make_room(&scrape->workers[i], scrape->places.count),
                         STATUS_OK);
        scrape->pointers[i] = &scrape->workers[i];
    }
}

static void scrape_done(struct scrape *scrape) {
    for (size_t i = 0; i < WORKERS; i++)
        worker_metrics_done(&scrape->workers[i]);
    route_places_done(&scrape->places);
    buf_done(&scrape->text);
}

static const char *scrape_text(struct scrape *scrape) {
    buf_clear(&scrape->text);
    metrics_write_workers(&scrape->text, &scrape->places, scrape->pointers, WORKERS);
    buf_append_char(&scrape->text, '\0');
    assert_true(buf_ok(&scrape->text));
    return scrape->text.ptr;
}

/* True when `line` is a whole line of `text`. */
static bool has_line(const char *text, const char *line) {
    size_t len = strlen(line);
    for (const char *at = strstr(text, line); at; at = strstr(at + 1, line)) {
        if ((at == text || at[-1] == '\n') && at[len] == '\n')
            return true;
    }
    return false;
}

static void assert_line(const char *text, const char *line) {
    if (!has_line(text, line))
        fail_msg("no line %s in\n%s", line, text);
}

static void adds_the_workers_up(void **state) {
    (void)state;
    struct scrape scrape;
    scrape_init(&scrape);
    for (size_t i = 0; i < WORKERS; i++) {
        struct worker_metrics *worker = &scrape.workers[i];
        struct route_metrics *route = worker_route_metrics(worker, PLAIN);
        metric_add(&worker->connections, 5);
        metric_sub(&worker->connections, 2);
        metric_add(&worker->token_cache_hits, 10 + i);
        metric_add(&worker->token_checks[TOKEN_CHECK_REFUSED], 1);
        metric_add(&route->requests[REASON_NONE], 2);
        metric_add(&route->upstream_idle, 3);
        metric_add(&route->upstream_busy, i);
        metric_add(&route->ejections, i);
        metric_add(&route->refused_full, 1);
        metric_add(&route->retries_withheld, 2);
        atomic_store(&route->upstreams_ejected, 5 - i);
    }
    const char *text = scrape_text(&scrape);
    assert_line(text, "barkeep_connections 6");
    assert_line(text, "barkeep_limits_reached_total{limit=\"descriptors\"} 0");
    assert_line(text, "barkeep_token_cache_hits_total 21");
    assert_line(text, "barkeep_token_verifications_total{result=\"accepted\"} 0");
    assert_line(text, "barkeep_token_verifications_total{result=\"refused\"} 2");
    assert_line(text, "barkeep_token_verifications_total{result=\"keys_missing\"} 0");
    assert_line(text, "barkeep_requests_total{route=\"plain\",decision=\"allow\",reason=\"\"} 4");
    assert_line(text, "barkeep_upstream_connections{route=\"plain\",state=\"idle\"} 6");
    assert_line(text, "barkeep_upstream_connections{route=\"plain\",state=\"busy\"} 1");
    assert_line(text, "barkeep_upstreams_ejected{route=\"plain\"} 2");
    assert_line(text, "barkeep_upstream_ejections_total{route=\"plain\"} 1");
    assert_line(text, "barkeep_upstream_refusals_total{route=\"plain\",cause=\"full\"} 2");
    assert_line(text, "barkeep_upstream_refusals_total{route=\"plain\",cause=\"ejected\"} 0");
    assert_line(text, "barkeep_upstream_retries_total{route=\"plain\",result=\"withheld\"} 4");
    scrape_done(&scrape);
}

static void tells_requests_apart_by_route_and_reason(void **state) {
    (void)state;
    struct scrape scrape;
    scrape_init(&scrape);
    struct worker_metrics *worker = &scrape.workers[0];
    metric_add(&worker_route_metrics(worker, PLAIN)->requests[REASON_DENIED], 1);
    metric_add(&worker_route_metrics(worker, ODD)->requests[REASON_UPSTREAM_TIMEOUT], 2);
    metric_add(&worker_route_metrics(worker, 0)->requests[REASON_NO_ROUTE], 3);
    const char *text = scrape_text(&scrape);
    assert_line(text, "barkeep_requests_total{route=\"plain\",decision=\"deny\",reason=\"denied\"} "
                      "1");
    assert_line(text, "barkeep_requests_total{route=\"a \\\"b\\\"\\\\c\\nd\",decision=\"error\","
                      "reason=\"upstream_timeout\"} 2");
    assert_line(text, "barkeep_requests_total{route=\"\",decision=\"deny\",reason=\"no_route\"} 3");
    assert_null(strstr(text, "reason=\"no_role\"")); /* what never happened takes no line */
    scrape_done(&scrape);
}

static void escapes_label_values(void **state) {
    (void)state;
    static const struct {
        const char *value;
        const char *escaped;
    } cases[] = {
        {"", ""},
        {"plain-name_1", "plain-name_1"},
        {"say \"hi\"", "say \\\"hi\\\""},
        {"back\\slash", "back\\\\slash"},
        {"two\nlines", "two\\nlines"},
        {"\\n", "\\\\n"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out;
        buf_init(&out, 1000);
        metrics_write_label(&out, cases[i].value);
        assert_true(slice_eq_str(buf_slice(&out), cases[i].escaped));
        buf_done(&out);
    }
}

/* The value of the first line that begins with `start`. */
static unsigned long long value_after(const char *text, const char *start) {
    const char *line = strstr(text, start);
    if (!line)
        fail_msg("no line begins with %s", start);
    return strtoull(line + strlen(start), NULL, 10);
}

static void counts_buckets_cumulatively(void **state) {
    (void)state;
    struct scrape scrape;
    scrape_init(&scrape);
    static const uint64_t observed_us[] = {0, 50, 51, 1000, 1001, 60000000, 60000001, 999999999};
    for (size_t i = 0; i < COUNT(observed_us); i++)
        histogram_observe(&worker_route_metrics(&scrape.workers[i % WORKERS], PLAIN)->seconds,
                          observed_us[i]);
    const char *text = scrape_text(&scrape);
    static const struct {
        const char *bound;
        unsigned long long count;
    } buckets[] = {
        {"0.000050", 2}, {"0.000100", 3},  {"0.000250", 3},  {"0.000500", 3}, {"0.001000", 4},
        {"0.002500", 5}, {"0.005000", 5},  {"0.010000", 5},  {"0.025000", 5}, {"0.050000", 5},
        {"0.100000", 5}, {"0.250000", 5},  {"0.500000", 5},  {"1.000000", 5}, {"2.500000", 5},
        {"5.000000", 5}, {"10.000000", 5}, {"60.000000", 6}, {"+Inf", 8},
    };
    assert_int_equal(COUNT(buckets), METRIC_BUCKET_COUNT + 1);
    for (size_t i = 0; i < COUNT(buckets); i++) {
        char start[100];
        snprintf(start, sizeof start, "barkeep_request_seconds_bucket{route=\"plain\",le=\"%s\"} ",
                 buckets[i].bound);
        assert_int_equal(value_after(text, start), buckets[i].count);
    }
    assert_line(text, "barkeep_request_seconds_count{route=\"plain\"} 8");
    assert_line(text, "barkeep_request_seconds_sum{route=\"plain\"} 1120.002102");
    scrape_done(&scrape);
}

static void sums_overhead_without_a_label(void **state) {
    (void)state;
    struct scrape scrape;
    scrape_init(&scrape);
    histogram_observe(&scrape.workers[0].overhead, 75);
    histogram_observe(&scrape.workers[1].overhead, 75);
    const char *text = scrape_text(&scrape);
    assert_line(text, "barkeep_overhead_seconds_bucket{le=\"0.000050\"} 0");
    assert_line(text, "barkeep_overhead_seconds_bucket{le=\"0.000100\"} 2");
    assert_line(text, "barkeep_overhead_seconds_bucket{le=\"+Inf\"} 2");
    assert_line(text, "barkeep_overhead_seconds_sum 0.000150");
    assert_line(text, "barkeep_overhead_seconds_count 2");
    scrape_done(&scrape);
}

static bool line_matches(const char *pattern, const char *line) {
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool matches = regexec(&regex, line, 0, NULL, 0) == 0;
    regfree(&regex);
    return matches;
}

#define LABEL "[a-z_]+=\"([^\"\\\\]|\\\\[\\\\\"n])*\""

/* Each metric is announced once and its lines stand together. */
static void writes_the_text_format(void **state) {
    (void)state;
    struct scrape scrape;
    scrape_init(&scrape);
    for (size_t place = 0; place < scrape.places.count; place++) {
        for (int reason = 0; reason < REASON_COUNT; reason++)
            metric_add(&worker_route_metrics(&scrape.workers[1], place)->requests[reason], 1);
    }
    char *copy = strdup(scrape_text(&scrape));
    char *rest = NULL;
    char family[100] = "";
    size_t lines = 0;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        lines++;
        if (line_matches("^# HELP barkeep_[a-z_]+ [^ ].*\\.$", line)) {
            snprintf(family, sizeof family, "%.*s", (int)strcspn(line + 7, " "), line + 7);
            char announced[120];
            snprintf(announced, sizeof announced, "# HELP %s ", family);
            const char *first = strstr(scrape.text.ptr, announced);
            assert_non_null(first);
            assert_null(strstr(first + 1, announced));
            continue;
        }
        if (line_matches("^# TYPE barkeep_[a-z_]+ (counter|gauge|histogram)$", line) ||
            line_matches("^barkeep_[a-z_]+(\\{" LABEL "(," LABEL ")*\\})? [0-9]+(\\.[0-9]+)?$",
                         line)) {
            assert_non_null(strstr(line, family));
            continue;
        }
        fail_msg("malformed: %s", line);
    }
    assert_true(lines > 100);
    free(copy);
    scrape_done(&scrape);
}

static void gives_each_name_one_place_for_ever(void **state) {
    (void)state;
    struct scrape scrape;
    scrape_init(&scrape);
    assert_int_equal(route_places_find(&scrape.places, "plain", 2), PLAIN);
    size_t place = 0;
    for (size_t i = 0; i < 3 * ROUTE_BLOCK_PLACES; i++) {
        char name[20];
        snprintf(name, sizeof name, "route-%zu", i);
        place = route_places_find(&scrape.places, name, i + 1);
        assert_int_equal(place, i + 3);
        assert_int_equal(route_places_find(&scrape.places, name, 0), place);
    }
    struct route_metrics *plain = worker_route_metrics(&scrape.workers[0], PLAIN);
    assert_int_equal(worker_metrics_make_room(&scrape.workers[0], scrape.places.count), STATUS_OK);
    assert_ptr_equal(worker_route_metrics(&scrape.workers[0], PLAIN), plain);
    metric_add(&worker_route_metrics(&scrape.workers[0], place)->scrubbed, 1);
    scrape_done(&scrape);
}

static void labels_decisions_by_who_is_at_fault(void **state) {
    (void)state;
    assert_string_equal(decision_label(REASON_NONE), "allow");
    assert_string_equal(decision_label(REASON_TOKEN_MISSING), "deny");
    assert_string_equal(decision_label(REASON_NO_ROLE), "deny");
    assert_string_equal(decision_label(REASON_UPSTREAM_UNREACHABLE), "error");
    assert_string_equal(decision_label(REASON_AUDIT_UNAVAILABLE), "error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_the_workers_up),
        cmocka_unit_test(tells_requests_apart_by_route_and_reason),
        cmocka_unit_test(escapes_label_values),
        cmocka_unit_test(counts_buckets_cumulatively),
        cmocka_unit_test(sums_overhead_without_a_label),
        cmocka_unit_test(writes_the_text_format),
        cmocka_unit_test(gives_each_name_one_place_for_ever),
        cmocka_unit_test(labels_decisions_by_who_is_at_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
