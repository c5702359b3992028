#include "vault/key_vault.h"

#include "vault_case.h"

#define NOW 1795424100
#define VERSION "4f0c2a1b9d8e47c6a5b4c3d2e1f00918"
#define ID "\"id\":\"https://kv.vault.azure.net/secrets/rabbit-admin/" VERSION "\""
#define ON "\"attributes\":{\"enabled\":true}"

static void builds_the_url(void **state) {
    (void)state;
    struct buf url;
    buf_init(&url, 1024);
    key_vault_append_url(&url, "https://kv.vault.azure.net", "a-b", NULL);
    assert_string_equal(url.ptr, "https://kv.vault.azure.net/secrets/a-b?api-version=7.4");
    buf_clear(&url);
    key_vault_append_url(&url, "https://kv.vault.azure.net", "a-b", VERSION);
    assert_string_equal(url.ptr,
                        "https://kv.vault.azure.net/secrets/a-b/" VERSION "?api-version=7.4");
    buf_clear(&url);
    key_vault_append_url(&url, "https://kv.vault.azure.net", "../x?y#z", NULL);
    assert_string_equal(url.ptr,
                        "https://kv.vault.azure.net/secrets/..%2Fx%3Fy%23z?api-version=7.4");
    buf_done(&url);
}

static void reads_a_bundle(void **state) {
    static const struct {
        const char *body;
        const char *version; /* pinned */
        int64_t expires_sec;
    } rows[] = {
        {"{\"value\":\"s3cr3t\"," ID "," ON "}", NULL, 0},
        {"{\"value\":\"s3cr3t\"," ID "," ON "}", VERSION, 0},
        {"{\"value\":\"s3cr3t\"," ID "," ON "}", "4F0C2A1B9D8E47C6A5B4C3D2E1F00918", 0},
        {"{\"value\":\"s3cr3t\",\"contentType\":\"text/plain\",\"id\":"
         "\"https://KV.vault.azure.net:443/secrets/Rabbit-Admin/4F0C2A1B9D8E47C6A5B4C3D2E1F00918\","
         "\"attributes\":{\"enabled\":true,\"nbf\":1795424100,\"exp\":1826874000,\"created\":1,"
         "\"recoveryLevel\":\"Recoverable+Purgeable\"},\"tags\":{\"owner\":\"orders\"}}",
         NULL, 1826874000},
        {"{\"value\":\"s3cr3t\"," ID ",\"attributes\":{}}", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct key_vault_secret secret = {0};
        struct error err = {""};
        assert_int_equal(key_vault_parse_secret(slice_of_str(rows[i].body), "rabbit-admin",
                                                rows[i].version, NOW, &secret, &err),
                         STATUS_OK);
        assert_secret_is(secret.value, "s3cr3t");
        assert_string_equal(secret.version, VERSION);
        assert_int_equal(secret.expires_sec, rows[i].expires_sec);
        secret_unref(secret.value);
    }
}

static void refuses_answers_that_are_not_to_the_question(void **state) {
    static const char *const bodies[] = {
        "",
        "null",
        "[{}]",
        "{\"value\":\"s3cr3t\"," ID "," ON "",
        "{\"value\":\"s3cr3t\"," ID "," ON "}}",
        "{\"value\":\"s3cr3t\",\"value\":\"other\"," ID "," ON "}",
        "{\"value\":\"s3cr3t\"," ID "," ID "," ON "}",
        "{\"value\":\"s3cr3t\"," ID ",\"attributes\":{\"enabled\":true,\"enabled\":true}}",
        "{\"value\":\"s3cr3t\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":7," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"https://kv\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"/secrets/rabbit-admin/" VERSION "\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"https://kv/secrets/other/" VERSION "\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"https://kv/keys/rabbit-admin/" VERSION "\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"https://kv/x/secrets/rabbit-admin/" VERSION "\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"https://kv/secrets/rabbit-admin\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"https://kv/secrets/rabbit-admin/\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"https://kv/secrets/rabbit-admin/" VERSION "/\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"https://kv/secrets/rabbit-admin/" VERSION "0\"," ON "}",
        "{\"value\":\"s3cr3t\",\"id\":\"https://kv/secrets/rabbit-admin/"
        "zf0c2a1b9d8e47c6a5b4c3d2e1f00918\"," ON "}",
        "{\"value\":\"s3cr3t\"," ID "}",
        "{\"value\":\"s3cr3t\"," ID ",\"attributes\":null}",
        "{\"value\":\"s3cr3t\"," ID ",\"attributes\":[]}",
        "{\"value\":\"s3cr3t\"," ID ",\"attributes\":{\"enabled\":\"true\"}}",
        "{\"value\":\"s3cr3t\"," ID ",\"attributes\":{\"enabled\":1}}",
        "{\"value\":\"s3cr3t\"," ID ",\"attributes\":{\"enabled\":true,\"exp\":\"1826874000\"}}",
        "{\"value\":\"s3cr3t\"," ID ",\"attributes\":{\"enabled\":true,\"exp\":1826874000.5}}",
        "{\"value\":\"s3cr3t\"," ID ",\"attributes\":{\"enabled\":true,\"nbf\":true}}",
        "{" ID "," ON "}",
        "{\"value\":null," ID "," ON "}",
        "{\"value\":5," ID "," ON "}",
        "{\"value\":{\"x\":\"y\"}," ID "," ON "}",
        "{\"value\":\"\"," ID "," ON "}",
        "{\"value\":\"a\\nb\"," ID "," ON "}",
        "{\"value\":\"a\\r\\nX: y\"," ID "," ON "}",
        "{\"value\":\"a\\u0000b\"," ID "," ON "}",
        "{\"value\":\"a\\tb\"," ID "," ON "}",
        "{\"value\":\"p\\u00e4ss\"," ID "," ON "}",
        "{\"value\":\" s3cr3t\"," ID "," ON "}",
        "{\"value\":\"s3cr3t \"," ID "," ON "}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct key_vault_secret secret = {0};
        struct error err = {""};
        const enum status status = key_vault_parse_secret(slice_of_str(bodies[i]), "rabbit-admin",
                                                          NULL, NOW, &secret, &err);
        if (status != STATUS_INVALID)
            fail_msg("taken: %s", bodies[i]);
        assert_null(secret.value);
        assert_true(err.text[0] != '\0');
        assert_null(strstr(err.text, "s3cr3t"));
    }
}

static void refuses_another_version_than_the_pinned_one(void **state) {
    (void)state;
    struct key_vault_secret secret = {0};
    assert_int_equal(key_vault_parse_secret(slice_of_str("{\"value\":\"s3cr3t\"," ID "," ON "}"),
                                            "rabbit-admin", "00000000000000000000000000000000", NOW,
                                            &secret, NULL),
                     STATUS_INVALID);
    assert_null(secret.value);
}

static void says_which_version_may_not_be_used(void **state) {
    static const struct {
        const char *attributes;
        const char *word;
    } rows[] = {
        {"{\"enabled\":false}", "disabled"},
        {"{\"enabled\":true,\"nbf\":1795424101}", "not yet valid"},
        {"{\"enabled\":true,\"exp\":1795424100}", "expired"},
        {"{\"enabled\":true,\"exp\":-1}", "expired"},
        {"{\"enabled\":true,\"exp\":0}", "expired"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[512];
        struct key_vault_secret secret = {0};
        struct error err = {""};
        snprintf(body, sizeof body, "{\"value\":\"s3cr3t\"," ID ",\"attributes\":%s}",
                 rows[i].attributes);
        assert_int_equal(
            key_vault_parse_secret(slice_of_str(body), "rabbit-admin", NULL, NOW, &secret, &err),
            STATUS_DENIED);
        assert_null(secret.value);
        assert_string_equal(secret.version, VERSION);
        assert_non_null(strstr(err.text, rows[i].word));
    }
}

static void bounds_the_value(void **state) {
    static const struct {
        size_t len;
        enum status status;
    } rows[] = {{25 * 1024, STATUS_OK}, {25 * 1024 + 1, STATUS_LIMIT}, {1024 * 1024, STATUS_LIMIT}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *value = repeated('s', rows[i].len);
        char *body = malloc(rows[i].len + 512);
        struct key_vault_secret secret = {0};
        sprintf(body, "{\"value\":\"%s\"," ID "," ON "}", value);
        assert_int_equal(
            key_vault_parse_secret(slice_of_str(body), "rabbit-admin", NULL, NOW, &secret, NULL),
            rows[i].status);
        secret_unref(secret.value);
        free(value);
        free(body);
    }
}

static void tells_refusals_apart(void **state) {
    static const struct {
        int status;
        const char *body;
        const char *text;
    } rows[] = {
        {403, "{\"error\":{\"code\":\"Forbidden\",\"innererror\":{\"code\":\"ForbiddenByRbac\"}}}",
         "403 ForbiddenByRbac: no role"},
        {403, "{\"error\":{\"code\":\"Forbidden\",\"innererror\":{\"code\":\"AccessDenied\"}}}",
         "403 AccessDenied: the vault's access policy"},
        {403,
         "{\"error\":{\"code\":\"Forbidden\",\"innererror\":{\"code\":\"ForbiddenByFirewall\"}}}",
         "403 ForbiddenByFirewall"},
        {403,
         "{\"error\":{\"code\":\"Forbidden\",\"innererror\":{\"code\":\"ForbiddenByConnection\"}}}",
         "403 ForbiddenByConnection"},
        {403, "{\"error\":{\"code\":\"Forbidden\",\"innererror\":{\"code\":\"SecretDisabled\"}}}",
         "403 SecretDisabled: the secret is disabled"},
        {403, "{\"error\":{\"innererror\":{\"code\":\"canary\"}}}", "403 for a reason unknown"},
        {403, "canary", "403 for a reason unknown"},
        {401, "{\"error\":{\"code\":\"Unauthorized\",\"message\":\"AKV10022: Invalid canary\"}}",
         "(401 AKV10022)"},
        {401, "", "(401)"},
        {401, "{\"error\":{\"message\":\"AKVcanary\"}}", "(401)"},
        {404, "{\"error\":{\"code\":\"SecretNotFound\",\"message\":\"canary\"}}", "404"},
        {429, "{\"error\":{\"code\":\"Throttled\"}}", "429: too many requests"},
        {500, "canary", "500"},
        {302, "", "302"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error text = {""};
        key_vault_refusal(slice_of_str(rows[i].body), rows[i].status, &text);
        if (!strstr(text.text, rows[i].text))
            fail_msg("%s does not hold %s", text.text, rows[i].text);
        assert_null(strstr(text.text, "canary"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_the_url),
        cmocka_unit_test(reads_a_bundle),
        cmocka_unit_test(refuses_answers_that_are_not_to_the_question),
        cmocka_unit_test(refuses_another_version_than_the_pinned_one),
        cmocka_unit_test(says_which_version_may_not_be_used),
        cmocka_unit_test(bounds_the_value),
        cmocka_unit_test(tells_refusals_apart),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
