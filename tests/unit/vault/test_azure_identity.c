#include "identity_bar.h"

static void fetches_once_however_many_ask(void **state) {
    (void)state;
    static struct answer answers[1000];
    memset(answers, 0, sizeof answers);
    script(200, TOKEN("one", 86399));
    start_identity();
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        get(&answers[i]);
    assert_int_equal(answers[0].count, 0);
    RUN_UNTIL(bar.loop, answers[999].count == 1);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        assert_int_equal(answers[i].count, 1);
        assert_string_equal(answers[i].token, "one");
    }
    assert_int_equal(imds_hits(), 1);
    assert_true(scripted_server_saw(bar.server, IMDS, "Metadata: true"));
    struct answer cached = {0};
    get(&cached);
    assert_string_equal(cached.token, "one");
    assert_int_equal(imds_hits(), 1);
}

static void keeps_tokens_of_resources_apart(void **state) {
    (void)state;
    struct answer vault = {0}, graph = {0};
    scripted_server_reply(bar.server, IMDS "?api-version=2018-02-01&resource=https%3A%2F%2Fgraph",
                          (struct scripted_reply){200, NULL, TOKEN("graph", 3600)});
    script(200, TOKEN("vault", 3600));
    start_identity();
    get(&vault);
    azure_identity_get(bar.identity, NULL, "https://graph.microsoft.com", on_token, &graph);
    RUN_UNTIL(bar.loop, vault.count == 1 && graph.count == 1);
    assert_string_equal(vault.token, "vault");
    assert_string_equal(graph.token, "graph");
}

static void tries_again_while_the_metadata_service_is_away(void **state) {
    (void)state;
    struct answer answer = {0};
    script(410, "");
    script(500, "");
    script(200, TOKEN("late", 3600));
    get_first(&answer);
    assert_string_equal(answer.token, "late");
    assert_int_equal(imds_hits(), 3);
    assert_true(scripted_server_gap_ms(bar.server, IMDS, 0, 1) >= 30 - 1); /* 410: 3 s at least */
}

static void tells_waiters_after_a_few_tries_and_goes_on(void **state) {
    (void)state;
    struct answer answer = {0}, during = {0};
    script(500, "");
    script(429, "{\"error\":\"throttled\"}");
    script(0, "");
    get_first(&answer);
    assert_int_equal(answer.failures, 1);
    assert_true(answer.error[0] != '\0');
    assert_int_equal(imds_hits(), 3);
    get(&during);
    assert_int_equal(during.failures, 1);
    scripted_server_replace(bar.server, IMDS,
                            (struct scripted_reply){200, NULL, TOKEN("back", 3600)});
    struct answer later = {0};
    RUN_UNTIL(bar.loop, (get(&later), later.token[0] != '\0'));
    assert_string_equal(later.token, "back");
}

static void waits_as_long_as_retry_after_says(void **state) {
    (void)state;
    struct answer answer = {0};
    scripted_server_reply(bar.server, IMDS,
                          (struct scripted_reply){429, "Retry-After: 30\r\n", ""});
    script(200, TOKEN("patient", 3600));
    get_first(&answer);
    assert_int_equal(answer.failures, 1);
    RUN_UNTIL(bar.loop, imds_hits() == 2);
    assert_true(scripted_server_gap_ms(bar.server, IMDS, 0, 1) >= 300 - 1);
}

static void does_not_repeat_a_refused_request_quickly(void **state) {
    static const int refusals[] = {400, 401, 403};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct answer answer = {0};
        script(refusals[i], "{\"error\":\"invalid_request\"}");
        script(200, TOKEN("granted", 3600));
        start_identity();
        get(&answer);
        RUN_UNTIL(bar.loop, answer.count == 1);
        assert_int_equal(answer.failures, 1);
        assert_non_null(strstr(answer.error, "invalid_request"));
        RUN_UNTIL(bar.loop, imds_hits() == 2);
        assert_true(scripted_server_gap_ms(bar.server, IMDS, 0, 1) >= 450 - 1);
        close_bar(state);
        open_bar(state);
    }
}

static void refuses_an_expired_or_malformed_token(void **state) {
    static const char *const bodies[] = {
        TOKEN("old", 0), "{\"access_token\":\"a b\",\"expires_in\":60}", "{", "<html>"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct answer answer = {0};
        script(200, bodies[i]);
        script(200, TOKEN("good", 3600));
        start_identity();
        get(&answer);
        RUN_UNTIL(bar.loop, answer.count == 1);
        assert_string_equal(answer.token, "good");
        assert_int_equal(imds_hits(), 2);
        close_bar(state);
        open_bar(state);
    }
}

