#include "vault/azure_identity.h"

#include "identity_case.h"
#include "scripted_server.h"
#include "vault/arc_places.h"
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
    clear_platform();
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
    write_file(path, "a~b.c_d+e/f=g h&i%j\n");
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
    write_file(path, "rotated");
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
    write_file(path, "x");
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

/* The platform's endpoint is this server. */
static void set_environment(const char *name, const char *path) {
    char url[256];
    snprintf(url, sizeof url, "%s%s", bar.origin, path);
    setenv(name, url, 1);
}

static void asks_app_service_with_the_header_as_it_rotates(void **state) {
    struct answer answer = {0};
    (void)state;
    bar.config.identity = (struct config_identity){.kind = IDENTITY_MANAGED};
    set_environment("IDENTITY_ENDPOINT", "/msi/token");
    setenv("IDENTITY_HEADER", "853b9a84", 1);
    char body[256];
    snprintf(body, sizeof body,
             "{\"access_token\":\"app\",\"expires_on\":\"%lld\",\"token_type\":\"Bearer\","
             "\"resource\":\"https://vault.azure.net\",\"client_id\":\"x\"}",
             (long long)clock_wall_sec() + 86400);
    scripted_server_reply(bar.server, "/msi/token", (struct scripted_reply){200, NULL, body});
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_string_equal(answer.token, "app");
    assert_true(scripted_server_saw(bar.server, "/msi/token",
                                    "GET /msi/token?resource=https%3A%2F%2Fvault.azure.net"
                                    "&api-version=2019-08-01 HTTP/1.1\r\n"));
    assert_true(scripted_server_saw(bar.server, "/msi/token", "X-IDENTITY-HEADER: 853b9a84\r\n"));
    setenv("IDENTITY_HEADER", "rotated", 1);
    azure_identity_invalidate(bar.identity, NULL, RESOURCE);
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 2);
    assert_true(scripted_server_saw(bar.server, "/msi/token", "X-IDENTITY-HEADER: rotated\r\n"));
    clear_platform();
}

#define ARC_KEY "/one.key"

/* An Arc agent that keeps its keys in `out_folder`; the challenge goes into `out_headers`. */
static void become_arc(char out_folder[64], char out_headers[160]) {
    strcpy(out_folder, "/tmp/barkeep-arc-XXXXXX");
    assert_non_null(mkdtemp(out_folder));
    arc_set_places(out_folder, NULL);
    snprintf(out_headers, 160, "WWW-Authenticate: Basic realm=%s" ARC_KEY "\r\n", out_folder);
    bar.config.identity = (struct config_identity){.kind = IDENTITY_MANAGED};
    set_environment("IDENTITY_ENDPOINT", IMDS);
    set_environment("IMDS_ENDPOINT", "");
}

static void leave_arc(const char *folder) {
    char path[128];
    snprintf(path, sizeof path, "%s" ARC_KEY, folder);
    unlink(path);
    rmdir(folder);
    arc_set_places(NULL, NULL);
    clear_platform();
}

static void write_arc_key(const char *folder, const char *key) {
    char path[128];
    snprintf(path, sizeof path, "%s" ARC_KEY, folder);
    write_file(path, key);
}

static void shows_azure_arc_the_file_it_names(void **state) {
    char folder[64], challenge[160];
    struct answer answer = {0};
    (void)state;
    become_arc(folder, challenge);
    write_arc_key(folder, "c2VjcmV0");
    scripted_server_reply(bar.server, IMDS, (struct scripted_reply){401, challenge, ""});
    script(200, TOKEN("arc", 3600));
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_string_equal(answer.token, "arc");
    assert_int_equal(imds_hits(), 2);
    assert_true(scripted_server_saw(bar.server, IMDS, "Authorization: Basic c2VjcmV0\r\n"));
    assert_true(scripted_server_saw(bar.server, IMDS, "Metadata: true\r\n"));
    assert_true(scripted_server_saw(bar.server, IMDS, "?api-version=2020-06-01&resource="));
    leave_arc(folder);
}

static void answers_azure_arc_once_and_tells_why_it_cannot(void **state) {
    char folder[64], challenge[160];
    struct answer answer = {0};
    (void)state;
    become_arc(folder, challenge);
    scripted_server_reply(bar.server, IMDS, (struct scripted_reply){401, challenge, ""});
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_int_equal(answer.failures, 1);
    assert_non_null(strstr(answer.error, "no such file"));
    assert_int_equal(imds_hits(), 1);
    write_arc_key(folder, "wrong");
    RUN_UNTIL(bar.loop, imds_hits() == 3);
    RUN_UNTIL(bar.loop, (get(&answer), strstr(answer.error, "answered 401") != NULL));
    assert_int_equal(imds_hits(), 3);
    assert_null(strstr(answer.error, "wrong"));
    leave_arc(folder);
}

