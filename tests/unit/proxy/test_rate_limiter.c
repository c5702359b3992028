/* Time is an argument: nothing here waits, but the threads that race. Ends with what one check
 * costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "core/clock.h"
#include "proxy/rate_limiter.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MS UINT64_C(1000000)
#define SEC (1000 * MS)
#define NOW (5000 * SEC)

static const struct config_rate ten_a_second = {
    .is_present = true, .requests = 10, .window_ms = 1000, .burst = 20};
static const struct config_rate two_a_minute_per_client = {
    .is_present = true, .is_per_client = true, .requests = 2, .window_ms = 60000, .burst = 2};

/* A caller of number `n`: an identity and an address of its own. */
struct person {
    struct identity identity;
    struct rate_caller caller;
    struct client_address client;
    char oid[37];
};

static void person_init(struct person *person, unsigned n) {
    char text[32];
    *person = (struct person){0};
    snprintf(person->oid, sizeof person->oid, "e0d1c2b3-a495-4867-9588-%012x", n);
    person->identity = (struct identity){.tenant = SLICE("3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"),
                                         .oid = slice_of_str(person->oid)};
    snprintf(text, sizeof text, "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
    assert_true(client_address_parse(slice_of_str(text), &person->client));
    person->caller = (struct rate_caller){&person->identity, &person->client};
}

static uint64_t ask(struct rate_limiter *limiter, const struct config_rate *rate,
                    const struct person *person, uint64_t now_ns) {
    const struct rate_demand demand = {rate, RATE_OF_ROUTE, "orders"};
    return rate_limiter_take(limiter, &demand, 1, &person->caller, now_ns);
}

/* How many of `tries` calls at one moment pass. */
static unsigned pass(struct rate_limiter *limiter, const struct config_rate *rate,
                     const struct person *person, uint64_t now_ns, unsigned tries) {
    unsigned passed = 0;
    for (unsigned i = 0; i < tries; i++)
        passed += ask(limiter, rate, person, now_ns) == 0;
    return passed;
}

static int open_limiter(void **state) {
    *state = rate_limiter_new();
    return *state ? 0 : -1;
}

static int close_limiter(void **state) {
    rate_limiter_free(*state);
    return 0;
}

static void lets_a_burst_pass_and_no_more(void **state) {
    struct person person;
    person_init(&person, 1);
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW, 100), 20);
    assert_true(ask(*state, &ten_a_second, &person, NOW) == 100 * MS);
}

static void refills_with_time(void **state) {
    struct person person;
    person_init(&person, 1);
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW, 100), 20);
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW + 99 * MS, 100), 0);
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW + 100 * MS, 100), 1);
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW + 650 * MS, 100), 5);
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW + 3600 * SEC, 100), 20);
}

static void keeps_to_the_rate_over_any_time(void **state) {
    struct person person;
    unsigned passed = 0;
    person_init(&person, 1);
    for (uint64_t at = 0; at < 60 * SEC; at += 7 * MS)
        passed += ask(*state, &ten_a_second, &person, NOW + at) == 0;
    assert_in_range(passed, 600 + 19, 600 + 20);
}

static void says_how_long_to_wait(void **state) {
    struct person person;
    person_init(&person, 1);
    assert_int_equal(pass(*state, &two_a_minute_per_client, &person, NOW, 3), 2);
    uint64_t wait_ns = ask(*state, &two_a_minute_per_client, &person, NOW + 1);
    assert_true(wait_ns == 30 * SEC - 1);
    assert_int_equal(pass(*state, &two_a_minute_per_client, &person, NOW + wait_ns, 3), 0);
    assert_int_equal(pass(*state, &two_a_minute_per_client, &person, NOW + 1 + wait_ns, 3), 1);
}

static void refusals_cost_nothing(void **state) {
    struct person person;
    person_init(&person, 1);
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW, 20), 20);
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW, 100000), 0);
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW + 100 * MS, 2), 1);
}

