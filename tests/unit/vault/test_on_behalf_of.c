#include "vault/on_behalf_of.h"

#include "identity_case.h"
#include "scripted_server.h"
#include "vault/on_behalf_of_pace.h"

#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define OTHER_TENANT "7a6b5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c5d"
#define CLIENT_ID "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"
#define LOGIN "/" TENANT "/oauth2/v2.0/token"
#define OTHER_LOGIN "/" OTHER_TENANT "/oauth2/v2.0/token"
#define TOKEN(text, seconds)                                                                       \
    "{\"token_type\":\"Bearer\",\"scope\":\"x\",\"expires_in\":" #seconds                          \
    ",\"ext_expires_in\":" #seconds ",\"access_token\":\"" text "\"}"
#define REFUSAL(error, code)                                                                       \
    "{\"error\":\"" error "\",\"error_description\":\"AADSTS" #code                                \
    ": no. Trace ID: x\",\"error_codes\":[" #code "]}"

/* A source with a second that lasts 10 ms. */
static struct {
    struct scripted_server *server;
    struct loop *loop;
    struct http_client *client;
    struct config config;
    struct config_credential credentials[3];
    struct on_behalf_source *source;
    char origin[64];
    char path[64];
} bar;

struct answer {
    struct on_behalf_want want;
    size_t count;
    char line[256];
};

static void on_done(struct on_behalf_want *want) {
    struct answer *answer = (struct answer *)(void *)want;
    answer->count++;
    if (want->rendering) {
        const struct rendered_credential *credential = rendering_credential(want->rendering);
        assert_int_equal(credential->header_count, 1);
        const struct slice line = secret_bytes(credential->headers[0].line);
        snprintf(answer->line, sizeof answer->line, "%.*s", SLICE_ARGS(line));
    }
    assert_int_equal(want->verdict == ON_BEHALF_GOOD, want->rendering != NULL);
    assert_int_equal(want->verdict == ON_BEHALF_CLAIMS, want->claims != NULL);
    assert_int_equal(want->verdict == ON_BEHALF_GOOD, want->error.text[0] == '\0');
}

static int open_bar(void **state) {
    (void)state;
    memset(&bar, 0, sizeof bar);
    bar.server = scripted_server_start();
    bar.loop = loop_new(NULL);
    bar.client = http_client_new(bar.loop, NULL, NULL);
    snprintf(bar.origin, sizeof bar.origin, "http://127.0.0.1:%u", bar.server->port);
    strcpy(bar.path, "/tmp/barkeep-proof-XXXXXX");
    close(mkstemp(bar.path));
    write_file(bar.path, "app~secret\n");
    bar.config.identity = (struct config_identity){
        .kind = IDENTITY_CLIENT_SECRET,
        .client_id = CLIENT_ID,
        .client_secret_file = bar.path,
        .tenant = TENANT,
        .authority = bar.origin,
    };
    bar.credentials[0] =
        (struct config_credential){.name = "api",
                                   .kind = CREDENTIAL_ON_BEHALF_OF,
                                   .scope = "api://orders/read api://orders/write"};
    bar.credentials[1] = (struct config_credential){.name = "graph",
                                                    .kind = CREDENTIAL_ON_BEHALF_OF,
                                                    .scope = "https://graph.example/.default"};
    bar.config.credentials = bar.credentials;
    bar.config.credential_count = 2;
    bar.source = on_behalf_source_new(bar.loop, bar.client, &bar.config, NULL);
    on_behalf_source_set_second_ms(bar.source, 10);
    return bar.loop && bar.client && bar.source ? 0 : -1;
}

static int close_bar(void **state) {
    (void)state;
    on_behalf_source_free(bar.source);
    http_client_free(bar.client);
    loop_free(bar.loop);
    scripted_server_stop(bar.server);
    unlink(bar.path);
    return 0;
}

static void ask(struct answer *answer, const char *tenant, const char *token, size_t credential) {
    *answer = (struct answer){.want = {.credential = credential,
                                       .tenant = tenant,
                                       .assertion = secret_new(slice_of_str(token)),
                                       .on_done = on_done}};
    on_behalf_source_want(bar.source, &answer->want);
}

static void done(struct answer *answer) {
    rendering_unref(answer->want.rendering);
    secret_unref(answer->want.assertion);
    free(answer->want.claims);
}

