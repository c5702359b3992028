/* How barkeep proves itself: what is written, what the platform's environment adds, and what cannot
 * be meant. */
#include "config_case.h"

#define OTHER "6f0a9b18-2c3d-4e5f-8091-a2b3c4d5e6f7"
#define WORKLOAD(rest) "identity:\n  workload: {}\n" rest

static const char *const VARIABLES[] = {"AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE",
                                        "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"};

static void set_variables(const char *client_id, const char *token_file, const char *tenant,
                          const char *authority) {
    const char *const values[] = {client_id, token_file, tenant, authority};
    for (size_t i = 0; i < 4; i++) {
        if (values[i])
            setenv(VARIABLES[i], values[i], 1);
        else
            unsetenv(VARIABLES[i]);
    }
}

static int clear_variables(void **state) {
    (void)state;
    set_variables(NULL, NULL, NULL, NULL);
    return 0;
}

static void takes_a_workload_from_the_environment(void **state) {
    (void)state;
    set_variables("8D1E6F20-1B2C-4D3E-8F90-A1B2C3D4E5F6", "/var/run/token", OTHER,
                  "https://login.microsoftonline.us/");
    struct config *config = case_good("identity: {workload: {}}");
    assert_int_equal(config->identity.kind, IDENTITY_WORKLOAD);
    assert_string_equal(config->identity.client_id, CLIENT);
    assert_string_equal(config->identity.token_file, "/var/run/token");
    assert_string_equal(config->identity.tenant, OTHER);
    assert_string_equal(config->identity.authority, "https://login.microsoftonline.us");
    config_unref(config);
}

static void prefers_what_is_written_to_the_environment(void **state) {
    (void)state;
    set_variables("not even a GUID", "/var/run/token", OTHER, "https://elsewhere.example");
    struct config *config = case_good("identity:\n"
                                      "  workload: {client_id: " CLIENT ", token_file: token}\n"
                                      "  tenant: " TENANT "\n  authority: https://login.example/");
    assert_string_equal(config->identity.client_id, CLIENT);
    assert_string_equal(config->identity.token_file, "/etc/barkeep/token");
    assert_string_equal(config->identity.tenant, TENANT);
    assert_string_equal(config->identity.authority, "https://login.example");
    config_unref(config);
}

static void takes_entras_tenant_and_authority_where_nothing_else_is_said(void **state) {
    (void)state;
    set_variables(CLIENT, "/var/run/token", "", NULL);
    struct config *config = case_good("identity: {workload: {}}");
    assert_string_equal(config->identity.tenant, TENANT);
    assert_string_equal(config->identity.authority, "https://login.microsoftonline.com");
    config_unref(config);
}

static void leaves_other_identities_alone(void **state) {
    (void)state;
    set_variables(OTHER, "/var/run/token", OTHER, "http://nowhere.example");
    struct config *config = case_good("identity: {managed: system}");
    assert_int_equal(config->identity.kind, IDENTITY_MANAGED);
    assert_null(config->identity.client_id);
    assert_null(config->identity.token_file);
    assert_string_equal(config->identity.tenant, TENANT);
    assert_string_equal(config->identity.authority, "https://login.microsoftonline.com");
    config_unref(config);
}

static void takes_a_secret_or_a_certificate_of_a_client(void **state) {
    (void)state;
    struct config *config = case_good("identity: {client: {id: " CLIENT ", secret_file: s}}");
    assert_int_equal(config->identity.kind, IDENTITY_CLIENT_SECRET);
    assert_string_equal(config->identity.client_secret_file, "/etc/barkeep/s");
    assert_null(config->identity.client_certificate_file);
    config_unref(config);
    config = case_good("identity: {client: {id: " CLIENT ", certificate_file: /etc/c.pem}}");
    assert_int_equal(config->identity.kind, IDENTITY_CLIENT_CERTIFICATE);
    assert_string_equal(config->identity.client_certificate_file, "/etc/c.pem");
    assert_null(config->identity.client_secret_file);
    config_unref(config);
}

