/* What a store and an identity take over from those of a former configuration: everything that both
 * mean alike, and nothing else. */
#include "vault/azure_identity.h"

#include "store_case.h"

#define SHORT_TOKEN(text) "{\"access_token\":\"" text "\",\"expires_in\":\"60\"}"
#define BEARER(token) "Authorization: Bearer " token "\r\n"

/* A configuration that takes over: as bar's at first, with arrays of its own. */
struct next_config {
    struct config config;
    struct config_vault vaults[2];
    struct config_secret secrets[MAX_SECRETS];
    struct config_credential credentials[MAX_SECRETS];
};

static void copy_config(struct next_config *next) {
    next->config = bar.config;
    memcpy(next->vaults, bar.vaults, sizeof next->vaults);
    memcpy(next->secrets, bar.secrets, sizeof next->secrets);
    memcpy(next->credentials, bar.credentials, sizeof next->credentials);
    next->config.vaults = next->vaults;
    next->config.secrets = next->secrets;
    next->config.credentials = next->credentials;
}

/* Puts `next` into force, as a reload does it. */
static void change_to(const struct next_config *next) {
    struct error err = {""};
    struct azure_identity *former_identity = bar.identity;
    struct secret_store *former = bar.store;
    bar.identity = azure_identity_new(bar.loop, bar.client, &next->config, &err);
    assert_non_null(bar.identity);
    azure_identity_set_second_ms(bar.identity, 10);
    azure_identity_adopt(bar.identity, former_identity);
    bar.store =
        secret_store_new(bar.loop, bar.client, bar.identity, &next->config, on_cabinet, NULL, &err);
    assert_non_null(bar.store);
    secret_store_set_second_ms(bar.store, 10);
    secret_store_adopt(bar.store, former);
    secret_store_start(bar.store);
    secret_store_free(former);
    azure_identity_free(former_identity);
}

/* Long enough for a request that should not be there. */
static void turn(void) {
    for (unsigned i = 0; i < 10; i++)
        loop_run_once(bar.loop, 5);
}

static void start_with_one(void) {
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
}

static void asks_for_nothing_that_is_there(void **state) {
    static struct next_config next[2];
    (void)state;
    bar.secrets[0].refresh_sec = 100000;
    start_with_one();
    copy_config(&next[0]);
    copy_config(&next[1]);
    const int64_t age_sec = state_of(0).age_sec;
    for (unsigned i = 0; i < 50; i++) {
        const uint64_t generation = cabinet_credential(bar.cabinet, 0)->generation;
        change_to(&next[i % 2]);
        assert_true(line_is(0, BASIC_ONE)); /* before the loop has turned */
        assert_int_not_equal(cabinet_credential(bar.cabinet, 0)->generation, generation);
        assert_string_equal(cabinet_credential(bar.cabinet, 0)->used[0].version, V1);
        assert_true(state_of(0).is_ready);
        assert_true(state_of(0).age_sec >= age_sec);
        assert_string_equal(state_of(0).last_error, "");
    }
    turn();
    assert_int_equal(hits(ADMIN), 1);
    assert_int_equal(hits(IMDS), 1);
}

static void reads_again_when_the_former_would_have(void **state) {
    static struct next_config next[2];
    (void)state;
    bar.secrets[0].refresh_sec = 30; /* 300 ms here */
    start_with_one();
    reply_from_now(ADMIN, 200, BUNDLE("admin", V2, "two"));
    copy_config(&next[0]);
    copy_config(&next[1]);
    const uint64_t give_up_ms = clock_monotonic_ms() + 10000;
    for (unsigned i = 0; !line_is(0, BASIC_TWO); i++) {
        assert_true(clock_monotonic_ms() < give_up_ms);
        change_to(&next[i % 2]);
        turn();
        turn();
    }
    assert_true(previous_line_is(0, BASIC_ONE));
    change_to(&next[0]);
    change_to(&next[1]);
    assert_true(line_is(0, BASIC_TWO));
    assert_true(previous_line_is(0, BASIC_ONE));
}