/* Asks, waits and lets go of what came. */
static struct answer exchange(const char *token) {
    struct answer answer;
    ask(&answer, TENANT, token, 0);
    RUN_UNTIL(bar.loop, answer.count == 1);
    struct answer copy = answer;
    done(&answer);
    return copy;
}

static void script(const char *prefix, int status, const char *headers, const char *body) {
    scripted_server_reply(bar.server, prefix, (struct scripted_reply){status, headers, body});
}

static size_t hits(void) {
    return scripted_server_hits(bar.server, LOGIN);
}

static void sends_the_grant_with_the_callers_token(void **state) {
    (void)state;
    script(LOGIN, 200, NULL, TOKEN("downstream", 3599));
    const uint64_t before_ms = clock_monotonic_ms();
    struct answer answer = exchange("caller.token.x");
    assert_int_equal(answer.want.verdict, ON_BEHALF_GOOD);
    assert_string_equal(answer.line, "Authorization: Bearer downstream\r\n");
    assert_true(answer.want.until_ms >= before_ms + (3599 - 60) * 10);
    assert_true(answer.want.until_ms <= clock_monotonic_ms() + (3599 - 60) * 10);
    assert_true(scripted_server_saw(bar.server, LOGIN, "POST " LOGIN " HTTP/1.1\r\n"));
    assert_true(scripted_server_saw(
        bar.server, LOGIN,
        "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
        "&requested_token_use=on_behalf_of"
        "&scope=api%3A%2F%2Forders%2Fread%20api%3A%2F%2Forders%2Fwrite"
        "&assertion=caller.token.x&client_id=" CLIENT_ID "&client_secret=app~secret"));
}

static void never_lets_a_token_live_longer_than_an_hour(void **state) {
    (void)state;
    script(LOGIN, 200, NULL, TOKEN("long", 86400));
    script(LOGIN, 200, NULL, TOKEN("short", 100));
    struct answer lasting = exchange("a");
    assert_true(lasting.want.until_ms <= clock_monotonic_ms() + 3600 * 10);
    const uint64_t before_ms = clock_monotonic_ms();
    struct answer brief = exchange("b");
    assert_true(brief.want.until_ms >= before_ms + 90 * 10);
    assert_true(brief.want.until_ms <= clock_monotonic_ms() + 90 * 10);
}

static void exchanges_once_however_many_ask(void **state) {
    static struct answer answers[1000];
    (void)state;
    script(LOGIN, 200, NULL, TOKEN("one", 3599));
    on_behalf_source_set_second_ms(bar.source, 1000);
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        ask(&answers[i], TENANT, "same", 0);
    assert_int_equal(answers[0].count, 0);
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        assert_null(answers[i].want.assertion); /* nor is it held a thousand times */
    RUN_UNTIL(bar.loop, answers[COUNT_OF(answers) - 1].count == 1);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].want.verdict, ON_BEHALF_GOOD);
        done(&answers[i]);
    }
    assert_int_equal(hits(), 1);
    assert_string_equal(exchange("same").line, "Authorization: Bearer one\r\n");
    assert_int_equal(hits(), 1);
}

static void keeps_callers_credentials_and_tenants_apart(void **state) {
    struct answer first, second, graph, foreign;
    (void)state;
    script(LOGIN, 200, NULL, TOKEN("own", 3599));
    script(OTHER_LOGIN, 200, NULL, TOKEN("foreign", 3599));
    ask(&first, TENANT, "alice", 0);
    ask(&second, TENANT, "bob", 0);
    ask(&graph, TENANT, "alice", 1);
    ask(&foreign, OTHER_TENANT, "alice", 0);
    RUN_UNTIL(bar.loop, first.count + second.count + graph.count + foreign.count == 4);
    assert_int_equal(hits(), 3);
    assert_string_equal(foreign.line, "Authorization: Bearer foreign\r\n");
    assert_ptr_not_equal(first.want.rendering, second.want.rendering);
    assert_ptr_not_equal(first.want.rendering, graph.want.rendering);
    done(&first);
    done(&second);
    done(&graph);
    done(&foreign);
}

static void forgets_a_good_answer_within_a_minute(void **state) {
    (void)state;
    script(LOGIN, 200, NULL, TOKEN("one", 3599));
    script(LOGIN, 200, NULL, TOKEN("two", 3599));
    assert_string_equal(exchange("a").line, "Authorization: Bearer one\r\n");
    RUN_UNTIL(bar.loop, strstr(exchange("a").line, "two"));
    assert_int_equal(hits(), 2);
    assert_true(scripted_server_gap_ms(bar.server, LOGIN, 0, 1) >= 500 - 1);
}

