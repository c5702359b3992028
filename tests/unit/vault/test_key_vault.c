#include "vault/key_vault.h"

#include "vault_case.h"

#define NOW 1795424100
#define VERSION "4f0c2a1b9d8e47c6a5b4c3d2e1f00918"
#define ID "\"id\":\"https://kv.vault.azure.net/secrets/rabbit-admin/" VERSION "\""
#define ON "\"attributes\":{\"enabled\":true}"

#define VAULT "https://kv.vault.azure.net"

static enum status parse(const char *body, const char *version, struct key_vault_secret *out_secret,
                         struct error *err) {
    const struct key_vault_question question = {
        .vault_url = VAULT, .name = "rabbit-admin", .version = version};
    return key_vault_parse_secret(slice_of_str(body), &question, NOW, out_secret, err);
}

static void builds_the_url(void **state) {
    static const struct {
        struct key_vault_question question;
        const char *url;
    } rows[] = {
        {{VAULT, NULL, "a-b", NULL}, VAULT "/secrets/a-b?api-version=7.4"},
        {{VAULT, NULL, "a-b", VERSION}, VAULT "/secrets/a-b/" VERSION "?api-version=7.4"},
        {{VAULT, "2025-07-01", "a-b", NULL}, VAULT "/secrets/a-b?api-version=2025-07-01"},
        {{VAULT, "7.6&x=y", "../x?y#z", NULL},
         VAULT "/secrets/..%2Fx%3Fy%23z?api-version=7.6%26x%3Dy"},
    };
    (void)state;
    struct buf url;
    buf_init(&url, 1024);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buf_clear(&url);
        key_vault_append_url(&url, &rows[i].question);
        assert_string_equal(url.ptr, rows[i].url);
    }
    buf_clear(&url);
    key_vault_append_versions_url(&url, &rows[2].question, NULL);
    assert_string_equal(url.ptr, VAULT "/secrets/a-b/versions?api-version=2025-07-01");
    buf_clear(&url);
    key_vault_append_versions_url(&url, &rows[2].question, "/secrets/a-b/versions?x");
    assert_string_equal(url.ptr, VAULT "/secrets/a-b/versions?x");
    buf_done(&url);
}

static void knows_names_and_versions(void **state) {
    (void)state;
    char *longest = repeated('n', 127), *longer = repeated('n', 128);
    assert_true(key_vault_is_name("a"));
    assert_true(key_vault_is_name("Rabbit-Admin-2"));
    assert_true(key_vault_is_name(longest));
    assert_false(key_vault_is_name(longer));
    assert_false(key_vault_is_name(""));
    assert_false(key_vault_is_name("a_b"));
    assert_false(key_vault_is_name("a/b"));
    assert_false(key_vault_is_name("..") || key_vault_is_name("p\xc3\xa4ss"));
    assert_true(key_vault_is_version(VERSION));
    assert_true(key_vault_is_version("4F0C2A1B9D8E47C6A5B4C3D2E1F00918"));
    assert_false(key_vault_is_version(VERSION "0"));
    assert_false(key_vault_is_version("zf0c2a1b9d8e47c6a5b4c3d2e1f00918"));
    assert_false(key_vault_is_version(""));
    free(longest);
    free(longer);
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
        assert_int_equal(parse(rows[i].body, rows[i].version, &secret, &err), STATUS_OK);
        assert_false(secret.has_hosts);
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
        const enum status status = parse(bodies[i], NULL, &secret, &err);
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
    assert_int_equal(parse("{\"value\":\"s3cr3t\"," ID "," ON "}",
                           "00000000000000000000000000000000", &secret, NULL),
                     STATUS_INVALID);
    assert_null(secret.value);
}