static void reads_sooner_when_told_to(void **state) {
    static struct next_config next;
    (void)state;
    bar.secrets[0].refresh_sec = 100000;
    start_with_one();
    copy_config(&next);
    next.secrets[0].refresh_sec = 1;
    change_to(&next);
    RUN_UNTIL(bar.loop, hits(ADMIN) >= 3);
}

static void takes_over_nothing_that_means_something_else(void **state) {
    static struct next_config changes[4], same;
    (void)state;
    bar.secrets[0].refresh_sec = 100000;
    start_with_one();
    for (size_t i = 0; i < COUNT_OF(changes); i++)
        copy_config(&changes[i]);
    char elsewhere[96];
    snprintf(elsewhere, sizeof elsewhere, "%s/else", bar.origin);
    changes[0].vaults[0].url = elsewhere;
    changes[1].vaults[0].api_version = "2025-07-01";
    changes[2].secrets[0].name = "other";
    changes[3].secrets[0].version = V2;
    copy_config(&same);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        change_to(&changes[i]);
        assert_false(is_available(0));
        assert_false(state_of(0).is_ready);
        change_to(&same);
        RUN_UNTIL(bar.loop, is_available(0));
    }
}

static void knows_a_vault_under_another_name(void **state) {
    static struct next_config next;
    (void)state;
    bar.secrets[0].refresh_sec = 100000;
    start_with_one();
    copy_config(&next);
    next.vaults[0].name = "renamed";
    change_to(&next);
    assert_true(line_is(0, BASIC_ONE));
    assert_string_equal(state_of(0).vault, "renamed");
    turn();
    assert_int_equal(hits(ADMIN), 1);
}

static void finds_secrets_at_other_places_of_the_file(void **state) {
    static struct next_config next;
    (void)state;
    reply("/secrets/second", 200, NULL, BUNDLE("second", V1, "two"));
    add_bearer(add_secret(0, "second"));
    bar.secrets[0].refresh_sec = bar.secrets[1].refresh_sec = 100000;
    start_with_one();
    RUN_UNTIL(bar.loop, is_available(1));
    copy_config(&next);
    next.secrets[0] = bar.secrets[1];
    next.secrets[1] = bar.secrets[0];
    next.credentials[0].password = 1;
    next.credentials[1].bearer = 0;
    change_to(&next);
    assert_true(line_is(0, BASIC_ONE));
    assert_true(line_is(1, BEARER("two")));
    turn();
    assert_int_equal(hits(ADMIN) + hits("/secrets/second"), 2);
}

static void brings_nothing_back_that_the_vault_denied(void **state) {
    static struct next_config next;
    static const int statuses[] = {403, 404};
    (void)state;
    start_with_one();
    copy_config(&next);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        reply_from_now(ADMIN, statuses[i], REFUSAL("ForbiddenByPolicy"));
        RUN_UNTIL(bar.loop, !is_available(0));
        change_to(&next);
        assert_false(is_available(0));
        assert_null(secret_store_value(bar.store, 0));
        assert_int_not_equal(state_of(0).last_error[0], '\0');
        reply_from_now(ADMIN, 200, BUNDLE("admin", V1, "one"));
        RUN_UNTIL(bar.loop, is_available(0));
    }
}

static void leaves_the_vault_alone_as_long_as_it_asked(void **state) {
    static struct next_config next;
    (void)state;
    reply(ADMIN, 429, "Retry-After: 60\r\n", "");
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    RUN_UNTIL(bar.loop, hits(ADMIN) == 1 && strstr(state_of(0).last_error, "429"));
    const uint64_t asked_ms = clock_monotonic_ms();
    copy_config(&next);
    change_to(&next);
    assert_non_null(strstr(state_of(0).last_error, "429"));
    struct want want = {.done = 0};
    ask(&want, 0);
    assert_true(want.done == 1 || clock_monotonic_ms() - asked_ms >= 550);
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(clock_monotonic_ms() - asked_ms >= 550);
    assert_int_equal(hits(ADMIN), 2);
}