static void each_caller_has_a_bucket(void **state) {
    struct person one, other, same;
    person_init(&one, 1);
    person_init(&other, 2);
    person_init(&same, 1);
    same.client = other.client;
    assert_int_equal(pass(*state, &ten_a_second, &one, NOW, 30), 20);
    assert_int_equal(pass(*state, &ten_a_second, &other, NOW, 30), 20);
    assert_int_equal(pass(*state, &ten_a_second, &same, NOW, 30), 0);
    other.identity.tenant = SLICE("5b60718a-92a3-4b4c-8d5e-6f708192a3b4");
    assert_int_equal(pass(*state, &ten_a_second, &other, NOW, 30), 20);
}

static void each_address_has_a_bucket(void **state) {
    struct person one, other, same;
    person_init(&one, 1);
    person_init(&other, 1);
    person_init(&same, 2);
    assert_true(client_address_parse(SLICE("10.0.0.99"), &other.client));
    same.client = one.client;
    assert_int_equal(pass(*state, &two_a_minute_per_client, &one, NOW, 9), 2);
    assert_int_equal(pass(*state, &two_a_minute_per_client, &other, NOW, 9), 2);
    assert_int_equal(pass(*state, &two_a_minute_per_client, &same, NOW, 9), 0);
}

static void counts_networks_of_ipv6_as_one(void **state) {
    static const struct {
        const char *address;
        unsigned passed;
    } cases[] = {
        {"2001:db8:0:1::1", 2},  {"2001:db8:0:1::2", 0},
        {"2001:db8:0:1:f::", 0}, {"2001:db8:0:2::1", 2},
        {"::ffff:192.0.2.1", 2}, {"192.0.2.1", 0},
        {"::ffff:192.0.2.2", 2}, {"::1", 2},
    };
    struct person person;
    person_init(&person, 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(client_address_parse(slice_of_str(cases[i].address), &person.client));
        assert_int_equal(pass(*state, &two_a_minute_per_client, &person, NOW, 9), cases[i].passed);
    }
    person.client = (struct client_address){.text = "unix"};
    assert_int_equal(pass(*state, &two_a_minute_per_client, &person, NOW, 9), 2);
}

static void each_rate_of_each_place_has_buckets(void **state) {
    struct person person;
    struct config_rate other = ten_a_second;
    person_init(&person, 1);
    const struct rate_demand demands[] = {{&ten_a_second, RATE_OF_ROUTE, "a"},
                                          {&ten_a_second, RATE_OF_ROUTE, "b"},
                                          {&ten_a_second, RATE_OF_ENTRY, "a"},
                                          {&other, RATE_OF_ROUTE, "a"}};
    other.requests = 11; /* a changed rate starts anew, the same one goes on */
    for (size_t i = 0; i < 2 * COUNT(demands); i++) {
        unsigned passed = 0;
        for (int n = 0; n < 20; n++)
            passed += rate_limiter_take(*state, &demands[i % COUNT(demands)], 1, &person.caller,
                                        NOW) == 0;
        assert_int_equal(passed, i < COUNT(demands) ? 20 : 0);
    }
}

static void takes_from_all_or_none(void **state) {
    struct person person;
    person_init(&person, 1);
    const struct config_rate small = {
        .is_present = true, .requests = 1, .window_ms = 10000, .burst = 3};
    const struct rate_demand both[] = {{&ten_a_second, RATE_OF_ROUTE, "orders"},
                                       {&small, RATE_OF_ENTRY, "access[0]"}};
    const struct rate_demand turned[] = {both[1], both[0]};
    for (int i = 0; i < 3; i++)
        assert_true(rate_limiter_take(*state, both, 2, &person.caller, NOW) == 0);
    for (int i = 0; i < 50; i++) {
        assert_true(rate_limiter_take(*state, both, 2, &person.caller, NOW) == 10 * SEC);
        assert_true(rate_limiter_take(*state, turned, 2, &person.caller, NOW) == 10 * SEC);
    }
    assert_int_equal(pass(*state, &ten_a_second, &person, NOW, 99), 17);
    /* now both refuse: the longer wait is told */
    assert_true(rate_limiter_take(*state, both, 2, &person.caller, NOW) == 10 * SEC);
    assert_true(rate_limiter_take(*state, turned, 2, &person.caller, NOW) == 10 * SEC);
}

