#include "vault/azure_identity.h"

#include <sys/stat.h>

#include "scripted_server.h"
#include "vault/azure_identity_pace.h"

#define IMDS "/metadata/identity/oauth2/token"
#define RESOURCE "https://vault.azure.net"
#define TENANT "3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b4"
#define OTHER_TENANT "7a6b5c4d-3e2f-4a1b-8c9d-0e1f2a3b4c5d"
#define LOGIN "/" TENANT "/oauth2/v2.0/token"
#define TOKEN(text, seconds)                                                                       \
    "{\"access_token\":\"" text "\",\"expires_in\":\"" #seconds "\",\"token_type\":\"Bearer\"}"

/* Everything an identity needs, with a second that lasts 10 ms. */
static struct {
    struct scripted_server *server;
    struct loop *loop;
    struct http_client *client;
    struct config config;
    struct azure_identity *identity;
    char origin[64];
} bar;

struct answer {
    size_t count;
    size_t failures;
    char token[64];
    char error[512];
};

static void on_token(void *owner, struct secret *token, const struct error *err) {
    struct answer *answer = owner;
    answer->count++;
    if (!token) {
        answer->failures++;
        snprintf(answer->error, sizeof answer->error, "%s", err->text);
        return;
    }
    const struct slice bytes = secret_bytes(token);
    snprintf(answer->token, sizeof answer->token, "%.*s", SLICE_ARGS(bytes));
}

static int open_bar(void **state) {
    (void)state;
    memset(&bar, 0, sizeof bar);
    bar.server = scripted_server_start();
    bar.loop = loop_new(NULL);
    bar.client = http_client_new(bar.loop, NULL, NULL);
    snprintf(bar.origin, sizeof bar.origin, "http://127.0.0.1:%u", bar.server->port);
    bar.config.identity =
        (struct config_identity){.kind = IDENTITY_MANAGED, .endpoint = bar.origin};
    return bar.loop && bar.client ? 0 : -1;
}

static int close_bar(void **state) {
    (void)state;
    azure_identity_free(bar.identity);
    http_client_free(bar.client);
    loop_free(bar.loop);
    scripted_server_stop(bar.server);
    return 0;
}

static void start_identity(void) {
    struct error err = {""};
    bar.identity = azure_identity_new(bar.loop, bar.client, &bar.config, &err);
    if (!bar.identity)
        fail_msg("%s", err.text);
    azure_identity_set_second_ms(bar.identity, 10);
}

static void get(struct answer *answer) {
    azure_identity_get(bar.identity, NULL, RESOURCE, on_token, answer);
}

static void script(int status, const char *body) {
    scripted_server_reply(bar.server, IMDS, (struct scripted_reply){status, NULL, body});
}

static size_t imds_hits(void) {
    return scripted_server_hits(bar.server, IMDS);
}

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
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
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
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
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
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
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
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
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
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
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
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    azure_identity_invalidate(bar.identity, NULL, RESOURCE);
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 2);
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

static void write_secret(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void exchanges_a_client_secret_read_anew_each_time(void **state) {
    (void)state;
    char path[] = "/tmp/barkeep-client-secret-XXXXXX";
    close(mkstemp(path));
    struct answer answer = {0};
    bar.config.identity = (struct config_identity){
        .kind = IDENTITY_CLIENT_SECRET,
        .client_id = "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3",
        .client_secret_file = path,
        .tenant = TENANT,
        .authority = bar.origin,
    };
    scripted_server_reply(bar.server, LOGIN,
                          (struct scripted_reply){200, NULL, TOKEN("first", 3599)});
    scripted_server_reply(bar.server, LOGIN,
                          (struct scripted_reply){200, NULL, TOKEN("second", 3599)});
    write_secret(path, "a~b.c_d+e/f=g h&i%j\n");
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_string_equal(answer.token, "first");
    assert_true(scripted_server_saw(bar.server, LOGIN, "POST " LOGIN " HTTP/1.1\r\n"));
    assert_true(scripted_server_saw(bar.server, LOGIN,
                                    "Content-Type: application/x-www-form-urlencoded\r\n"));
    assert_true(scripted_server_saw(bar.server, LOGIN,
                                    "\r\n\r\ngrant_type=client_credentials&scope=https%3A%2F%2F"
                                    "vault.azure.net%2F.default&client_id=2b7c9d10-3e4f-4a5b-9c6d-"
                                    "7e8f90a1b2c3&client_secret=a~b.c_d%2Be%2Ff%3Dg%20h%26i%25j"));
    write_secret(path, "rotated");
    azure_identity_invalidate(bar.identity, NULL, RESOURCE);
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 2);
    assert_true(scripted_server_saw(bar.server, LOGIN, "&client_secret=rotated"));
    unlink(path);
}