static void serves_on_and_asks_at_once_as_another_identity(void **state) {
    static struct next_config next;
    (void)state;
    bar.secrets[0].refresh_sec = 100000;
    start_with_one();
    copy_config(&next);
    next.config.identity.managed_client_id = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6";
    reply_from_now(ADMIN, 403, REFUSAL("ForbiddenByRbac"));
    change_to(&next);
    assert_true(line_is(0, BASIC_ONE));
    RUN_UNTIL(bar.loop, !is_available(0));
    assert_int_equal(hits(IMDS), 2);
}

static void holds_no_value_beyond_a_tighter_limit(void **state) {
    static struct next_config next;
    (void)state;
    bar.secrets[0].refresh_sec = bar.secrets[0].max_stale_sec = 100000;
    start_with_one();
    const uint64_t until_ms = clock_monotonic_ms() + 200;
    RUN_UNTIL(bar.loop, clock_monotonic_ms() > until_ms);
    reply_from_now(ADMIN, 200, BUNDLE("admin", V2, "two"));
    copy_config(&next);
    next.secrets[0].max_stale_sec = 20;
    change_to(&next);
    assert_false(is_available(0));
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, BASIC_TWO));
    assert_null(cabinet_credential(bar.cabinet, 0)->previous);
}

static void puts_no_lines_into_requests_that_were_fine_elsewhere(void **state) {
    static struct next_config next;
    (void)state;
    bar.secrets[0].refresh_sec = 100000;
    bar.config.assertion = (struct config_assertion){.has_key = true, .key = 0};
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "-----BEGIN A-----\\nb\\n-----END A-----\\n"));
    start_store();
    RUN_UNTIL(bar.loop, secret_store_value(bar.store, 0));
    copy_config(&next);
    next.config.assertion.has_key = false;
    change_to(&next);
    assert_null(secret_store_value(bar.store, 0));
    assert_false(is_available(0));
    RUN_UNTIL(bar.loop, strstr(state_of(0).last_error, "control bytes"));
    static struct next_config back;
    copy_config(&back);
    change_to(&back);
    RUN_UNTIL(bar.loop, secret_store_value(bar.store, 0));
}

static void reads_folders_at_once(void **state) {
    static struct next_config next;
    (void)state;
    const size_t secret = add_secret(1, "token");
    const size_t credential = add_bearer(secret);
    bar.secrets[0].refresh_sec = bar.secrets[secret].refresh_sec = 100000;
    write_token("first");
    start_with_one();
    assert_true(line_is(credential, BEARER("first")));
    write_token("second");
    copy_config(&next);
    change_to(&next);
    assert_true(line_is(credential, BEARER("second")));
    assert_true(previous_line_is(credential, BEARER("first")));
    remove_token();
    change_to(&next);
    assert_false(is_available(credential));
}

static void sum_count(void *owner, const char *vault, int status, uint64_t count) {
    uint64_t *sum = owner;
    if (strcmp(vault, "prod") == 0 && status == 200)
        *sum += count;
}

static uint64_t good_requests(void) {
    uint64_t sum = 0;
    secret_store_each_request_count(bar.store, sum_count, &sum);
    return sum;
}

static void counts_on(void **state) {
    static struct next_config next;
    (void)state;
    start_with_one();
    RUN_UNTIL(bar.loop, good_requests() >= 3);
    copy_config(&next);
    uint64_t before = good_requests();
    change_to(&next);
    assert_int_equal(good_requests(), before);
    RUN_UNTIL(bar.loop, good_requests() > before);
    next.vaults[0].url = "http://127.0.0.1:9";
    before = good_requests();
    change_to(&next);
    assert_int_equal(good_requests(), before);
}

static void begins_a_running_read_again(void **state) {
    static struct next_config next;
    struct want want = {.done = 0};
    (void)state;
    reply(ADMIN, 200, NULL, BUNDLE("admin", V1, "one"));
    start_store();
    ask(&want, 0);
    copy_config(&next);
    change_to(&next);
    assert_int_equal(want.done, 1); /* by the end of the former store */
    ask(&want, 0);
    assert_int_equal(want.done, 1);
    RUN_UNTIL(bar.loop, want.done == 2);
    assert_true(want.was_available);
}