static void bears_extreme_rates(void **state) {
    static const struct config_rate rates[] = {
        {.requests = 1, .window_ms = 100, .burst = 1},
        {.requests = 1000000, .window_ms = 100, .burst = 1},
        {.requests = 1, .window_ms = 86400000, .burst = 1000000},
        {.requests = 999983, .window_ms = 86400000, .burst = 7},
        {.requests = 7, .window_ms = 1000, .burst = 7},
    };
    struct person person;
    person_init(&person, 1);
    for (size_t i = 0; i < COUNT(rates); i++) {
        unsigned passed = pass(*state, &rates[i], &person, NOW, 60000);
        if (i == 2)
            assert_in_range(passed, 50000, 60000); /* 146 years of it */
        else
            assert_int_equal(passed, rates[i].burst);
        uint64_t wait_ns = ask(*state, &rates[i], &person, NOW);
        assert_true(wait_ns == 0 ||
                    wait_ns <= ((uint64_t)rates[i].window_ms * MS) / rates[i].requests + 1);
    }
}

static void remembers_many(void **state) {
    enum { PEOPLE = 20000 };
    struct person person;
    for (unsigned n = 0; n < PEOPLE; n++) {
        person_init(&person, n);
        assert_int_equal(pass(*state, &two_a_minute_per_client, &person, NOW, 2), 2);
    }
    unsigned passed = 0;
    for (unsigned n = 0; n < PEOPLE; n++) {
        person_init(&person, n);
        passed += pass(*state, &two_a_minute_per_client, &person, NOW + SEC, 1);
    }
    assert_true(passed <= rate_limiter_forgotten(*state));
    assert_in_range(passed, 0, PEOPLE / 1000);
}

/* More than there is room for: whoever is forgotten begins with one burst, and never more. */
static void forgets_whom_it_must(void **state) {
    enum { PEOPLE = 4 * RATE_SETS * RATE_WAYS };
    struct person person;
    for (unsigned n = 0; n < PEOPLE; n++) {
        person_init(&person, n);
        assert_int_equal(pass(*state, &two_a_minute_per_client, &person, NOW + n, 3), 2);
    }
    assert_true(rate_limiter_forgotten(*state) >= PEOPLE - RATE_SETS * RATE_WAYS);
    person_init(&person, 0);
    assert_int_equal(pass(*state, &two_a_minute_per_client, &person, NOW + SEC, 9), 2);
    assert_int_equal(pass(*state, &two_a_minute_per_client, &person, NOW + SEC, 9), 0);
}

/* Strangers who come once do not push out who comes all the time. */
static void keeps_who_comes_often(void **state) {
    enum { STRANGERS = 2 * RATE_SETS * RATE_WAYS };
    struct person regular, stranger;
    person_init(&regular, 0xffffff);
    const struct config_rate rate = {
        .is_present = true, .requests = 1, .window_ms = 3600000, .burst = 300};
    uint64_t at = NOW;
    unsigned passed = pass(*state, &rate, &regular, at, 100);
    for (unsigned n = 0; n < STRANGERS; n++) {
        person_init(&stranger, n);
        ask(*state, &rate, &stranger, at);
        at += SEC / 100;
        if (n % 1024 == 0)
            passed += pass(*state, &rate, &regular, at, 2);
    }
    assert_true(rate_limiter_forgotten(*state) > 0);
    assert_in_range(passed, 300, 301);
}

/* Buckets that are full again make room without anything being forgotten. */
static void full_buckets_leave_first(void **state) {
    enum { PEOPLE = 2 * RATE_SETS * RATE_WAYS };
    struct person heavy, person;
    person_init(&heavy, 0xffffff);
    const struct config_rate long_rate = {
        .is_present = true, .requests = 1, .window_ms = 86400000, .burst = 1};
    assert_int_equal(pass(*state, &long_rate, &heavy, NOW, 2), 1);
    for (unsigned n = 0; n < PEOPLE; n++) {
        person_init(&person, n);
        assert_true(ask(*state, &ten_a_second, &person, NOW + n * SEC / 1000) == 0);
    }
    assert_int_equal(rate_limiter_forgotten(*state), 0);
    assert_int_equal(pass(*state, &long_rate, &heavy, NOW + PEOPLE * SEC / 1000, 2), 0);
}

