/* Configurations that are right: every default of a bare one, the ways to write one, the life of
 * the result. Every field of a full one: test_config_full.c. */
#include "config_case.h"

static void asks_graph_by_default_once_there_is_an_identity(void **state) {
    (void)state;
    static const struct {
        const char *yaml;
        bool is_refused;
    } CASES[] = {
        {"identity: {managed: system}", false},
        {"identity: {managed: system}\n"
         "entra: {tenant: " TENANT ", audience: x, groups: {overage: graph}}",
         false},
        {"identity: {managed: system}\n"
         "entra: {tenant: " TENANT ", audience: x, groups: {overage: refuse}}",
         true},
        {"identity: {managed: system}\n"
         "entra: {tenant: " TENANT ", audience: x, groups: {form: name}}",
         true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct config *config = case_good(CASES[i].yaml);
        assert_int_equal(config->entra.overage_refused, CASES[i].is_refused);
        config_unref(config);
    }
}

static void assert_default_entra(const struct config_entra *entra) {
    assert_int_equal(entra->cloud, CLOUD_PUBLIC);
    assert_string_equal(entra->authority, "https://login.microsoftonline.com");
    assert_false(entra->authority_is_override);
    assert_true(entra->accepts_v1);
    assert_true(entra->accepts_v2);
    assert_int_equal(entra->clock_skew_sec, 60);
    assert_int_equal(entra->keys_refresh_sec, 3600);
    assert_int_equal(entra->keys_max_stale_sec, 86400);
    assert_false(entra->groups_by_name);
    assert_true(entra->overage_refused); /* for want of an identity */
    assert_string_equal(entra->graph_url, "https://graph.microsoft.com");
    assert_int_equal(entra->max_token_lifetime_sec, 172800);
    assert_null(entra->metadata_appid);
    assert_int_equal(entra->issuer_count, 0);
}

static void assert_default_route(const struct config_route *route) {
    assert_null(route->host);
    assert_string_equal(route->path, "/");
    assert_false(route->pass_encoded_slashes);
    assert_int_equal(route->credential, CONFIG_NONE);
    assert_int_equal(route->connect_timeout_ms, 5000);
    assert_int_equal(route->head_timeout_ms, 60000);
    assert_int_equal(route->idle_timeout_ms, 300000);
    assert_true(route->body_limit_bytes == UINT64_MAX);
    assert_null(route->token_header);
    assert_int_equal(route->identity_headers, IDENTITY_HEADERS_NONE);
    assert_false(config_sends_easyauth(route) || config_sends_assertion(route));
    assert_false(route->preserve_host);
    assert_int_equal(route->balance, BALANCE_ROUND_ROBIN);
    assert_int_equal(route->health.failures, 5);
    assert_int_equal(route->health.pause_ms, 5000);
    assert_int_equal(route->health.max_pause_ms, 60000);
    assert_int_equal(route->upstream_networks.count, 0);
    assert_int_equal(route->requests_limit, UINT32_MAX);
    assert_false(route->websocket);
    assert_true(route->retry_safe);
    assert_false(route->allow_plaintext_credential);
    assert_true(route->scrub);
    assert_null(route->tls.ca_file);
    assert_true(route->tls.verify);
    assert_null(route->tls.server_name);
    assert_int_equal(route->tls.certificate, CONFIG_NONE);
}

static void assert_default_limits(const struct config_limits *limits) {
    assert_int_equal(limits->connections, 10000);
    assert_true(limits->connections_per_client == UINT32_MAX);
    assert_true(limits->buffer_bytes == UINT64_C(1) << 30);
    assert_int_equal(limits->header_bytes, 32768);
    assert_int_equal(limits->headers, 100);
    assert_int_equal(limits->token_bytes, 16384);
    assert_int_equal(limits->head_timeout_ms, 10000);
    assert_int_equal(limits->idle_timeout_ms, 75000);
}

static void fills_in_the_defaults(void **state) {
    (void)state;
    struct config *config = case_good("");
    assert_true(config->admin_is_on);
    assert_string_equal(config->admin.host, "127.0.0.1");
    assert_int_equal(config->admin.port, 9090);
    assert_int_equal(config->workers, 0);
    assert_null(config->state);
    assert_int_equal(config->identity.kind, IDENTITY_NONE);
    assert_int_equal(config->vault_count, 0);
    assert_int_equal(config->secret_count, 0);
    assert_false(config->assertion.has_key || config_uses_assertions(config));
    assert_string_equal(config->assertion.issuer, "barkeep");
    assert_int_equal(config->role_count, 2);
    assert_null(config->audit_file);
    assert_int_equal(config->log_level, LOG_INFO);
    assert_false(config->audit_full_drops);
    assert_int_equal(config->drain_ms, 30000);
    assert_true(config->expose_reasons);
    assert_null(config->revoked_file);
    assert_default_entra(&config->entra);
    assert_default_route(&config->routes[0]);
    assert_default_limits(&config->limits);
    config_unref(config);
}

static void takes_managed_identities_with_entras_tenant_and_authority(void **state) {
    (void)state;
    struct config *config = case_good("identity: {managed: system}");
    assert_int_equal(config->identity.kind, IDENTITY_MANAGED);
    assert_null(config->identity.managed_client_id);
    assert_string_equal(config->identity.tenant, TENANT);
    assert_string_equal(config->identity.authority, "https://login.microsoftonline.com");
    assert_null(config->identity.endpoint); /* vault/ asks the environment first */
    config_unref(config);
    config = case_good("identity: {managed: 8D1E6F20-1B2C-4D3E-8F90-A1B2C3D4E5F6}");
    assert_string_equal(config->identity.managed_client_id, CLIENT);
    config_unref(config);
}

static void takes_the_login_host_of_the_cloud(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"public", "https://login.microsoftonline.com"},
        {"usgov", "https://login.microsoftonline.us"},
        {"china", "https://login.partner.microsoftonline.cn"},
    };
    for (size_t i = 0; i < 3; i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, "entra: {tenant: %s, audience: x, cloud: %s, authority: %s/}",
                 TENANT, CASES[i][0], CASES[i][1]);
        struct config *config = case_good(yaml);
        assert_string_equal(config->entra.authority, CASES[i][1]);
        assert_false(config->entra.authority_is_override);
        config_unref(config);
    }
}