struct row {
    int status;
    const char *body;
    enum on_behalf_verdict verdict;
    bool holds_all; /* others of the tenant are not asked for meanwhile */
};

static const struct row rows[] = {
    {400, REFUSAL("invalid_grant", 500133), ON_BEHALF_EXPIRED, false},
    {400, REFUSAL("invalid_grant", 50013), ON_BEHALF_EXPIRED, false},
    {400, "{\"error\":\"invalid_grant\",\"suberror\":\"token_expired\"}", ON_BEHALF_EXPIRED, false},
    {400, "{\"error\":\"invalid_grant\",\"suberror\":\"bad_token\"}", ON_BEHALF_EXPIRED, false},
    {400, REFUSAL("invalid_grant", 65001), ON_BEHALF_REFUSED, false},
    {400, "{\"error\":\"invalid_grant\",\"suberror\":\"consent_required\"}", ON_BEHALF_REFUSED,
     false},
    {400, "{\"error\":\"consent_required\"}", ON_BEHALF_REFUSED, false},
    {400, REFUSAL("invalid_grant", 700229), ON_BEHALF_REFUSED, false},
    {400, REFUSAL("unauthorized_client", 700016), ON_BEHALF_REFUSED, false},
    {400, "{\"error\":\"access_denied\"}", ON_BEHALF_REFUSED, false},
    {400, "{\"error\":\"interaction_required\"}", ON_BEHALF_REFUSED, false},
    {400,
     "{\"error\":\"interaction_required\",\"claims\":\"{\\\"access_token\\\":{\\\"polids\\\":{"
     "\\\"essential\\\":true,\\\"values\\\":[\\\"x\\\"]}}}\"}",
     ON_BEHALF_CLAIMS, false},
    {400, "{\"error\":\"invalid_grant\",\"suberror\":\"basic_action\",\"claims\":\"{}\"}",
     ON_BEHALF_CLAIMS, false},
    {400, "{\"error\":\"interaction_required\",\"claims\":\"[1]\"}", ON_BEHALF_REFUSED, false},
    {400, "{\"error\":\"interaction_required\",\"claims\":\"{\\\"a\\\":\\n1}\"}", ON_BEHALF_REFUSED,
     false},
    {400, "{\"error\":\"interaction_required\",\"claims\":{\"a\":1}}", ON_BEHALF_REFUSED, false},
    {401, REFUSAL("invalid_client", 7000215), ON_BEHALF_UNAVAILABLE, true},
    {400, REFUSAL("invalid_client", 700027), ON_BEHALF_UNAVAILABLE, true},
    {400, REFUSAL("unauthorized_client", 7000112), ON_BEHALF_UNAVAILABLE, true},
    {400, "{\"error\":\"temporarily_unavailable\"}", ON_BEHALF_UNAVAILABLE, true},
    {400, REFUSAL("invalid_request", 90055), ON_BEHALF_UNAVAILABLE, true},
    {429, "{}", ON_BEHALF_UNAVAILABLE, true},
    {500, "", ON_BEHALF_UNAVAILABLE, true},
    {503, REFUSAL("invalid_grant", 65001), ON_BEHALF_UNAVAILABLE, true},
    {0, "", ON_BEHALF_UNAVAILABLE, true},
    {400, REFUSAL("invalid_scope", 70011), ON_BEHALF_UNAVAILABLE, false},
    {400, REFUSAL("invalid_request", 7000114), ON_BEHALF_UNAVAILABLE, false},
    {400, REFUSAL("invalid_resource", 500011), ON_BEHALF_UNAVAILABLE, false},
    {400, "{\"error\":\"never_heard_of\"}", ON_BEHALF_UNAVAILABLE, false},
    {400, "<html>", ON_BEHALF_UNAVAILABLE, false},
    {302, "", ON_BEHALF_UNAVAILABLE, false},
    {200, "{}", ON_BEHALF_UNAVAILABLE, false},
    {200, TOKEN("a b", 3599), ON_BEHALF_UNAVAILABLE, false},
    {200, TOKEN("x", 0), ON_BEHALF_UNAVAILABLE, false},
    {200, TOKEN("x\\u0000y", 60), ON_BEHALF_UNAVAILABLE, false},
};

