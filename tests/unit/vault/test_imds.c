#include "vault/imds.h"

#include "vault_case.h"

static void asks_https_or_the_addresses_of_this_machine_only(void **state) {
    static const struct {
        const char *url;
        const char *endpoint; /* NULL: refused */
    } rows[] = {
        {"http://169.254.169.254", "http://169.254.169.254"},
        {"http://169.254.169.254/", "http://169.254.169.254"},
        {"http://127.0.0.1:18080", "http://127.0.0.1:18080"},
        {"http://localhost:18080//", "http://localhost:18080"},
        {"http://[::1]:18080", "http://[::1]:18080"},
        {"https://identity.corp.example/base", "https://identity.corp.example/base"},
        {"http://169.254.169.253", NULL},
        {"http://169.254.169.254.corp.example", NULL},
        {"http://169.254.169.254@corp.example", NULL},
        {"http://corp.example", NULL},
        {"http://127.0.0.1@corp.example", NULL},
        {"http://127.0.0.1?x", NULL},
        {"http://127.0.0.1#x", NULL},
        {"http://127.0.0.1\\@corp.example", NULL},
        {"http://10.0.0.1:80", NULL},
        {"ftp://127.0.0.1", NULL},
        {"HTTP://corp.example", NULL},
        {"127.0.0.1:80", NULL},
        {"http://", NULL},
        {"/", NULL},
        {"http://127.0.0.1/a b", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct config_identity config = {.endpoint = rows[i].url};
        struct error err = {""};
        char *endpoint = imds_endpoint(&config, &err);
        if (rows[i].endpoint && !endpoint)
            fail_msg("refused: %s", rows[i].url);
        if (!rows[i].endpoint && endpoint)
            fail_msg("taken: %s", rows[i].url);
        if (endpoint)
            assert_string_equal(endpoint, rows[i].endpoint);
        free(endpoint);
    }
}

static void takes_the_endpoint_from_the_environment(void **state) {
    const struct config_identity written = {.endpoint = "http://127.0.0.1:1"};
    const struct config_identity silent = {.endpoint = NULL};
    (void)state;
    unsetenv("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    char *endpoint = imds_endpoint(&silent, NULL);
    assert_string_equal(endpoint, "http://169.254.169.254");
    free(endpoint);
    setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:18080/", 1);
    endpoint = imds_endpoint(&silent, NULL);
    assert_string_equal(endpoint, "http://127.0.0.1:18080");
    free(endpoint);
    endpoint = imds_endpoint(&written, NULL);
    assert_string_equal(endpoint, "http://127.0.0.1:1");
    free(endpoint);
    setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://corp.example", 1);
    assert_null(imds_endpoint(&silent, NULL));
    unsetenv("AZURE_POD_IDENTITY_AUTHORITY_HOST");
}

static void builds_the_request(void **state) {
    static const struct {
        const char *endpoint;
        const char *client_id;
        const char *url;
        bool is_link_local;
    } rows[] = {
        {"http://169.254.169.254", NULL,
         "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
         "https%3A%2F%2Fvault.azure.net",
         true},
        {"http://127.0.0.1:18080", "2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3",
         "http://127.0.0.1:18080/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
         "https%3A%2F%2Fvault.azure.net&client_id=2b7c9d10-3e4f-4a5b-9c6d-7e8f90a1b2c3",
         false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct config_identity config = {.managed_client_id = rows[i].client_id};
        struct token_request request;
        token_request_init(&request);
        assert_int_equal(
            imds_request(rows[i].endpoint, &config, "https://vault.azure.net", &request, NULL),
            STATUS_OK);
        assert_string_equal(request.url.ptr, rows[i].url);
        assert_string_equal(request.method, "GET");
        assert_string_equal(request.headers[0], "Metadata: true");
        assert_null(request.headers[1]);
        assert_int_equal(request.allow_link_local, rows[i].is_link_local);
        assert_int_equal(request.body.len, 0);
        token_request_done(&request);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_https_or_the_addresses_of_this_machine_only),
        cmocka_unit_test(takes_the_endpoint_from_the_environment),
        cmocka_unit_test(builds_the_request),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