static void keeps_the_token_of_an_entra_token(void **state) {
    static struct next_config next;
    (void)state;
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    copy_config(&next);
    change_to(&next);
    assert_true(line_is(0, BEARER("tok-1")));
    turn();
    assert_int_equal(hits(IMDS), 1);
}

static void renews_a_token_it_took_over(void **state) {
    static struct next_config next[2];
    (void)state;
    reply(IMDS, 200, NULL, SHORT_TOKEN("short-1"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    copy_config(&next[0]);
    copy_config(&next[1]);
    const uint64_t give_up_ms = clock_monotonic_ms() + 10000;
    for (unsigned i = 0; !is_available(0) || line_is(0, BEARER("short-1")); i++) {
        assert_true(clock_monotonic_ms() < give_up_ms);
        change_to(&next[i % 2]);
        turn();
        turn();
    }
}

static void lets_a_token_run_out_that_nobody_wants(void **state) {
    static struct next_config next, back;
    (void)state;
    reply(IMDS, 200, NULL, SHORT_TOKEN("short-1"));
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    const uint64_t until_ms = clock_monotonic_ms() + 60 * 10;
    copy_config(&next);
    copy_config(&back);
    next.config.credential_count = 0;
    change_to(&next);
    RUN_UNTIL(bar.loop, clock_monotonic_ms() > until_ms);
    assert_int_equal(hits(IMDS), 1);
    change_to(&back);
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, BEARER("tok-1")));
}

static void asks_for_tokens_of_another_identity(void **state) {
    static struct next_config next;
    (void)state;
    start_store();
    RUN_UNTIL(bar.loop, is_available(0));
    copy_config(&next);
    next.config.identity.managed_client_id = "8d1e6f20-1b2c-4d3e-8f90-a1b2c3d4e5f6";
    change_to(&next);
    assert_false(is_available(0));
    RUN_UNTIL(bar.loop, is_available(0));
    assert_true(line_is(0, BEARER("tok-2")));
}

static void keeps_the_back_off_of_an_identity(void **state) {
    static struct next_config next;
    (void)state;
    reply(IMDS, 429, "Retry-After: 60\r\n", "");
    start_store();
    RUN_UNTIL(bar.loop, hits(IMDS) == 1);
    turn();
    const uint64_t failed_ms = clock_monotonic_ms();
    copy_config(&next);
    change_to(&next);
    struct want want = {.done = 0};
    ask(&want, 0);
    assert_true(want.done == 1 || clock_monotonic_ms() - failed_ms >= 500);
    RUN_UNTIL(bar.loop, is_available(0));
    assert_int_equal(hits(IMDS), 2);
}

#define TOKEN_CASE(test) cmocka_unit_test_setup_teardown(test, open_token_bar, close_bar)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(asks_for_nothing_that_is_there),
        CASE(reads_again_when_the_former_would_have),
        CASE(reads_sooner_when_told_to),
        CASE(takes_over_nothing_that_means_something_else),
        CASE(knows_a_vault_under_another_name),
        CASE(finds_secrets_at_other_places_of_the_file),
        CASE(brings_nothing_back_that_the_vault_denied),
        CASE(leaves_the_vault_alone_as_long_as_it_asked),
        CASE(serves_on_and_asks_at_once_as_another_identity),
        CASE(holds_no_value_beyond_a_tighter_limit),
        CASE(puts_no_lines_into_requests_that_were_fine_elsewhere),
        CASE(reads_folders_at_once),
        CASE(counts_on),
        CASE(begins_a_running_read_again),
        TOKEN_CASE(keeps_the_token_of_an_entra_token),
        TOKEN_CASE(renews_a_token_it_took_over),
        TOKEN_CASE(lets_a_token_run_out_that_nobody_wants),
        TOKEN_CASE(asks_for_tokens_of_another_identity),
        TOKEN_CASE(keeps_the_back_off_of_an_identity),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