static void tells_whose_fault_a_refusal_is(void **state) {
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        on_behalf_source_set_second_ms(bar.source, 1000);
        script(LOGIN, rows[i].status, NULL, rows[i].body);
        script(LOGIN, 200, NULL, TOKEN("good", 3599));
        struct answer refused = exchange("alice");
        if (refused.want.verdict != rows[i].verdict)
            fail_msg("%s: verdict %d (%s)", rows[i].body, (int)refused.want.verdict,
                     refused.want.error.text);
        struct answer other = exchange("bob");
        if ((other.want.verdict == ON_BEHALF_GOOD) == rows[i].holds_all)
            fail_msg("%s: another caller got %d", rows[i].body, (int)other.want.verdict);
        assert_null(strstr(refused.want.error.text, "alice"));
        close_bar(state);
        open_bar(state);
    }
}

static void gives_claims_as_entra_sent_them(void **state) {
    struct answer answer;
    (void)state;
    script(LOGIN, 400, NULL,
           "{\"error\":\"interaction_required\",\"claims\":\"{\\\"access_token\\\":{}}\"}");
    ask(&answer, TENANT, "alice", 0);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_string_equal(answer.want.claims, "{\"access_token\":{}}");
    done(&answer);
}

static void does_not_ask_again_for_whom_it_was_refused(void **state) {
    (void)state;
    script(LOGIN, 400, NULL, REFUSAL("invalid_grant", 65001));
    script(LOGIN, 200, NULL, TOKEN("consented", 3599));
    on_behalf_source_set_second_ms(bar.source, 50);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(exchange("alice").want.verdict, ON_BEHALF_REFUSED);
    assert_int_equal(hits(), 1);
    RUN_UNTIL(bar.loop, exchange("alice").want.verdict == ON_BEHALF_GOOD);
    assert_true(scripted_server_gap_ms(bar.server, LOGIN, 0, 1) >= 3000 - 1);
}

static void pauses_as_long_as_retry_after_says(void **state) {
    (void)state;
    script(LOGIN, 429, "Retry-After: 100\r\n", "{}");
    script(LOGIN, 200, NULL, TOKEN("good", 3599));
    script(OTHER_LOGIN, 200, NULL, TOKEN("other", 3599));
    assert_int_equal(exchange("alice").want.verdict, ON_BEHALF_UNAVAILABLE);
    assert_int_equal(exchange("bob").want.verdict, ON_BEHALF_UNAVAILABLE);
    assert_int_equal(hits(), 1);
    struct answer elsewhere;
    ask(&elsewhere, OTHER_TENANT, "carol", 0);
    RUN_UNTIL(bar.loop, elsewhere.count == 1);
    assert_int_equal(elsewhere.want.verdict, ON_BEHALF_GOOD);
    done(&elsewhere);
    RUN_UNTIL(bar.loop, exchange("bob").want.verdict == ON_BEHALF_GOOD);
    assert_true(scripted_server_gap_ms(bar.server, LOGIN, 0, 1) >= 1000 - 1);
}

static void asks_less_and_less_while_entra_is_away(void **state) {
    static const uint64_t pauses_sec[] = {1, 2, 4};
    size_t caller = 0;
    (void)state;
    script(LOGIN, 503, NULL, "");
    while (hits() < 4) {
        char token[32];
        snprintf(token, sizeof token, "caller-%zu", caller++);
        assert_int_equal(exchange(token).want.verdict, ON_BEHALF_UNAVAILABLE);
        loop_run_once(bar.loop, 1);
    }
    for (size_t i = 0; i < COUNT_OF(pauses_sec); i++)
        assert_true(scripted_server_gap_ms(bar.server, LOGIN, i, i + 1) >= pauses_sec[i] * 10 - 1);
}

static void bounds_what_is_in_flight(void **state) {
    static struct answer answers[200];
    (void)state;
    script(LOGIN, 200, NULL, TOKEN("one", 3599));
    scripted_server_hold(bar.server, true);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        char token[32];
        snprintf(token, sizeof token, "caller-%zu", i);
        ask(&answers[i], TENANT, token, 0);
    }
    RUN_UNTIL(bar.loop, hits() == 64);
    for (size_t i = 0; i < 20; i++)
        loop_run_once(bar.loop, 5);
    assert_int_equal(hits(), 64);
    scripted_server_hold(bar.server, false);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        RUN_UNTIL(bar.loop, answers[i].count == 1);
        assert_int_equal(answers[i].want.verdict, ON_BEHALF_GOOD);
        done(&answers[i]);
    }
    assert_int_equal(hits(), COUNT_OF(answers));
    assert_int_equal(scripted_server_peak(bar.server), 64);
}