static void says_which_version_may_not_be_used(void **state) {
    static const struct {
        const char *attributes;
        const char *word;
        int64_t valid_from_sec;
    } rows[] = {
        {"{\"enabled\":false}", "disabled", 0},
        {"{\"enabled\":false,\"nbf\":1795424101}", "disabled", 0},
        {"{\"enabled\":true,\"nbf\":1795424101}", "not yet valid", 1795424101},
        {"{\"enabled\":true,\"nbf\":1795424103,\"exp\":1795424102}", "not yet valid", 0},
        {"{\"enabled\":true,\"exp\":1795424100}", "expired", 0},
        {"{\"enabled\":true,\"exp\":-1}", "expired", 0},
        {"{\"enabled\":true,\"exp\":0}", "expired", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[512];
        struct key_vault_secret secret = {0};
        struct error err = {""};
        snprintf(body, sizeof body, "{\"value\":\"s3cr3t\"," ID ",\"attributes\":%s}",
                 rows[i].attributes);
        assert_int_equal(parse(body, NULL, &secret, &err), STATUS_DENIED);
        assert_int_equal(secret.valid_from_sec, rows[i].valid_from_sec);
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
        assert_int_equal(parse(body, NULL, &secret, NULL), rows[i].status);
        secret_unref(secret.value);
        free(value);
        free(body);
    }
}

static void reads_where_a_secret_may_go(void **state) {
    static const struct {
        const char *tags;
        const char *hosts; /* NULL: may go anywhere */
    } rows[] = {
        {"{}", NULL},
        {"null", NULL},
        {"{\"owner\":\"orders\"}", NULL},
        {"{\"barkeep-hosts\":\"db:5432 [::1]\"}", "db:5432 [::1]"},
        {"{\"Barkeep-Hosts\":\"db\"}", "db"},
        {"{\"barkeep-hosts\":\"\"}", ""},
        {"{\"barkeep-hosts\":7}", ""},
        {"{\"barkeep-hosts\":null}", ""},
        {"{\"barkeep-hosts\":[\"db\"]}", ""},
        {"{\"barkeep-hosts\":\"db\",\"BARKEEP-HOSTS\":\"db\"}", ""},
    };
    char body[4096];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct key_vault_secret secret = {0};
        snprintf(body, sizeof body, "{\"value\":\"s3cr3t\"," ID "," ON ",\"tags\":%s}",
                 rows[i].tags);
        assert_int_equal(parse(body, NULL, &secret, NULL), STATUS_OK);
        assert_int_equal(secret.has_hosts, rows[i].hosts != NULL);
        assert_string_equal(secret.hosts, rows[i].hosts ? rows[i].hosts : "");
        secret_unref(secret.value);
    }
    struct key_vault_secret secret = {0};
    char *hosts = repeated('h', KEY_VAULT_HOSTS_SIZE);
    snprintf(body, sizeof body,
             "{\"value\":\"s3cr3t\"," ID "," ON ",\"tags\":{\"barkeep-hosts\":\"%s\"}}", hosts);
    assert_int_equal(parse(body, NULL, &secret, NULL), STATUS_OK);
    assert_true(secret.has_hosts && secret.hosts[0] == '\0');
    secret_unref(secret.value);
    free(hosts);
    assert_int_equal(parse("{\"value\":\"s3cr3t\"," ID "," ON ",\"tags\":[]}", NULL, &secret, NULL),
                     STATUS_INVALID);
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
        const char *code = key_vault_refusal(slice_of_str(rows[i].body), rows[i].status, &text);
        assert_non_null(strstr(text.text, code));
        assert_int_equal(code[0] != '\0', strstr(rows[i].body, "Forbidden\"") != NULL);
        if (!strstr(text.text, rows[i].text))
            fail_msg("%s does not hold %s", text.text, rows[i].text);
        assert_null(strstr(text.text, "canary"));
    }
}

static void hears_a_challenge_for_claims_and_nothing_else(void **state) {
    static const char *const others[] = {
        "",
        "Bearer",
        "Bearer ",
        "Basic realm=\"x\", error=\"insufficient_claims\", claims=\"e30=\"",
        "Bearer authorization=\"https://evil.example/t\", resource=\"https://evil.example\"",
        "Bearer error=\"insufficient_claims\"",
        "Bearer claims=\"e30=\"",
        "Bearer error=\"invalid_token\", claims=\"e30=\"",
        "Bearer error=\"insufficient_claims\", claims=\"e30=\", claims=\"e30=\"",
        "Bearer realm=\"x, error=insufficient_claims, claims=e30=\"",
    };
    static const char *const demands[] = {
        "Bearer error=\"insufficient_claims\", claims=\"e30=\"",
        "bearer authorization=\"https://x/t\", error=\"insufficient_claims\",  claims=\"e30=\"",
        "Bearer claims=e30=,error=insufficient_claims",
    };
    struct slice claims;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (key_vault_demands_claims(slice_of_str(others[i]), &claims))
            fail_msg("heard in: %s", others[i]);
    for (size_t i = 0; i < COUNT_OF(demands); i++) {
        assert_true(key_vault_demands_claims(slice_of_str(demands[i]), &claims));
        assert_true(slice_eq_str(claims, "e30="));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_the_url),
        cmocka_unit_test(knows_names_and_versions),
        cmocka_unit_test(reads_a_bundle),
        cmocka_unit_test(refuses_answers_that_are_not_to_the_question),
        cmocka_unit_test(refuses_another_version_than_the_pinned_one),
        cmocka_unit_test(says_which_version_may_not_be_used),
        cmocka_unit_test(bounds_the_value),
        cmocka_unit_test(reads_where_a_secret_may_go),
        cmocka_unit_test(tells_refusals_apart),
        cmocka_unit_test(hears_a_challenge_for_claims_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, start_secret_memory, NULL);
}