static void turns_the_admin_listener_off(void **state) {
    (void)state;
    struct config *config = case_good("admin: off");
    assert_false(config->admin_is_on);
    config_unref(config);
}

static void reads_json(void **state) {
    (void)state;
    static const char JSON[] =
        "{\n\t\"listen\": \"127.0.0.1:8080\",\n\t\"entra\":{\"tenant\":\"" TENANT
        "\",\"audience\":[\"x\"]},\n\t\"workers\":2,\"expose_reasons\":false,"
        "\"routes\":[{\"name\":\"r\",\"upstream\":\"http:\\/\\/127.0.0.1\"}]}";
    struct problem_list problems;
    struct config *config = case_parse_whole(JSON, &problems);
    if (!config)
        case_print(JSON, &problems);
    assert_non_null(config);
    assert_int_equal(config->workers, 2);
    assert_false(config->expose_reasons);
    problem_list_done(&problems);
    config_unref(config);
}

static void puts_environment_variables_into_values(void **state) {
    (void)state;
    setenv("CASE_TENANT", TENANT, 1);
    setenv("CASE_COUNT", "3", 1);
    setenv("CASE_TRUE", "true", 1);
    struct config *config =
        case_good("entra: {tenant: \"${CASE_TENANT}\", audience: \"api://${CASE_COUNT}\"}\n"
                  "workers: ${CASE_COUNT}\n"
                  "expose_reasons: ${CASE_TRUE}\n"
                  "access: [{role: Reader, to: {app_role: \"$${X}\"}}]\n"
                  "routes:\n- name: ${CASE_COUNT}\n  upstream: http://127.0.0.1");
    assert_string_equal(config->entra.tenants.items[0], TENANT);
    assert_string_equal(config->entra.audiences.items[0], "api://3");
    assert_int_equal(config->workers, 3);
    assert_true(config->expose_reasons);
    assert_string_equal(config->access.items[0].to[0].app_roles.items[0], "${X}");
    assert_string_equal(config->routes[0].name, "3");
    config_unref(config);
}

static void hashes_the_bytes_of_the_file(void **state) {
    (void)state;
    struct problem_list problems;
    static const char YAML[] = "listen: 127.0.0.1:1\nentra: {tenant: " TENANT ", audience: x}\n"
                               "routes: [{name: r, upstream: \"http://127.0.0.1\"}]\n";
    struct config *config = case_parse_whole(YAML, &problems);
    assert_non_null(config);
    /* printf '%s' ... | sha256sum */
    assert_string_equal(config->hash,
                        "7b6bed27335ecf10d8a6e4f494f704517f0e89c4f80b14feb62e698f5dd727bd");
    problem_list_done(&problems);
    config_unref(config);
}

static void lives_as_long_as_its_last_reference(void **state) {
    (void)state;
    struct config *config = case_good("");
    assert_ptr_equal(config_ref(config), config);
    config_unref(config);
    assert_string_equal(config->routes[0].name, "base");
    config_unref(config);
    config_unref(NULL);
}

static void knows_guids(void **state) {
    (void)state;
    assert_true(config_is_guid(SLICE(TENANT)));
    assert_true(config_is_guid(SLICE("3F2B8C1A-6D4E-4B7F-9A21-5C0DE1F2A3B4")));
    assert_false(config_is_guid(SLICE("")));
    assert_false(config_is_guid(SLICE(TENANT "0")));
    assert_false(config_is_guid(SLICE("3f2b8c1a-6d4e-4b7f-9a21-5c0de1f2a3b")));
    assert_false(config_is_guid(SLICE("3f2b8c1a06d4e-4b7f-9a21-5c0de1f2a3b4")));
    assert_false(config_is_guid(SLICE("3f2b8c1g-6d4e-4b7f-9a21-5c0de1f2a3b4")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_graph_by_default_once_there_is_an_identity),
        cmocka_unit_test(fills_in_the_defaults),
        cmocka_unit_test(takes_managed_identities_with_entras_tenant_and_authority),
        cmocka_unit_test(takes_the_login_host_of_the_cloud),
        cmocka_unit_test(turns_the_admin_listener_off),
        cmocka_unit_test(reads_json),
        cmocka_unit_test(puts_environment_variables_into_values),
        cmocka_unit_test(hashes_the_bytes_of_the_file),
        cmocka_unit_test(lives_as_long_as_its_last_reference),
        cmocka_unit_test(knows_guids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