static void takes_no_token_of_another_identity_from_azure_arc(void **state) {
    char folder[64], challenge[160];
    struct answer answer = {0};
    (void)state;
    become_arc(folder, challenge);
    bar.config.identity.managed_client_id = "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3";
    script(200, TOKEN("system", 3600));
    script(200, "{\"access_token\":\"asked\",\"expires_in\":3600,"
                "\"client_id\":\"2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3\"}");
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_non_null(strstr(answer.error, "another identity"));
    RUN_UNTIL(bar.loop, (get(&answer), strcmp(answer.token, "asked") == 0));
    leave_arc(folder);
}

/* Changes what an application proves itself with. */
static void become_application(enum config_identity_kind kind, const char *path) {
    bar.config.identity = (struct config_identity){
        .kind = kind,
        .client_id = "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3",
        .client_secret_file = path,
        .client_certificate_file = path,
        .token_file = path,
        .tenant = TENANT,
        .authority = bar.origin,
    };
}

static void script_login(int status, const char *body) {
    scripted_server_reply(bar.server, LOGIN, (struct scripted_reply){status, NULL, body});
}

static void exchanges_a_federated_token_read_anew_each_time(void **state) {
    char path[] = "/tmp/barkeep-token-XXXXXX";
    struct answer answer = {0};
    (void)state;
    close(mkstemp(path));
    become_application(IDENTITY_WORKLOAD, path);
    script_login(200, TOKEN("one", 3599));
    write_file(path, "eyJ.first.x\n");
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_string_equal(answer.token, "one");
    assert_true(scripted_server_saw(
        bar.server, LOGIN,
        "\r\n\r\ngrant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default"
        "&client_id=2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        "&client_assertion=eyJ.first.x"));
    write_file(path, "eyJ.second.x");
    azure_identity_invalidate(bar.identity, NULL, RESOURCE);
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 2);
    assert_true(scripted_server_saw(bar.server, LOGIN, "&client_assertion=eyJ.second.x"));
    assert_false(scripted_server_saw(bar.server, LOGIN, "client_secret"));
    unlink(path);
}

static void write_pair(const char *path, const struct key_pair *pair) {
    char *pem = pem_of(pair->key, pair->certificate, NULL);
    write_file(path, pem);
    free(pem);
}

/* The header of the assertion that was sent last. */
static char *sent_assertion_header(void) {
    static char header[1024];
    header[0] = '\0';
    for (size_t i = 0; i < bar.server->route_count; i++) {
        const char *at = strstr(bar.server->routes[i].request, "&client_assertion=");
        if (at)
            snprintf(header, sizeof header, "%.*s", (int)strcspn(at + 18, "."), at + 18);
    }
    return header;
}

static void signs_with_the_certificate_of_the_moment(void **state) {
    char path[] = "/tmp/barkeep-certificate-XXXXXX";
    struct key_pair first = key_pair_new(2048), second = key_pair_new(2048);
    struct answer answer = {0};
    char header[1024];
    (void)state;
    close(mkstemp(path));
    become_application(IDENTITY_CLIENT_CERTIFICATE, path);
    script_login(200, TOKEN("one", 3599));
    write_pair(path, &first);
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_string_equal(answer.token, "one");
    strcpy(header, sent_assertion_header());
    assert_true(header[0] != '\0');
    write_pair(path, &second);
    azure_identity_invalidate(bar.identity, NULL, RESOURCE);
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 2);
    assert_string_not_equal(header, sent_assertion_header());
    key_pair_done(&first);
    key_pair_done(&second);
    unlink(path);
}

static void says_what_is_wrong_with_a_certificate_file(void **state) {
    char path[] = "/tmp/barkeep-certificate-XXXXXX";
    struct answer answer = {0};
    (void)state;
    close(mkstemp(path));
    become_application(IDENTITY_CLIENT_CERTIFICATE, path);
    write_file(path, "canary-no-pem");
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
    assert_non_null(strstr(answer.error, "no unencrypted private key"));
    assert_non_null(strstr(answer.error, path));
    assert_null(strstr(answer.error, "canary"));
    unlink(path);
}

static void hands_out_a_doubted_token_for_want_of_a_better_one(void **state) {
    struct answer answer = {0};
    (void)state;
    script(200, TOKEN("old", 3600));
    script(404, "");
    script(410, "");
    script(0, "");
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
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

static bool challenge(const char *claims) {
    return azure_identity_challenge(bar.identity, NULL, RESOURCE, slice_of_str(claims));
}

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
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
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
    start_identity();
    get(&answer);
    RUN_UNTIL(bar.loop, answer.count == 1);
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
        CASE(asks_app_service_with_the_header_as_it_rotates),
        CASE(shows_azure_arc_the_file_it_names),
        CASE(answers_azure_arc_once_and_tells_why_it_cannot),
        CASE(takes_no_token_of_another_identity_from_azure_arc),
        CASE(exchanges_a_federated_token_read_anew_each_time),
        CASE(signs_with_the_certificate_of_the_moment),
        CASE(says_what_is_wrong_with_a_certificate_file),
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
