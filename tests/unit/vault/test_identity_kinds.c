/* What each kind of identity shows to whom: secrets, certificates, federated tokens, the endpoints
 * of App Service and Azure Arc. */
#include "identity_bar.h"

static void exchanges_a_client_secret_read_anew_each_time(void **state) {
    (void)state;
    char path[] = "/tmp/barkeep-client-secret-XXXXXX";
    close(mkstemp(path));
    struct answer answer = {0};
    become_application(IDENTITY_CLIENT_SECRET, path);
    script_login(200, TOKEN("first", 3599));
    script_login(200, TOKEN("second", 3599));
    write_file(path, "a~b.c_d+e/f=g h&i%j\n");
    get_first(&answer);
    assert_string_equal(answer.token, "first");
    assert_true(scripted_server_saw(bar.server, LOGIN, "POST " LOGIN " HTTP/1.1\r\n"));
    assert_true(scripted_server_saw(bar.server, LOGIN,
                                    "Content-Type: application/x-www-form-urlencoded\r\n"));
    assert_true(scripted_server_saw(bar.server, LOGIN,
                                    "\r\n\r\ngrant_type=client_credentials&scope=https%3A%2F%2F"
                                    "vault.azure.net%2F.default&client_id=2b7c9d10-3e4f-4a5b-9c6d-"
                                    "7e8f90a1b2c3&client_secret=a~b.c_d%2Be%2Ff%3Dg%20h%26i%25j"));
    write_file(path, "rotated");
    get_anew(&answer);
    assert_true(scripted_server_saw(bar.server, LOGIN, "&client_secret=rotated"));
    unlink(path);
}

static void asks_each_tenant_for_its_own_tokens(void **state) {
    (void)state;
    char path[] = "/tmp/barkeep-client-secret-XXXXXX";
    close(mkstemp(path));
    write_file(path, "x");
    struct answer own = {0}, named = {0}, other = {0};
    become_application(IDENTITY_CLIENT_SECRET, path);
    script_login(200, TOKEN("a", 3599));
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
    get_first(&answer);
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
    get_first(&answer);
    assert_string_equal(answer.token, "app");
    assert_true(scripted_server_saw(bar.server, "/msi/token",
                                    "GET /msi/token?resource=https%3A%2F%2Fvault.azure.net"
                                    "&api-version=2019-08-01 HTTP/1.1\r\n"));
    assert_true(scripted_server_saw(bar.server, "/msi/token", "X-IDENTITY-HEADER: 853b9a84\r\n"));
    setenv("IDENTITY_HEADER", "rotated", 1);
    get_anew(&answer);
    assert_true(scripted_server_saw(bar.server, "/msi/token", "X-IDENTITY-HEADER: rotated\r\n"));
    clear_platform();
}

#define ARC_KEY "/one.key"

/* An Arc agent that keeps its keys in `out_folder`; the challenge goes into `out_headers`. */
static void become_arc(char out_folder[64], char out_headers[160]) {
    snprintf(out_folder, 64, "/tmp/barkeep-arc-XXXXXX");
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
    get_first(&answer);
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
    get_first(&answer);
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
    get_first(&answer);
    assert_non_null(strstr(answer.error, "another identity"));
    RUN_UNTIL(bar.loop, (get(&answer), strcmp(answer.token, "asked") == 0));
    leave_arc(folder);
}

static void exchanges_a_federated_token_read_anew_each_time(void **state) {
    char path[] = "/tmp/barkeep-token-XXXXXX";
    struct answer answer = {0};
    (void)state;
    close(mkstemp(path));
    become_application(IDENTITY_WORKLOAD, path);
    script_login(200, TOKEN("one", 3599));
    write_file(path, "eyJ.first.x\n");
    get_first(&answer);
    assert_string_equal(answer.token, "one");
    assert_true(scripted_server_saw(
        bar.server, LOGIN,
        "\r\n\r\ngrant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default"
        "&client_id=2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3"
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        "&client_assertion=eyJ.first.x"));
    write_file(path, "eyJ.second.x");
    get_anew(&answer);
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
    get_first(&answer);
    assert_string_equal(answer.token, "one");
    snprintf(header, sizeof header, "%s", sent_assertion_header());
    assert_true(header[0] != '\0');
    write_pair(path, &second);
    get_anew(&answer);
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
    get_first(&answer);
    assert_non_null(strstr(answer.error, "no unencrypted private key"));
    assert_non_null(strstr(answer.error, path));
    assert_null(strstr(answer.error, "canary"));
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