static void asks_each_tenant_for_its_own_tokens(void **state) {
    (void)state;
    char path[] = "/tmp/barkeep-client-secret-XXXXXX";
    close(mkstemp(path));
    write_secret(path, "x");
    struct answer own = {0}, named = {0}, other = {0};
    bar.config.identity = (struct config_identity){
        .kind = IDENTITY_CLIENT_SECRET,
        .client_id = "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3",
        .client_secret_file = path,
        .tenant = TENANT,
        .authority = bar.origin,
    };
    scripted_server_reply(bar.server, LOGIN, (struct scripted_reply){200, NULL, TOKEN("a", 3599)});
    scripted_server_reply(bar.server, "/" OTHER_TENANT "/oauth2/v2.0/token",
                          (struct scripted_reply){200, NULL, TOKEN("b", 3599)});
    start_identity();
    get(&own);
    azure_identity_get(bar.identity, TENANT, RESOURCE, on_token, &named);
    azure_identity_get(bar.identity, OTHER_TENANT, RESOURCE, on_token, &other);
    RUN_UNTIL(bar.loop, own.count == 1 && named.count == 1 && other.count == 1);
    assert_string_equal(own.token, "a");
    assert_string_equal(named.token, "a");
    assert_string_equal(other.token, "b");
    assert_int_equal(scripted_server_hits(bar.server, LOGIN), 1);
    unlink(path);
}

static void refuses_a_managed_identity_tokens_of_another_tenant(void **state) {
    (void)state;
    struct answer own = {0}, other = {0};
    bar.config.identity.tenant = TENANT;
    script(200, TOKEN("one", 3600));
    start_identity();
    azure_identity_get(bar.identity, OTHER_TENANT, RESOURCE, on_token, &other);
    assert_int_equal(other.failures, 1);
    assert_non_null(strstr(other.error, "managed identity"));
    azure_identity_get(bar.identity, TENANT, RESOURCE, on_token, &own);
    RUN_UNTIL(bar.loop, own.count == 1);
    assert_string_equal(own.token, "one");
}

static void says_that_the_client_secret_file_is_missing(void **state) {
    (void)state;
    struct answer answer = {0};
    bar.config.identity = (struct config_identity){
        .kind = IDENTITY_CLIENT_SECRET,
        .client_id = "x",
        .client_secret_file = "/nowhere/secret",
        .tenant = TENANT,
        .authority = bar.origin,
    };
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_non_null(strstr(answer.error, "/nowhere/secret: no such file"));
}

static void refuses_an_identity_that_is_not_configured(void **state) {
    (void)state;
    struct error err = {""};
    bar.config.identity = (struct config_identity){.kind = IDENTITY_NONE};
    assert_null(azure_identity_new(bar.loop, bar.client, &bar.config, &err));
    bar.config.identity = (struct config_identity){.kind = IDENTITY_CLIENT_SECRET};
    assert_null(azure_identity_new(bar.loop, bar.client, &bar.config, &err));
    bar.config.identity =
        (struct config_identity){.kind = IDENTITY_MANAGED, .endpoint = "http://corp.example"};
    assert_null(azure_identity_new(bar.loop, bar.client, &bar.config, &err));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_bar, close_bar)

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
        CASE(exchanges_a_client_secret_read_anew_each_time),
        CASE(asks_each_tenant_for_its_own_tokens),
        CASE(refuses_a_managed_identity_tokens_of_another_tenant),
        CASE(says_that_the_client_secret_file_is_missing),
        CASE(refuses_an_identity_that_is_not_configured),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