static void proves_itself_by_certificate_and_by_federated_token(void **state) {
    struct key_pair pair = key_pair_new(2048);
    char *pem = pem_of(pair.key, pair.certificate, NULL);
    (void)state;
    script(LOGIN, 200, NULL, TOKEN("good", 3599));
    bar.config.identity.kind = IDENTITY_CLIENT_CERTIFICATE;
    bar.config.identity.client_certificate_file = bar.path;
    write_file(bar.path, pem);
    assert_int_equal(exchange("a").want.verdict, ON_BEHALF_GOOD);
    assert_true(scripted_server_saw(
        bar.server, LOGIN,
        "&assertion=a&client_id=" CLIENT_ID
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        "&client_assertion=eyJ"));
    bar.config.identity.kind = IDENTITY_WORKLOAD;
    bar.config.identity.token_file = bar.path;
    write_file(bar.path, "federated.token.x\n");
    assert_int_equal(exchange("b").want.verdict, ON_BEHALF_GOOD);
    assert_true(scripted_server_saw(bar.server, LOGIN, "&client_assertion=federated.token.x"));
    assert_false(scripted_server_saw(bar.server, LOGIN, "client_secret"));
    free(pem);
    key_pair_done(&pair);
}

static void says_that_a_managed_identity_cannot_exchange(void **state) {
    (void)state;
    script(LOGIN, 200, NULL, TOKEN("good", 3599));
    bar.config.identity.kind = IDENTITY_MANAGED;
    struct answer answer = exchange("a");
    assert_int_equal(answer.want.verdict, ON_BEHALF_UNAVAILABLE);
    assert_non_null(strstr(answer.want.error.text, "managed identity"));
    assert_int_equal(hits(), 0);
    bar.config.identity.kind = IDENTITY_CLIENT_SECRET;
    assert_int_equal(exchange("a").want.verdict, ON_BEHALF_GOOD);
}

static void says_that_the_proof_cannot_be_read(void **state) {
    (void)state;
    bar.config.identity.client_secret_file = "/nowhere/secret";
    struct answer answer = exchange("a");
    assert_int_equal(answer.want.verdict, ON_BEHALF_UNAVAILABLE);
    assert_non_null(strstr(answer.want.error.text, "/nowhere/secret: no such file"));
    bar.config.identity.client_secret_file = bar.path;
    script(LOGIN, 200, NULL, TOKEN("good", 3599));
    RUN_UNTIL(bar.loop, exchange("a").want.verdict == ON_BEHALF_GOOD);
}

static void answers_everyone_when_it_goes_away(void **state) {
    static struct answer answers[100];
    (void)state;
    script(LOGIN, 200, NULL, TOKEN("never", 3599));
    scripted_server_hold(bar.server, true);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        char token[32];
        snprintf(token, sizeof token, "caller-%zu", i / 2);
        ask(&answers[i], TENANT, token, 0);
    }
    on_behalf_source_free(bar.source);
    bar.source = NULL;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].want.verdict, ON_BEHALF_UNAVAILABLE);
        done(&answers[i]);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_bar, close_bar)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(sends_the_grant_with_the_callers_token),
        CASE(never_lets_a_token_live_longer_than_an_hour),
        CASE(exchanges_once_however_many_ask),
        CASE(keeps_callers_credentials_and_tenants_apart),
        CASE(forgets_a_good_answer_within_a_minute),
        CASE(tells_whose_fault_a_refusal_is),
        CASE(gives_claims_as_entra_sent_them),
        CASE(does_not_ask_again_for_whom_it_was_refused),
        CASE(pauses_as_long_as_retry_after_says),
        CASE(asks_less_and_less_while_entra_is_away),
        CASE(bounds_what_is_in_flight),
        CASE(proves_itself_by_certificate_and_by_federated_token),
        CASE(says_that_a_managed_identity_cannot_exchange),
        CASE(says_that_the_proof_cannot_be_read),
        CASE(answers_everyone_when_it_goes_away),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