static void refreshes_before_expiry(void **state) {
    (void)state;
    struct answer answer = {0};
    script(200, TOKEN("first", 100));
    script(200, TOKEN("second", 3600));
    get_first(&answer);
    RUN_UNTIL(bar.loop, imds_hits() == 2);
    assert_true(scripted_server_gap_ms(bar.server, IMDS, 0, 1) >= 500 - 1);
    RUN_UNTIL(bar.loop, (get(&answer), strcmp(answer.token, "second") == 0));
    assert_int_equal(answer.failures, 0);
}

static void uses_the_old_token_until_it_expires_when_refresh_fails(void **state) {
    (void)state;
    struct answer answer = {0};
    script(200, TOKEN("old", 200));
    script(500, "");
    get_first(&answer);
    RUN_UNTIL(bar.loop, imds_hits() >= 3);
    get(&answer);
    assert_int_equal(answer.failures, 0);
    assert_string_equal(answer.token, "old");
    RUN_UNTIL(bar.loop, (get(&answer), answer.failures > 0));
    assert_true(imds_hits() < 12);
}

static void asks_anew_after_invalidation_but_once_a_minute(void **state) {
    (void)state;
    struct answer answer = {0};
    script(200, TOKEN("one", 3600));
    script(200, TOKEN("two", 3600));
    script(200, TOKEN("three", 3600));
    get_first(&answer);
    get_anew(&answer);
    assert_string_equal(answer.token, "two");
    azure_identity_invalidate(bar.identity, NULL, RESOURCE);
    get(&answer);
    assert_int_equal(answer.count, 3);
    assert_string_equal(answer.token, "two");
    assert_int_equal(imds_hits(), 2);
    RUN_UNTIL(bar.loop, (azure_identity_invalidate(bar.identity, NULL, RESOURCE), get(&answer),
                         strcmp(answer.token, "three") == 0));
    assert_true(scripted_server_gap_ms(bar.server, IMDS, 1, 2) >= 500);
}

static void does_not_call_back_who_was_forgotten(void **state) {
    (void)state;
    struct answer gone = {0}, stays = {0};
    script(200, TOKEN("one", 3600));
    start_identity();
    get(&gone);
    get(&stays);
    get(&gone);
    azure_identity_forget(bar.identity, &gone);
    RUN_UNTIL(bar.loop, stays.count == 1);
    assert_int_equal(gone.count, 0);
}

static void answers_waiters_when_it_goes_away(void **state) {
    (void)state;
    struct answer answer = {0};
    script(200, TOKEN("never", 3600));
    start_identity();
    get(&answer);
    azure_identity_free(bar.identity);
    bar.identity = NULL;
    assert_int_equal(answer.failures, 1);
}

static void hands_out_a_doubted_token_for_want_of_a_better_one(void **state) {
    struct answer answer = {0};
    (void)state;
    script(200, TOKEN("old", 3600));
    script(404, "");
    script(410, "");
    script(0, "");
    get_first(&answer);
    azure_identity_invalidate(bar.identity, NULL, RESOURCE);
    get(&answer);
    assert_int_equal(answer.count, 1);
    RUN_UNTIL(bar.loop, answer.count == 2);
    assert_int_equal(answer.failures, 0);
    assert_string_equal(answer.token, "old");
    assert_int_equal(imds_hits(), 4);
    get(&answer);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.failures, 0);
    scripted_server_replace(bar.server, IMDS,
                            (struct scripted_reply){200, NULL, TOKEN("new", 3600)});
    RUN_UNTIL(bar.loop, (get(&answer), strcmp(answer.token, "new") == 0));
    assert_int_equal(answer.failures, 0);
}

/* {"access_token":{"nbf":{"essential":true,"value":"1"}}} */
#define CLAIMS "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ=="
#define CLAIMS_FIELD                                                                               \
    "&claims=%7B%22access_token%22%3A%7B%22nbf%22%3A%7B%22essential%22%3Atrue%2C%22value%22%3A"    \
    "%221%22%7D%2C%22xms_cc%22%3A%7B%22values%22%3A%5B%22cp1%22%5D%7D%7D%7D&client_id="