static void refuses_what_cannot_be_meant(void **state) {
    (void)state;
    static const char *const GOOD[] = {
        WORKLOAD(""),
        WORKLOAD("  tenant: " OTHER),
        "identity: {workload: {client_id: " OTHER "}}",
        "identity: {client: {id: " CLIENT ", certificate_file: c}}",
    };
    static const struct config_case CASES[] = {
        {"identity: {workload: {}, managed: system}", "1:12: identity.workload",
         "`managed` is given already; keep one of managed, workload and client"},
        {"identity: {managed: system, client: {id: " CLIENT ", secret_file: f}}",
         "1:29: identity.client", "keep one of managed, workload and client"},
        {"identity: {workload: {}, client: {id: " CLIENT ", secret_file: f}}",
         "1:26: identity.client", "`workload` is given already"},
        {"identity: {client: {id: " CLIENT ", secret_file: f, certificate_file: g}}",
         "1:79: identity.client.certificate_file", "`secret_file` is given already"},
        {"identity: {client: {id: " CLIENT "}}", "1:20: identity.client",
         "needs `secret_file` or `certificate_file`"},
        {"identity: {client: {id: " CLIENT ", certificate_file: [x]}}",
         "1:81: identity.client.certificate_file", "path of a file"},
        {"identity: {workload: system}", "1:22: identity.workload", "must be a mapping"},
        {"identity: {workload: }", "1:12: identity.workload", "has no value"},
        {"identity: {workload: {client_id: x}}", "1:34: identity.workload.client_id", "not a GUID"},
        {"identity: {workload: {token_file: 7}}", "1:35: identity.workload.token_file",
         "path of a file"},
        {"identity: {workload: {clientid: x}}", "1:23: identity.workload.clientid",
         "did you mean `client_id`?"},
        {"identity: {}", "1:11: identity", "{workload: {}}"},
    };
    set_variables(CLIENT, "/var/run/token", NULL, NULL);
    ACCEPT_ALL(GOOD);
    REFUSE_ALL(CASES);
}

/* One environment and what is wrong with it. */
struct environment_case {
    const char *values[4];
    const char *where;
    const char *fragment;
};

static void names_the_variable_that_is_missing_or_wrong(void **state) {
    (void)state;
    static const struct environment_case CASES[] = {
        {{NULL, "/t", NULL, NULL}, "2:13: identity.workload.client_id", "set AZURE_CLIENT_ID"},
        {{"", "/t", NULL, NULL}, "2:13: identity.workload.client_id", "set AZURE_CLIENT_ID"},
        {{CLIENT, NULL, NULL, NULL},
         "2:13: identity.workload.token_file",
         "set AZURE_FEDERATED_TOKEN_FILE"},
        {{"orders", "/t", NULL, NULL}, "2:13: identity.workload", "AZURE_CLIENT_ID must be a GUID"},
        {{CLIENT, "/t", "contoso", NULL},
         "2:13: identity.workload",
         "AZURE_TENANT_ID must be a GUID"},
        {{CLIENT, "/t", NULL, "http://login.example"},
         "2:13: identity.workload",
         "AZURE_AUTHORITY_HOST must begin with https://"},
        {{CLIENT, "/t", NULL, "login.example"},
         "2:13: identity.workload",
         "AZURE_AUTHORITY_HOST must begin with https://"},
        {{CLIENT, "/t", NULL, "https://u:p@login.example"},
         "2:13: identity.workload",
         "must not hold a user name"},
    };
    set_variables(CLIENT, "/t", TENANT, "http://127.0.0.1:8080/");
    config_unref(case_good(WORKLOAD("")));
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *const *values = CASES[i].values;
        const struct config_case one = {WORKLOAD(""), CASES[i].where, CASES[i].fragment};
        set_variables(values[0], values[1], values[2], values[3]);
        case_judge_all(&one, 1, PROBLEM_ERROR);
    }
}

static void names_both_variables_when_both_are_missing(void **state) {
    (void)state;
    struct problem_list problems;
    char *document = case_document(WORKLOAD(""));
    set_variables(NULL, NULL, NULL, NULL);
    assert_null(case_parse_whole(document, &problems));
    assert_int_equal(problems.error_count, 2);
    problem_list_done(&problems);
    free(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_workload_from_the_environment),
        cmocka_unit_test(prefers_what_is_written_to_the_environment),
        cmocka_unit_test(takes_entras_tenant_and_authority_where_nothing_else_is_said),
        cmocka_unit_test(leaves_other_identities_alone),
        cmocka_unit_test(takes_a_secret_or_a_certificate_of_a_client),
        cmocka_unit_test(refuses_what_cannot_be_meant),
        cmocka_unit_test(names_the_variable_that_is_missing_or_wrong),
        cmocka_unit_test(names_both_variables_when_both_are_missing),
    };
    return cmocka_run_group_tests(tests, clear_variables, clear_variables);
}