enum { THREADS = 4, ROUNDS = 20000 };

struct race {
    struct rate_limiter *limiter;
    const struct config_rate *rate;
    _Atomic unsigned passed;
    _Atomic unsigned waiting;
    unsigned people; /* that each thread goes through */
};

static void *run_race(void *argument) {
    struct race *race = argument;
    struct person person;
    unsigned passed = 0;
    atomic_fetch_sub(&race->waiting, 1);
    while (atomic_load(&race->waiting) > 0) {
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        person_init(&person, i % race->people);
        passed += ask(race->limiter, race->rate, &person, NOW) == 0;
    }
    atomic_fetch_add(&race->passed, passed);
    return NULL;
}

static unsigned race_for(struct rate_limiter *limiter, const struct config_rate *rate,
                         unsigned people) {
    struct race race = {.limiter = limiter, .rate = rate, .waiting = THREADS, .people = people};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_race, &race), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return race.passed;
}

static void threads_together_get_what_one_would(void **state) {
    const struct config_rate rate = {
        .is_present = true, .requests = 1, .window_ms = 60000, .burst = 30000};
    struct person person;
    person_init(&person, 0);
    assert_true(ask(*state, &rate, &person, NOW) == 0); /* the bucket is there */
    assert_int_equal(race_for(*state, &rate, 1), rate.burst - 1);
}

/* Buckets come and go under the threads: at such an instant a call more or less may pass. */
static void threads_make_buckets_together(void **state) {
    enum { PEOPLE = 5000 };
    const struct config_rate rate = {
        .is_present = true, .requests = 1, .window_ms = 60000, .burst = 3};
    unsigned passed = race_for(*state, &rate, PEOPLE);
    assert_int_equal(rate_limiter_forgotten(*state), 0);
    assert_in_range(passed, PEOPLE * 3 - PEOPLE / 100, PEOPLE * 3 + PEOPLE / 100);
}

static void tells_what_a_check_costs(void **state) {
    enum { CHECKS = 200000, PEOPLE = 1000 };
    static struct person people[PEOPLE];
    for (unsigned n = 0; n < PEOPLE; n++)
        person_init(&people[n], n);
    uint64_t begin_us = clock_monotonic_us();
    for (unsigned i = 0; i < CHECKS; i++)
        ask(*state, &ten_a_second, &people[i % PEOPLE], NOW + i * MS);
    uint64_t end_us = clock_monotonic_us();
    print_message("one check: %.0f ns\n", (double)(end_us - begin_us) * 1000 / CHECKS);
}

#define WITH_LIMITER(test) cmocka_unit_test_setup_teardown(test, open_limiter, close_limiter)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_LIMITER(lets_a_burst_pass_and_no_more),
        WITH_LIMITER(refills_with_time),
        WITH_LIMITER(keeps_to_the_rate_over_any_time),
        WITH_LIMITER(says_how_long_to_wait),
        WITH_LIMITER(refusals_cost_nothing),
        WITH_LIMITER(each_caller_has_a_bucket),
        WITH_LIMITER(each_address_has_a_bucket),
        WITH_LIMITER(counts_networks_of_ipv6_as_one),
        WITH_LIMITER(each_rate_of_each_place_has_buckets),
        WITH_LIMITER(takes_from_all_or_none),
        WITH_LIMITER(bears_extreme_rates),
        WITH_LIMITER(remembers_many),
        WITH_LIMITER(forgets_whom_it_must),
        WITH_LIMITER(keeps_who_comes_often),
        WITH_LIMITER(full_buckets_leave_first),
        WITH_LIMITER(threads_together_get_what_one_would),
        WITH_LIMITER(threads_make_buckets_together),
        WITH_LIMITER(tells_what_a_check_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