static void asks_with_the_claims_a_service_wants_to_see(void **state) {
    char path[] = "/tmp/barkeep-client-secret-XXXXXX";
    struct answer answer = {0};
    (void)state;
    close(mkstemp(path));
    write_file(path, "x");
    become_application(IDENTITY_CLIENT_SECRET, path);
    script_login(200, TOKEN("plain", 3599));
    script_login(200, TOKEN("claimed", 3599));
    script_login(200, TOKEN("later", 3599));
    get_first(&answer);
    assert_false(scripted_server_saw(bar.server, LOGIN, "claims="));
    azure_identity_invalidate(bar.identity, NULL, RESOURCE);
    assert_true(challenge(CLAIMS));
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 2);
    assert_string_equal(answer.token, "claimed");
    assert_true(scripted_server_saw(bar.server, LOGIN, CLAIMS_FIELD));
    assert_true(challenge(CLAIMS));
    get(&answer);
    assert_int_equal(answer.count, 3);
    assert_string_equal(answer.token, "claimed");
    RUN_UNTIL(bar.loop, (azure_identity_invalidate(bar.identity, NULL, RESOURCE), get(&answer),
                         strcmp(answer.token, "later") == 0));
    assert_false(scripted_server_saw(bar.server, LOGIN, "claims="));
    unlink(path);
}

static void asks_anew_when_claims_come_while_a_call_is_in_flight(void **state) {
    char path[] = "/tmp/barkeep-client-secret-XXXXXX";
    struct answer answer = {0};
    (void)state;
    close(mkstemp(path));
    write_file(path, "x");
    become_application(IDENTITY_CLIENT_SECRET, path);
    script_login(200, TOKEN("any", 3599));
    scripted_server_hold(bar.server, true);
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, scripted_server_hits(bar.server, LOGIN) == 1);
    assert_true(challenge(CLAIMS));
    RUN_UNTIL(bar.loop, scripted_server_hits(bar.server, LOGIN) == 2);
    assert_true(scripted_server_saw(bar.server, LOGIN, CLAIMS_FIELD));
    scripted_server_hold(bar.server, false);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_string_equal(answer.token, "any");
    unlink(path);
}

static void treats_claims_it_cannot_send_as_an_invalidation(void **state) {
    struct answer answer = {0};
    (void)state;
    script(200, TOKEN("one", 3600));
    script(200, TOKEN("two", 3600));
    start_identity();
    assert_false(challenge(CLAIMS));
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_false(challenge(CLAIMS));
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 2);
    assert_string_equal(answer.token, "two");
    assert_false(scripted_server_saw(bar.server, IMDS, "claims"));
}

static void gives_up_claims_that_entra_refuses(void **state) {
    char path[] = "/tmp/barkeep-client-secret-XXXXXX";
    struct answer answer = {0};
    (void)state;
    close(mkstemp(path));
    write_file(path, "x");
    become_application(IDENTITY_CLIENT_SECRET, path);
    script_login(200, TOKEN("plain", 3599));
    script_login(400, "{\"error\":\"invalid_request\"}");
    script_login(200, TOKEN("later", 3599));
    get_first(&answer);
    assert_true(challenge(CLAIMS));
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 2);
    assert_string_equal(answer.token, "plain");
    RUN_UNTIL(bar.loop, (get(&answer), strcmp(answer.token, "later") == 0));
    assert_false(scripted_server_saw(bar.server, LOGIN, "claims="));
    assert_int_equal(answer.failures, 0);
    unlink(path);
}

static void calls_watchers_with_each_token_and_once_with_none(void **state) {
    struct answer answer = {0}, late = {0};
    struct azure_identity_watch watch = {
        .resource = RESOURCE, .on_token = on_token, .owner = &answer};
    struct azure_identity_watch second = {
        .resource = RESOURCE, .on_token = on_token, .owner = &late};
    (void)state;
    script(200, TOKEN("one", 100));
    script(200, TOKEN("two", 100));
    script(500, "");
    start_identity();
    azure_identity_watch(bar.identity, &watch);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_string_equal(answer.token, "one");
    RUN_UNTIL(bar.loop, answer.count == 2);
    assert_string_equal(answer.token, "two");
    azure_identity_watch(bar.identity, &second);
    assert_int_equal(late.count, 1);
    assert_string_equal(late.token, "two");
    RUN_UNTIL(bar.loop, answer.failures == 1);
    assert_int_equal(late.failures, 1);
    const size_t asked = imds_hits();
    RUN_UNTIL(bar.loop, imds_hits() > asked);
    assert_int_equal(answer.failures, 1);
    azure_identity_unwatch(bar.identity, &second);
    scripted_server_replace(bar.server, IMDS,
                            (struct scripted_reply){200, NULL, TOKEN("back", 3600)});
    RUN_UNTIL(bar.loop, strcmp(answer.token, "back") == 0);
    assert_int_equal(late.count, 2);
    azure_identity_unwatch(bar.identity, &watch);
}

/* A watcher that leaves from inside its callback, and takes another along. */
static struct azure_identity_watch pair_of_watches[2];
static size_t pair_calls;

static void on_token_leave(void *owner, struct secret *token, const struct error *err) {
    (void)owner, (void)token, (void)err;
    pair_calls++;
    azure_identity_unwatch(bar.identity, &pair_of_watches[0]);
    azure_identity_unwatch(bar.identity, &pair_of_watches[1]);
}

static void lets_watchers_leave_while_they_are_told(void **state) {
    struct answer answer = {0};
    (void)state;
    pair_calls = 0;
    script(200, TOKEN("one", 3600));
    start_identity();
    for (size_t i = 0; i < 2; i++) {
        pair_of_watches[i] =
            (struct azure_identity_watch){.resource = RESOURCE, .on_token = on_token_leave};
        azure_identity_watch(bar.identity, &pair_of_watches[i]);
    }
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1 && pair_calls > 0);
    loop_run_once(bar.loop, 1);
    assert_int_equal(pair_calls, 1);
}

static void tells_a_watcher_why_there_is_no_token(void **state) {
    struct answer answer = {0}, foreign = {0};
    struct azure_identity_watch watch = {
        .resource = RESOURCE, .on_token = on_token, .owner = &answer};
    struct azure_identity_watch other = {
        .tenant = OTHER_TENANT, .resource = RESOURCE, .on_token = on_token, .owner = &foreign};
    (void)state;
    bar.config.identity.tenant = TENANT;
    script(400, "{\"error\":\"invalid_request\"}");
    start_identity();
    azure_identity_watch(bar.identity, &watch);
    RUN_UNTIL(bar.loop, answer.failures == 1);
    assert_non_null(strstr(answer.error, "invalid_request"));
    azure_identity_watch(bar.identity, &other);
    assert_non_null(strstr(foreign.error, "managed identity"));
    azure_identity_unwatch(bar.identity, &other);
}

static void refuses_an_identity_that_is_not_configured(void **state) {
    (void)state;
    struct error err = {""};
    bar.config.identity = (struct config_identity){.kind = IDENTITY_NONE};
    assert_null(azure_identity_new(bar.loop, bar.client, &bar.config, &err));
    static const enum config_identity_kind kinds[] = {
        IDENTITY_CLIENT_SECRET, IDENTITY_CLIENT_CERTIFICATE, IDENTITY_WORKLOAD};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        bar.config.identity = (struct config_identity){.kind = kinds[i]};
        assert_null(azure_identity_new(bar.loop, bar.client, &bar.config, &err));
    }
    bar.config.identity =
        (struct config_identity){.kind = IDENTITY_MANAGED, .endpoint = "http://corp.example"};
    assert_null(azure_identity_new(bar.loop, bar.client, &bar.config, &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(fetches_once_however_many_ask),
        CASE(keeps_tokens_of_resources_apart),
        CASE(tries_again_while_the_metadata_service_is_away),
        CASE(tells_waiters_after_a_few_tries_and_goes_on),
        CASE(waits_as_long_as_retry_after_says),
        CASE(does_not_repeat_a_refused_request_quickly),
        CASE(refuses_an_expired_or_malformed_token),
        CASE(refreshes_before_expiry),
        CASE(uses_the_old_token_until_it_expires_when_refresh_fails),
        CASE(asks_anew_after_invalidation_but_once_a_minute),
        CASE(does_not_call_back_who_was_forgotten),
        CASE(answers_waiters_when_it_goes_away),
        CASE(hands_out_a_doubted_token_for_want_of_a_better_one),
        CASE(asks_with_the_claims_a_service_wants_to_see),
        CASE(asks_anew_when_claims_come_while_a_call_is_in_flight),
        CASE(treats_claims_it_cannot_send_as_an_invalidation),
        CASE(gives_up_claims_that_entra_refuses),
        CASE(calls_watchers_with_each_token_and_once_with_none),
        CASE(lets_watchers_leave_while_they_are_told),
        CASE(tells_a_watcher_why_there_is_no_token),
        CASE(refuses_an_identity_that_is_not_configured),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
